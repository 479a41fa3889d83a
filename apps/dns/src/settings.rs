//! What the operator chooses: the words of the configuration that begin with `dns.`.

use core::fmt;

/// Which records an answer has beside those asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Minimal {
    /// The name servers of the zone, and the addresses of hosts that the answer names.
    No,
    /// No name servers: what a [`Server`](crate::Server) does that was told nothing.
    #[default]
    NoAuthority,
    /// Neither.
    Yes,
}

/// How a [`Server`](crate::Server) answers, as far as that is a matter of choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// `dns.minimal=no`, as without the word, `no-auth` or `yes`. What a delegation needs is there whatever it says.
    pub minimal: Minimal,
    /// `dns.version`: what a question for `version.bind` is told. Empty, it is refused.
    pub version: &'static str,
    /// `dns.id`, or else `hostname`: what questions for `id.server` (RFC 4892) and NSID (RFC 5001) are told. Empty,
    /// it is not.
    pub id: &'static str,
    /// `net0.nat=1`: all clients share one address, so no limit on the connections of one is of use.
    pub is_shared: bool,
}

/// The longest version or identifier in octets: with the longest question they fit in 512.
pub const MAX_TEXT: usize = 64;

/// A word of the configuration has a value that it cannot have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadSetting {
    key: &'static str,
    expected: &'static str,
}

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)?;
        f.write_str("= needs ")?;
        f.write_str(self.expected)
    }
}

impl core::error::Error for BadSetting {}

impl Settings {
    /// Reads the settings by asking `get` for the value of each word.
    ///
    /// # Errors
    /// [`BadSetting`] names the word and what it needs.
    #[inline(never)]
    pub fn read(get: &dyn Fn(&str) -> Option<&'static str>) -> Result<Self, BadSetting> {
        let text = |key: &'static str| match get(key).unwrap_or("") {
            text if text.len() > MAX_TEXT => Err(BadSetting { key, expected: "a text of at most 64 octets" }),
            text => Ok(text),
        };
        let (key, hostname) = ("dns.minimal", text("hostname")?);
        let minimal = match get(key) {
            None | Some("no") => Minimal::No,
            Some("no-auth") => Minimal::NoAuthority,
            Some("yes") => Minimal::Yes,
            Some(_) => return Err(BadSetting { key, expected: "no, no-auth or yes" }),
        };
        let id = Some(text("dns.id")?).filter(|id| !id.is_empty()).unwrap_or(hostname);
        Ok(Self { minimal, version: text("dns.version")?, id, is_shared: get("net0.nat") == Some("1") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn read(words: &[(&str, &'static str)]) -> Result<Settings, BadSetting> {
        Settings::read(&|key| words.iter().find(|word| word.0 == key).map(|word| word.1))
    }

    #[test]
    fn without_a_word_nothing_is_told_and_name_servers_are_added_as_nsd_does() {
        let settings = read(&[]).unwrap();
        assert_eq!((settings.minimal, settings.version, settings.id), (Minimal::No, "", ""));
        assert_eq!(read(&[("dns.minimal", "no-auth")]).unwrap(), Settings::default());
    }

    #[test]
    fn the_identifier_is_the_name_of_the_host_unless_it_is_given() {
        assert_eq!(read(&[("hostname", "ns1")]).unwrap().id, "ns1");
        assert_eq!(read(&[("hostname", "ns1"), ("dns.id", "two")]).unwrap().id, "two");
    }

    #[test]
    fn a_value_that_makes_no_sense_is_told_with_what_is_needed() {
        assert_eq!(
            read(&[("dns.minimal", "1")]).unwrap_err().to_string(),
            "dns.minimal= needs no, no-auth or yes"
        );
        let long = "x".repeat(MAX_TEXT + 1).leak();
        assert_eq!(
            read(&[("dns.id", long)]).unwrap_err().to_string(),
            "dns.id= needs a text of at most 64 octets"
        );
        assert!(read(&[("dns.version", &long[1..])]).is_ok());
    }
}
