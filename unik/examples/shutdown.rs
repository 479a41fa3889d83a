//! Works until it is asked to end, finishes what it has in hand, and ends.
//!
//! With `work=twice` it ends when it was asked twice, with `work=endless` not at all, until its time is over;
//! `work=reboot` asks for a reset itself.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::time::{Duration, Time};
use unik::{Config, Counters, Ending, Shutdown, log};

/// What one piece of work takes.
const PIECE: Duration = Duration::from_millis(10);

#[unik::main]
async fn main(shutdown: Shutdown, config: Config, counters: Counters, time: Time) {
    let work = config.get("work").unwrap_or_default();
    if work == "reboot" {
        log::info!("done, and once more");
        shutdown.request(Ending::Reboot);
    }
    let goes_on = || match work {
        "endless" => true,
        "twice" => counters.get("power", "presses") < Some(2),
        _ => !shutdown.is_requested(),
    };
    while goes_on() {
        // A piece is never left half done: the request is looked at in between.
        time.sleep(PIECE).await;
    }
    log::info!("finished");
}
