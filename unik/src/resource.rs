//! Resources: what the parameters of `main` are.

use crate::outcome::Failure;
use crate::system::System;
use core::future::poll_fn;
use core::task::Poll;

/// Something that an appliance asks for by naming its type as a parameter of `main`.
///
/// An image contains the code of those resources whose `take` it calls, and of no others.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resource that `main` can ask for",
    note = "resources are Net, Nets, EarlyNet, NamedNet, Ports, Files, Disk, Disks, Spawner, Time, Clock, NetClock, Entropy, Config, Counters, \
            Monitor, Commands, Syslog, Shutdown, and \
            Option<T> of them"
)]
pub trait Resource: Sized {
    /// Whether it looks into the others: what they show of themselves is linked only where one does.
    const LOOKS: bool = false;

    /// Takes it from the system, waiting until it is usable (an address, for example). `LOOKED` says whether another
    /// parameter [looks](Self::LOOKS) into this one.
    ///
    /// # Errors
    /// [`Failure::Configuration`] with a sentence where the machine or the configuration lacks it.
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>>;

    /// Whether the machine has it at all: what decides over `Some` and `None` for `Option<Self>`.
    fn is_present(system: &System) -> bool;
}

/// `None` where the machine lacks it; a configuration mistake is still a failure.
impl<T: Resource> Resource for Option<T> {
    const LOOKS: bool = T::LOOKS;

    async fn take<const LOOKED: bool>(system: &System) -> Result<Self, Failure> {
        Ok(if T::is_present(system) { Some(T::take::<LOOKED>(system).await?) } else { None })
    }

    fn is_present(_: &System) -> bool {
        true
    }
}

/// Takes a resource that is there at once: a future without states of its own.
pub(crate) fn at_once<T>(take: impl Fn() -> Result<T, Failure>) -> impl Future<Output = Result<T, Failure>> {
    poll_fn(move |_| Poll::Ready(take()))
}

impl Resource for unik_sched::Spawner {
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        at_once(|| Ok(system.spawner().clone()))
    }

    fn is_present(_: &System) -> bool {
        true
    }
}

impl Resource for unik_sched::time::Time {
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        at_once(|| Ok(system.time().clone()))
    }

    fn is_present(_: &System) -> bool {
        true
    }
}
