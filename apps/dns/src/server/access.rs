//! Who may do more than ask: signed messages (RFC 8945), transfers (RFC 5936, RFC 1995) and notices (RFC 1996).

use super::{Server, Slot};
use crate::configuration::allows;
use crate::cookie::{Cookie, Standing};
use crate::kind::Kind;
use crate::labels::Labels;
use crate::limit::{Subject, Verdict};
use crate::origin::{Clock, Origin};
use crate::query::{Code, Query};
use crate::transfer::{Outgoing, is_newer};
use crate::tree::NodeId;
use crate::tsig::{self, Refusal, Request, Signer};
use core::net::IpAddr;

/// Who sent a message, as far as it is signed.
#[expect(
    clippy::large_enum_variant,
    reason = "it stays where it is made, and memory is not to be asked for it"
)]
pub(crate) enum Identity {
    /// It is not.
    Unsigned,
    /// Somebody who has a key of ours.
    Signed(Signer),
    /// Somebody who pretends to have one, or whose clock is wrong.
    Refused(Refusal),
}

impl Identity {
    /// The key that signed the message.
    fn key(&self) -> Option<usize> {
        match self {
            Self::Signed(signer) => Some(signer.key()),
            Self::Unsigned | Self::Refused(_) => None,
        }
    }
}

/// What is known of who sent a message, beside the address that it says it came from.
pub(crate) struct Sender {
    pub(super) identity: Identity,
    /// The cookie that belongs into the answer, and whether a good one came.
    pub(super) cookie: Option<Cookie>,
}

impl Sender {
    /// Nothing. Written where it is wanted: it is too much to be copied.
    #[inline(always)]
    pub(super) const fn unknown() -> Self {
        Self { identity: Identity::Unsigned, cookie: None }
    }

    /// Whether the message comes from the address that it says it came from.
    pub(super) fn is_known(&self) -> bool {
        let standing = self.cookie.as_ref().map(|cookie| cookie.standing);
        standing == Some(Standing::Good) || matches!(self.identity, Identity::Signed(_))
    }

    /// How a query that has nothing but a cookie is answered (RFC 7873, 5.4).
    pub(super) fn code(&self) -> Code {
        let standing = self.cookie.as_ref().map(|cookie| cookie.standing);
        if standing == Some(Standing::Bad) { Code::BadCookie } else { Code::NoError }
    }
}

/// What answers a query that came over a connection.
pub(crate) enum Answer {
    /// A message of so many octets.
    Message(usize),
    /// The messages of a transfer.
    Transfer(Transfer),
}

/// A transfer, and what signs it.
pub(crate) struct Transfer {
    outgoing: Outgoing,
    signer: Option<Signer>,
}

impl Transfer {
    /// Whether the last message has been written.
    pub(crate) fn is_done(&self) -> bool {
        self.outgoing.is_done()
    }
}

impl Server {
    /// Finds out who signed `query`.
    #[inline(never)]
    pub(super) fn identify(
        &self,
        query: &[u8],
        parsed: Query,
        origin: &Origin<'_>,
        sender: &mut Sender,
    ) -> Result<Query, Code> {
        match tsig::check(query, &self.keys, date_of(origin.clock)) {
            Request::Unsigned => {}
            Request::Malformed => return Err(Code::FormatError),
            Request::Signed(signer) => sender.identity = Identity::Signed(signer),
            Request::Refused(refusal) => {
                self.transfers.bad_signatures.increment();
                sender.identity = Identity::Refused(refusal);
            }
        }
        Ok(parsed)
    }

    /// Answers a message that is signed, by one that is.
    #[inline(never)]
    pub(super) fn respond_signed(
        &self,
        parsed: Result<Query, Code>,
        name: &mut Labels,
        sender: &mut Sender,
        origin: &Origin<'_>,
        message: &mut [u8],
    ) -> Option<usize> {
        let now = date_of(origin.clock);
        if let Identity::Refused(refusal) = &sender.identity {
            if self.judge(sender, origin, Subject::ERROR) == Verdict::Drop {
                return None;
            }
            self.counters.not_authoritative.increment();
            return refusal.answer(&self.keys, message, now);
        }
        let length = self.respond_to(parsed, name, sender, origin, message)?;
        match &mut sender.identity {
            Identity::Signed(signer) => signer.sign(&self.keys, message, length, now),
            Identity::Unsigned | Identity::Refused(_) => Some(length),
        }
    }

