//! Lists of folders: a page with the names that a folder has, for hosts that want it.

use crate::configuration::Host;
use crate::response::{Route, Writer, push_escaped, push_length};
use crate::status::Status;
use crate::text::{push_all, push_number};
use alloc::vec::Vec;

/// The most names of a list.
const LIMIT: usize = 1000;
/// What a reference has without escapes in a page: nothing that means something there, or makes a scheme of a name.
const PLAIN: &[u8] = b"-._~/";

/// Between the parts of a page.
const BEFORE_TITLE: &[u8] = b"<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>/";
const BEHIND_TITLE: &[u8] = b"</title>\n<h1>/";
const BEHIND_HEADING: &[u8] = b"</h1>\n<ul>\n";

impl<'a> Writer<'_, 'a> {
    /// Lists a folder, whose path is empty or ends with a slash.
    #[inline(never)]
    pub(crate) fn list(&mut self, route: &Route<'_>, host: &Host<'a>) -> Option<()> {
        let (mut page, mut title) = (Vec::new(), Vec::new());
        push_text(&mut title, route.path)?;
        push_all(&mut page, &[BEFORE_TITLE, &title, BEHIND_TITLE, &title, BEHIND_HEADING])?;
        if !route.path.is_empty() {
            push_all(&mut page, &[b"<li><a href=\"../\">../</a>\n"])?;
        }
        for (number, (name, length)) in self.server.site().list(host, route.path).enumerate() {
            if number == LIMIT {
                push_all(&mut page, &[b"<li>and more\n"])?;
                break;
            }
            title.clear();
            push_text(&mut title, name)?;
            push_all(&mut page, &[b"<li><a href=\""])?;
            push_escaped(&mut page, name, PLAIN)?;
            push_all(&mut page, &[b"\">", &title, b"</a> "])?;
            if let Some(length) = length {
                push_number(&mut page, length)?;
            }
            push_all(&mut page, &[b"\n"])?;
        }
        push_all(&mut page, &[b"</ul>\n"])?;
        self.begin(Status::OK)?;
        self.rules(route, false)?;
        push_length(&mut self.out.head, page.len())?;
        push_all(&mut self.out.head, &[b"Content-Type: text/html; charset=utf-8\r\n\r\n"])?;
        if self.manner.is_head {
            return Some(());
        }
        self.out.length = page.len();
        push_all(&mut self.out.head, &[&page])
    }
}

/// Appends text of a page, in which characters that mean something there are escaped.
fn push_text(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    for byte in text {
        let escape: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"&quot;",
            _ => core::slice::from_ref(byte),
        };
        push_all(out, &[escape])?;
    }
    Some(())
}
