//! One response in the making: finding what answers a question, and writing it section by section.
//!
//! The algorithm is that of RFC 1034, 4.3.2, with wildcards as RFC 4592 has them: walk to the name; at a delegation
//! refer to its servers; follow aliases as long as they stay in zones of ours; tell what does not exist with the
//! zone's SOA record (RFC 2308). Each step that is a matter of its own stands in a module: [`alias`], [`additional`],
//! [`chaos`], [`proof`], [`version`].

mod additional;
mod alias;
mod chaos;
mod proof;
mod version;

use crate::cookie::COOKIE;
use crate::edns::{Edns, Reason};
use crate::kind::Kind;
use crate::labels::Labels;
use crate::limit::{Class, Subject};
use crate::origin::Transport;
use crate::query::{Code, HEADER, flag, header};
use crate::server::Server;
use crate::settings::Minimal;
use crate::tree::NodeId;
use crate::writer::{Full, Owner, Writer};
use crate::zone::{Found, Set, Zone};
use alias::Chain;
pub(crate) use proof::Proofs;
use proof::{Absence, signatures};

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
    /// The zone whose names the writer knows.
    zone: Option<&'s Zone>,
    is_authoritative: bool,
    pub(crate) is_truncated: bool,
    /// The question is for all classes: no answer knows them all (RFC 1034, 4.3.2, step 6).
    pub(crate) is_any_class: bool,
    /// Why there is no better answer.
    reason: Option<Reason>,
    /// The name and the type of the set in the answer, once there is more to add.
    answered: Option<(NodeId, Kind)>,
    /// The client wants proofs of signed zones.
    pub(crate) wants_proofs: bool,
    /// What the response is counted as.
    pub(crate) subject: Subject,
    /// The data of the COOKIE option that belongs into the answer.
    pub(crate) cookie: Option<&'o [u8; COOKIE]>,
    /// Those that are to be told, and those that were.
    proofs: &'o mut Option<Proofs<'s>>,
}

impl<'s, 'o> Response<'s, 'o> {
    /// A response of at most `limit` octets, `reserved` of them for [`Response::finish`]. The query's header and question
    /// stand in the first `begun` octets of `out`; `None` if they alone do not fit. `proofs` is room, and `None`.
    pub(crate) fn try_new(
        server: &'s Server,
        out: &'o mut [u8],
        begun: usize,
        limit: usize,
        reserved: usize,
        proofs: &'o mut Option<Proofs<'s>>,
    ) -> Option<Self> {
        let writer = Writer::try_new(out, begun, limit, reserved)?;
        Some(Self {
            server,
            writer,
            counts: [0; 3],
            code: Code::NoError,
            zone: None,
            is_authoritative: false,
            is_truncated: false,
            is_any_class: false,
            reason: None,
            answered: None,
            wants_proofs: false,
            subject: Subject::ERROR,
            cookie: None,
            proofs,
        })
    }

    /// Answers the question for records of type `kind` at `name`. Over a stream, `ANY` gets all there is.
    /// `name` is where it stands in the question, and afterwards the last name that an alias led to.
    pub(crate) fn resolve(&mut self, name: &mut Labels, kind: Kind, is_stream: bool) {
        self.search(name, kind, is_stream);
        if self.proofs.is_some() {
            self.prove_expansions();
        }
    }

