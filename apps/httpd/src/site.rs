//! The site: what can be asked for, each with the fields that tell of it, made once when the files are loaded, or when they were packed.
//!
//! A [`Resource`] is a file of a host and has one [`Form`] or several: its contents as they are, and compressed ones that lie beside
//! it (`a.css`, `a.css.br`) or were made when the files were packed. Each form has a block of fields in the bytes that all share.
//! Neighbours: `response.rs`, for which a request is a search here, a block to copy, and contents to send from where they lie;
//! `place.rs` says which host a file belongs to, `index.rs` reads and writes what was prepared.

mod index;
mod place;

pub use index::INDEX;
#[cfg(any(feature = "disk", feature = "tls"))]
pub(crate) use place::SECRETS;
pub use place::{FORMS, is_hidden};

use crate::coding::{Coding, Wishes};
use crate::condition::Validators;
use crate::configuration::{CONFIGURATION, Configuration, ConfigurationError, Field, Host};
use crate::date;
use crate::hash;
use crate::media;
use crate::stored::{Storage, Stored};
use crate::text::{push, push_all, push_number};
use alloc::vec::Vec;
use core::cmp::{Ordering, min};

/// What a directory is answered with.
const PAGE: &[u8] = b"index.html";
const SLASH_PAGE: &[u8] = b"/index.html";
/// The digits of an entity tag, which are also the boundary of parts.
pub(crate) const TAG_LENGTH: usize = 32;
/// Behind an entity tag in its block: the quote, the end of its line, and an empty line.
const BEHIND_TAG: usize = 5;

/// A file to be served.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Where it is in the tree, without a leading slash.
    pub path: &'a str,
    /// What is in it.
    pub contents: &'a [u8],
    /// When it was modified, in seconds since the Unix epoch, if that is known.
    pub modified: Option<u32>,
}

/// Why files cannot be served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadError<'a> {
    /// There is no memory for the site.
    NoMemory,
    /// Their configuration has a mistake.
    Configuration(ConfigurationError<'a>),
}

/// All resources.
pub(crate) struct Site<'a> {
    pub(crate) configuration: Configuration<'a>,
    /// Whether every request is for the one host that there is, and none is led elsewhere.
    pub(crate) is_plain: bool,
    /// In the order of their places, and in each of their paths.
    resources: Vec<Resource<'a>>,
    /// How many of them can be asked for; those behind are compressed forms.
    count: usize,
    forms: Vec<Form<'a>>,
    blocks: Vec<u8>,
    /// In place of the blocks, where they were prepared.
    prepared: &'a [u8],
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// The resource with this index.
    Resource(usize),
    /// A directory, which is called with a slash at the end.
    Directory,
    /// A directory that has no page and is listed.
    Listing,
    /// Nothing.
    Nothing,
}

/// A file that can be asked for, or a form of one.
#[derive(Clone, Copy)]
struct Resource<'a> {
    /// Its path is that in its host.
    file: File<'a>,
    /// Where the contents are instead, if they are not in memory.
    stored: Option<Stored>,
    /// The number of its host; behind all hosts, again for each, the places of forms.
    place: usize,
    hash: u128,
    /// Its forms, of which the first is the file itself.
    forms: (usize, usize),
}

impl Resource<'_> {
    /// Octets of its contents, wherever they are.
    fn length(&self) -> usize {
        self.stored.map_or(self.file.contents.len(), Stored::length)
    }
}

/// Contents as they are sent, and the fields that tell of them.
#[derive(Clone, Copy)]
pub(crate) struct Form<'a> {
    pub(crate) contents: &'a [u8],
    /// Where the contents are instead, if they are not in memory.
    pub(crate) stored: Option<Stored>,
    coding: Coding,
    modified: Option<u32>,
    /// Where its block begins: the length, then the type, then what a part has too, then what a client is told that has it already.
    start: usize,
    media_type: usize,
    rest: usize,
    validators: usize,
    end: usize,
}

