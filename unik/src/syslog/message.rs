//! A record of the log as a message of syslog (RFC 5424, 6; RFC 5426, 3.1: one in each datagram).

use unik_kernel::journal::Entry;
use unik_sched::time::Duration;

/// Bytes of a message at most: it passes in one packet wherever IPv6 does (RFC 5426, 3.2).
pub(crate) const MESSAGE_LIMIT: usize = 1232;
/// The facility: daemons of the system (RFC 5424, 6.2.1).
const FACILITY: u8 = 3;
/// Bytes of host, application and target at most (RFC 5424, 6).
const HOST_LIMIT: usize = 255;
const APPLICATION_LIMIT: usize = 48;
const TARGET_LIMIT: usize = 32;
/// What stands where nothing is known (RFC 5424, 6).
const NOTHING: &str = "-";

/// A message being written. What does not fit is left out.
pub(crate) struct Message {
    bytes: [u8; MESSAGE_LIMIT],
    length: usize,
}

/// What all messages of an image have in common.
pub(crate) struct Origin<'a> {
    /// The name or the address of the host.
    pub(crate) host: &'a str,
    /// The name of the appliance.
    pub(crate) application: &'a str,
}

impl Message {
    /// An empty message.
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; MESSAGE_LIMIT], length: 0 }
    }

    /// Its bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Forgets them.
    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }

    /// Writes a record of the moment `date` since the Unix epoch, where that is known.
    pub(crate) fn write(&mut self, origin: &Origin<'_>, date: Option<Duration>, entry: &Entry<'_>) {
        self.length = 0;
        let severity = match entry.level {
            log::Level::Error => 3,
            log::Level::Warn => 4,
            log::Level::Info => 6,
            log::Level::Debug | log::Level::Trace => 7,
        };
        self.push(b'<');
        self.digits(u64::from(FACILITY * 8 + severity), 2);
        self.append(">1 ");
        match date {
            Some(date) => self.timestamp(date),
            None => self.append(NOTHING),
        }
        self.field(origin.host, HOST_LIMIT);
        self.field(origin.application, APPLICATION_LIMIT);
        // No number of a process.
        self.field("", 0);
        self.field(entry.target, TARGET_LIMIT);
        self.append(" - ");
        let mut rest = entry.text;
        while let Some(end) = rest.bytes().position(|byte| byte.is_ascii_control()) {
            self.append(rest.get(..end).unwrap_or_default());
            // A collector may write one line for each message.
            self.push(b' ');
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        self.append(rest);
    }

    /// Appends as many whole characters of `text` as there is room for.
    #[inline(never)]
    fn append(&mut self, text: &str) {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let text = text.get(..text.floor_char_boundary(room.len())).unwrap_or_default().as_bytes();
        if let Some(place) = room.get_mut(..text.len()) {
            place.copy_from_slice(text);
        }
        self.length += text.len();
    }

    /// Appends a number of so many digits.
    fn digits(&mut self, number: u64, count: usize) {
        let (mut digits, mut rest) = (*b"000000", number);
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        digits.iter().skip(digits.len().saturating_sub(count)).for_each(|digit| self.push(*digit));
    }

    /// Writes time since the Unix epoch as a date in UTC, with microseconds (RFC 5424, 6.2.3).
    fn timestamp(&mut self, date: Duration) {
        let seconds = date.as_secs();
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        let parts = [(year, 4), (month, 2), (day, 2), (hour, 2), (minute, 2), (second, 2)];
        for ((number, count), behind) in parts.into_iter().zip(*b"--T::.") {
            self.digits(number, count);
            self.push(behind);
        }
        self.digits(date.subsec_micros().into(), 6);
        self.push(b'Z');
    }

    /// Writes a field of the header: what of it can be printed, up to a limit.
    fn field(&mut self, text: &str, limit: usize) {
        self.push(b' ');
        let start = self.length;
        text.bytes().filter(u8::is_ascii_graphic).take(limit).for_each(|byte| self.push(byte));
        if self.length == start {
            self.append(NOTHING);
        }
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }
}

/// Year, month and day of a day since the Unix epoch. Years begin in March here, so that a leap day is the last of its year:
/// the days before a month then follow from its number alone.
fn civil(days: u64) -> (u64, u64, u64) {
    /// From the first of March of year 0 to the Unix epoch, and the days of 400 years.
    const EPOCH: u64 = 719_468;
    const ERA: u64 = 146_097;
    let days = days + EPOCH;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let next = u64::from(month >= 10);
    (era * 400 + year + next, if next == 1 { month - 9 } else { month + 3 }, day - (153 * month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin<'_> = Origin { host: "10.0.2.15", application: "dns" };

    fn written(
        origin: &Origin<'_>,
        date: Option<Duration>,
        level: log::Level,
        target: &str,
        text: &str,
    ) -> String {
        let mut message = Message::new();
        message.write(origin, date, &Entry { number: 0, time: 0, level, target, text });
        String::from_utf8(message.as_bytes().to_vec()).expect("messages are text")
    }

    #[test]
    fn a_message_has_the_fields_of_the_standard() {
        let date = Some(Duration::new(981_173_106, 7_008_999));
        assert_eq!(
            written(&ORIGIN, date, log::Level::Info, "unik_net::net", "address 10.0.2.15/24"),
            "<30>1 2001-02-03T04:05:06.007008Z 10.0.2.15 dns - unik_net::net - address 10.0.2.15/24"
        );
        let nowhere = Origin { host: "", application: "a b" };
        assert_eq!(written(&nowhere, None, log::Level::Warn, "", ""), "<28>1 - - ab - - - ");
    }

    #[test]
    fn levels_are_severities() {
        let of = |level| written(&ORIGIN, None, level, "t", "x").split('>').next().map(String::from);
        let severities =
            [log::Level::Error, log::Level::Warn, log::Level::Info, log::Level::Debug, log::Level::Trace]
                .map(of);
        assert_eq!(severities, ["<27", "<28", "<30", "<31", "<31"].map(|text| Some(text.into())));
    }

    #[test]
    fn no_text_makes_another_line_or_a_longer_message() {
        let text = written(&ORIGIN, None, log::Level::Info, &"t".repeat(80), "one\n<0>1 two\x1b[31m\0");
        assert_eq!(text, format!("<30>1 - 10.0.2.15 dns - {} - one <0>1 two [31m ", "t".repeat(32)));
        let long = written(&ORIGIN, None, log::Level::Info, "t", &"\u{20ac}".repeat(1000));
        assert!((MESSAGE_LIMIT - 2..=MESSAGE_LIMIT).contains(&long.len()) && long.ends_with('\u{20ac}'));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (11_322, (2000, 12, 31)),
            (11_323, (2001, 1, 1)),
            (20_782, (2026, 11, 25)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(civil(days), date, "{days}");
        }
    }
}
