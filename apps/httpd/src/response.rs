//! Responses: what a server says to a request, written as the head of an [`Output`] with contents behind it.
//!
//! All functions give `None` where there is no memory for the head; the connection then ends.

use crate::coding::Wishes;
use crate::condition::{self, Outcome};
use crate::date;
use crate::metrics::{self, Numbers};
use crate::output::{Multipart, Output};
use crate::path;
use crate::range::{self, Parts};
use crate::request::{Field, Method, Persistence, Request};
use crate::server::Server;
use crate::site::{Form, Found};
use crate::status::Status;
use crate::stored::{self, Part};
use crate::text::{push, push_all, push_number};
use crate::tls::Scheme;
use alloc::vec::Vec;
use core::mem::take;

/// What is allowed for each file, and so for all of them.
const ALLOW: &[u8] = b"Allow: GET, HEAD, OPTIONS\r\n";
const ALLOW_ECHO: &[u8] = b"Allow: GET, HEAD, OPTIONS, POST\r\n";
/// The end of a response in parts: two hyphens, the boundary, and two more, in a line of their own.
const BOUNDARY: &[u8] = b"\r\n--";

/// The port that an `https` URL does not tell (RFC 9110, 4.2.2).
const HTTPS_PORT: u16 = 443;

/// What a path has without escapes (RFC 3986, 3.3), without those that mean something elsewhere.
const SEGMENTS: &[u8] = b"-._~!$&'()*+,;=:@/";

/// What a request is about.
#[derive(Clone, Copy)]
pub(crate) struct Route<'p> {
    /// The number of its host.
    pub(crate) number: usize,
    /// Resolved, without a leading slash.
    pub(crate) path: &'p [u8],
}

/// What becomes of a request before its path is looked up.
enum Way {
    /// It is for the host with this number.
    Host(usize),
    Answered,
}

/// How a response is to be.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// The date, in seconds since the Unix epoch, where there is a clock.
    pub(crate) wall: Option<u64>,
    pub(crate) persistence: Persistence,
    /// The contents are left out (RFC 9110, 9.3.2).
    pub(crate) is_head: bool,
    /// The server is about to end.
    pub(crate) is_ending: bool,
    /// What it came over.
    pub(crate) scheme: Scheme,
}

/// Writes one response.
pub(crate) struct Writer<'w, 'a> {
    pub(crate) server: &'w Server<'a>,
    pub(crate) manner: Manner,
    pub(crate) out: &'w mut Output<'a>,
}

