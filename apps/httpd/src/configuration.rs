//! What the owner of a site says about it: the file `httpd.toml` in the root of its files.
//!
//! [`Configuration::parse`] reads it and finds whatever is wrong in the file alone; `site.rs` finds what does not fit the files.
//! Neighbours: `unik_toml` has the syntax and `parser.rs` the words; `route.rs` and `site.rs` do what is said. Invariant: what was
//! parsed can be sent: names and values of fields are such, and locations consist of visible characters.

mod parser;

use crate::coding::Coding;
use crate::status::Status;
use crate::text::is_like;
use alloc::vec::Vec;
use core::fmt;
use parser::Parser;
use unik_toml::line_at;

pub(crate) use parser::NAME_LENGTH;

/// Where it is in the tree of files.
pub const CONFIGURATION: &str = "httpd.toml";

/// A mistake in the file. Displayed as `httpd.toml:line: 'word': what was expected`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConfigurationError<'a> {
    line: u32,
    word: &'a str,
    expected: &'static str,
}

impl fmt::Display for ConfigurationError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CONFIGURATION)?;
        f.write_str(":")?;
        fmt::Display::fmt(&self.line, f)?;
        f.write_str(": '")?;
        f.write_str(self.word)?;
        f.write_str("': ")?;
        f.write_str(self.expected)
    }
}

impl core::error::Error for ConfigurationError<'_> {}

/// What the file says.
#[derive(Debug)]
pub struct Configuration<'a> {
    pub(crate) text: &'a str,
    /// The first one is that of all names that no other one has.
    pub(crate) hosts: Vec<Host<'a>>,
    /// The names of the others, each with the number of its host.
    pub(crate) names: Vec<(&'a str, usize)>,
    pub(crate) redirects: Vec<Redirect<'a>>,
    pub(crate) rules: Vec<Rule<'a>>,
    /// The fields of all rules.
    pub(crate) fields: Vec<Field<'a>>,
    /// Names that no host has are refused.
    pub(crate) refuses_unknown: bool,
    /// Which forms are made when the files are packed; a bit for each of the codings.
    compress: u8,
}

/// A host: a folder of the files, and how it is served.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Host<'a> {
    /// Its folder, without slashes at either end; `None` where it has none.
    pub(crate) root: Option<&'a str>,
    /// The file that is sent for what is not there, relative to the root.
    pub(crate) fallback: Option<&'a str>,
    /// Folders without a page are listed.
    pub(crate) has_listing: bool,
    /// Where root and fallback stand in the file.
    pub(crate) root_at: usize,
    pub(crate) fallback_at: usize,
    /// Its files among all of the site.
    pub(crate) resources: (usize, usize),
}

/// Whom a redirect or a rule is about.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Scope<'a> {
    /// One host alone.
    pub(crate) host: Option<usize>,
    pub(crate) which: Which<'a>,
}

/// Paths, without their first slashes.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) enum Which<'a> {
    #[default]
    All,
    /// This one.
    Path(&'a str),
    /// Those that begin so, which ends with a slash or is empty, and the folder itself.
    Below(&'a str),
    /// Those that end so.
    Ending(&'a str),
}

/// Where a client is led to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redirect<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) status: Status,
    /// A path or a URL; for [`Which::Below`], what its rest is put behind.
    pub(crate) to: &'a str,
}

/// Fields that responses have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule<'a> {
    pub(crate) scope: Scope<'a>,
    /// Also those that tell of errors.
    pub(crate) always: bool,
    fields: (usize, usize),
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
}

