//! What the server tells about itself: four names of the class CHAOS (RFC 4892).

use super::{Response, Section};
use crate::edns::Reason;
use crate::kind::Kind;
use crate::labels::Labels;
use crate::query::CLASS_CH;
use crate::settings::Settings;
use crate::tree::is_same;
use crate::writer::Full;

/// What one name tells.
type Text = fn(&Settings) -> &'static str;

/// The names, as two labels, and what they tell.
const TEXTS: [([&[u8]; 2], Text); 4] = [
    ([b"version", b"bind"], |settings| settings.version),
    ([b"version", b"server"], |settings| settings.version),
    ([b"hostname", b"bind"], |settings| settings.id),
    ([b"id", b"server"], |settings| settings.id),
];

impl Response<'_, '_> {
    /// Answers a question of the class CHAOS: there is nothing but these four texts.
    #[inline(never)]
    pub(crate) fn tell(&mut self, name: &Labels, kind: Kind) {
        let message = self.writer.written();
        let found = TEXTS.iter().find(|(labels, _)| {
            name.count() == labels.len()
                && (0..).zip(labels).all(|(index, label)| is_same(name.octets(message, index), label))
        });
        match found.filter(|_| kind == Kind::TXT || kind == Kind::ANY) {
            None => self.refuse(Reason::NotSupported),
            Some((_, text)) => match text(self.server.settings()) {
                "" => self.refuse(Reason::Prohibited),
                text if self.text(name, text.as_bytes()).is_ok() => {
                    self.counts[Section::Answer as usize] += 1
                }
                _ => self.is_truncated = true,
            },
        }
    }

    fn text(&mut self, name: &Labels, text: &[u8]) -> Result<(), Full> {
        self.writer.pointer(name.offset(0))?;
        let start = self.writer.fixed(Kind::TXT, CLASS_CH, 0)?;
        self.writer.bytes(&[text.len() as u8])?; // at most MAX_TEXT
        self.writer.bytes(text)?;
        self.writer.close(start);
        Ok(())
    }
}
