//! The words of `httpd.toml`: which key stands where, and what it takes.

use super::{Configuration, Field, Host, Redirect, Rule, Scope, Which};
use crate::coding::Coding;
use crate::status::Status;
use crate::text::{TEXT, TOKEN, is_like, run, trim};
use alloc::vec::Vec;
use unik_toml::{Line, Mistake, Reader};

/// The most of everything in the file.
const HOST_LIMIT: usize = 64;
const NAME_LIMIT: usize = 256;
const REDIRECT_LIMIT: usize = 1000;
const RULE_LIMIT: usize = 64;
const FIELD_LIMIT: usize = 256;
/// The longest name of a host (RFC 1035, 2.3.4, without the length in front and the root).
pub(crate) const NAME_LENGTH: usize = 253;

/// Fields that the server writes itself, or that frame messages and so are its own business.
const OWN_FIELDS: &str = "accept-ranges allow connection content-encoding content-length content-range date etag \
                          keep-alive last-modified location proxy-connection te trailer transfer-encoding upgrade";

/// Tables, a bit for each.
const TOP: u8 = 1;
const HOST: u8 = 2;
const REDIRECT: u8 = 4;
const HEADER: u8 = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Root,
    Fallback,
    Listing,
    UnknownHosts,
    Compress,
    Names,
    Path,
    Below,
    Ending,
    To,
    Status,
    Set,
    Always,
}

/// Each key and the tables that have it.
const KEYS: [(&str, Key, u8); 13] = [
    ("root", Key::Root, TOP | HOST),
    ("fallback", Key::Fallback, TOP | HOST),
    ("listing", Key::Listing, TOP | HOST),
    ("unknown-hosts", Key::UnknownHosts, TOP),
    ("compress", Key::Compress, TOP),
    ("names", Key::Names, HOST),
    ("path", Key::Path, REDIRECT | HEADER),
    ("below", Key::Below, REDIRECT | HEADER),
    ("ending", Key::Ending, HEADER),
    ("to", Key::To, REDIRECT),
    ("status", Key::Status, REDIRECT),
    ("set", Key::Set, HEADER),
    ("always", Key::Always, HEADER),
];

type Parsed<T = ()> = Result<T, Mistake>;

/// The file on its way into a [`Configuration`].
pub(super) struct Parser<'c, 'a> {
    reader: Reader<'a>,
    configuration: &'c mut Configuration<'a>,
    /// The table that is being read, where it begins, and the keys that it has so far.
    table: u8,
    table_at: usize,
    seen: u16,
    /// What a redirect or a rule says so far.
    scope: Scope<'a>,
    status: Status,
    to: &'a str,
    to_at: usize,
    always: bool,
    fields: usize,
}

impl<'c, 'a> Parser<'c, 'a> {
    pub(super) fn new(configuration: &'c mut Configuration<'a>) -> Self {
        Self {
            reader: Reader::new(configuration.text),
            configuration,
            table: TOP,
            table_at: 0,
            seen: 0,
            scope: Scope::default(),
            status: Status::MOVED_PERMANENTLY,
            to: "",
            to_at: 0,
            always: false,
            fields: 0,
        }
    }

    pub(super) fn parse(mut self) -> Parsed {
        let host = Host { root: Some(""), ..Host::default() };
        push(&self.reader, &mut self.configuration.hosts, host, HOST_LIMIT)?;
        loop {
            match self.reader.line()? {
                (_, Line::End) => return self.finish(),
                (at, Line::Element(name)) => self.begin(at, name)?,
                (at, Line::Table(_)) => {
                    return fail(at, "expected [[host]], [[redirect]] or [[header]]: each is one of a list");
                }
                (at, Line::Key(name)) => {
                    self.key(at, name)?;
                    self.reader.end()?;
                }
            }
        }
    }

    /// Begins a table behind another one.
    fn begin(&mut self, at: usize, name: &str) -> Parsed {
        self.finish()?;
        let last = self.configuration.hosts.len() - 1;
        let (table, host) = match name {
            "host" => (HOST, None),
            "redirect" => (REDIRECT, None),
            "header" => (HEADER, None),
            "host.redirect" if last > 0 => (REDIRECT, Some(last)),
            "host.header" if last > 0 => (HEADER, Some(last)),
            "host.redirect" | "host.header" => return fail(at, "expected a [[host]] in front of this"),
            _ => return fail(at, "expected host, redirect, header, host.redirect or host.header"),
        };
        (self.table, self.table_at, self.seen) = (table, at, 0);
        self.scope = Scope { host, which: Which::All };
        (self.status, self.to, self.always) = (Status::MOVED_PERMANENTLY, "", false);
        self.fields = self.configuration.fields.len();
        if table == HOST {
            push(&self.reader, &mut self.configuration.hosts, Host::default(), HOST_LIMIT)?;
        }
        Ok(())
    }