impl<'a> Writer<'_, 'a> {
    /// Answers a request whose body has been read.
    pub(crate) fn answer(&mut self, request: &Request<'_>) -> Option<()> {
        if let Method::Get | Method::Head = request.method {
            return self.find(request);
        }
        let is_echo = self.server.is_echo(request.path());
        let allow = if is_echo { ALLOW_ECHO } else { ALLOW };
        match request.method {
            Method::Post if is_echo => self.echo(),
            Method::Options => self.options(request, allow),
            Method::Unknown => self.page(Status::NOT_IMPLEMENTED, &[]),
            _ => self.page(Status::METHOD_NOT_ALLOWED, &[allow]),
        }
    }

    fn find(&mut self, request: &Request<'_>) -> Option<()> {
        if let Some(port) = self.manner.scheme.leads_to(self.server.settings().https_redirect) {
            return self.lead_to_https(request, port);
        }
        let mut space = Vec::new();
        let path = match path::resolve(request.path(), &mut space) {
            Ok(path) => path,
            Err(status) => return self.page(status, &[]),
        };
        let site = self.server.site();
        let number = if site.is_plain {
            0
        } else {
            match self.detour(request, path)? {
                Way::Host(number) => number,
                Way::Answered => return Some(()),
            }
        };
        let host = site.host(number)?;
        let route = Route { number, path };
        let index = match site.look_up(host, path) {
            Found::Resource(index) => index,
            Found::Directory => {
                return self.lead(request, &route, Status::MOVED_PERMANENTLY, b"/", path, b"/");
            }
            Found::Listing => return self.list(&route, host),
            Found::Nothing if self.server.is_health(path) => return self.health(),
            Found::Nothing => match (self.server.metrics(path), site.fallback(host)) {
                (Some(numbers), _) => return self.metrics(numbers),
                (None, Some(index)) => index,
                (None, None) => return self.page_of(Some(&route), Status::NOT_FOUND, &[]),
            },
        };
        let wishes = request.has(Field::AcceptEncoding) && site.varies(index);
        let wishes = wishes.then(|| Wishes::new(request.values(Field::AcceptEncoding)));
        let form = *site.form(index, wishes.as_ref())?;
        self.send(request, &route, form)
    }

    /// Finds the host of a request, and answers it where the site leads elsewhere.
    #[inline(never)]
    fn detour(&mut self, request: &Request<'_>, path: &[u8]) -> Option<Way> {
        let site = self.server.site();
        let Some(number) = site.host_of(request.authority) else {
            // Who watches this machine may know its address alone.
            if self.server.is_health(path) {
                self.health()?;
            } else {
                self.page(Status::MISDIRECTED_REQUEST, &[])?;
            }
            return Some(Way::Answered);
        };
        let Some((redirect, rest)) = site.redirect(number, path) else { return Some(Way::Host(number)) };
        let route = Route { number, path };
        self.lead(request, &route, redirect.status, redirect.to.as_bytes(), rest, b"")?;
        Some(Way::Answered)
    }

    /// What can be done with a resource (RFC 9110, 9.3.7), and what other sites may do with it, where a rule says so: that is what
    /// browsers ask for in advance.
    #[inline(never)]
    fn options(&mut self, request: &Request<'_>, allow: &[u8]) -> Option<()> {
        let mut space = Vec::new();
        let number = self.server.site().host_of(request.authority);
        self.begin(Status::NO_CONTENT)?;
        if let (Ok(path), Some(number)) = (path::resolve(request.path(), &mut space), number) {
            self.rules(&Route { number, path }, false)?;
        }
        push_all(&mut self.out.head, &[allow, b"\r\n"])
    }

    /// Sends a form of a resource, or what its conditions and ranges leave of it.
    fn send(&mut self, request: &Request<'_>, route: &Route<'_>, form: Form<'a>) -> Option<()> {
        let site = self.server.site();
        if request.is_conditional() {
            match condition::evaluate(request, site.validators(&form)) {
                Outcome::Proceed => {}
                Outcome::NotModified => {
                    self.begin(Status::NOT_MODIFIED)?;
                    return push(&mut self.out.head, site.validators_block(&form));
                }
                Outcome::Failed => return self.page_of(Some(route), Status::PRECONDITION_FAILED, &[]),
            }
            // RFC 9110, 14.2: a range means something to GET alone.
            if let (Method::Get, Some(value)) = (request.method, request.value(Field::Range))
                && condition::allows_range(request, site.validators(&form), self.manner.wall)
                && let Some(parts) = range::select(value, form.length())
            {
                return match parts.count() {
                    0 => self.no_range(route, form.length()),
                    1 => self.send_part(form, &parts),
                    _ => self.send_parts(form, parts),
                };
            }
        }
        self.begin(Status::OK)?;
        push(&mut self.out.head, site.block(&form))?;
        self.body(form.part(0..form.length())?);
        Some(())
    }

    /// The range is behind the end (RFC 9110, 15.5.17).
    #[inline(never)]
    fn no_range(&mut self, route: &Route<'_>, length: usize) -> Option<()> {
        let mut field = Vec::new();
        push(&mut field, b"Content-Range: bytes */")?;
        push_number(&mut field, length)?;
        push(&mut field, b"\r\n")?;
        self.page_of(Some(route), Status::RANGE_NOT_SATISFIABLE, &[&field])
    }

    /// One part (RFC 9110, 15.3.7.1).
    #[inline(never)]
    fn send_part(&mut self, form: Form<'a>, parts: &Parts) -> Option<()> {
        let part = parts.get(0)?;
        let contents = form.part(part.clone())?;
        self.begin(Status::PARTIAL_CONTENT)?;
        push_length(&mut self.out.head, stored::length(&contents))?;
        push_range(&mut self.out.head, &part, form.length())?;
        push(&mut self.out.head, self.server.site().block_of_part(&form))?;
        self.body(contents);
        Some(())
    }

    /// Several parts (RFC 9110, 15.3.7.2). Their heads are written when it is their turn; here they are measured.
    #[inline(never)]
    fn send_parts(&mut self, form: Form<'a>, parts: Parts) -> Option<()> {
        let mut total = 0;
        let mut multipart = Multipart { form, parts, next: 0 };
        let mut head = Vec::new();
        while let Some(contents) = next_part(self.server, &mut multipart, &mut head)? {
            total += head.len() + stored::length(&contents);
        }
        total += head.len();
        self.begin(Status::PARTIAL_CONTENT)?;
        let site = self.server.site();
        let out = &mut self.out.head;
        push_length(out, total)?;
        let boundary = boundary(self.server, &form);
        push_all(out, &[b"Content-Type: multipart/byteranges; boundary=", boundary, b"\r\n"])?;
        push(out, site.block_of_parts(&form))?;
        self.out.length = total;
        self.out.parts = Some(Multipart { next: 0, ..multipart });
        Some(())
    }

    /// Leads to `to`, with `rest` of a path and `end` behind it: to the directory, in which relative references of its page are right,
    /// or to where the site says.
    #[inline(never)]
    fn lead(
        &mut self,
        request: &Request<'_>,
        route: &Route<'_>,
        status: Status,
        to: &[u8],
        rest: &[u8],
        end: &[u8],
    ) -> Option<()> {
        let mut field = Vec::new();
        push_all(&mut field, &[b"Location: ", to])?;
        push_escaped(&mut field, rest, SEGMENTS)?;
        let query = request.target.get(request.path().len()..).unwrap_or_default();
        let query = if to.iter().any(|byte| b"?#".contains(byte)) { b"" } else { query };
        push_all(&mut field, &[end, query, b"\r\n"])?;
        self.page_of(Some(route), status, &[&field])
    }

    /// Leads to the same host and target over TLS (RFC 9110, 4.2.2), except who asks whether the server is well.
    #[inline(never)]
    fn lead_to_https(&mut self, request: &Request<'_>, port: u16) -> Option<()> {
        if request.path().strip_prefix(b"/").is_some_and(|path| self.server.is_health(path)) {
            return self.health();
        }
        let host = request.authority;
        if host.is_empty() {
            return self.page(Status::BAD_REQUEST, &[]);
        }
        if self.server.site().host_of(host).is_none() {
            return self.page(Status::MISDIRECTED_REQUEST, &[]);
        }
        // RFC 3986, 3.2.2: an address of IPv6 stands in brackets, and a colon in it begins no port.
        let end = match host.iter().position(|&byte| byte == b']') {
            Some(bracket) => bracket + 1,
            None => host.iter().position(|&byte| byte == b':').unwrap_or(host.len()),
        };
        let mut field = Vec::new();
        push_all(&mut field, &[b"Location: https://", host.get(..end).unwrap_or(host)])?;
        if port != HTTPS_PORT {
            push(&mut field, b":")?;
            push_number(&mut field, port.into())?;
        }
        push_all(&mut field, &[request.target, b"\r\n"])?;
        self.page(Status::MOVED_PERMANENTLY, &[&field])
    }

    /// The body of the request, as it came and as nothing that a browser would show.
    #[inline(never)]
    fn echo(&mut self) -> Option<()> {
        self.begin(Status::OK)?;
        let contents = take(&mut self.out.kept);
        push_length(&mut self.out.head, contents.len())?;
        push(
            &mut self.out.head,
            b"Content-Type: application/octet-stream\r\nCache-Control: no-store\r\n\r\n",
        )?;
        self.out.length = contents.len();
        push(&mut self.out.head, &contents)
    }

    /// Whether the server is well: it is until it is about to end.
    #[inline(never)]
    fn health(&mut self) -> Option<()> {
        let status = if self.manner.is_ending { Status::SERVICE_UNAVAILABLE } else { Status::OK };
        self.page(status, &[b"Cache-Control: no-store\r\n"])
    }

    /// The numbers of now.
    #[inline(never)]
    fn metrics(&mut self, numbers: &Numbers) -> Option<()> {
        let mut text = Vec::new();
        metrics::write(numbers, &mut text)?;
        self.begin(Status::OK)?;
        let out = &mut self.out.head;
        push_length(out, text.len())?;
        push_all(
            out,
            &[b"Content-Type: ", metrics::TYPE.as_bytes(), b"\r\nCache-Control: no-store\r\n\r\n"],
        )?;
        if self.manner.is_head {
            return Some(());
        }
        self.out.length = text.len();
        push(out, &text)
    }

    /// A response that tells its status, whatever it is about.
    pub(crate) fn page(&mut self, status: Status, fields: &[&[u8]]) -> Option<()> {
        self.page_of(None, status, fields)
    }

    /// A response that tells its status, with these fields, on a page of the host where there is one.
    #[inline(never)]
    fn page_of(&mut self, route: Option<&Route<'_>>, status: Status, fields: &[&[u8]]) -> Option<()> {
        self.begin(status)?;
        let site = self.server.site();
        if let Some(route) = route {
            self.rules(route, status.is_error())?;
        }
        let out = &mut self.out.head;
        push_all(out, fields)?;
        let host = site.host(route.map_or(0, |route| route.number))?;
        if let Some(form) = site.page(host, status.code()).filter(|_| status != Status::OK) {
            let contents = form.part(0..form.length())?;
            push_all(out, &[site.length_and_type(form), b"\r\n"])?;
            self.body(contents);
            return Some(());
        }
        let text = status.text().as_bytes();
        push_length(out, text.len() + 1)?;
        push(out, b"Content-Type: text/plain; charset=utf-8\r\n\r\n")?;
        if self.manner.is_head {
            return Some(());
        }
        self.out.length = text.len() + 1;
        push_all(out, &[text, b"\n"])
    }

    /// The fields that the site says, for a response that no file has a block for.
    pub(crate) fn rules(&mut self, route: &Route<'_>, is_error: bool) -> Option<()> {
        let (configuration, head) = (&self.server.site().configuration, &mut self.out.head);
        configuration.fields((route.number, route.path), is_error, &mut |field| match field.is_type() {
            true => Some(()),
            false => push_all(head, &field.line()),
        })
    }

    /// An interim response (RFC 9110, 15.2.1).
    pub(crate) fn interim(&mut self) -> Option<()> {
        self.out.clear();
        push_all(&mut self.out.head, &[b"HTTP/1.1 ", Status::CONTINUE.text().as_bytes(), b"\r\n\r\n"])
    }

    /// The first lines of a response.
    pub(crate) fn begin(&mut self, status: Status) -> Option<()> {
        self.out.clear();
        self.out.status = status;
        self.out.length = 0;
        let out = &mut self.out.head;
        match self.manner.wall {
            Some(wall) if status == Status::OK => push(out, &self.server.good_news(wall))?,
            Some(wall) => {
                push_all(out, &[b"HTTP/1.1 ", status.text().as_bytes(), b"\r\nDate: "])?;
                push_all(out, &[&date::write(wall), b"\r\n"])?;
            }
            None => push_all(out, &[b"HTTP/1.1 ", status.text().as_bytes(), b"\r\n"])?,
        }
        match self.manner.persistence {
            Persistence::Stays => Some(()),
            Persistence::StaysAsAsked => push(out, b"Connection: keep-alive\r\n"),
            Persistence::Ends => push(out, b"Connection: close\r\n"),
        }
    }

    /// Lets these contents follow.
    fn body(&mut self, contents: Part<'a>) {
        let contents = if self.manner.is_head { (&[][..], None) } else { contents };
        self.out.length = stored::length(&contents);
        (self.out.body, self.out.section) = contents;
        self.out.look_first();
    }
}

