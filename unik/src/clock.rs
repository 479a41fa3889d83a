//! The wall clock.

use crate::backend;
use crate::outcome::Failure;
use crate::resource::Resource;
use crate::system::System;
use unik_sched::time::Duration;

/// The date, as far as the machine knows it; [`NetClock`](crate::NetClock) asks a server. For anything that must not jump, use [`Time`](crate::time::Time).
#[derive(Clone)]
pub struct Clock(());

impl Clock {
    /// Time since the Unix epoch. `None` where the machine has no clock.
    pub fn since_epoch(&self) -> Option<Duration> {
        backend::wall_clock()
    }
}

impl Resource for Clock {
    async fn take<const LOOKED: bool>(system: &System) -> Result<Self, Failure> {
        if LOOKED {
            system.show_date(backend::wall_clock);
        }
        Ok(Self(()))
    }

    fn is_present(_: &System) -> bool {
        backend::wall_clock().is_some()
    }
}
