//! One response in the making: finding what answers a question, and writing it section by section.
//!
//! The algorithm is that of RFC 1034, 4.3.2, with wildcards as RFC 4592 has them: walk to the name; at a delegation
//! refer to its servers; follow aliases as long as they stay in zones of ours; tell what does not exist with the
//! zone's SOA record (RFC 2308).

use crate::kind::Kind;
use crate::labels::Labels;
use crate::query::{Code, Edns, HEADER, flag, header};
use crate::server::{Server, UDP_PAYLOAD};
use crate::tree::NodeId;
use crate::writer::{Full, Owner, Writer};
use crate::zone::{Found, Set, Zone};

/// The most aliases followed for one question.
const MAX_ALIASES: usize = 8;
/// The most records whose targets are looked up for addresses that are only a convenience.
const MAX_TARGETS: usize = 64;

/// Sections of a message behind the question.
#[derive(Clone, Copy)]
enum Section {
    Answer = 0,
    Authority = 1,
    Additional = 2,
}

/// A response in the making.
pub(crate) struct Response<'s, 'o> {
    server: &'s Server,
    writer: Writer<'o>,
    /// Records in each [`Section`].
    counts: [u16; 3],
    pub(crate) code: Code,
    is_authoritative: bool,
    pub(crate) is_truncated: bool,
}

impl<'s, 'o> Response<'s, 'o> {
    /// A response of at most `limit` octets, `reserved` of them for [`Response::finish`]. The query's header and question
    /// stand in the first `begun` octets of `out`; `None` if they alone do not fit.
    pub(crate) fn try_new(
        server: &'s Server,
        out: &'o mut [u8],
        begun: usize,
        limit: usize,
        reserved: usize,
    ) -> Option<Self> {
        let writer = Writer::try_new(out, begun, limit, reserved)?;
        let (counts, code) = ([0; 3], Code::NoError);
        Some(Self { server, writer, counts, code, is_authoritative: false, is_truncated: false })
    }

    /// Answers the question for records of type `kind` at `name`. Over a stream, `ANY` gets all there is.
    /// `name` is where it stands in the question, and afterwards the last name that an alias led to.
    pub(crate) fn resolve(&mut self, name: &mut Labels, kind: Kind, is_stream: bool) {
        let mut followed: [Option<&Set>; MAX_ALIASES] = [None; MAX_ALIASES];
        let mut last_zone: Option<&Zone> = None;
        for aliases in 0..=MAX_ALIASES {
            let Some(zone) = self.server.zone(name, self.writer.written(), kind) else {
                if aliases == 0 {
                    self.code = Code::Refused;
                }
                return;
            };
            if last_zone.is_some_and(|last| !core::ptr::eq(last, zone)) {
                self.writer.forget();
            }
            last_zone = Some(zone);
            let (message, known) = self.writer.parts();
            let node = match zone.find(name, message, known) {
                Found::Cut { node, above } if above > 0 || kind != Kind::DS => {
                    return self.refer(zone, node, name.offset(above));
                }
                Found::Name(node) | Found::Cut { node, .. } => node,
                Found::Missing { encloser } => match zone.wildcard(encloser) {
                    Some(wildcard) => wildcard,
                    None => {
                        self.code = Code::NameError;
                        return self.deny(zone, name);
                    }
                },
            };
            // RFC 1035, 4.1.1: the bit speaks of the first name, and a referral from there does not get here.
            self.is_authoritative = true;
            let alias = zone.set(node, Kind::CNAME).filter(|_| kind != Kind::CNAME && kind != Kind::ANY);
            let Some(alias) = alias else {
                return self.answer(zone, node, kind, is_stream, name);
            };
            // An alias met twice leads round in a circle: what was said before is all there is to say.
            if followed.iter().flatten().any(|earlier| core::ptr::eq(*earlier, alias)) {
                return;
            }
            let Some(place) = followed.get_mut(aliases) else { return };
            *place = Some(alias);
            if self.follow(zone, alias, name).is_none() {
                return;
            }
        }
    }

    /// Writes the alias that stands at `name`, and goes on to the name that it stands for.
    fn follow(&mut self, zone: &Zone, alias: &Set, name: &mut Labels) -> Option<()> {
        let at = self.writer.at();
        self.require(Section::Answer, zone, alias, Owner::At(name.offset(0)))?;
        // Behind the owner, a pointer of two octets, stand ten octets and the name.
        name.follow(self.writer.written(), at + 12)
    }

