//! One line of the log for each of so many queries.

use super::Server;
use crate::kind::Kind;
use crate::labels::Labels;
use crate::origin::{Origin, Transport};
use crate::query::{Code, HEADER, u16_at};
use crate::text::{Address, write_label};
use core::fmt::{self, Write as _};
use unik_sched::sync::Lines;

impl Server {
    /// Tells of the query whose answer is `message`, if it is the turn of this one.
    #[inline(never)]
    pub(super) fn log_query(&self, lines: &Lines, message: &[u8], origin: &Origin<'_>, code: Code) {
        let left = self.until_logged.get();
        self.until_logged.set(left.checked_sub(1).unwrap_or(self.settings.log_queries - 1));
        if left > 0 {
            return;
        }
        let mut name = Labels::new();
        let question =
            name.read(message, HEADER).and_then(|end| Some((name, Kind::new(u16_at(message, end)?))));
        let over = if origin.transport == Transport::Tcp { "TCP" } else { "UDP" };
        let length = message.len();
        let (client, code) = (Address(origin.client), code.text());
        lines.write(origin.clock.now(), &mut |line| {
            // What does not fit is left out, so writing never fails.
            let _ = write!(line, "query of {client} over {over}");
            let _ = match &question {
                Some((name, kind)) => write!(line, ": {} {kind}", Question { message, name }),
                None => line.write_str(" without a question"),
            };
            let _ = write!(line, ": {code}, {length} octets");
        });
    }
}

/// The name of a question as text.
struct Question<'m> {
    message: &'m [u8],
    name: &'m Labels,
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.count() == 0 {
            return f.write_str(".");
        }
        (0..self.name.count()).try_for_each(|index| write_label(f, self.name.octets(self.message, index)))
    }
}
