//! What a session is told of contents that are not in memory.

use super::{Session, State};
use crate::request::Persistence;
use crate::response::Writer;
use crate::server::Server;
use crate::status::Status;
use unik_sched::time::Instant;

impl<'a> Session<'a> {
    /// Takes notice that the contents of a first [`Session::section`] can be read.
    pub fn found(&mut self, server: &Server<'a>) {
        if let Some(section) = &mut self.output.section {
            section.is_first = false;
            server.count(self.output.status);
        }
    }

    /// The contents of the [`Session::section`] cannot be read: the response says so, or ends here if it has begun.
    pub fn lost(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>) {
        server.ledger().unreadable.increment();
        let is_first = self.output.section.is_some_and(|section| section.is_first);
        // The page that tells of it may be one that cannot be read either.
        if !is_first || self.output.status == Status::INTERNAL_SERVER_ERROR {
            self.output.clear();
            self.state = State::Aborting;
            return;
        }
        let manner = self.manner(wall, Persistence::Ends, false);
        let written =
            Writer { server, manner, out: &mut self.output }.page(Status::INTERNAL_SERVER_ERROR, &[]);
        let length = self.untold.map_or(0, |(length, _)| length);
        self.end_refusal(server, now, written, length);
    }
}
