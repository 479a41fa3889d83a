//! Types of resource records: their numbers, their names in master files, their fields and how their data is kept.
//!
//! [`Kind`] is the 16-bit TYPE of RFC 1035, 3.2.2. One table has everything about a type: its name, its number, and a
//! letter for each [field](crate::master) of its data. A [`Shape`] says where the domain names stand in the data, because
//! names are kept as nodes of the zone's tree and not as bytes: that is what lets an answer compress them without
//! comparing a single label. A type that is not in the table is held as octets (RFC 3597).

use crate::master::decimal;
use crate::tree::is_same;

/// TYPE or QTYPE of a record or a question (RFC 1035, 3.2.2 and 3.2.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
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
    /// RFC 6672.
    pub(crate) const DNAME: Self = Self(39);
    /// RFC 6891: never a question, only the pseudo-record of EDNS.
    pub(crate) const OPT: Self = Self(41);
    /// RFC 4034: its questions belong to the parent side of a delegation (RFC 4035, 3.1.4.1).
    pub(crate) const DS: Self = Self(43);
    /// RFC 2535, 3: stands beside an alias too (RFC 3007, 3.1).
    pub(crate) const KEY: Self = Self(25);
    /// RFC 4034, 3.
    pub(crate) const RRSIG: Self = Self(46);
    /// RFC 4034, 4.
    pub(crate) const NSEC: Self = Self(47);
    /// RFC 5155, 3.
    pub(crate) const NSEC3: Self = Self(50);
    /// RFC 5155, 4.
    pub(crate) const NSEC3PARAM: Self = Self(51);
    /// RFC 4034, 2.
    pub(crate) const DNSKEY: Self = Self(48);
    /// RFC 9460.
    pub(crate) const SVCB: Self = Self(64);
    /// RFC 9460, 9.
    pub(crate) const HTTPS: Self = Self(65);
    /// Any one or all of the types (RFC 8482).
    pub(crate) const ANY: Self = Self(255);

    /// RFC 8945: never a question, only the pseudo-record that signs a message.
    pub(crate) const TSIG: Self = Self(250);
    /// RFC 1995.
    pub(crate) const IXFR: Self = Self(251);
    /// RFC 5936.
    pub(crate) const AXFR: Self = Self(252);
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

    /// Whether records can have this type: not 0, and nothing that stands in questions or beside records alone
    /// (RFC 6895, 3.1).
    pub(crate) fn is_of_data(self) -> bool {
        let meta = Self::FIRST_META.0..=Self::ANY.0;
        self != Self(0) && self != Self::OPT && !meta.contains(&self.0)
    }

    /// The type called `name`, in capitals or not: one of the table, or `TYPE` and its number (RFC 3597, 5).
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        Self::parse_with_fields(name).map(|(kind, _)| kind)
    }

    /// The same, and a letter for each field of its data; none for a type that is not in the table.
    #[inline(never)]
    pub(crate) fn parse_with_fields(name: &[u8]) -> Option<(Self, &'static [u8])> {
        // Their lengths tell most of them apart.
        let named = row(&|row| row.name.len() == name.len() && is_same(row.name, name));
        if let Some(row) = named {
            return Some((row.kind, row.fields));
        }
        let (word, code) = name.split_at_checked(4)?;
        let code = decimal(code, u16::MAX.into()).filter(|_| is_same(word, b"TYPE"))?;
        let kind = Self(code as u16); // at most u16::MAX
        Some((kind, kind.fields()))
    }

    /// Its name, if it has one.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::ANY => Some("ANY"),
            Self::AXFR => Some("AXFR"),
            Self::IXFR => Some("IXFR"),
            _ => core::str::from_utf8(row(&|row| row.kind == self)?.name).ok(),
        }
    }

    /// A letter for each field of its data; none for a type that is not in the table.
    pub(crate) fn fields(self) -> &'static [u8] {
        row(&|row| row.kind == self).map_or(&[], |row| row.fields)
    }

    /// Whether an answer of this type comes with the addresses of the hosts that it names (RFC 1035, 3.3.9 and 3.3.11;
    /// RFC 2782; RFC 9460, 4.1).
    pub(crate) fn names_hosts(self) -> bool {
        matches!(self, Self::NS | Self::MX | Self::SRV | Self::SVCB | Self::HTTPS)
    }

    /// Where the names stand in the data of this type.
    pub(crate) fn shape(self) -> Shape {
        let layout = LAYOUTS.get(usize::from(self.0)).copied().unwrap_or(0);
        Shape {
            prefix: (layout & LAST).into(),
            names: (layout >> NAMES & 3).into(),
            compress: layout & COMPRESS != 0,
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

/// Data of a record: octets, names, octets.
pub(crate) type Parts<'d> = (&'d [u8], &'d [[u8; 4]], &'d [u8]);

/// The layout of a type's data: bytes, names, bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    /// Octets before the first name.
    prefix: usize,
    /// Names in a row after the prefix, each kept as four octets.
    pub(crate) names: usize,
    /// Whether the names may be compressed (RFC 3597, 4: only those of RFC 1035's own types).
    pub(crate) compress: bool,
}

