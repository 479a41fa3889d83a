//! Whom to ask, for which names, and how often.

use alloc::vec::Vec;
use core::net::SocketAddr;

use unik_sched::time::Duration;

use super::{Name, NameError, PORT, Refusal};
use crate::{config::ConfigError, text::parse_end};

/// Servers that are asked.
pub const SERVER_LIMIT: usize = 3;
/// Names below which a short one is searched.
pub const SEARCH_LIMIT: usize = 6;

/// How often all servers are asked, and how long an answer of the first round is waited for; each later round waits twice as
/// long (RFC 1123, 6.1.3.3).
const ROUNDS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(1);

/// Whom to ask and where to search: a list of servers and of names, each bounded.
#[derive(Clone, Debug)]
pub struct Settings {
    servers: Vec<SocketAddr>,
    search: Vec<Name>,
    dots: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { servers: Vec::new(), search: Vec::new(), dots: 1 }
    }
}

/// A name as it was given.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    pub(super) name: Name,
    dots: usize,
    is_complete: bool,
}

impl Given {
    /// Reads a name. One with a dot at its end is complete.
    ///
    /// # Errors
    /// [`NameError::Invalid`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = Name::parse(text).ok_or(NameError::Invalid)?;
        let dots = text.bytes().filter(|byte| *byte == b'.').count();
        Ok(Self { name, dots, is_complete: text.ends_with('.') })
    }

    /// The name to ask for in place `number`, beginning with 0, in the order of a search below some names; `None` behind the
    /// last. One with fewer than `dots` dots is tried as it is after them. What would be too long is left out.
    pub fn candidate(&self, below: &[Name], dots: usize, number: usize) -> Option<Name> {
        if self.is_complete {
            return (number == 0).then_some(self.name);
        }
        let mut found = below.iter().filter_map(|parent| self.name.below(parent));
        if self.dots < dots {
            return found.chain([self.name]).nth(number);
        }
        number.checked_sub(1).map_or(Some(self.name), |number| found.nth(number))
    }
}

impl Settings {
    /// Asks the servers that the network has learned of, and searches nowhere.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks these servers, those beyond the limit never; none: those that the network has learned of.
    pub fn with_servers(mut self, servers: &[SocketAddr]) -> Self {
        self.servers = servers.iter().take(SERVER_LIMIT).copied().collect();
        self
    }

    /// Searches short names below these, those beyond the limit never. A name is short that has fewer than `dots` dots; any
    /// other one is tried as it is before.
    pub fn with_search(mut self, below: &[Name], dots: usize) -> Self {
        (self.search, self.dots) = (below.iter().take(SEARCH_LIMIT).copied().collect(), dots);
        self
    }

    /// Reads `PREFIX.dns`, `PREFIX.search` and `PREFIX.ndots` (for example `net0.dns`) by asking `get` for each.
    ///
    /// # Errors
    /// A word that is not understood; the error's text names it and what was expected.
    pub fn parse<'a>(
        prefix: &str,
        get: &mut dyn FnMut(&str) -> Option<&'a str>,
    ) -> Result<Self, ConfigError> {
        let mut settings = Self::new();
        for (name, take) in WORDS {
            let key = [prefix, ".", name].concat();
            let Some(value) = get(&key) else { continue };
            if let Err(expected) = take(&mut settings, value) {
                return Err(ConfigError { key, value: value.into(), expected });
            }
        }
        Ok(settings)
    }

    fn take_servers(&mut self, value: &str) -> Result<(), &'static str> {
        let parse = |text: &str| parse_end(text, PORT).filter(|server| !server.ip().is_unspecified());
        let servers = list(value, SERVER_LIMIT, &mut { parse });
        self.servers = servers.ok_or("up to three addresses with commas between them, like 10.0.2.3")?;
        Ok(())
    }

    fn take_search(&mut self, value: &str) -> Result<(), &'static str> {
        let below = list(value, SEARCH_LIMIT, &mut Name::parse);
        self.search = below.ok_or("up to six names with commas between them, like example.org")?;
        Ok(())
    }

    fn take_dots(&mut self, value: &str) -> Result<(), &'static str> {
        let dots = value.parse().ok().filter(|dots| *dots <= DOTS_LIMIT);
        self.dots = dots.ok_or("a number of dots up to 15")?;
        Ok(())
    }

    /// The servers, where they are set.
    pub fn servers(&self) -> &[SocketAddr] {
        &self.servers
    }

    /// The names below which short ones are searched, where they are set.
    pub fn search(&self) -> &[Name] {
        &self.search
    }

    /// How many dots a name has at least that is tried as it is before.
    pub fn dots(&self) -> usize {
        self.dots
    }
}

/// Takes one word's value over, or says what was expected.
type Take = fn(&mut Settings, &str) -> Result<(), &'static str>;

/// What the words are called.
const WORDS: [(&str, Take); 3] =
    [("dns", Settings::take_servers), ("search", Settings::take_search), ("ndots", Settings::take_dots)];

/// The most dots that a short name may lack.
const DOTS_LIMIT: usize = 15;

/// One to `limit` values with commas between them.
fn list<T>(text: &str, limit: usize, parse: &mut dyn FnMut(&str) -> Option<T>) -> Option<Vec<T>> {
    let values = text.split(',').map(parse).collect::<Option<Vec<T>>>();
    values.filter(|values| values.len() <= limit)
}

/// The attempts to have a question answered: all servers in turn, and again with more patience as long as one of them stays
/// silent. Whoever answers at once that it cannot tell will not know better a moment later.
#[derive(Clone, Copy, Debug)]
pub struct Attempts {
    servers: usize,
    first: usize,
    number: usize,
    /// Whether a server of this round has kept silent.
    is_silent: bool,
}

impl Attempts {
    /// Attempts with so many servers, beginning with the one in place `first`.
    pub const fn new(servers: usize, first: usize) -> Self {
        Self { servers, first, number: 0, is_silent: false }
    }

    /// The place of the server to ask now, and how long to wait for its answer.
    ///
    /// # Errors
    /// Why there is nobody to ask any more.
    pub fn attempt(&mut self) -> Result<(usize, Duration), NameError> {
        if self.servers == 0 {
            return Err(NameError::NoServer);
        }
        let round = self.number / self.servers;
        if self.number.is_multiple_of(self.servers) {
            if round == ROUNDS || round > 0 && !self.is_silent {
                return Err(if self.is_silent { NameError::Unanswered } else { NameError::Refused });
            }
            self.is_silent = false;
        }
        let server = (self.first + self.number) % self.servers;
        self.number += 1;
        Ok((server, PATIENCE * (1 << round)))
    }

    /// Notes why an attempt has failed.
    pub fn failed(&mut self, refusal: Refusal) {
        self.is_silent |= refusal == Refusal::Silent;
    }
}
