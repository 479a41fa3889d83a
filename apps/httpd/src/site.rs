//! The site: what can be asked for, each with the fields that tell of it, made once when the files are loaded.
//!
//! A [`Resource`] is a file and has one [`Form`] or several: its contents as they are, and compressed ones that lie beside
//! it (`a.css`, `a.css.br`). Each form has a block of fields in the bytes that all share. Neighbour: `response.rs`, for which a
//! request is a search here, a block to copy, and contents to send from where they lie.

use crate::coding::{Coding, Wishes};
use crate::condition::Validators;
use crate::date;
use crate::hash;
use crate::media;
use crate::text::{push, push_all, push_number};
use alloc::vec::Vec;
use core::cmp::min;

/// What a directory is answered with.
const INDEX: &[u8] = b"index.html";
const SLASH_INDEX: &[u8] = b"/index.html";
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

/// There is no memory for the site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoMemory;

/// All resources.
pub(crate) struct Site<'a> {
    /// In the order of their paths.
    resources: Vec<Resource<'a>>,
    forms: Vec<Form<'a>>,
    blocks: Vec<u8>,
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// The resource with this index.
    Resource(usize),
    /// A directory, which is called with a slash at the end.
    Directory,
    /// Nothing.
    Nothing,
}

/// A file that can be asked for.
#[derive(Clone, Copy)]
struct Resource<'a> {
    file: File<'a>,
    hash: u128,
    /// Its forms, of which the first is the file itself.
    forms: (usize, usize),
}