    /// Begins the transfer that `query` asks for. `None` if whoever asks may not have it, or there is none to have: then the
    /// query is answered like others.
    #[inline(never)]
    pub(super) fn transfer(
        &self,
        query: &[u8],
        parsed: &Query,
        name: &Labels,
        sender: &mut Sender,
        origin: &Origin<'_>,
    ) -> Option<Transfer> {
        let slot = self
            .exact(name, query)
            .filter(|slot| self.may_transfer(slot, &sender.identity, origin.client))?;
        let zone = slot.zone.clone()?;
        let version = if parsed.kind == Kind::IXFR { parsed.version(query) } else { None };
        let differences = match version {
            // RFC 1995, 2: the SOA record alone tells that there is nothing newer.
            Some(version) if !is_newer(zone.serial(), version) => Some(alloc::vec::Vec::new()),
            Some(version) => slot.journal.since(version),
            None => None,
        };
        self.kinds.count(parsed.kind);
        self.counters.answered.increment();
        match &differences {
            None => self.transfers.axfr_out.increment(),
            Some(differences) if !differences.is_empty() => self.transfers.ixfr_out.increment(),
            Some(_) => {}
        }
        let query = query.get(..parsed.question_end)?;
        let outgoing = Outgoing::try_new(zone, differences, query, parsed.edns)?;
        let signer = match core::mem::replace(&mut sender.identity, Identity::Unsigned) {
            Identity::Signed(signer) => Some(signer),
            Identity::Unsigned | Identity::Refused(_) => None,
        };
        Some(Transfer { outgoing, signer })
    }

    /// Writes the next message of `transfer` into `out`, and gives its length. `None` if a record fits in no message.
    pub(crate) fn go_on(&self, transfer: &mut Transfer, clock: &dyn Clock, out: &mut [u8]) -> Option<usize> {
        let Some(signer) = &mut transfer.signer else { return transfer.outgoing.message(out, 0) };
        let length = transfer.outgoing.message(out, signer.room(&self.keys))?;
        signer.sign(&self.keys, out, length, date_of(clock))
    }

    /// Whether whoever signed with `identity` at `client` may have the zone in `slot`.
    pub(crate) fn may_transfer(&self, slot: &Slot, identity: &Identity, client: IpAddr) -> bool {
        self.options_of(slot).is_some_and(|options| allows(options.provide(), client, identity.key()))
    }

    /// Takes notice that there may be a new version of the zone `name`, and says how that is answered (RFC 1996, 3.10 and 3.11).
    pub(super) fn take_notice(
        &self,
        name: &Labels,
        message: &[u8],
        identity: &Identity,
        client: IpAddr,
    ) -> Code {
        let Some(slot) = self.exact(name, message) else { return Code::NotAuthoritative };
        let options = self.options_of(slot);
        if !options.is_some_and(|options| allows(options.allow_notify(), client, identity.key())) {
            self.transfers.notices_refused.increment();
            return Code::Refused;
        }
        self.transfers.notices_in.increment();
        slot.told_by.set(Some(client));
        self.has_news.set(true);
        Code::NoError
    }

    /// The slot of the zone that is called `name`.
    pub(crate) fn exact(&self, name: &Labels, message: &[u8]) -> Option<&Slot> {
        let mut labels = (0..name.count()).rev();
        let node =
            labels.try_fold(NodeId::ROOT, |node, index| self.tree.child(node, name.label(message, index)))?;
        self.slot(node)
    }
}

/// Seconds since 1970; 0 where nobody knows the date, which no signature is good for.
fn date_of(clock: &dyn Clock) -> u64 {
    clock.date().unwrap_or(0)
}
