//! The signals that ask a process to end: SIGTERM, and SIGINT, which is Ctrl-C.
//!
//! The handlers only write a byte, and a [`Watch`] tells of it like of any other file. Invariant: a process that never
//! makes [`Signals`] ends by them as it always did.

use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use unik_sched::sync::Event;

use crate::Error;
use crate::platform::{HostPlatform, Interest, Watch};

/// What the process exits with when a second signal does not wait for the end in order, by the custom of shells.
pub const EXIT_INTERRUPTED: u8 = 130;

/// The signals that ask the process to end.
pub struct Signals {
    arrivals: Rc<UnixStream>,
    watch: Watch,
}

impl Signals {
    /// Hears SIGTERM and SIGINT from here on: they set `event`, until [`Signals::take`] the first of them. SIGINT after either of them ends the process at once, with
    /// [`EXIT_INTERRUPTED`].
    ///
    /// # Errors
    /// [`Error::Signals`].
    pub fn try_new(platform: &HostPlatform, event: Event) -> Result<Self, Error> {
        Self::open(platform, event).map_err(|error| Error::Signals(error.raw_os_error().unwrap_or(0)))
    }

    fn open(platform: &HostPlatform, event: Event) -> std::io::Result<Self> {
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        let asked = Arc::new(AtomicBool::new(false));
        // In this order: what looks at the flag comes before what sets it.
        flag::register_conditional_shutdown(SIGINT, EXIT_INTERRUPTED.into(), asked.clone())?;
        for signal in [SIGTERM, SIGINT] {
            flag::register(signal, asked.clone())?;
            low_level::pipe::register(signal, far.try_clone()?)?;
        }
        let arrivals = Rc::new(near);
        let watch = platform.watch(arrivals.clone(), event);
        watch.arm(Interest::Read);
        Ok(Self { arrivals, watch })
    }

    /// Whether a signal came since the last call.
    pub fn take(&self) -> bool {
        let mut came = false;
        let mut bytes = [0; 64];
        loop {
            match (&*self.arrivals).read(&mut bytes) {
                Ok(1..) => came = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        self.watch.arm(Interest::Read);
        came
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unik_sched::time::{Instant, Platform};

    #[test]
    fn a_signal_is_news_and_is_taken_once() {
        let (platform, event) = (HostPlatform::new(), Event::new());
        let signals = Signals::try_new(&platform, event.clone()).unwrap();
        platform.idle(Some(Instant::ZERO));
        assert!(!event.is_set() && !signals.take());
        for _ in 0..2 {
            low_level::raise(SIGTERM).unwrap();
            while !event.try_take() {
                platform.idle(None);
            }
            assert!(signals.take());
            assert!(!signals.take());
        }
    }
}