/// Contents as they are sent, and the fields that tell of them.
#[derive(Clone, Copy)]
pub(crate) struct Form<'a> {
    pub(crate) contents: &'a [u8],
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
    /// [`NoMemory`].
    pub(crate) fn load(files: &mut dyn Iterator<Item = File<'a>>) -> Result<Self, NoMemory> {
        let mut site = Self { resources: Vec::new(), forms: Vec::new(), blocks: Vec::new() };
        let mut is_sorted = true;
        let mut last = "";
        for file in files {
            is_sorted &= last <= file.path;
            last = file.path;
            site.resources.try_reserve(1).map_err(|_| NoMemory)?;
            site.resources.push(Resource { file, hash: hash::of(file.contents), forms: (0, 0) });
        }
        if !is_sorted {
            site.resources.sort_unstable_by(|one, other| one.file.path.cmp(other.file.path));
        }
        for index in 0..site.resources.len() {
            site.describe(index).ok_or(NoMemory)?;
        }
        Ok(site)
    }

    /// Makes the forms of a resource.
    fn describe(&mut self, index: usize) -> Option<()> {
        let resource = *self.resources.get(index)?;
        let compressed = Coding::COMPRESSED.map(|coding| {
            let neighbour = self.find(resource.file.path.as_bytes(), coding.suffix().as_bytes())?;
            self.resources.get(neighbour).map(|neighbour| (coding, *neighbour))
        });
        let own = (Coding::Identity, resource);
        let varies = compressed.iter().any(Option::is_some);
        let first = self.forms.len();
        for (coding, contents) in [Some(own)].into_iter().chain(compressed).flatten() {
            let form = self.write_block(&resource.file, coding, &contents, varies)?;
            self.forms.try_reserve(1).ok()?;
            self.forms.push(form);
        }
        self.resources.get_mut(index)?.forms = (first, self.forms.len());
        Some(())
    }

    /// Writes the fields of one form of `file`, of which `holder` has the contents.
    fn write_block(
        &mut self,
        file: &File<'a>,
        coding: Coding,
        holder: &Resource<'a>,
        varies: bool,
    ) -> Option<Form<'a>> {
        let out = &mut self.blocks;
        let contents = holder.file.contents;
        let start = out.len();
        push(out, b"Content-Length: ")?;
        push_number(out, contents.len())?;
        push(out, b"\r\n")?;
        let media_type = out.len();
        let name = media::media_type(file.path);
        let is_utf8 = media::is_text(name) && core::str::from_utf8(file.contents).is_ok();
        let charset: &[u8] = if is_utf8 { b"; charset=utf-8\r\n" } else { b"\r\n" };
        push_all(out, &[b"Content-Type: ", name.as_bytes(), charset])?;
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
        let mut tag = [0; TAG_LENGTH];
        for (place, digit) in tag.iter_mut().zip((0..32).rev()) {
            *place = *b"0123456789abcdef".get((holder.hash >> (4 * digit)) as usize & 0xf)?;
        }
        push_all(out, &[b"ETag: \"", &tag, b"\"\r\n\r\n"])?;
        let (end, modified) = (out.len(), file.modified);
        Some(Form { contents, coding, modified, start, media_type, rest, validators, end })
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.resources.len()
    }

    /// What `path` leads to: resolved, without a leading slash.
    pub(crate) fn look_up(&self, path: &[u8]) -> Found {
        let is_directory = matches!(path, [] | [.., b'/']);
        let end: &[u8] = if is_directory { INDEX } else { b"" };
        match self.find(path, end) {
            Some(index) => Found::Resource(index),
            None if !is_directory && self.find(path, SLASH_INDEX).is_some() => Found::Directory,
            None => Found::Nothing,
        }
    }

    /// The page for a status, where the site has one: `404.html`.
    pub(crate) fn page(&self, code: &str) -> Option<&Form<'a>> {
        self.form(self.find(code.as_bytes(), b".html")?, None)
    }

    /// The form of a resource that a client takes most gladly; without wishes, its contents as they are.
    pub(crate) fn form(&self, resource: usize, wishes: Option<&Wishes>) -> Option<&Form<'a>> {
        let (first, end) = self.resources.get(resource)?.forms;
        let forms = self.forms.get(first..end)?;
        let Some(wishes) = wishes.filter(|_| forms.len() > 1) else { return forms.first() };
        let taken = forms.iter().filter(|form| wishes.weight(form.coding) > 0);
        taken.max_by_key(|form| (wishes.weight(form.coding), usize::MAX - form.contents.len()))
    }

    /// Whether a resource has compressed forms.
    pub(crate) fn varies(&self, resource: usize) -> bool {
        self.resources.get(resource).is_some_and(|resource| resource.forms.1 - resource.forms.0 > 1)
    }

    /// The fields of a form, from its length on, and the end of the head.
    pub(crate) fn block(&self, form: &Form<'_>) -> &[u8] {
        self.blocks.get(form.start..form.end).unwrap_or_default()
    }

    /// The same without the length.
    pub(crate) fn block_of_part(&self, form: &Form<'_>) -> &[u8] {
        self.blocks.get(form.media_type..form.end).unwrap_or_default()
    }

    /// The same without the type.
    pub(crate) fn block_of_parts(&self, form: &Form<'_>) -> &[u8] {
        self.blocks.get(form.rest..form.end).unwrap_or_default()
    }

    /// The line with the type.
    pub(crate) fn type_line(&self, form: &Form<'_>) -> &[u8] {
        self.blocks.get(form.media_type..form.rest).unwrap_or_default()
    }

    /// The lines with length and type.
    pub(crate) fn length_and_type(&self, form: &Form<'_>) -> &[u8] {
        self.blocks.get(form.start..form.rest).unwrap_or_default()
    }

    /// What a client is told that has the contents already, and the end of the head (RFC 9110, 15.4.5).
    pub(crate) fn validators_block(&self, form: &Form<'_>) -> &[u8] {
        self.blocks.get(form.validators..form.end).unwrap_or_default()
    }

    /// What tells this state of a form from others.
    pub(crate) fn validators(&self, form: &Form<'_>) -> Validators<'_> {
        let end = form.end.saturating_sub(BEHIND_TAG - 1);
        let etag = self.blocks.get(end.saturating_sub(TAG_LENGTH + 2)..end).unwrap_or_default();
        Validators { etag, modified: form.modified }
    }

    /// The resource whose path is `path` with `suffix` behind it.
    fn find(&self, path: &[u8], suffix: &[u8]) -> Option<usize> {
        let compare = |resource: &Resource<'_>| {
            let known = resource.file.path.as_bytes();
            let (start, end) = known.split_at(min(known.len(), path.len()));
            start.cmp(path).then_with(|| end.cmp(suffix))
        };
        self.resources.binary_search_by(compare).ok()
    }
}