impl<'a> Configuration<'a> {
    /// Reads `bytes`, the contents of the file; none where there is no file.
    ///
    /// # Errors
    /// The first mistake.
    #[inline(never)]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ConfigurationError<'a>> {
        let (text, is_text) = match core::str::from_utf8(bytes) {
            Ok(text) => (text, true),
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                (core::str::from_utf8(good).unwrap_or_default(), false)
            }
        };
        let mut configuration = Self {
            text,
            hosts: Vec::new(),
            names: Vec::new(),
            redirects: Vec::new(),
            rules: Vec::new(),
            fields: Vec::new(),
            refuses_unknown: false,
            compress: u8::MAX,
        };
        if !is_text {
            return Err(configuration.mistake(text.len(), "expected UTF-8 here"));
        }
        match Parser::new(&mut configuration).parse() {
            Ok(()) => Ok(configuration),
            Err(mistake) => Err(configuration.mistake(mistake.at, mistake.expected)),
        }
    }

    /// The codings in which files are to be packed too, as the field `Content-Encoding` names them, each with the ending of such files.
    pub fn compress(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let codings = Coding::COMPRESSED.into_iter().filter(|coding| self.compress & coding.bit() != 0);
        codings.map(|coding| (coding.name(), coding.suffix()))
    }

    /// The mistake at a place of the file.
    #[inline(never)]
    pub(crate) fn mistake(&self, at: usize, expected: &'static str) -> ConfigurationError<'a> {
        let bytes = self.text.as_bytes();
        let quote = bytes.get(at).copied().filter(|first| b"\"'".contains(first));
        let start = at + usize::from(quote.is_some());
        let mut end = start;
        while let Some(byte) = bytes.get(end)
            && !byte.is_ascii_control()
            && match quote {
                Some(quote) => *byte != quote,
                None => end == start || !b" ,=]}#".contains(byte),
            }
        {
            end += 1;
        }
        ConfigurationError {
            line: line_at(bytes, at),
            word: self.text.get(start..end).unwrap_or_default(),
            expected,
        }
    }

    /// Takes the fields of a response about `path` of a host: of rules that name the same field, the last one says it.
    #[inline(never)]
    pub(crate) fn fields(
        &self,
        (host, path): (usize, &[u8]),
        is_error: bool,
        take: &mut dyn FnMut(&Field<'a>) -> Option<()>,
    ) -> Option<()> {
        let mut rules = self.rules.iter();
        while let Some(rule) = rules.next() {
            let applies =
                |rule: &Rule<'_>| (rule.always || !is_error) && rule.scope.rest(host, path).is_some();
            if !applies(rule) {
                continue;
            }
            for field in self.fields_of(rule) {
                let has_it = |rule: &Rule<'a>| {
                    self.fields_of(rule)
                        .iter()
                        .any(|other| is_like(other.name.as_bytes(), field.name.as_bytes()))
                };
                if !rules.clone().any(|later| has_it(later) && applies(later)) {
                    take(field)?;
                }
            }
        }
        Some(())
    }

    fn fields_of(&self, rule: &Rule<'a>) -> &[Field<'a>] {
        self.fields.get(rule.fields.0..rule.fields.1).unwrap_or_default()
    }
}

impl Field<'_> {
    /// Whether it tells the type of contents, in place of what the ending of their name tells.
    pub(crate) fn is_type(&self) -> bool {
        is_like(self.name.as_bytes(), b"content-type")
    }

    /// Its line.
    pub(crate) fn line(&self) -> [&[u8]; 4] {
        [self.name.as_bytes(), b": ", self.value.as_bytes(), b"\r\n"]
    }
}

impl Scope<'_> {
    /// Whether `path` of `host` is meant, and what is behind that which begins it.
    pub(crate) fn rest<'p>(&self, host: usize, path: &'p [u8]) -> Option<&'p [u8]> {
        if self.host.is_some_and(|own| own != host) {
            return None;
        }
        match self.which {
            Which::All => Some(path),
            Which::Path(own) => (own.as_bytes() == path).then_some(b""),
            Which::Below(start) => match start.as_bytes().strip_suffix(b"/") {
                Some(folder) if folder == path => Some(b""),
                _ => path.strip_prefix(start.as_bytes()),
            },
            Which::Ending(end) => path.ends_with(end.as_bytes()).then_some(b""),
        }
    }
}
