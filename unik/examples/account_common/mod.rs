//! Serves as the appliance does, and tells at the end what its tasks took.

use unik::{Config, Counters, Files, log};
use unik_dns::service::{self, Error, Platform};

/// Serves until asked to end; the time that `main` and the network took by then, in nanoseconds, is the last line of the log.
pub(crate) async fn serve(
    platform: Platform,
    files: &Files,
    counters: &Counters,
    config: &Config,
) -> Result<(), Error> {
    let server = service::prepare(files, &platform.entropy, &|key| config.get(key))?;
    service::count(&server.borrow(), counters);
    let (spawner, net) = (platform.spawner.clone(), platform.net.name());
    let outcome = service::serve(server, platform).await;
    let mut spent = 0;
    spawner.tasks(&mut |task| {
        if task.name == "main" || task.name == net {
            spent += task.run_time.as_nanos();
        }
    });
    log::info!("queries took {spent} ns");
    outcome
}
