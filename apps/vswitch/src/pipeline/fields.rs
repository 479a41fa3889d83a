//! The fields of a frame that flow entries match: forty of them in sixteen words.
//!
//! [`Fields`] is what a frame is reduced to, or what an entry wants; [`Field`] names a field by its number in OXM, and one
//! table says where each stands, how long it is on the wire, and what must be matched for it to make sense. Fields that no
//! frame has together share a place: the addresses of ARP and IPv4, the ports of TCP, UDP and SCTP and the types of ICMP.
//!
//! Invariant: bits of a word that no field claims are zero.

/// Words of [`Fields`].
pub const WORDS: usize = 16;

/// Values of all fields, or a mask over them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub [u64; WORDS]);

/// What a field asks of a match before it may be in it (OpenFlow 1.3.5, 7.2.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    InPort,
    Vlan,
    Ip,
    Ipv4,
    Ipv6,
    /// An IP packet of this protocol.
    Protocol(u8),
    /// An IPv4 packet with a message of ICMP.
    Icmpv4,
    /// An IPv6 packet with a message of ICMPv6.
    Icmpv6,
    Arp,
    /// Neighbour discovery: a message of one of these two types.
    Neighbor(u8, u8),
    Mpls,
    Pbb,
}

/// Where a field stands, and how.
pub(crate) struct Place {
    /// The word, or the first of two for what is longer than one.
    pub(crate) word: u8,
    pub(crate) shift: u8,
    pub(crate) bits: u8,
    /// Octets on the wire.
    pub(crate) octets: u8,
    pub(crate) is_maskable: bool,
    pub(crate) needs: Needs,
}

/// EtherTypes.
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86dd;
pub(crate) const VLAN: u16 = 0x8100;
pub(crate) const SERVICE_VLAN: u16 = 0x88a8;
pub(crate) const MPLS: u16 = 0x8847;
pub(crate) const MPLS_MULTICAST: u16 = 0x8848;
pub(crate) const PBB: u16 = 0x88e7;
/// Protocols of IP.
pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMPV6: u8 = 58;
pub(crate) const SCTP: u8 = 132;
/// Messages of neighbour discovery (RFC 4861, 4.3 and 4.4).
pub(crate) const SOLICITATION: u8 = 135;
pub(crate) const ADVERTISEMENT: u8 = 136;
/// The bit of VLAN_VID that says that there is a tag (OFPVID_PRESENT).
pub(crate) const TAGGED: u16 = 0x1000;

/// A field, by its number in the class OFPXMC_OPENFLOW_BASIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field(u8);

macro_rules! fields {
    ($($number:literal $name:ident: $word:literal $shift:literal $bits:literal $octets:literal $mask:literal $needs:expr;)*) => {
        impl Field {
            $(
                #[doc = concat!("OFPXMT_OFB_", stringify!($name), ".")]
                pub const $name: Field = Field($number);
            )*
        }

        static PLACES: [Place; Field::COUNT] = [$(Place {
            word: $word, shift: $shift, bits: $bits, octets: $octets, is_maskable: $mask, needs: $needs,
        }),*];
    };
}

