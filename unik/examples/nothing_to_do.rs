//! Has a resource of its own, which looks for work, finds none, and asks the image to end.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::{Ending, Failure, Resource, System, log};

/// What there is to do.
struct Work;

impl Resource for Work {
    async fn take<const LOOKED: bool>(system: &System) -> Result<Self, Failure> {
        log::info!("there is nothing to do");
        system.request(Ending::PowerOff);
        Ok(Self)
    }

    fn is_present(_: &System) -> bool {
        false
    }
}

#[unik::main]
async fn main(_: Work) {
    log::error!("an image that does not hear of a request has ended by now");
}
