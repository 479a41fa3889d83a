//! What the operator chooses: the words of the configuration that begin with `dns.`.

use crate::cookie::Secrets;
use crate::master::decimal;
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

/// How many answers of one kind a network gets over UDP, if it shows no cookie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Answers a second.
    pub rate: u16,
    /// Each answer of so many that are too many is truncated instead of dropped; 0 for none.
    pub slip: u8,
}

impl Limit {
    /// What NSD has.
    const DEFAULT: Self = Self { rate: 200, slip: 2 };
    /// The highest rate. Up to 31,622 as many answers as it says fit in a second, however long one takes is rounded.
    const MAX_RATE: u32 = 10_000;
    /// The highest slip, which is BIND's.
    const MAX_SLIP: u32 = 10;
}

/// What DNS cookies are made with (RFC 7873).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cookies {
    /// There are none: what a [`Server`](crate::Server) has that was told nothing.
    #[default]
    Off,
    /// A secret that is drawn at the start.
    Own,
    /// Secrets that other servers know too.
    Shared(Secrets),
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
    /// `dns.log-queries=100`: each hundredth query is told in the log; none without it.
    pub log_queries: u32,
    /// `dns.rrl=200`, as without the word unless all clients share one address, or `off`, and `dns.rrl-slip=2`, as without it.
    pub limit: Option<Limit>,
    /// `dns.cookies=on`, as without the word, or `off`, and `dns.cookie-secret=`, which servers of one address share
    /// (RFC 9018, 5): 32 hexadecimal digits, and those of the secret before behind a comma.
    pub cookies: Cookies,
}

/// The longest version or identifier in octets: with the longest question they fit in 512.
pub const MAX_TEXT: usize = 64;

/// A word of the configuration has a value that it cannot have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadSetting {
    key: &'static str,
    expected: &'static str,
}

impl BadSetting {
    pub(crate) const fn new(key: &'static str, expected: &'static str) -> Self {
        Self { key, expected }
    }
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
        let key = "dns.log-queries";
        let log_queries = match get(key) {
            None => 0,
            Some(text) => {
                decimal(text.as_bytes(), u32::MAX).filter(|&number| number > 0).ok_or(BadSetting {
                    key,
                    expected: "a number: 1 to log each query, 100 for one of a hundred",
                })?
            }
        };
        let (version, is_shared) = (text("dns.version")?, get("net0.nat") == Some("1"));
        let mut settings = Self { minimal, version, id, is_shared, log_queries, ..Self::default() };
        settings.read_limit(get)?;
        settings.read_cookies(get)?;
        Ok(settings)
    }

    /// Reads the limit on answers.
    #[inline(never)]
    fn read_limit(&mut self, get: &dyn Fn(&str) -> Option<&'static str>) -> Result<(), BadSetting> {
        let number = |key, default, least, most, expected| match get(key) {
            None => Ok(default),
            Some(text) => decimal(text.as_bytes(), most)
                .filter(|&number| number >= least)
                .map(|number| number as u16) // at most MAX_RATE
                .ok_or(BadSetting { key, expected }),
        };
        let Limit { rate, slip } = Limit::DEFAULT;
        let slip = number("dns.rrl-slip", slip.into(), 0, Limit::MAX_SLIP, "a number from 0 to 10")? as u8;
        let key = "dns.rrl";
        if get(key).map_or(self.is_shared, |text| text == "off") {
            return Ok(());
        }
        let expected = "a number of answers a second from 1 to 10000, or off";
        let rate = number(key, rate, 1, Limit::MAX_RATE, expected)?;
        self.limit = Some(Limit { rate, slip });
        Ok(())
    }

    /// Reads what cookies are made with.
    #[inline(never)]
    fn read_cookies(&mut self, get: &dyn Fn(&str) -> Option<&'static str>) -> Result<(), BadSetting> {
        let key = "dns.cookie-secret";
        let expected = "32 hexadecimal digits, or twice as many with a comma between";
        self.cookies = match get(key) {
            None => Cookies::Own,
            Some(text) => {
                Cookies::Shared(Secrets::parse(text.as_bytes()).ok_or(BadSetting { key, expected })?)
            }
        };
        let key = "dns.cookies";
        match get(key) {
            None | Some("on") => {}
            Some("off") => self.cookies = Cookies::Off,
            Some(_) => return Err(BadSetting { key, expected: "on or off" }),
        }
        Ok(())
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
        let told_nothing = read(&[("dns.minimal", "no-auth"), ("dns.rrl", "off"), ("dns.cookies", "off")]);
        assert_eq!(told_nothing.unwrap(), Settings::default());
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

    #[test]
    fn answers_are_limited_as_nsd_does_unless_clients_share_an_address() {
        let limit = |words: &[_]| read(words).unwrap().limit.map(|Limit { rate, slip }| (rate, slip));
        assert_eq!(limit(&[]), Some((200, 2)));
        assert_eq!(limit(&[("dns.rrl", "10000"), ("dns.rrl-slip", "0")]), Some((10_000, 0)));
        assert_eq!(limit(&[("dns.rrl", "off"), ("dns.rrl-slip", "1")]), None);
        assert_eq!(limit(&[("net0.nat", "1")]), None);
        assert_eq!(limit(&[("net0.nat", "1"), ("dns.rrl-slip", "10")]), None);
        assert_eq!(limit(&[("net0.nat", "1"), ("dns.rrl", "1")]), Some((1, 2)));
        assert_eq!(limit(&[("net0.nat", "0")]), Some((200, 2)));
        for rate in ["0", "10001", "", "-1", "2e2", "on", "4294967496"] {
            let told = read(&[("dns.rrl", rate)]).unwrap_err().to_string();
            assert_eq!(told, "dns.rrl= needs a number of answers a second from 1 to 10000, or off", "{rate}");
        }
        for slip in ["11", "", "off", "258"] {
            let told = read(&[("dns.rrl-slip", slip)]).unwrap_err().to_string();
            assert_eq!(told, "dns.rrl-slip= needs a number from 0 to 10", "{slip}");
        }
    }

    #[test]
    fn cookies_are_made_with_a_secret_of_their_own_unless_it_is_shared() {
        let cookies = |words: &[_]| read(words).unwrap().cookies;
        let (current, previous) = ("e5e973e5a6b2a43f48e7dc849e37bfcf", "445536bcd2513298075a5d379663c962");
        let shared = |text: &str| Cookies::Shared(Secrets::parse(text.as_bytes()).unwrap());
        assert_eq!(cookies(&[]), Cookies::Own);
        assert_eq!(cookies(&[("dns.cookies", "on")]), Cookies::Own);
        assert_eq!(cookies(&[("dns.cookies", "off")]), Cookies::Off);
        assert_eq!(cookies(&[("dns.cookie-secret", current)]), shared(current));
        let both = [current, previous].join(",").leak();
        assert_eq!(cookies(&[("dns.cookie-secret", both)]), shared(both));
        assert_eq!(cookies(&[("dns.cookie-secret", both), ("dns.cookies", "off")]), Cookies::Off);
        let three = [current, previous, previous].join(",").leak();
        let (half, behind) = (&both[..16], &both[..33]);
        for text in ["", ",", half, behind, &both[32..], &both[..64], three] {
            let told = read(&[("dns.cookie-secret", text)]).unwrap_err().to_string();
            let expected =
                "dns.cookie-secret= needs 32 hexadecimal digits, or twice as many with a comma between";
            assert_eq!(told, expected, "{text}");
        }
        let told = read(&[("dns.cookies", "yes")]).unwrap_err().to_string();
        assert_eq!(told, "dns.cookies= needs on or off");
    }
}