/// Prepares the next part of a response, if there is one: gives whether there is more to send.
#[inline]
pub(crate) fn go_on<'a>(server: &Server<'a>, out: &mut Output<'a>) -> Option<bool> {
    // Looked at first: to take nothing would copy it.
    if out.parts.is_none() {
        return Some(false);
    }
    next_head(server, out)
}

#[inline(never)]
fn next_head<'a>(server: &Server<'a>, out: &mut Output<'a>) -> Option<bool> {
    let Some(mut multipart) = out.parts.take() else { return Some(false) };
    out.clear();
    if let Some(contents) = next_part(server, &mut multipart, &mut out.head)? {
        (out.body, out.section) = contents;
        out.parts = Some(multipart);
    }
    Some(true)
}

/// Writes the head of the next part in place of `head`, and gives its contents; behind the last one, the end of all parts.
#[inline(never)]
fn next_part<'a>(
    server: &Server<'a>,
    multipart: &mut Multipart<'a>,
    head: &mut Vec<u8>,
) -> Option<Option<Part<'a>>> {
    head.clear();
    let (form, boundary) = (&multipart.form, boundary(server, &multipart.form));
    let Some(part) = multipart.parts.get(multipart.next) else {
        push_all(head, &[BOUNDARY, boundary, b"--\r\n"])?;
        return Some(None);
    };
    multipart.next += 1;
    push_all(head, &[BOUNDARY, boundary, b"\r\n", server.site().type_line(form)])?;
    push_range(head, &part, form.length())?;
    push(head, b"\r\n")?;
    Some(Some(form.part(part)?))
}

