//! What the operator chooses: the words of the configuration that begin with `httpd.`.

use crate::access::Format;
use crate::text::number;
use core::fmt;
use unik_sched::time::Duration;

/// How a [`Server`](crate::Server) serves, as far as that is a matter of choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// `httpd.connections`: those served at the same time, where memory allows.
    pub connections: usize,
    /// `httpd.client_connections`: those of one client among them, unless all clients share one address (`net0.nat=1`).
    pub client_connections: usize,
    /// `httpd.head`: octets of the head of a request. One line may have half of them.
    pub head: usize,
    /// `httpd.head_time`: seconds that a client has for the head of a request, and for its body.
    pub head_time: Duration,
    /// `httpd.idle_time`: seconds that a connection is kept without a request, and without progress of a response.
    pub idle_time: Duration,
    /// `httpd.rate`: octets a second that a client has to take of a response.
    pub rate: usize,
    /// `httpd.log=combined` or `json`: each response is a line of the access log.
    pub log: Option<Format>,
    /// `httpd.health`: the path whose answer says whether the server is well, without its first slash.
    pub health: Option<&'static str>,
    /// `httpd.metrics`: the port under which metrics are served; none without it.
    pub metrics: Option<u16>,
    /// `httpd.https_redirect`: the port that clients come back to over TLS. Images without the feature `tls` do not know it.
    pub https_redirect: Option<u16>,
    /// `httpd.echo`: the path where a POST is answered with its own body, without its first slash.
    pub echo: Option<&'static str>,
    /// `net0.nat=1`: all clients share one address, so no limit on the connections of one is of use.
    pub is_shared: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: 224,
            client_connections: 64,
            head: 16 * 1024,
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            rate: 1024,
            log: None,
            health: Some("healthz"),
            metrics: None,
            https_redirect: None,
            echo: None,
            is_shared: false,
        }
    }
}

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
        self.sentence().iter().try_for_each(|part| f.write_str(part))
    }
}

impl BadSetting {
    /// What is wrong, in parts.
    pub(crate) fn sentence(self) -> [&'static str; 3] {
        [self.key, "= needs ", self.expected]
    }
}

impl core::error::Error for BadSetting {}

/// Finds the value of a word of the configuration.
type Get<'g> = &'g dyn Fn(&str) -> Option<&'static str>;

impl Settings {
    /// Reads the settings by asking `get` for the value of each word.
    ///
    /// # Errors
    /// [`BadSetting`] names the word and what it needs.
    #[inline(never)]
    pub fn read(get: Get<'_>) -> Result<Self, BadSetting> {
        let mut settings = Self::default();
        let (head, idle) = (settings.head_time.as_secs() as usize, settings.idle_time.as_secs() as usize);
        for (key, expected, limits, place) in [
            ("httpd.connections", "a number from 1 to 1000", (1, 1000), &mut settings.connections),
            (
                "httpd.client_connections",
                "a number from 1 to 1000",
                (1, 1000),
                &mut settings.client_connections,
            ),
            ("httpd.head", "a number of octets from 1024 to 65536", (1024, 65_536), &mut settings.head),
            ("httpd.rate", "a number of octets from 1 to 1000000", (1, 1_000_000), &mut settings.rate),
        ] {
            *place = quantity(get, key, expected, limits, *place)?;
        }
        let seconds = |key, preset| {
            let seconds = quantity(get, key, "a number of seconds from 1 to 3600", (1, 3600), preset)?;
            Ok(Duration::from_secs(seconds as u64))
        };
        settings.head_time = seconds("httpd.head_time", head)?;
        settings.idle_time = seconds("httpd.idle_time", idle)?;
        settings.log = match get("httpd.log") {
            None | Some("off") => None,
            Some("combined") => Some(Format::Combined),
            Some("json") => Some(Format::Json),
            Some(_) => return Err(BadSetting { key: "httpd.log", expected: "combined, json or off" }),
        };
        settings.health = path(get, "httpd.health", settings.health)?;
        settings.echo = path(get, "httpd.echo", settings.echo)?;
        settings.metrics = match get("httpd.metrics") {
            None | Some("off") => None,
            Some(_) => {
                let (key, expected) = ("httpd.metrics", "a port from 81 to 65535, or off");
                u16::try_from(quantity(get, key, expected, (81, 65_535), 0)?).ok()
            }
        };
        if cfg!(feature = "tls") && get("httpd.https_redirect").is_some() {
            let expected = "a port from 1 to 65535";
            let port = quantity(get, "httpd.https_redirect", expected, (1, 65_535), 0)?;
            settings.https_redirect = u16::try_from(port).ok();
        }
        settings.is_shared = get("net0.nat") == Some("1");
        Ok(settings)
    }
}

