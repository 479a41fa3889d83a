//! The index: what is told of each file, prepared where the files were packed, so that a start need not find it out.
//!
//! It is a file among the others. [`Site::take_index`] believes it only as far as it fits them: it was made with the same
//! configuration, for the same paths with the same lengths, and its blocks have their lines. Otherwise everything is found anew, as
//! for files without an index. Who could change the blocks beyond that could change the files as well.
//!
//! Numbers are little endian. A head: [`MAGIC`], the hash of the configuration, the number of resources. For each resource: the length of
//! its path in 2 bytes, the path, the number of its forms in one byte. For each form: the number of the resource that has its contents
//! and their length in 4 bytes each, the coding in one, the ends of the parts of its block in 2 bytes each, and the block.

use super::{BEHIND_TAG, Form, Site, TAG_LENGTH};
use crate::coding::Coding;
use crate::hash;
use crate::text::{push, push_all, push_number};
use alloc::vec::Vec;

/// Where it is in the tree of files.
pub const INDEX: &str = ".httpd/index";
/// How it begins; another number for another layout, or other fields.
const MAGIC: &[u8] = b"unik-httpd index 1\n";

impl<'a> Site<'a> {
    /// Takes what an index tells of the files: whether it fits them. `None` if there is no memory for it.
    #[inline(never)]
    pub(super) fn take_index(&mut self, bytes: &'a [u8]) -> Option<bool> {
        if bytes.is_empty() {
            return Some(false);
        }
        let mut index = Index { bytes, at: 0 };
        let mut line = Vec::new();
        self.forms.try_reserve_exact(self.resources.len()).ok()?;
        let fits = self.read_index(&mut index, &mut line);
        if fits.is_some() && index.at == bytes.len() {
            self.prepared = bytes;
            return Some(true);
        }
        self.forms.clear();
        log::warn!("{INDEX} does not fit the files: what it should tell is found anew");
        Some(false)
    }

    /// Reads all of it; `None` where it does not fit.
    fn read_index(&mut self, index: &mut Index<'a>, line: &mut Vec<u8>) -> Option<()> {
        let hash = hash::of(self.configuration.text.as_bytes());
        if index.take(MAGIC.len())? != MAGIC || index.take(16)? != hash.to_le_bytes() {
            return None;
        }
        if index.number(4)? != self.count {
            return None;
        }
        for number in 0..self.count {
            let length = index.number(2)?;
            let path = index.take(length)?;
            let resource = self.resources.get(number)?;
            if resource.file.path.as_bytes() != path {
                return None;
            }
            let first = self.forms.len();
            for _ in 0..index.number(1)? {
                let form = self.read_form(index, number, line)?;
                self.forms.try_reserve(1).ok()?;
                self.forms.push(form);
            }
            // The file itself is the first.
            if self.forms.get(first)?.coding != Coding::Identity {
                return None;
            }
            self.resources.get_mut(number)?.forms = (first, self.forms.len());
        }
        Some(())
    }

    fn read_form(&self, index: &mut Index<'a>, number: usize, line: &mut Vec<u8>) -> Option<Form<'a>> {
        let (resource, holder) = (self.resources.get(number)?, index.number(4)?);
        let held = self.resources.get(holder)?;
        let is_length = index.number(4)? == held.length();
        let coding = *Coding::ALL.get(index.number(1)?)?;
        let is_own = match coding {
            Coding::Identity => holder == number,
            _ => {
                let hosts = self.configuration.hosts.len();
                let suffix = held.file.path.strip_prefix(resource.file.path);
                suffix == Some(coding.suffix())
                    && [0, hosts].contains(&held.place.wrapping_sub(resource.place))
            }
        };
        let mut ends = [0; 4];
        for end in &mut ends {
            *end = index.number(2)?;
        }
        let [media_type, rest, validators, end] = ends;
        let start = index.at;
        let block = index.take(end)?;
        line.clear();
        push(line, b"Content-Length: ")?;
        push_number(line, held.length())?;
        push(line, b"\r\n")?;
        let is_line =
            |from: usize, to: usize| block.get(from..to).is_some_and(|lines| lines.ends_with(b"\r\n"));
        let has_lines = block.get(..media_type)? == line.as_slice()
            && is_line(media_type, rest)
            && is_line(rest, validators)
            && block.get(validators..)?.len() > TAG_LENGTH + BEHIND_TAG
            && block.ends_with(b"\"\r\n\r\n");
        (is_length && is_own && has_lines).then_some(Form {
            contents: held.file.contents,
            stored: held.stored,
            coding,
            modified: resource.file.modified,
            start,
            media_type: start + media_type,
            rest: start + rest,
            validators: start + validators,
            end: start + end,
        })
    }

    /// Writes the index. `None` if there is no memory for it, or a path or a block is too long.
    pub(crate) fn write_index(&self, out: &mut Vec<u8>) -> Option<()> {
        let hash = hash::of(self.configuration.text.as_bytes());
        let count = u32::try_from(self.count).ok()?;
        push_all(out, &[MAGIC, &hash.to_le_bytes(), &count.to_le_bytes()])?;
        for resource in self.resources.get(..self.count)? {
            let path = resource.file.path.as_bytes();
            let forms = self.forms.get(resource.forms.0..resource.forms.1)?;
            let (length, count) = (u16::try_from(path.len()).ok()?, u8::try_from(forms.len()).ok()?);
            push_all(out, &[&length.to_le_bytes(), path, &[count]])?;
            for form in forms {
                let places = [resource.place, resource.place + self.configuration.hosts.len()]
                    .map(|place| self.at(place));
                let holder = places
                    .iter()
                    .find_map(|place| self.find(*place, path, form.coding.suffix().as_bytes()))?;
                for number in [holder, form.length()] {
                    push(out, &u32::try_from(number).ok()?.to_le_bytes())?;
                }
                push(out, &[form.coding as u8])?;
                for end in [form.media_type, form.rest, form.validators, form.end] {
                    push(out, &u16::try_from(end - form.start).ok()?.to_le_bytes())?;
                }
                push(out, self.block(form))?;
            }
        }
        Some(())
    }
}

/// An index that is being read.
struct Index<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Index<'a> {
    #[inline(never)]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..)?.get(..length)?;
        self.at += length;
        Some(taken)
    }

    /// A number of so many bytes.
    #[inline(never)]
    fn number(&mut self, length: usize) -> Option<usize> {
        let bytes = self.take(length)?.iter().rev();
        Some(bytes.fold(0, |number, &byte| number << 8 | usize::from(byte)))
    }
}