    /// Writes the records asked for, or that there are none of that type.
    fn answer(&mut self, zone: &Zone, node: NodeId, kind: Kind, is_stream: bool, name: &Labels) {
        let owner = Owner::At(name.offset(0));
        if kind == Kind::ANY {
            // RFC 8482, 4.1: one set is an answer, and all of them only where the client has proven its address.
            let sets = zone.sets(node);
            let count = if is_stream { sets.len() } else { 1 };
            for set in sets.iter().take(count) {
                if self.require(Section::Answer, zone, set, owner).is_none() {
                    return;
                }
            }
            if sets.is_empty() {
                self.deny(zone, name);
            }
            return;
        }
        match zone.set(node, kind) {
            None => self.deny(zone, name),
            Some(set) => {
                let written = self.require(Section::Answer, zone, set, owner).is_some();
                // RFC 1035, 3.3.9 and 3.3.11; RFC 2782: what the client is going to ask next.
                if written && matches!(kind, Kind::NS | Kind::MX | Kind::SRV) {
                    self.add_addresses(zone, set, None);
                }
            }
        }
    }

    /// Tells who serves the zone below the delegation at `cut`, whose name stands at `offset`.
    fn refer(&mut self, zone: &Zone, cut: NodeId, offset: u16) {
        self.server.counters().referrals.increment();
        let Some(set) = zone.set(cut, Kind::NS) else { return };
        if self.require(Section::Authority, zone, set, Owner::At(offset)).is_some() {
            self.add_addresses(zone, set, Some(cut));
        }
    }

    /// Says by the SOA record that there is nothing, and for how long (RFC 2308, 2).
    fn deny(&mut self, zone: &Zone, name: &Labels) {
        self.is_authoritative = true;
        let Some(set) = zone.set(zone.apex, Kind::SOA) else { return };
        let above = name.count().saturating_sub(zone.tree.depth(zone.apex));
        let set = Set { time_to_live: zone.negative_ttl, ..*set };
        self.require(Section::Authority, zone, &set, Owner::At(name.offset(above)));
    }

    /// Adds the addresses of the hosts that `set` names, as far as the zone has them. For a delegation, those of
    /// servers below the `cut` must be there for the answer to be whole (RFC 9471).
    fn add_addresses(&mut self, zone: &Zone, set: &Set, cut: Option<NodeId>) {
        for (place, target) in zone.targets(set).take(MAX_TARGETS).enumerate() {
            if !zone.info(target).exists || zone.targets(set).take(place).any(|earlier| earlier == target) {
                continue;
            }
            for kind in [Kind::A, Kind::AAAA] {
                let Some(addresses) = zone.set(target, kind) else { continue };
                let is_glue = cut.is_some_and(|cut| zone.tree.is_within(target, cut));
                if self.write(Section::Additional, zone, addresses, Owner::Node(target)).is_err() && is_glue {
                    self.is_truncated = true;
                    return;
                }
            }
        }
    }

    /// Writes a set that the answer is not whole without: if it does not fit, the response is truncated.
    fn require(&mut self, section: Section, zone: &Zone, set: &Set, owner: Owner) -> Option<()> {
        let written = self.write(section, zone, set, owner);
        self.is_truncated |= written.is_err();
        written.ok()
    }

    /// Writes all records of `set`, or none of them if they do not fit.
    fn write(&mut self, section: Section, zone: &Zone, set: &Set, owner: Owner) -> Result<(), Full> {
        let mark = self.writer.mark();
        for data in zone.data(set) {
            let written = self.writer.record(&zone.tree, owner, set, set.time_to_live, data);
            if written.is_err() {
                self.writer.rewind(mark);
                return written;
            }
        }
        if let Some(count) = self.counts.get_mut(section as usize) {
            *count += set.records; // a message of 65535 octets holds fewer than 65535 records
        }
        Ok(())
    }

    /// Adds the OPT record to a client that sent one, fills in the header, and gives the length of the message.
    pub(crate) fn finish(&mut self, edns: Option<Edns>, reserved: usize) -> usize {
        self.writer.release(reserved);
        let code = self.code as u16;
        if let Some(edns) = edns {
            let [size0, size1] = UDP_PAYLOAD.to_be_bytes();
            // RFC 3225, 3: the DO bit comes back as it came.
            let flags = if edns.dnssec_ok { flag::DNSSEC_OK } else { 0 };
            let [flags0, flags1] = flags.to_be_bytes();
            // RFC 6891, 6.1.3: the upper bits of the code, version 0.
            let record =
                [0, 0, Kind::OPT.code() as u8, size0, size1, (code >> 4) as u8, 0, flags0, flags1, 0, 0];
            if self.writer.bytes(&record).is_ok() {
                self.counts[Section::Additional as usize] += 1;
            }
        }
        let [_, asked, ..] = header(self.writer.written()).unwrap_or_default();
        // RFC 4035, 3.1.6: AD and CD are clear in an authoritative answer.
        let mut flags = flag::RESPONSE | asked & flag::RECURSION_DESIRED | code & 0xf;
        if self.is_authoritative {
            flags |= flag::AUTHORITATIVE;
        }
        if self.is_truncated {
            flags |= flag::TRUNCATED;
        }
        self.writer.patch(2, flags.to_be_bytes());
        for (field, count) in self.counts.into_iter().enumerate() {
            self.writer.patch(HEADER - 6 + 2 * field, count.to_be_bytes());
        }
        self.writer.at()
    }
}