    fn search(&mut self, name: &mut Labels, kind: Kind, is_stream: bool) {
        let mut chain: Option<Chain<'s>> = None;
        loop {
            let zone = match self.server.zone(name, self.writer.written(), kind) {
                Ok(zone) => zone,
                // What an alias leads to outside is for the client to find.
                Err(_) if chain.is_some() => return,
                Err(code) => return self.fail(code),
            };
            self.enter(zone);
            let (message, known) = self.writer.parts();
            let (node, wildcard_of) = match zone.find(name, message, known) {
                Found::Cut { node, above } if above > 0 || kind != Kind::DS => {
                    self.count_as(Class::Referral, zone, node, chain.is_none());
                    return self.refer(zone, node, name, above);
                }
                Found::Name(node) | Found::Cut { node, .. } => (node, None),
                Found::Missing { encloser } => {
                    // RFC 1035, 4.1.1: the bit speaks of the first name, and a referral from there does not get here.
                    self.is_authoritative = true;
                    if let Some(redirection) = zone.set(encloser, Kind::DNAME) {
                        self.count_as(Class::Answer, zone, encloser, chain.is_none());
                        if chain.as_ref().is_some_and(Chain::is_full) {
                            return;
                        }
                        let chain = chain.get_or_insert_with(Chain::new);
                        let followed = self.redirect(zone, encloser, redirection, name, chain);
                        // The alias made of it is an answer to those who ask for one.
                        if followed.is_none() || kind == Kind::CNAME {
                            return;
                        }
                        continue;
                    }
                    let Some(wildcard) = zone.wildcard(encloser) else {
                        self.code = Code::NameError;
                        self.count_as(Class::NameError, zone, zone.apex, true);
                        return self.deny(zone, name, Absence::Name { encloser });
                    };
                    (wildcard, Some(encloser))
                }
            };
            self.is_authoritative = true;
            self.count_as(Class::of_answer(kind), zone, node, chain.is_none());
            if let Some(set) = zone.set(node, kind) {
                self.expand(zone, name, wildcard_of);
                // Asked for a DNAME record, one that made an alias on the way may be the answer.
                let is_told = chain.as_ref().is_some_and(|chain| chain.has_told(set));
                return self.answer(zone, node, set, name, is_told);
            }
            if kind == Kind::ANY && !zone.sets(node).is_empty() {
                self.expand(zone, name, wildcard_of);
                return self.answer_any(zone, node, is_stream, name);
            }
            let Some(alias) = zone.set(node, Kind::CNAME) else {
                self.count_as(Class::Empty, zone, node, chain.is_none());
                let absence = match wildcard_of {
                    None => Absence::Type(node),
                    Some(encloser) => Absence::WildcardType { encloser, wildcard: node },
                };
                return self.deny(zone, name, absence);
            };
            if chain.as_ref().is_some_and(Chain::is_full) {
                return;
            }
            self.expand(zone, name, wildcard_of);
            if self.follow(zone, node, alias, name, chain.get_or_insert_with(Chain::new)).is_none() {
                return;
            }
        }
    }

    /// The response is counted as one of this class that comes from `node`, if it is what decides: where an alias led on, the alias
    /// was.
    #[inline(always)]
    fn count_as(&mut self, class: Class, zone: &Zone, node: NodeId, decides: bool) {
        if decides {
            self.subject = Subject::new(class, zone, node);
        }
    }

    /// What follows belongs to `zone`: a node of another one is another name.
    fn enter(&mut self, zone: &'s Zone) {
        if self.zone.replace(zone).is_some_and(|last| !core::ptr::eq(last, zone)) {
            self.writer.forget();
        }
    }

    /// Writes the records asked for, unless they are there.
    fn answer(&mut self, zone: &'s Zone, node: NodeId, set: &Set, name: &Labels, is_told: bool) {
        let owner = Owner::At(name.offset(0));
        let written = is_told || self.require(Section::Answer, zone, node, set, owner).is_some();
        if written && (set.kind.names_hosts() || self.server.settings().minimal == Minimal::No) {
            self.add(zone, node, set, name);
        }
    }

    /// Writes what there is at `node`. RFC 8482, 4.1: one set is an answer, and all of them only where the client has proven
    /// its address.
    #[inline(never)]
    fn answer_any(&mut self, zone: &Zone, node: NodeId, is_stream: bool, name: &Labels) {
        let sets = zone.sets(node);
        let count = if is_stream { sets.len() } else { 1 };
        // Who wants signatures has them beside each set.
        let wants_proofs = self.wants_proofs;
        for set in sets.iter().filter(|set| !wants_proofs || set.kind != Kind::RRSIG).take(count) {
            if self.require(Section::Answer, zone, node, set, Owner::At(name.offset(0))).is_none() {
                return;
            }
        }
    }