    /// Ends the table that is being read.
    fn finish(&mut self) -> Parsed {
        let has = |key: Key| self.seen & 1 << key as u8 != 0;
        let configuration = &mut *self.configuration;
        let scope = self.scope;
        match self.table {
            HOST if !has(Key::Names) => fail(self.table_at, "expected names = [..] in this table"),
            REDIRECT if !has(Key::Path) && !has(Key::Below) => {
                fail(self.table_at, "expected path = or below = in this table")
            }
            REDIRECT if self.to.is_empty() => fail(self.table_at, "expected to = in this table"),
            // Otherwise a client could go on with the name of the host.
            REDIRECT if has(Key::Below) && is_bare_host(self.to) => {
                fail(self.to_at, "expected a slash behind the host, where more is put")
            }
            REDIRECT => {
                let redirect = Redirect { scope, status: self.status, to: self.to };
                push(&self.reader, &mut configuration.redirects, redirect, REDIRECT_LIMIT)
            }
            HEADER if !has(Key::Set) => fail(self.table_at, "expected set = {..} in this table"),
            HEADER => {
                let fields = (self.fields, configuration.fields.len());
                let rule = Rule { scope, always: self.always, fields };
                push(&self.reader, &mut configuration.rules, rule, RULE_LIMIT)
            }
            _ => Ok(()),
        }
    }

    /// Reads the value of a key.
    fn key(&mut self, at: usize, name: &str) -> Parsed {
        let is_it = |known: &&(&str, Key, u8)| known.0 == name && known.2 & self.table != 0;
        let Some(&(_, key, _)) = KEYS.iter().find(is_it) else {
            return fail(
                at,
                match self.table {
                    TOP => "expected root, fallback, listing, unknown-hosts or compress",
                    HOST => "expected names, root, fallback or listing",
                    REDIRECT => "expected path, below, to or status",
                    _ => "expected path, below, ending, set or always",
                },
            );
        };
        if self.seen & 1 << key as u8 != 0 {
            return fail(at, "expected each key once in a table");
        }
        self.seen |= 1 << key as u8;
        let value_at = self.reader.at();
        match key {
            Key::Names => return self.names(),
            Key::Compress => return self.compress(),
            Key::Set => return self.set(),
            Key::Path | Key::Below | Key::Ending => return self.which(at, key),
            Key::To => (self.to, self.to_at) = (self.location()?, value_at),
            Key::Always => self.always = self.reader.flag()?,
            Key::UnknownHosts => {
                self.configuration.refuses_unknown = match self.reader.text()? {
                    "serve" => false,
                    "refuse" => true,
                    _ => return fail(value_at, "expected \"serve\" or \"refuse\""),
                }
            }
            Key::Status => {
                self.status = match self.reader.word() {
                    "301" => Status::MOVED_PERMANENTLY,
                    "302" => Status::FOUND,
                    "307" => Status::TEMPORARY_REDIRECT,
                    "308" => Status::PERMANENT_REDIRECT,
                    _ => return fail(value_at, "expected 301, 302, 307 or 308"),
                }
            }
            Key::Listing | Key::Root | Key::Fallback => {
                let has_listing = key == Key::Listing && self.reader.flag()?;
                let path = if key == Key::Listing { "" } else { self.path()? };
                // The table of a host is that of the last one, and the top comes before all.
                let Some(host) = self.configuration.hosts.last_mut() else { return Ok(()) };
                match key {
                    Key::Listing => host.has_listing = has_listing,
                    Key::Root => (host.root, host.root_at) = (Some(without_slashes(path)), value_at),
                    _ => (host.fallback, host.fallback_at) = (Some(path), value_at),
                }
            }
        }
        Ok(())
    }

