//! Status codes, each with its reason: what stands in a status line behind the version.

/// A status code and its reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Status(&'static str);

impl Status {
    pub(crate) const CONTINUE: Self = Self("100 Continue");
    pub(crate) const OK: Self = Self("200 OK");
    pub(crate) const NO_CONTENT: Self = Self("204 No Content");
    pub(crate) const PARTIAL_CONTENT: Self = Self("206 Partial Content");
    pub(crate) const MOVED_PERMANENTLY: Self = Self("301 Moved Permanently");
    pub(crate) const FOUND: Self = Self("302 Found");
    pub(crate) const NOT_MODIFIED: Self = Self("304 Not Modified");
    pub(crate) const TEMPORARY_REDIRECT: Self = Self("307 Temporary Redirect");
    pub(crate) const PERMANENT_REDIRECT: Self = Self("308 Permanent Redirect");
    pub(crate) const BAD_REQUEST: Self = Self("400 Bad Request");
    pub(crate) const NOT_FOUND: Self = Self("404 Not Found");
    pub(crate) const METHOD_NOT_ALLOWED: Self = Self("405 Method Not Allowed");
    pub(crate) const REQUEST_TIMEOUT: Self = Self("408 Request Timeout");
    pub(crate) const PRECONDITION_FAILED: Self = Self("412 Precondition Failed");
    pub(crate) const CONTENT_TOO_LARGE: Self = Self("413 Content Too Large");
    pub(crate) const URI_TOO_LONG: Self = Self("414 URI Too Long");
    pub(crate) const RANGE_NOT_SATISFIABLE: Self = Self("416 Range Not Satisfiable");
    pub(crate) const EXPECTATION_FAILED: Self = Self("417 Expectation Failed");
    pub(crate) const MISDIRECTED_REQUEST: Self = Self("421 Misdirected Request");
    pub(crate) const FIELDS_TOO_LARGE: Self = Self("431 Request Header Fields Too Large");
    #[cfg_attr(not(feature = "disk"), expect(dead_code, reason = "only what has to be read can fail"))]
    pub(crate) const INTERNAL_SERVER_ERROR: Self = Self("500 Internal Server Error");
    pub(crate) const NOT_IMPLEMENTED: Self = Self("501 Not Implemented");
    pub(crate) const SERVICE_UNAVAILABLE: Self = Self("503 Service Unavailable");
    pub(crate) const VERSION_NOT_SUPPORTED: Self = Self("505 HTTP Version Not Supported");

    /// Code and reason, with a space in between.
    pub(crate) fn text(self) -> &'static str {
        self.0
    }

    /// The three digits.
    pub(crate) fn code(self) -> &'static str {
        self.0.get(..3).unwrap_or(self.0)
    }

    /// The first digit, which tells the class (RFC 9110, 15).
    pub(crate) fn class(self) -> u8 {
        self.0.bytes().next().unwrap_or_default()
    }

    /// Whether it tells that a request is not served.
    pub(crate) fn is_error(self) -> bool {
        matches!(self.class(), b'4' | b'5')
    }
}