    /// Says that there is no zone to answer from.
    #[inline(never)]
    fn fail(&mut self, code: Code) {
        self.code = code;
        let is_ours = code == Code::ServerFailure;
        self.reason = Some(if is_ours { Reason::NotReady } else { Reason::NotAuthoritative });
    }

    /// What stands in the message so far.
    pub(crate) fn message(&self) -> &[u8] {
        self.writer.written()
    }

    /// Refuses the question.
    pub(crate) fn refuse(&mut self, reason: Reason) {
        self.code = Code::Refused;
        self.reason = Some(reason);
    }

    /// Says by the SOA record that there is nothing, and for how long (RFC 2308, 2).
    fn deny(&mut self, zone: &'s Zone, name: &Labels, absence: Absence) {
        self.is_authoritative = true;
        let Some(set) = zone.set(zone.apex, Kind::SOA).filter(|_| !self.is_any_class) else { return };
        let above = name.count().saturating_sub(zone.depth);
        let set = Set { time_to_live: zone.negative_ttl, ..*set };
        self.require(Section::Authority, zone, zone.apex, &set, Owner::At(name.offset(above)));
        if self.wants_proofs {
            self.prove_expansions();
            self.prove(zone, name, absence);
        }
    }

    /// Writes a set that the answer is not whole without: if it does not fit, the response is truncated.
    fn require(
        &mut self,
        section: Section,
        zone: &Zone,
        node: NodeId,
        set: &Set,
        owner: Owner,
    ) -> Option<()> {
        let written = self.write(section, zone, node, set, owner);
        self.is_truncated |= written.is_err();
        written.ok()
    }

    /// Writes all records of `set`, which `node` owns, and their signatures if they are wanted, or none of them if they do not
    /// fit.
    fn write(
        &mut self,
        section: Section,
        zone: &Zone,
        node: NodeId,
        set: &Set,
        owner: Owner,
    ) -> Result<(), Full> {
        let mark = self.writer.mark();
        let mut signatures = if self.wants_proofs { signatures(zone, node, set) } else { None };
        // First the records, then what signs them: one loop, because it is what answers are made of.
        let (mut source, mut is_signature, mut count) = (set, false, 0);
        loop {
            for data in zone.data(source) {
                if is_signature && !data.starts_with(&set.kind.code().to_be_bytes()) {
                    continue;
                }
                let time_to_live =
                    if set.kind == Kind::RRSIG { set.original(data) } else { set.time_to_live };
                let written = self.writer.record(&zone.tree, owner, source, time_to_live, data);
                if written.is_err() {
                    self.writer.rewind(mark);
                    return written;
                }
                count += 1;
            }
            let Some(next) = signatures.take() else { break };
            (source, is_signature) = (next, true);
        }
        if let Some(place) = self.counts.get_mut(section as usize) {
            *place += count; // a message of 65535 octets holds fewer than 65535 records
        }
        Ok(())
    }

    /// Takes all back that stands behind the first `begun` octets: the client is to ask again over TCP.
    #[inline(never)]
    pub(crate) fn truncate(&mut self, begun: usize) {
        self.writer.cut(begun);
        self.counts = [0; 3];
        self.reason = None;
        self.is_truncated = true;
    }

    /// Adds the OPT record to a client that sent one, fills in the header, and gives the length of the message.
    pub(crate) fn finish(&mut self, edns: Option<Edns>, reserved: usize, transport: Transport) -> usize {
        self.writer.release(reserved);
        let code = self.code as u16;
        if let Some(edns) = edns {
            let id = self.server.settings().id.as_bytes();
            if edns.write(&mut self.writer, code, self.reason, transport, id, self.cookie).is_ok() {
                self.counts[Section::Additional as usize] += 1;
            }
        }
        let [_, asked, ..] = header(self.writer.written()).unwrap_or_default();
        // RFC 4035, 3.1.6: AD and CD are clear in an authoritative answer.
        let mut flags = flag::RESPONSE | asked & (flag::OPCODE | flag::RECURSION_DESIRED) | code & 0xf;
        if self.is_authoritative && !self.is_any_class {
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