    /// A path, without the slash that it begins with.
    fn path(&mut self) -> Parsed<&'a str> {
        let at = self.reader.at();
        match self.reader.text()?.strip_prefix('/') {
            Some(path) => Ok(path),
            None => fail(at, "expected a path that begins with a slash"),
        }
    }

    fn which(&mut self, at: usize, key: Key) -> Parsed {
        if !matches!(self.scope.which, Which::All) {
            return fail(at, "expected one of path, below and ending");
        }
        let value_at = self.reader.at();
        self.scope.which = match key {
            Key::Path => Which::Path(self.path()?),
            Key::Below => Which::Below(self.path()?),
            _ => Which::Ending(self.reader.text()?),
        };
        match self.scope.which {
            Which::Below(path) if !path.is_empty() && !path.ends_with('/') => {
                fail(value_at, "expected a folder, which ends with a slash")
            }
            Which::Ending("") => fail(value_at, "expected what paths end with, such as .css"),
            _ => Ok(()),
        }
    }

    /// Where a redirect leads to.
    fn location(&mut self) -> Parsed<&'a str> {
        let at = self.reader.at();
        let to = self.reader.text()?;
        let is_start = |start: &&str| to.len() > start.len() && to.starts_with(*start);
        let is_url = to.starts_with('/') || ["http://", "https://"].iter().any(is_start);
        if is_url && to.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(to);
        }
        fail(
            at,
            "expected a path that begins with a slash, or a URL with http:// or https://, in visible characters of ASCII",
        )
    }

    /// The names of a host.
    fn names(&mut self) -> Parsed {
        let Self { reader, configuration, .. } = self;
        let host = configuration.hosts.len() - 1;
        let names = &mut configuration.names;
        reader.list([b'[', b']'], &mut |reader| {
            let at = reader.at();
            let name = reader.text()?;
            let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let (bare, others): (_, &[u8]) = match address {
                Some(address) => (address, b":."),
                None => (name.strip_prefix("*.").unwrap_or(name), b"-._"),
            };
            let is_name = bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte));
            if bare.is_empty() || name.len() > NAME_LENGTH || !is_name || bare.ends_with('.') {
                return fail(
                    at,
                    "expected the name of a host without a port, such as example.org or *.example.org",
                );
            }
            if names.iter().any(|(other, _)| is_like(other.as_bytes(), name.as_bytes())) {
                return fail(at, "expected each name once");
            }
            push(reader, names, (name, host), NAME_LIMIT)
        })
    }

    /// The codings in which files are packed too.
    fn compress(&mut self) -> Parsed {
        let mut compress = 0;
        self.reader.list([b'[', b']'], &mut |reader| {
            let at = reader.at();
            let name = reader.text()?;
            let Some(coding) = Coding::COMPRESSED.into_iter().find(|coding| coding.name() == name) else {
                return fail(at, "expected br, gzip or zstd");
            };
            compress |= coding.bit();
            Ok(())
        })?;
        self.configuration.compress = compress;
        Ok(())
    }

    /// The fields of a rule.
    fn set(&mut self) -> Parsed {
        let Self { reader, configuration, fields: start, .. } = self;
        let fields = &mut configuration.fields;
        reader.list([b'{', b'}'], &mut |reader| {
            let at = reader.at();
            let name = reader.key()?;
            if run(TOKEN, name.as_bytes()) != name.len() {
                return fail(at, "expected the name of a field");
            }
            if OWN_FIELDS.split(' ').any(|own| is_like(own.as_bytes(), name.as_bytes())) {
                return fail(at, "expected a field that the server does not write itself");
            }
            let own = fields.get(*start..).unwrap_or_default();
            if own.iter().any(|field: &Field<'_>| is_like(field.name.as_bytes(), name.as_bytes())) {
                return fail(at, "expected each field once in a table");
            }
            let at = reader.at();
            let value = reader.text()?;
            if !value.is_ascii()
                || run(TEXT, value.as_bytes()) != value.len()
                || trim(value.as_bytes()) != value.as_bytes()
            {
                return fail(at, "expected visible characters of ASCII, and spaces between them");
            }
            push(reader, fields, Field { name, value }, FIELD_LIMIT)
        })
    }
}

/// Whether a URL has nothing behind its authority (RFC 3986, 3.2).
fn is_bare_host(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| !url.starts_with('/') && !rest.contains(['/', '?', '#']))
}

/// Without slashes at the end.
fn without_slashes(mut path: &str) -> &str {
    while let Some(rest) = path.strip_suffix('/') {
        path = rest;
    }
    path
}

fn fail<T>(at: usize, expected: &'static str) -> Parsed<T> {
    Err(Mistake { at, expected })
}

/// Appends to a list of limited length.
fn push<T>(reader: &Reader<'_>, list: &mut Vec<T>, item: T, limit: usize) -> Parsed {
    if list.len() >= limit {
        return fail(reader.at(), "expected fewer: this is one more than the limit");
    }
    if list.try_reserve(1).is_err() {
        return fail(reader.at(), "there is no memory for more than what stands in front of this");
    }
    list.push(item);
    Ok(())
}