/// The path that a word gives, without its first slash, if it gives one.
fn path(
    get: Get<'_>,
    key: &'static str,
    preset: Option<&'static str>,
) -> Result<Option<&'static str>, BadSetting> {
    match get(key) {
        None => Ok(preset),
        Some("off") => Ok(None),
        Some(path) => {
            let expected = "a path that begins with a slash, or off";
            path.strip_prefix('/').map(Some).ok_or(BadSetting { key, expected })
        }
    }
}

/// The number that a word gives, within limits.
fn quantity(
    get: Get<'_>,
    key: &'static str,
    expected: &'static str,
    (least, most): (usize, usize),
    preset: usize,
) -> Result<usize, BadSetting> {
    let Some(text) = get(key) else { return Ok(preset) };
    let given = number(text.as_bytes()).and_then(|given| usize::try_from(given).ok());
    given.filter(|given| (least..=most).contains(given)).ok_or(BadSetting { key, expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn read(words: &[(&str, &'static str)]) -> Result<Settings, BadSetting> {
        Settings::read(&|key| words.iter().find(|word| word.0 == key).map(|word| word.1))
    }

    #[test]
    fn each_word_sets_what_it_is_called_after() {
        assert_eq!(read(&[]), Ok(Settings::default()));
        let words = [
            ("httpd.connections", "1000"),
            ("httpd.client_connections", "1"),
            ("httpd.head", "8192"),
            ("httpd.head_time", "5"),
            ("httpd.idle_time", "3600"),
            ("httpd.rate", "100"),
            ("httpd.log", "combined"),
            ("httpd.health", "/up/"),
            ("httpd.metrics", "9100"),
            ("httpd.https_redirect", "8443"),
            ("httpd.echo", "/"),
            ("net0.nat", "1"),
        ];
        let expected = Settings {
            connections: 1000,
            client_connections: 1,
            head: 8192,
            head_time: Duration::from_secs(5),
            idle_time: Duration::from_secs(3600),
            rate: 100,
            log: Some(Format::Combined),
            health: Some("up/"),
            metrics: Some(9100),
            https_redirect: cfg!(feature = "tls").then_some(8443),
            echo: Some(""),
            is_shared: true,
        };
        assert_eq!(read(&words), Ok(expected));
        assert_eq!(read(&[("httpd.health", "off"), ("httpd.log", "off")]).map(|read| read.health), Ok(None));
    }

    #[test]
    fn a_value_that_makes_no_sense_is_told_with_what_is_needed() {
        for (key, value, sentence) in [
            ("httpd.connections", "0", "httpd.connections= needs a number from 1 to 1000"),
            ("httpd.connections", "many", "httpd.connections= needs a number from 1 to 1000"),
            (
                "httpd.head",
                "99999999999999999999999",
                "httpd.head= needs a number of octets from 1024 to 65536",
            ),
            ("httpd.idle_time", "1h", "httpd.idle_time= needs a number of seconds from 1 to 3600"),
            ("httpd.log", "syslog", "httpd.log= needs combined, json or off"),
            ("httpd.metrics", "80", "httpd.metrics= needs a port from 81 to 65535, or off"),
            ("httpd.echo", "echo", "httpd.echo= needs a path that begins with a slash, or off"),
            ("httpd.health", "healthz", "httpd.health= needs a path that begins with a slash, or off"),
        ] {
            assert_eq!(read(&[(key, value)]).unwrap_err().to_string(), sentence);
        }
    }
}