/// What separates parts: the hash of the contents, which does not occur in them.
fn boundary<'s>(server: &'s Server<'_>, form: &Form<'_>) -> &'s [u8] {
    match server.site().validators(form).etag {
        [b'"', tag @ .., b'"'] => tag,
        tag => tag,
    }
}

pub(crate) fn push_length(out: &mut Vec<u8>, length: usize) -> Option<()> {
    push(out, b"Content-Length: ")?;
    push_number(out, length)?;
    push(out, b"\r\n")
}

/// RFC 9110, 14.4, for a part that is not empty.
fn push_range(out: &mut Vec<u8>, part: &core::ops::Range<usize>, length: usize) -> Option<()> {
    push(out, b"Content-Range: bytes ")?;
    push_number(out, part.start)?;
    push(out, b"-")?;
    push_number(out, part.end.saturating_sub(1))?;
    push(out, b"/")?;
    push_number(out, length)?;
    push(out, b"\r\n")
}

/// Appends `text` with escapes for all but letters, digits and `plain` (RFC 3986, 2.1).
#[inline(never)]
pub(crate) fn push_escaped(out: &mut Vec<u8>, text: &[u8], plain: &[u8]) -> Option<()> {
    for byte in text {
        if byte.is_ascii_alphanumeric() || plain.contains(byte) {
            push_all(out, &[&[*byte]])?;
        } else {
            let digits = [byte >> 4, byte & 0xf].map(|digit| b"0123456789ABCDEF".get(usize::from(digit)));
            push_all(out, &[b"%", &[*digits[0]?, *digits[1]?]])?;
        }
    }
    Some(())
}
