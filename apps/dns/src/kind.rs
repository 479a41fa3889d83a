//! Types of resource records: their numbers, their names in master files and how their data is kept.
//!
//! [`Kind`] is the 16-bit TYPE of RFC 1035, 3.2.2. A [`Shape`] says where the domain names stand in the data of a
//! type, because names are kept as nodes of the zone's tree and not as bytes: that is what lets an answer compress
//! them without comparing a single label.

/// TYPE or QTYPE of a record or a question (RFC 1035, 3.2.2 and 3.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kind(u16);

impl Kind {
    pub(crate) const A: Self = Self(1);
    pub(crate) const NS: Self = Self(2);
    pub(crate) const CNAME: Self = Self(5);
    pub(crate) const SOA: Self = Self(6);
    pub(crate) const PTR: Self = Self(12);
    pub(crate) const MX: Self = Self(15);
    pub(crate) const TXT: Self = Self(16);
    /// RFC 3596.
    pub(crate) const AAAA: Self = Self(28);
    /// RFC 2782.
    pub(crate) const SRV: Self = Self(33);
    /// RFC 6891: never a question, only the pseudo-record of EDNS.
    pub(crate) const OPT: Self = Self(41);
    /// RFC 4034: not kept, but its questions belong to the parent side of a delegation (RFC 4035, 3.1.4.1).
    pub(crate) const DS: Self = Self(43);
    /// RFC 8659.
    pub(crate) const CAA: Self = Self(257);
    /// Any one or all of the types (RFC 8482).
    pub(crate) const ANY: Self = Self(255);

    const IXFR: Self = Self(251);
    const AXFR: Self = Self(252);
    const MAILB: Self = Self(253);
    const MAILA: Self = Self(254);
    /// Types from here to `ANY` ask for something other than records (RFC 6895, 3.1).
    const FIRST_META: Self = Self(128);

    pub(crate) const fn new(code: u16) -> Self {
        Self(code)
    }

    pub(crate) const fn code(self) -> u16 {
        self.0
    }

    /// What a question of this type asks for.
    pub(crate) fn purpose(self) -> Purpose {
        match self {
            Self::ANY => Purpose::Records,
            Self::AXFR | Self::IXFR => Purpose::Transfer,
            Self::MAILA | Self::MAILB => Purpose::Obsolete,
            Self::OPT => Purpose::Senseless,
            Self(code) if (Self::FIRST_META.0..Self::ANY.0).contains(&code) => Purpose::Senseless,
            Self(_) => Purpose::Records,
        }
    }

    /// Place of this type in [`STORED`], if zones can hold it.
    pub(crate) fn rank(self) -> Option<usize> {
        STORED.iter().position(|stored| stored.kind == self)
    }

    /// Where the names stand in the data of this type; a type without names for those that zones cannot hold.
    pub(crate) fn shape(self) -> Shape {
        match self {
            Self::NS | Self::CNAME | Self::PTR => Shape { prefix: 0, names: 1, compress: true },
            Self::SOA => Shape { prefix: 0, names: 2, compress: true },
            Self::MX => Shape { prefix: 2, names: 1, compress: true },
            // RFC 2782: the target is never compressed.
            Self::SRV => Shape { prefix: 6, names: 1, compress: false },
            _ => Shape { prefix: 0, names: 0, compress: false },
        }
    }
}

/// What a QTYPE asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// Records of a name.
    Records,
    /// A whole zone.
    Transfer,
    /// Something that RFC 1035 already called obsolete.
    Obsolete,
    /// A type that cannot stand in a question.
    Senseless,
}

/// The layout of a type's data: bytes, names, bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    /// Octets before the first name.
    pub(crate) prefix: usize,
    /// Names in a row after the prefix.
    pub(crate) names: usize,
    /// Whether the names may be compressed (RFC 3597, 4: only those of RFC 1035's own types).
    pub(crate) compress: bool,
}

/// A type that zones hold.
pub(crate) struct Stored {
    pub(crate) kind: Kind,
    /// Its name in master files.
    pub(crate) text: &'static str,
}

/// Every type that zones hold, in the order in which the sets of a name are kept.
pub(crate) const STORED: [Stored; 10] = [
    Stored { kind: Kind::SOA, text: "SOA" },
    Stored { kind: Kind::NS, text: "NS" },
    Stored { kind: Kind::A, text: "A" },
    Stored { kind: Kind::AAAA, text: "AAAA" },
    Stored { kind: Kind::CNAME, text: "CNAME" },
    Stored { kind: Kind::MX, text: "MX" },
    Stored { kind: Kind::TXT, text: "TXT" },
    Stored { kind: Kind::PTR, text: "PTR" },
    Stored { kind: Kind::SRV, text: "SRV" },
    Stored { kind: Kind::CAA, text: "CAA" },
];
