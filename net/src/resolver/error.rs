//! Why a name has no addresses.

use core::fmt;

/// Why a name could not be resolved, or nobody reached under it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NameError {
    /// The text is neither an address nor the name of a host.
    Invalid,
    /// There is no such name.
    Unknown,
    /// There is such a name, and no address that this network could use.
    NoAddress,
    /// Neither the configuration nor DHCP names a server to ask.
    NoServer,
    /// No server answered in time.
    Unanswered,
    /// The servers answered, but none of them could or would tell.
    Refused,
    /// The network lacks something: a socket, memory, a route, or a listener at the address.
    Network(crate::Error),
}

impl fmt::Display for NameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Invalid => "this is neither an address nor the name of a host",
            Self::Unknown => "there is no such name",
            Self::NoAddress => "the name has no address that can be used here",
            Self::NoServer => "there is no name server to ask: set net0.dns=",
            Self::Unanswered => "no name server answered in time",
            Self::Refused => "no name server could or would tell the address",
            Self::Network(error) => return error.fmt(formatter),
        })
    }
}

impl core::error::Error for NameError {}

impl From<crate::Error> for NameError {
    fn from(error: crate::Error) -> Self {
        Self::Network(error)
    }
}
