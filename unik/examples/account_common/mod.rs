//! Serves as the appliance does, and tells at the end what its tasks took.

use std_or_alloc::rc::Rc;
use unik::log;
use unik::net::Net;
use unik::time::Time;
use unik::{Counters, Files, Shutdown, Spawner};
use unik_dns::service::{self, Error};

#[cfg(target_os = "none")]
extern crate alloc as std_or_alloc;
#[cfg(not(target_os = "none"))]
extern crate std as std_or_alloc;

/// The resources of the appliance.
pub(crate) struct Resources {
    pub(crate) shutdown: Shutdown,
    pub(crate) net: Net,
    pub(crate) files: Files,
    pub(crate) spawner: Spawner,
    pub(crate) time: Time,
    pub(crate) counters: Counters,
}

/// Serves until asked to end; the time that `main` and `net0` took by then, in nanoseconds, is the last line of the log.
pub(crate) async fn serve(resources: Resources) -> Result<(), Error> {
    let Resources { shutdown, net, files, spawner, time, counters } = resources;
    let server = Rc::new(service::load(&files)?);
    counters.register("dns", server.counters().clone());
    let outcome = service::serve(&net, server, &spawner, &time, shutdown).await;
    let mut spent = 0;
    spawner.tasks(&mut |task| {
        if task.name == "main" || task.name == net.name() {
            spent += task.run_time.as_nanos();
        }
    });
    log::info!("queries took {spent} ns");
    outcome
}
