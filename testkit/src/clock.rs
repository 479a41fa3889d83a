//! Time that jumps instead of passing.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use unik_sched::time::{Instant, Platform};

type Hook = Box<dyn FnMut() -> bool>;

/// A clock that stands still while anything is ready and jumps to the next deadline when nothing is.
///
/// ```
/// use std::time::Duration;
/// use unik_sched::Executor;
/// use unik_sched::time::{Instant, Time};
/// use unik_testkit::VirtualClock;
///
/// let clock = VirtualClock::new();
/// let time = Time::new(clock.clone());
/// let sleep = time.sleep(Duration::from_secs(3600));
/// Executor::new(&time, 1).block_on("main", sleep);
/// assert_eq!(time.now(), Instant::ZERO + Duration::from_secs(3600));
/// assert_eq!(clock.idles(), [Some(time.now())]);
/// ```
pub struct VirtualClock {
    now: Cell<Instant>,
    idles: RefCell<Vec<Option<Instant>>>,
    world: RefCell<Vec<Hook>>,
}

impl VirtualClock {
    /// A clock at zero.
    pub fn new() -> Rc<Self> {
        Rc::new(Self { now: Cell::new(Instant::ZERO), idles: RefCell::default(), world: RefCell::default() })
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        self.now.set(self.now.get() + duration);
    }

    /// Adds a piece of the world outside: called at each turn and when nothing is ready, it does what there is to do
    /// (work a device model, set an event) and says whether it did anything.
    pub fn add_world(&self, hook: impl FnMut() -> bool + 'static) {
        self.world.borrow_mut().push(Box::new(hook));
    }

    /// What each wait was for, in order: the next deadline, if there was one. Waits that the world outside ended are
    /// not among them.
    pub fn idles(&self) -> Vec<Option<Instant>> {
        self.idles.borrow().clone()
    }

    fn work(&self) -> bool {
        // All of them get their turn: no short circuit.
        self.world.borrow_mut().iter_mut().fold(false, |worked, hook| hook() | worked)
    }
}

impl Platform for VirtualClock {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn poll_events(&self) {
        self.work();
    }

    fn idle(&self, until: Option<Instant>) {
        if self.work() {
            return;
        }
        self.idles.borrow_mut().push(until);
        let until =
            until.expect("every task waits, no timer is set and the world outside is quiet: a deadlock");
        self.now.set(self.now.get().max(until));
    }
}
