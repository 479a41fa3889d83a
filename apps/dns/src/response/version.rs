//! The answer in one message to who asks for a transfer.

use super::{Response, Section};
use crate::edns::Reason;
use crate::kind::Kind;
use crate::labels::Labels;
use crate::origin::Origin;
use crate::query::Code;
use crate::server::Identity;
use crate::writer::Owner;

impl Response<'_, '_> {
    /// Answers a question for a transfer that is not given as one: for differences in a datagram the SOA record says which
    /// version there is, and whoever has another comes back over TCP (RFC 1995, 2).
    #[inline(never)]
    pub(crate) fn version(&mut self, name: &Labels, kind: Kind, identity: &Identity, origin: &Origin<'_>) {
        let server = self.server;
        let Some(slot) = server.exact(name, self.writer.written()) else {
            self.code = Code::NotAuthoritative;
            return;
        };
        if !server.may_transfer(slot, identity, origin.client) {
            return self.refuse(Reason::Prohibited);
        }
        let Some(zone) = slot.zone().filter(|_| kind == Kind::IXFR) else {
            // A whole zone does not fit in a datagram (RFC 5936, 4.2), or there is no memory to give it.
            return self.fail(Code::ServerFailure);
        };
        self.enter(zone);
        self.is_authoritative = true;
        if let Some(set) = zone.set(zone.apex, Kind::SOA) {
            self.require(Section::Answer, zone, zone.apex, set, Owner::At(name.offset(0)));
        }
    }

    /// Answers a notice with `code` (RFC 1996, 3.12).
    pub(crate) fn acknowledge(&mut self, code: Code) {
        self.code = code;
        self.is_authoritative = code == Code::NoError;
    }
}
