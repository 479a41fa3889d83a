//! Counters: numbers that a component keeps about itself and that can be read from outside by name.
//!
//! The [`counters!`](crate::counters) macro makes a structure of [`Counter`]s; [`CounterSet`] is how a registry
//! reads any such structure. Counters belong to one thread, as all of an executor's tasks do.

use core::cell::Cell;

/// A number that only grows, and wraps around after 2^64.
#[derive(Debug, Default)]
pub struct Counter(Cell<u64>);

impl Counter {
    /// A counter at zero.
    pub const fn new() -> Self {
        Self(Cell::new(0))
    }

    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.set(self.0.get().wrapping_add(amount));
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// Counters that can be read by name.
pub trait CounterSet {
    /// Calls `visit` with the name and the value of each counter, in the order of their declaration.
    fn visit(&self, visit: &mut dyn FnMut(&'static str, u64));
}

/// Calls `visit` for each of `counters` with its name out of `names`, of which a space ends each. One loop for all
/// sets, instead of one call per counter in each of them.
#[doc(hidden)]
pub fn visit_each(names: &'static str, counters: &[&Counter], visit: &mut dyn FnMut(&'static str, u64)) {
    let mut rest = names;
    for counter in counters {
        let end = rest.bytes().position(|byte| byte == b' ').unwrap_or(rest.len());
        visit(rest.get(..end).unwrap_or(rest), counter.get());
        rest = rest.get(end + 1..).unwrap_or("");
    }
}

/// Declares a structure of [`Counter`](crate::counter::Counter)s that implements
/// [`CounterSet`](crate::counter::CounterSet) and `Default`, and has a `const fn new()`. The counters and `new` are as
/// visible as the structure.
///
/// ```
/// unik_sched::counters! {
///     /// What a door has seen.
///     pub struct DoorCounters {
///         /// Times that it was opened.
///         opened,
///         /// Times that it was found locked.
///         refused,
///     }
/// }
/// use unik_sched::counter::CounterSet;
///
/// let door = DoorCounters::new();
/// door.opened.increment();
/// door.refused.add(2);
/// let mut seen = Vec::new();
/// door.visit(&mut |name, value| seen.push((name, value)));
/// assert_eq!(seen, [("opened", 1), ("refused", 2)]);
/// ```
#[macro_export]
macro_rules! counters {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Default)]
        $visibility struct $name {
            $($(#[$field_meta])* $visibility $field: $crate::counter::Counter,)*
        }

        impl $name {
            /// All counters at zero.
            $visibility const fn new() -> Self {
                Self { $($field: $crate::counter::Counter::new(),)* }
            }
        }

        impl $crate::counter::CounterSet for $name {
            fn visit(&self, visit: &mut dyn FnMut(&'static str, u64)) {
                let names = concat!($(stringify!($field), " "),*);
                $crate::counter::visit_each(names, &[$(&self.$field),*], visit);
            }
        }
    };
}
