//! Lines about an appliance's traffic, and where the operator wants them.

use unik_sched::sync::Lines;

/// Where lines of traffic go: the journal, which the inspection channel shows, and the collector, unless told otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Destinations {
    pub(super) console: bool,
    pub(super) journal: bool,
    pub(super) syslog: bool,
}

impl Default for Destinations {
    fn default() -> Self {
        Self { console: false, journal: true, syslog: true }
    }
}

impl Destinations {
    /// What [`Destinations::parse`] expects, for a sentence.
    pub const EXPECTED: &str = "some of console, journal and syslog, with commas";

    /// Reads a list like `console,syslog`. `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut to = Self { console: false, journal: false, syslog: false };
        for word in text.split(',') {
            *match word {
                "console" => &mut to.console,
                "journal" => &mut to.journal,
                "syslog" => &mut to.syslog,
                _ => return None,
            } = true;
        }
        Some(to)
    }
}

/// Lines to carry.
pub(super) struct Traffic {
    pub(super) lines: Lines,
    /// What their records are called after.
    pub(super) target: &'static str,
    pub(super) to: Destinations,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_a_list_of_known_ones() {
        let of = |console, journal, syslog| Some(Destinations { console, journal, syslog });
        assert_eq!(Destinations::parse("console"), of(true, false, false));
        assert_eq!(Destinations::parse("syslog,journal"), Some(Destinations::default()));
        assert_eq!(Destinations::parse("journal,syslog,console,journal"), of(true, true, true));
        for text in ["", "consoles", "console,", "console, syslog", "off"] {
            assert_eq!(Destinations::parse(text), None, "{text}");
        }
    }
}