fields! {
    0 IN_PORT: 0 32 32 4 false Needs::Nothing;
    1 IN_PHY_PORT: 13 32 32 4 false Needs::InPort;
    2 METADATA: 14 0 64 8 true Needs::Nothing;
    3 ETH_DST: 1 16 48 6 true Needs::Nothing;
    4 ETH_SRC: 2 16 48 6 true Needs::Nothing;
    5 ETH_TYPE: 0 16 16 2 false Needs::Nothing;
    6 VLAN_VID: 0 0 13 2 true Needs::Nothing;
    7 VLAN_PCP: 0 13 3 1 false Needs::Vlan;
    8 IP_DSCP: 1 2 6 1 false Needs::Ip;
    9 IP_ECN: 1 0 2 1 false Needs::Ip;
    10 IP_PROTO: 1 8 8 1 false Needs::Ip;
    11 IPV4_SRC: 4 32 32 4 true Needs::Ipv4;
    12 IPV4_DST: 4 0 32 4 true Needs::Ipv4;
    13 TCP_SRC: 3 48 16 2 false Needs::Protocol(TCP);
    14 TCP_DST: 2 0 16 2 false Needs::Protocol(TCP);
    15 UDP_SRC: 3 48 16 2 false Needs::Protocol(UDP);
    16 UDP_DST: 2 0 16 2 false Needs::Protocol(UDP);
    17 SCTP_SRC: 3 48 16 2 false Needs::Protocol(SCTP);
    18 SCTP_DST: 2 0 16 2 false Needs::Protocol(SCTP);
    19 ICMPV4_TYPE: 3 48 8 1 false Needs::Icmpv4;
    20 ICMPV4_CODE: 2 0 8 1 false Needs::Icmpv4;
    21 ARP_OP: 1 0 16 2 false Needs::Arp;
    22 ARP_SPA: 4 32 32 4 true Needs::Arp;
    23 ARP_TPA: 4 0 32 4 true Needs::Arp;
    24 ARP_SHA: 11 16 48 6 true Needs::Arp;
    25 ARP_THA: 12 16 48 6 true Needs::Arp;
    26 IPV6_SRC: 5 0 128 16 true Needs::Ipv6;
    27 IPV6_DST: 7 0 128 16 true Needs::Ipv6;
    28 IPV6_FLABEL: 13 0 20 4 true Needs::Ipv6;
    29 ICMPV6_TYPE: 3 48 8 1 false Needs::Icmpv6;
    30 ICMPV6_CODE: 2 0 8 1 false Needs::Icmpv6;
    31 IPV6_ND_TARGET: 9 0 128 16 false Needs::Neighbor(SOLICITATION, ADVERTISEMENT);
    32 IPV6_ND_SLL: 11 16 48 6 false Needs::Neighbor(SOLICITATION, SOLICITATION);
    33 IPV6_ND_TLL: 12 16 48 6 false Needs::Neighbor(ADVERTISEMENT, ADVERTISEMENT);
    34 MPLS_LABEL: 3 28 20 4 false Needs::Mpls;
    35 MPLS_TC: 3 25 3 1 false Needs::Mpls;
    36 MPLS_BOS: 3 24 1 1 false Needs::Mpls;
    37 PBB_ISID: 3 0 24 3 true Needs::Pbb;
    38 TUNNEL_ID: 15 0 64 8 true Needs::Nothing;
    39 IPV6_EXTHDR: 11 0 9 2 true Needs::Ipv6;
}

impl Field {
    /// How many there are.
    pub const COUNT: usize = 40;

    /// The field with this number.
    pub fn new(number: u8) -> Option<Field> {
        (usize::from(number) < Self::COUNT).then_some(Field(number))
    }

    /// All fields.
    pub fn all() -> impl Iterator<Item = Field> {
        (0..Self::COUNT as u8).map(Field)
    }

    /// Its number in OXM.
    pub fn number(self) -> u8 {
        self.0
    }

    pub(crate) fn place(self) -> &'static Place {
        // A `Field` is made with a number below their count only.
        PLACES.get(usize::from(self.0)).unwrap_or(&PLACES[0])
    }

    /// Octets on the wire.
    pub fn octets(self) -> usize {
        usize::from(self.place().octets)
    }

    /// All bits of the field set.
    pub fn full(self) -> u128 {
        u128::MAX >> (128 - u32::from(self.place().bits))
    }
}

impl Fields {
    /// No field has a value, or all are wild.
    pub const ZERO: Fields = Fields([0; WORDS]);

    /// The value of a field.
    #[inline(never)]
    pub fn get(&self, field: Field) -> u128 {
        let place = field.place();
        let word = u128::from(self.word(place.word));
        if place.bits == 128 {
            return word << 64 | u128::from(self.word(place.word + 1));
        }
        word >> place.shift & field.full()
    }

    /// Gives a field a value, of which what does not fit is cut off.
    #[inline(never)]
    pub fn set(&mut self, field: Field, value: u128) {
        let place = field.place();
        if place.bits == 128 {
            self.0[usize::from(place.word) % WORDS] = (value >> 64) as u64;
            self.0[usize::from(place.word + 1) % WORDS] = value as u64;
            return;
        }
        let mask = (field.full() as u64) << place.shift;
        let word = &mut self.0[usize::from(place.word) % WORDS];
        *word = *word & !mask | (value as u64) << place.shift & mask;
    }