impl<'a> Site<'a> {
    /// Takes notice of all files, and of nothing else that `files` may hold later.
    ///
    /// # Errors
    /// [`LoadError`].
    pub(crate) fn load(
        files: &mut dyn Iterator<Item = File<'a>>,
        storage: Storage<'_>,
    ) -> Result<Self, LoadError<'a>> {
        let mut resources = Vec::new();
        let (mut text, mut prepared): (&[u8], &[u8]) = (&[], &[]);
        for (index, file) in files.enumerate() {
            if file.path == CONFIGURATION {
                text = file.contents;
            } else if file.path == INDEX {
                prepared = file.contents;
            } else {
                resources.try_reserve(1).map_err(|_| LoadError::NoMemory)?;
                let stored = storage.of(index);
                resources.push(Resource { file, stored, place: 0, hash: 0, forms: (0, 0) });
            }
        }
        let configuration = Configuration::parse(text).map_err(LoadError::Configuration)?;
        let is_plain = configuration.hosts.len() == 1 && configuration.redirects.is_empty();
        let is_plain = is_plain && !configuration.refuses_unknown;
        let (forms, blocks) = (Vec::new(), Vec::new());
        let mut site = Self { configuration, is_plain, resources, count: 0, forms, blocks, prepared: &[] };
        site.assign()?;
        if !site.take_index(prepared).ok_or(LoadError::NoMemory)? {
            site.describe_all().ok_or(LoadError::NoMemory)?;
        }
        Ok(site)
    }

    #[inline(never)]
    fn describe_all(&mut self) -> Option<()> {
        for resource in &mut self.resources {
            resource.hash = resource.stored.map_or_else(|| hash::of(resource.file.contents), Stored::tag);
        }
        (0..self.count).try_for_each(|index| self.describe(index))
    }

    /// Makes the forms of a resource.
    fn describe(&mut self, index: usize) -> Option<()> {
        let resource = *self.resources.get(index)?;
        let path = resource.file.path.as_bytes();
        let places =
            [resource.place, resource.place + self.configuration.hosts.len()].map(|place| self.at(place));
        let compressed = Coding::COMPRESSED.map(|coding| {
            // What the owner has put beside it goes before what was made of it.
            let neighbour =
                places.iter().find_map(|place| self.find(*place, path, coding.suffix().as_bytes()))?;
            self.resources.get(neighbour).map(|neighbour| (coding, *neighbour))
        });
        let own = (Coding::Identity, resource);
        let varies = compressed.iter().any(Option::is_some);
        let first = self.forms.len();
        for (coding, contents) in [Some(own)].into_iter().chain(compressed).flatten() {
            let form = self.write_block(&resource, coding, &contents, varies)?;
            self.forms.try_reserve(1).ok()?;
            self.forms.push(form);
        }
        self.resources.get_mut(index)?.forms = (first, self.forms.len());
        Some(())
    }

    /// Writes the fields of one form of `resource`, of which `holder` has the contents.
    fn write_block(
        &mut self,
        resource: &Resource<'a>,
        coding: Coding,
        holder: &Resource<'a>,
        varies: bool,
    ) -> Option<Form<'a>> {
        let (out, file) = (&mut self.blocks, &resource.file);
        let fields = |take: &mut dyn FnMut(&Field<'a>) -> Option<()>| {
            self.configuration.fields((resource.place, file.path.as_bytes()), false, take)
        };
        let (contents, stored) = (holder.file.contents, holder.stored);
        let start = out.len();
        push(out, b"Content-Length: ")?;
        push_number(out, holder.length())?;
        push(out, b"\r\n")?;
        let media_type = out.len();
        fields(&mut |field| if field.is_type() { push_all(out, &field.line()) } else { Some(()) })?;
        if out.len() == media_type {
            let name = media::media_type(file.path);
            // Of contents that are elsewhere it is not known.
            let is_known = resource.stored.is_none() && media::is_text(name);
            let is_utf8 = is_known && core::str::from_utf8(file.contents).is_ok();
            let charset: &[u8] = if is_utf8 { b"; charset=utf-8\r\n" } else { b"\r\n" };
            push_all(out, &[b"Content-Type: ", name.as_bytes(), charset])?;
        }
        let rest = out.len();
        if coding != Coding::Identity {
            push_all(out, &[b"Content-Encoding: ", coding.name().as_bytes(), b"\r\n"])?;
        }
        if let Some(modified) = file.modified {
            push_all(out, &[b"Last-Modified: ", &date::write(modified.into()), b"\r\n"])?;
        }
        push(out, b"Accept-Ranges: bytes\r\n")?;
        let validators = out.len();
        if varies {
            push(out, b"Vary: Accept-Encoding\r\n")?;
        }
        fields(&mut |field| if field.is_type() { Some(()) } else { push_all(out, &field.line()) })?;
        let mut tag = [0; TAG_LENGTH];
        for (place, digit) in tag.iter_mut().zip((0..32).rev()) {
            *place = *b"0123456789abcdef".get((holder.hash >> (4 * digit)) as usize & 0xf)?;
        }
        push_all(out, &[b"ETag: \"", &tag, b"\"\r\n\r\n"])?;
        let (end, modified) = (out.len(), file.modified);
        Some(Form { contents, stored, coding, modified, start, media_type, rest, validators, end })
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The host with this number, of which there is always the first.
    pub(crate) fn host(&self, number: usize) -> Option<&Host<'a>> {
        self.configuration.hosts.get(number)
    }

    /// What `path` leads to in a host: resolved, without a leading slash.
    pub(crate) fn look_up(&self, host: &Host<'a>, path: &[u8]) -> Found {
        let is_directory = matches!(path, [] | [.., b'/']);
        let end: &[u8] = if is_directory { PAGE } else { b"" };
        match self.find(host.resources, path, end) {
            Some(index) => Found::Resource(index),
            None if !is_directory && self.find(host.resources, path, SLASH_PAGE).is_some() => {
                Found::Directory
            }
            None if host.has_listing => self.look_up_folder(host, path, is_directory),
            None => Found::Nothing,
        }
    }

    /// The same for a folder without a page.
    #[inline(never)]
    fn look_up_folder(&self, host: &Host<'a>, path: &[u8], is_directory: bool) -> Found {
        let slash: &[u8] = if is_directory { b"" } else { b"/" };
        let index = self.seek(host.resources, path, slash).unwrap_or_else(|index| index);
        let there = self.resources.get(index).filter(|_| index < host.resources.1);
        let path_there = there.map_or(&b""[..], |resource| resource.file.path.as_bytes());
        match path_there.strip_prefix(path) {
            Some(_) if is_directory && there.is_some() => Found::Listing,
            Some([b'/', ..]) => Found::Directory,
            _ => Found::Nothing,
        }
    }

    /// What is in a folder of a host, which is empty or ends with a slash: names, and their lengths, or `None` for folders.
    pub(crate) fn list<'s>(
        &'s self,
        host: &Host<'a>,
        folder: &'s [u8],
    ) -> impl Iterator<Item = (&'a [u8], Option<usize>)> + 's {
        let range = host.resources;
        let mut at = self.seek(range, folder, b"").unwrap_or_else(|at| at);
        core::iter::from_fn(move || {
            let resource = self.resources.get(at).filter(|_| at < range.1)?;
            let name = resource.file.path.as_bytes().strip_prefix(folder)?;
            let Some(slash) = name.iter().position(|&byte| byte == b'/') else {
                at += 1;
                return Some((name, Some(resource.length())));
            };
            // Behind all that is in this folder: a slash is followed by a zero.
            let inner = resource.file.path.as_bytes().get(..folder.len() + slash)?;
            at = self.seek(range, inner, b"0").unwrap_or_else(|at| at);
            Some((name.get(..slash + 1)?, None))
        })
    }

    /// The file that a host sends for what is not there.
    pub(crate) fn fallback(&self, host: &Host<'a>) -> Option<usize> {
        self.find(host.resources, host.fallback?.as_bytes(), b"")
    }

    /// The page for a status, where the host has one: `404.html`.
    pub(crate) fn page(&self, host: &Host<'a>, code: &str) -> Option<&Form<'a>> {
        self.form(self.find(host.resources, code.as_bytes(), b".html")?, None)
    }

    /// The form of a resource that a client takes most gladly; without wishes, its contents as they are.
    pub(crate) fn form(&self, resource: usize, wishes: Option<&Wishes>) -> Option<&Form<'a>> {
        let (first, end) = self.resources.get(resource)?.forms;
        let forms = self.forms.get(first..end)?;
        let Some(wishes) = wishes.filter(|_| forms.len() > 1) else { return forms.first() };
        let taken = forms.iter().filter(|form| wishes.weight(form.coding) > 0);
        taken.max_by_key(|form| (wishes.weight(form.coding), usize::MAX - form.length()))
    }

    /// Whether a resource has compressed forms.
    pub(crate) fn varies(&self, resource: usize) -> bool {
        self.resources.get(resource).is_some_and(|resource| resource.forms.1 - resource.forms.0 > 1)
    }

    /// The fields of a form, from its length on, and the end of the head.
    #[inline]
    pub(crate) fn block(&self, form: &Form<'_>) -> &[u8] {
        self.bytes().get(form.start..form.end).unwrap_or_default()
    }

    /// The same without the length.
    pub(crate) fn block_of_part(&self, form: &Form<'_>) -> &[u8] {
        self.bytes().get(form.media_type..form.end).unwrap_or_default()
    }

    /// The same without the type.
    pub(crate) fn block_of_parts(&self, form: &Form<'_>) -> &[u8] {
        self.bytes().get(form.rest..form.end).unwrap_or_default()
    }

    /// The line with the type.
    pub(crate) fn type_line(&self, form: &Form<'_>) -> &[u8] {
        self.bytes().get(form.media_type..form.rest).unwrap_or_default()
    }

    /// The lines with length and type.
    pub(crate) fn length_and_type(&self, form: &Form<'_>) -> &[u8] {
        self.bytes().get(form.start..form.rest).unwrap_or_default()
    }

    /// What a client is told that has the contents already, and the end of the head (RFC 9110, 15.4.5).
    pub(crate) fn validators_block(&self, form: &Form<'_>) -> &[u8] {
        self.bytes().get(form.validators..form.end).unwrap_or_default()
    }

    /// What tells this state of a form from others.
    pub(crate) fn validators(&self, form: &Form<'_>) -> Validators<'_> {
        let end = form.end.saturating_sub(BEHIND_TAG - 1);
        let etag = self.bytes().get(end.saturating_sub(TAG_LENGTH + 2)..end).unwrap_or_default();
        Validators { etag, modified: form.modified }
    }

    /// The blocks of all forms.
    #[inline]
    fn bytes(&self) -> &[u8] {
        if self.prepared.is_empty() { &self.blocks } else { self.prepared }
    }

    /// The resource among these whose path is `path` with `suffix` behind it.
    fn find(&self, range: (usize, usize), path: &[u8], suffix: &[u8]) -> Option<usize> {
        self.seek(range, path, suffix).ok()
    }

    /// The same, or the place that it would have.
    #[inline(never)]
    fn seek(&self, (mut start, mut end): (usize, usize), path: &[u8], suffix: &[u8]) -> Result<usize, usize> {
        while start < end {
            let middle = start + (end - start) / 2;
            let known = self.resources.get(middle).map_or(&[][..], |resource| resource.file.path.as_bytes());
            let (front, back) = known.split_at(min(known.len(), path.len()));
            match front.cmp(path).then_with(|| back.cmp(suffix)) {
                Ordering::Less => start = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => end = middle,
            }
        }
        Err(start)
    }
}
