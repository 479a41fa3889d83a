//! What can be wrong with a master file, and where.

use alloc::vec::Vec;
use core::fmt;

/// A mistake in a master file. Displayed as `file:line:column: what was expected`, behind the zone's own file where there are too
/// many others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZoneError<'f> {
    /// What the caller named the zone's file.
    pub zone_file: &'f str,
    /// The file with the mistake: that one, or one that it includes.
    pub file: &'f str,
    /// Line of the mistake, the first being 1.
    pub line: u32,
    /// Character in the line, the first being 1.
    pub column: u32,
    /// What was expected there.
    pub problem: Problem,
    /// The name of the zone, each label with a dot behind it, where it is known: the owner of the SOA record, or the first
    /// origin but the root.
    pub zone: Option<Vec<u8>>,
    /// A SOA record says so.
    pub has_soa: bool,
}

impl fmt::Display for ZoneError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // That file may be far away from the one that began.
        if self.problem == Problem::TooManyFiles && self.zone_file != self.file {
            f.write_str(self.zone_file)?;
            f.write_str(": ")?;
        }
        f.write_str(self.file)?;
        f.write_str(":")?;
        fmt::Display::fmt(&self.line, f)?;
        f.write_str(":")?;
        fmt::Display::fmt(&self.column, f)?;
        f.write_str(": ")?;
        f.write_str(self.problem.text())
    }
}

impl core::error::Error for ZoneError<'_> {}

/// A mistake before its line and column are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mistake {
    /// Offset among all files of the zone, which are no longer than [`MAX_FILE`](super::MAX_FILE) together.
    pub(crate) at: u32,
    pub(crate) problem: Problem,
}

impl Mistake {
    /// The same place, where memory lacks.
    pub(super) fn starved(self) -> Self {
        Self { problem: Problem::NoMemory, ..self }
    }
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What a master file should have had at the place of a mistake.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[non_exhaustive]
        pub enum Problem {
            $($(#[$doc])* #[doc = $text] $name,)*
        }

        impl Problem {
            /// The sentence for the operator.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

problems! {
    FileTooLong = "expected at most 256 MiB, with all files that are included",
    NoMemory = "expected more memory: the zone, with what it takes to read it, does not fit",
    // Words.
    UnclosedQuote = "expected a closing quotation mark before the end of the line",
    UnclosedParenthesis = "expected a closing parenthesis for this one before the end of the file",
    UnopenedParenthesis = "expected no closing parenthesis, because none is open",
    BadEscape = "expected a character or three digits up to 255 after the backslash",
    ExpectedEnd = "expected the end of the line, because the record is complete",
    // Entries.
    ExpectedControl = "expected $ORIGIN, $TTL, $INCLUDE or $GENERATE",
    ExpectedFile = "expected the path of a file of the data, from its root on, as in hosts/example.txt",
    TooManyFiles = "expected at most 8 files in each other and 1024 in all: does one include itself?",
    ExpectedRange = "expected start-stop or start-stop/step with numbers up to 2147483647",
    ExpectedTemplate = "expected a record with $ or ${offset,width,base}, base out of doxXnN, no number below 0",
    TooManyGenerated = "expected lines of at most 16 MiB to generate",
    ExpectedOwner = "expected an owner name at the start of the line, because no record before has one",
    ExpectedType = "expected a TTL, the class IN or a type such as A, MX or TYPE65280",
    ExpectedClass = "expected the class IN, the only one served",
    ExpectedTtl = "expected a time up to 2147483647 seconds, such as 3600 or 1h30m",
    NoTtl = "expected a TTL before the type, because neither $TTL nor an earlier record gives one",
    // Names.
    ExpectedName = "expected a domain name",
    NoOrigin = "expected a name that ends with a dot, because no $ORIGIN says what a relative name is relative to",
    EmptyLabel = "expected a label of at least one character before the dot",
    LabelTooLong = "expected a label of at most 63 characters",
    NameTooLong = "expected a name of at most 255 octets, origin included",
    ExpectedAscii = "expected a character that can be printed: write another octet as \\DDD",
    MailboxWithAt = "expected a mailbox written as a name, as in hostmaster.example.org.: a dot in place of the @",
    // Data.
    ExpectedIpv4 = "expected an IPv4 address",
    ExpectedIpv6 = "expected an IPv6 address",
    ExpectedU8 = "expected a number from 0 to 255",
    ExpectedU16 = "expected a number from 0 to 65535",
    ExpectedU32 = "expected a number from 0 to 4294967295",
    ExpectedText = "expected a text, in quotation marks if it has blanks",
    TextTooLong = "expected a text of at most 255 octets: split it into several in quotation marks",
    ExpectedTag = "expected a tag of 1 to 255 letters and digits, such as issue, issuewild or iodef",
    ExpectedKind = "expected a type such as A, MX or TYPE65280",
    ExpectedAlgorithm = "expected an algorithm such as 13 or ECDSAP256SHA256",
    ExpectedDate = "expected a time between 1970 and 2106, as YYYYMMDDHHmmSS or in seconds",
    ExpectedHex = "expected hexadecimal digits, two for each octet",
    ExpectedDigest = "expected at least 12 octets in hexadecimal digits",
    ExpectedBase64 = "expected base64, padded with = to groups of four",
    ExpectedSalt = "expected a salt in hexadecimal digits, or - for none",
    ExpectedHash = "expected a hash in base32hex (RFC 4648, 7)",
    ExpectedLocation = "expected a place such as 52 22 23.5 N 4 53 32 E -2m 10m 100m 10m (RFC 1876, 3)",
    ExpectedEui = "expected octets in hexadecimal digits such as 00-00-5e-00-53-2a: 6, or 8 for EUI64",
    ExpectedParameter = "expected a parameter such as alpn=h2,h3 or key65000=text, no key twice (RFC 9460, 2.1)",
    ContraryParameters = "expected parameters that agree: values of the right length, what mandatory lists, alpn with no-default-alpn",
    ExpectedGeneric = "expected \\#, a length and hexadecimal digits: the type has no other form (RFC 3597, 5)",
    WrongLength = "expected the number of octets that stand behind it",
    NotOfThisType = "expected octets that are data of this type",
    NotThere = "expected a record of the zone to remove",
    DataTooLong = "expected data of at most 65535 octets",
    // The zone as a whole.
    NoSoa = "expected a SOA record somewhere in the file: it names the zone",
    SecondSoa = "expected no second SOA record: a file holds one zone",
    OutOfZone = "expected an owner at or below the owner of the SOA record",
    NoNameServer = "expected at least one NS record at the owner of this SOA record",
    CnameNotAlone = "expected no other record at this name, because it has a CNAME record",
    TooManyIterations = "expected at most 50 iterations, and fewer with a salt of more than 35 octets: each name that is denied costs them time and again (RFC 9276, 3.2)",
    DnameNotAlone = "expected one DNAME record alone, without NS records unless at the apex (RFC 6672, 2.3)",
    BelowDname = "expected no record below a name with a DNAME record (RFC 6672, 2.4)",
    TooManyTypes = "expected records of at most 64 types at one name",
    WildcardCut = "expected no NS record at a wildcard: a delegation needs a name of its own (RFC 4592, 4.2)",
    ServerIsAlias = "expected a name server with an address of its own: this one is a CNAME (RFC 2181, 10.3)",
    ServerWithoutAddress = "expected an A or AAAA record for this name server, whose name lies in this zone",
    TooManyServers = "expected at most 64 NS records at one name",
    SetTooLong = "expected records of this name and type that fit together in one message of 65535 octets",
}