impl Shape {
    /// Where the first name stands in `data`.
    pub(crate) fn start(self, data: &[u8]) -> usize {
        // Behind texts a name is the last thing, wherever they end.
        self.prefix.min(data.len().saturating_sub(4 * self.names))
    }

    /// What stands in `data` before the names, the names, each a node in four octets, and what stands behind them.
    pub(crate) fn split(self, data: &[u8]) -> Option<Parts<'_>> {
        let (before, rest) = data.split_at_checked(self.start(data))?;
        let (names, behind) = rest.split_at_checked(4 * self.names)?;
        Some((before, names.as_chunks().0, behind))
    }
}

/// The prefix of a name behind fields of any length.
const LAST: u8 = 31;
/// Where the number of names stands in a layout.
const NAMES: u32 = 5;
const COMPRESS: u8 = 1 << 7;

/// Octets of a field on the wire; 0 for a name, or what has a length of its own.
pub(crate) const fn size(field: u8) -> u8 {
    match field {
        b'1' | b'g' => 1,
        b'2' | b'k' => 2,
        b'4' | b't' | b'd' | b'a' => 4,
        b'e' => 6,
        b'E' => 8,
        b'q' | b'L' => 16,
        _ => 0,
    }
}

/// The [`Shape`] of `fields` in one octet.
const fn layout(fields: &[u8]) -> u8 {
    let (mut prefix, mut layout, mut at) = (0, 0, 0);
    while at < fields.len() {
        match fields[at] {
            b'N' | b'M' => layout = (layout + (1 << NAMES)) | COMPRESS,
            b'n' | b'm' => layout += 1 << NAMES,
            field if layout == 0 && size(field) > 0 => prefix += size(field),
            _ if layout == 0 => prefix = LAST,
            _ => {}
        }
        at += 1;
    }
    // Types without names are all bytes.
    if layout == 0 { 0 } else { layout | prefix }
}

/// The layouts of types by their numbers; the types behind have no names in their data.
static LAYOUTS: [u8; 66] = {
    let mut layouts = [0; 66];
    let mut at = 0;
    while at < ROWS.len() {
        let (_, code, fields) = ROWS[at];
        let layout = layout(fields.as_bytes());
        if layout != 0 {
            layouts[code as usize] = layout;
        }
        at += 1;
    }
    layouts
};

/// Every type with a name: its name, its number and its fields, those that zones are full of first. The letters are
/// explained in `master::data`.
const ROWS: [(&str, u16, &str); 67] = [
    // RFC 1035, 3.4.1, 3.3.11, 3.3.9, 3.3.14, 3.3.1, 3.3.12 and 3.3.13; RFC 3596, 2.2.
    ("A", 1, "a"),
    ("AAAA", 28, "q"),
    ("NS", 2, "N"),
    ("MX", 15, "2N"),
    ("TXT", 16, "S"),
    ("CNAME", 5, "N"),
    ("PTR", 12, "N"),
    ("SOA", 6, "NM4tttt"),
    // RFC 2782: the target is never compressed, like every name below.
    ("SRV", 33, "222n"),
    // RFC 4034, 3.2, 4.2, 5.3 and 2.2.
    ("RRSIG", 46, "kg14dd2n6"),
    ("NSEC", 47, "wb"),
    ("DS", 43, "2g1x"),
    ("DNSKEY", 48, "21g6"),
    // RFC 5155, 3.3 and 4.3.
    ("NSEC3", 50, "112Xhb"),
    ("NSEC3PARAM", 51, "112X"),
    // RFC 8659, 4.1.1.
    ("CAA", 257, "1TV"),
    // RFC 4255, 3.2; RFC 6698, 2.2; RFC 8162, 2.
    ("SSHFP", 44, "11x"),
    ("TLSA", 52, "111x"),
    ("SMIMEA", 53, "111x"),
    // RFC 9460, 2.1.
    ("SVCB", 64, "2np"),
    ("HTTPS", 65, "2np"),
    // RFC 6672, 2.1; RFC 3403, 4; RFC 7553, 4.
    ("DNAME", 39, "n"),
    ("NAPTR", 35, "22sssn"),
    ("URI", 256, "22V"),
    // RFC 1876, 3; RFC 1035, 3.3.2; RFC 1183, 2.2 and 1; RFC 7208, 3.1.
    ("LOC", 29, "L"),
    ("HINFO", 13, "ss"),
    ("RP", 17, "mn"),
    ("AFSDB", 18, "2n"),
    ("SPF", 99, "S"),
    // RFC 7344, 3; RFC 7477, 2.2; RFC 8976, 2.3.
    ("CDS", 59, "2g1x"),
    ("CDNSKEY", 60, "21g6"),
    ("CSYNC", 62, "42b"),
    ("ZONEMD", 63, "411z"),
    // RFC 7929, 2.3; RFC 7043, 3.2 and 4.2; RFC 2535, 3; RFC 2230, 3; RFC 4701, 3.2.
    ("OPENPGPKEY", 61, "6"),
    ("EUI48", 108, "e"),
    ("EUI64", 109, "E"),
    ("KEY", 25, "21g6"),
    ("KX", 36, "2n"),
    ("DHCID", 49, "6"),
    // RFC 1035, 3.3; those that are no longer in use, and any octets.
    ("MD", 3, "N"),
    ("MF", 4, "N"),
    ("MB", 7, "N"),
    ("MG", 8, "N"),
    ("MR", 9, "N"),
    ("MINFO", 14, "MM"),
    ("NULL", 10, ""),
    ("WKS", 11, ""),
    // RFC 1183, 3; RFC 1706, 5; RFC 2163, 4; RFC 1712, 3.
    ("X25", 19, "s"),
    ("ISDN", 20, ""),
    ("RT", 21, "2n"),
    ("NSAP", 22, ""),
    ("PX", 26, "2nn"),
    ("GPOS", 27, "sss"),
    // RFC 4398, 2; RFC 3123, 4; RFC 4025, 2; RFC 8005, 5; RFC 8777, 4; RFC 4431.
    ("CERT", 37, "22g6"),
    ("APL", 42, ""),
    ("IPSECKEY", 45, ""),
    ("HIP", 55, ""),
    ("AMTRELAY", 260, ""),
    ("DLV", 32769, "2g1x"),
    // RFC 6742, 2.
    ("NID", 104, ""),
    ("L32", 105, "2a"),
    ("L64", 106, ""),
    ("LP", 107, ""),
    // The registry of types has these without a standard.
    ("NINFO", 56, "S"),
    ("RKEY", 57, "21g6"),
    ("TALINK", 58, "nn"),
    ("TA", 32768, "2g1x"),
];