    /// Says by which port the frame came in: the fields of it are the port twice, and nothing else yet.
    #[inline]
    pub(crate) fn came_in_on(&mut self, port: u32) {
        self.0[0] = self.0[0] & 0xffff_ffff | u64::from(port) << 32;
        self.0[13] = self.0[13] & 0xffff_ffff | u64::from(port) << 32;
    }

    #[inline]
    pub(crate) fn word(&self, word: u8) -> u64 {
        self.0[usize::from(word) % WORDS]
    }

    /// The bits that both have.
    #[inline]
    pub fn and(&self, other: &Fields) -> Fields {
        Fields(core::array::from_fn(|at| self.0[at] & other.0[at]))
    }

    /// The bits that either has.
    #[inline]
    pub fn or(&self, other: &Fields) -> Fields {
        Fields(core::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    /// The EtherType behind all tags.
    #[inline]
    pub(crate) fn ethertype(&self) -> u16 {
        (self.0[0] >> 16) as u16
    }

    /// The protocol of an IP packet.
    #[inline]
    pub(crate) fn protocol(&self) -> u8 {
        (self.0[1] >> 8) as u8
    }
}

/// What a flow entry wants of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The values; zero where the mask is.
    pub value: Fields,
    /// The bits that are looked at.
    pub mask: Fields,
}

impl Match {
    /// What any frame matches.
    pub const ANY: Match = Match { value: Fields::ZERO, mask: Fields::ZERO };

    /// Wants a field to have this value.
    pub fn want(&mut self, field: Field, value: u128) {
        self.want_masked(field, value, field.full());
    }

    /// Wants some bits of a field to have this value.
    #[inline(never)]
    pub fn want_masked(&mut self, field: Field, value: u128, mask: u128) {
        self.mask.set(field, mask);
        self.value.set(field, value & mask);
    }

    /// Whether these fields are what it wants.
    pub fn takes(&self, fields: &Fields) -> bool {
        fields.and(&self.mask) == self.value
    }

    /// Whether it wants exactly this value of a field.
    fn is(&self, field: Field, value: u128) -> bool {
        self.mask.get(field) == field.full() && self.value.get(field) == value
    }

    /// Whether what a field needs is wanted.
    pub(crate) fn meets(&self, needs: Needs) -> bool {
        let ethertype = |kind: u16| self.is(Field::ETH_TYPE, kind.into());
        let is_ip = ethertype(IPV4) || ethertype(IPV6);
        let protocol = |number: u8| self.is(Field::IP_PROTO, number.into());
        match needs {
            Needs::Nothing => true,
            Needs::InPort => self.mask.get(Field::IN_PORT) != 0,
            Needs::Vlan => {
                let tagged = u128::from(TAGGED);
                self.mask.get(Field::VLAN_VID) & self.value.get(Field::VLAN_VID) & tagged != 0
            }
            Needs::Ip => is_ip,
            Needs::Ipv4 => ethertype(IPV4),
            Needs::Ipv6 => ethertype(IPV6),
            Needs::Protocol(number) => is_ip && protocol(number),
            Needs::Icmpv4 => ethertype(IPV4) && protocol(ICMP),
            Needs::Icmpv6 => ethertype(IPV6) && protocol(ICMPV6),
            Needs::Arp => ethertype(ARP),
            Needs::Neighbor(one, other) => {
                let is_type = |kind: u8| self.is(Field::ICMPV6_TYPE, kind.into());
                ethertype(IPV6) && protocol(ICMPV6) && (is_type(one) || is_type(other))
            }
            Needs::Mpls => ethertype(MPLS) || ethertype(MPLS_MULTICAST),
            Needs::Pbb => ethertype(PBB),
        }
    }

    /// Whether a field is looked at: some of its bits, and they are its own and not those of another one in its place.
    #[inline(never)]
    pub(crate) fn has(&self, field: Field) -> bool {
        self.mask.get(field) != 0 && self.meets(field.place().needs)
    }
}
