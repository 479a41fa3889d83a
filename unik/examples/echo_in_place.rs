//! Echoes UDP datagrams on port 7, each in the buffer that it came in, until asked to end; then tells what that took.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::net::{Error, Net, Verdict};
use unik::{Shutdown, Spawner, log};

#[unik::main]
async fn main(net: Net, shutdown: Shutdown, spawner: Spawner) -> Result<(), Error> {
    let echo = net.answer(7, |_, _| Verdict::Answer)?;
    shutdown.requested().await;
    drop(echo);
    let mut spent = 0;
    spawner.tasks(&mut |task| {
        if task.name == net.name() {
            spent += task.run_time.as_nanos();
        }
    });
    log::info!("queries took {spent} ns");
    Ok(())
}
