//! What is compared: priority vectors, and the times that go with them (IEEE 802.1D-2004, 17.5, 17.6).

/// How good a way to the root is; less is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Vector {
    /// The root: its priority, then its address.
    pub(crate) root: u64,
    /// What the way to it costs.
    pub(crate) cost: u32,
    /// The bridge that says so.
    pub(crate) bridge: u64,
    /// Its port.
    pub(crate) port: u16,
}

/// The bits of a bridge's identifier that are its address, and those of a port's that are its number.
const ADDRESS: u64 = (1 << 48) - 1;
const NUMBER: u16 = (1 << 12) - 1;

impl Vector {
    /// Whether it is superior to what is known: better, or other news from where that came from (17.6).
    pub(crate) fn is_superior(&self, known: &Self) -> bool {
        let is_same_sender = self.is_from(known.bridge) && (self.port ^ known.port) & NUMBER == 0;
        self < known || self != known && is_same_sender
    }

    /// Whether it was said by the bridge of this identifier, whatever its priority.
    pub(crate) fn is_from(&self, bridge: u64) -> bool {
        (self.bridge ^ bridge) & ADDRESS == 0
    }
}

/// Times of the root, in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Times {
    /// How old the news is.
    pub(crate) age: u8,
    /// How old it may be.
    pub(crate) max_age: u8,
    /// How often it comes.
    pub(crate) hello: u8,
    /// How long a step towards forwarding takes.
    pub(crate) delay: u8,
}