/// Octets of [`TYPES`] before a name: the lengths of the name and of the fields, and the number.
const HEAD: usize = 4;

/// [`ROWS`] as they stand in the image: each its head, its name and its fields.
static TYPES: [u8; packed()] = {
    let mut types = [0; packed()];
    let (mut at, mut end) = (0, 0);
    while at < ROWS.len() {
        let (name, code, fields) = ROWS[at];
        let (name, fields, [high, low]) = (name.as_bytes(), fields.as_bytes(), code.to_be_bytes());
        let head = [name.len() as u8, fields.len() as u8, high, low];
        end = append(&mut types, end, &head);
        end = append(&mut types, end, name);
        end = append(&mut types, end, fields);
        at += 1;
    }
    types
};

/// The length of [`TYPES`].
const fn packed() -> usize {
    let (mut at, mut length) = (0, 0);
    while at < ROWS.len() {
        length += HEAD + ROWS[at].0.len() + ROWS[at].2.len();
        at += 1;
    }
    length
}

/// Writes `octets` at `end`, and says where they end.
const fn append(types: &mut [u8], end: usize, octets: &[u8]) -> usize {
    let mut at = 0;
    while at < octets.len() {
        types[end + at] = octets[at];
        at += 1;
    }
    end + at
}

/// A row of [`TYPES`].
struct Row {
    name: &'static [u8],
    kind: Kind,
    fields: &'static [u8],
}

/// The first row that `is_wanted`.
#[inline(never)]
fn row(is_wanted: &dyn Fn(&Row) -> bool) -> Option<Row> {
    let mut rest = TYPES.as_slice();
    loop {
        let (&[name, fields, high, low], behind) = rest.split_first_chunk()?;
        let (name, behind) = behind.split_at_checked(name.into())?;
        let (fields, behind) = behind.split_at_checked(fields.into())?;
        let row = Row { name, kind: Kind(u16::from_be_bytes([high, low])), fields };
        if is_wanted(&row) {
            return Some(row);
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_where_the_fields_say() {
        let shape = |prefix, names, compress| Shape { prefix, names, compress };
        for (kind, expected) in [
            ("A", shape(0, 0, false)),
            ("NS", shape(0, 1, true)),
            ("SOA", shape(0, 2, true)),
            ("mx", shape(2, 1, true)),
            ("SRV", shape(6, 1, false)),
            ("RRSIG", shape(18, 1, false)),
            ("SVCB", shape(2, 1, false)),
            ("RP", shape(0, 2, false)),
            ("NAPTR", shape(LAST.into(), 1, false)),
            ("NSEC", shape(0, 0, false)),
            ("TYPE15", shape(2, 1, true)),
            ("TYPE65535", shape(0, 0, false)),
        ] {
            assert_eq!(Kind::parse(kind.as_bytes()).unwrap().shape(), expected, "{kind}");
        }
        assert_eq!(shape(LAST.into(), 1, false).start(&[0; 12]), 8);
        assert_eq!(shape(2, 1, true).start(&[0; 6]), 2);
    }

    #[test]
    fn types_are_known_by_name_or_by_number() {
        for (name, code) in [
            ("A", Some(1)),
            ("nsec3param", Some(51)),
            ("CAA", Some(257)),
            ("type0", Some(0)),
            ("TYPE65535", Some(65_535)),
            ("TYPE65536", None),
            ("TYPE", None),
            ("TYPE-1", None),
            ("TYPF1", None),
            ("", None),
            ("B", None),
        ] {
            assert_eq!(Kind::parse(name.as_bytes()).map(Kind::code), code, "{name}");
        }
    }
}
