//! What is said to a server to find out how it understands requests, and what a good one does then: shared by the tests of the protocol and
//! those of the image.
//!
//! [`SITUATIONS`] are those that a server of HTTP/1.1 has to get right whatever it serves, [`SMUGGLED`] requests in which another one is
//! hidden, from what has been written about that. Each request is for a server that has a page at `/`, echoes what is posted
//! there, and has nothing else.

/// What has to come of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// Nothing: the request is not whole.
    Waits,
    /// One response with a status in this range, and these contents where some are given.
    Answer(u16, u16, Option<&'static str>),
}

use Wanted::{Answer, Waits};

/// The situation, the octets, and what has to come of them.
pub(crate) const SITUATIONS: [(&str, &[u8], Wanted); 33] = [
    // A request that is cut at each place where a reader might lose its way.
    ("cut in the method", b"G", Waits),
    ("cut behind the method", b"GET ", Waits),
    ("cut in the target", b"GET /page", Waits),
    ("cut behind the target", b"GET /page ", Waits),
    ("cut in the version", b"GET /page HTTP", Waits),
    ("cut behind the version", b"GET /page HTTP/1.1", Waits),
    ("cut in the end of the request line", b"GET /page HTTP/1.1\r", Waits),
    ("cut behind the request line", b"GET /page HTTP/1.1\r\n", Waits),
    ("cut in a field's name", b"GET /page HTTP/1.1\r\nHos", Waits),
    ("cut behind a colon", b"GET /page HTTP/1.1\r\nHost:", Waits),
    ("cut in front of a value", b"GET /page HTTP/1.1\r\nHost: ", Waits),
    ("cut behind a value", b"GET /page HTTP/1.1\r\nHost: here", Waits),
    ("cut in the end of a field", b"GET /page HTTP/1.1\r\nHost: here\r", Waits),
    ("cut behind a field", b"GET /page HTTP/1.1\r\nHost: here\r\n", Waits),
    ("cut in the empty line", b"GET /page HTTP/1.1\r\nHost: here\r\n\r", Waits),
    // Request lines.
    ("a request line without a version", b"GET / \r\n\r\n", Answer(400, 599, None)),
    ("a version that nobody has", b"GET / HTTP/9.9\r\nHost: here\r\n\r\n", Answer(400, 599, None)),
    ("words in front of the method", b"Some wordsGET / HTTP/1.1\r\nHost: here\r\n\r\n", Answer(400, 599, None)),
    // What is fine.
    ("a plain request", b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", Answer(200, 299, None)),
    ("a tab, odd letters, no value", b"GET / HTTP/1.1\r\nhOSt:\there\r\nnone:\r\n\r\n", Answer(200, 299, None)),
    ("a value of a space", b"GET / HTTP/1.1\r\nHost: here\r\nX-None: \r\n\r\n", Answer(200, 299, None)),
    (
        "an expectation without a body",
        b"GET / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\n\r\n",
        Answer(100, 299, None),
    ),
    // Fields.
    ("brackets in a name", b"GET / HTTP/1.1\r\nHost: here\r\nX-Odd[]: a\r\n\r\n", Answer(400, 499, None)),
    ("a bell in a value", b"GET / HTTP/1.1\r\nHost: here\r\nX-Odd: a\x07\r\n\r\n", Answer(400, 499, None)),
    ("a carriage return for an end", b"GET / HTTP/1.1\r\nHost: here\r\n\rX: a\r\n\r\n", Answer(400, 499, None)),
    ("no host", b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", Answer(400, 499, None)),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: here\r\nHost: there\r\n\r\n", Answer(400, 499, None)),
    // Lengths.
    ("a length below nothing", b"GET / HTTP/1.1\r\nHost: here\r\nContent-Length: -99\r\n\r\n", Answer(400, 499, None)),
    (
        "a length far below nothing",
        b"GET / HTTP/1.1\r\nHost: here\r\nContent-Length: -987654321987654321987654321\r\n\r\n",
        Answer(400, 499, None),
    ),
    ("a length in letters", b"GET / HTTP/1.1\r\nHost: here\r\nContent-Length: five\r\n\r\n", Answer(400, 499, None)),
    // Bodies, which come back.
    (
        "a body of a known length",
        b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nfives",
        Answer(200, 299, Some("fives")),
    ),
    (
        "a body in chunks",
        b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nEleven Bits\r\n0\r\n\r\n",
        Answer(200, 299, Some("Eleven Bits")),
    ),
    (
        "a length and chunks, in odd letters",
        b"POST / HTTP/1.1\r\nHost: here\r\ncontent-LENGTH: 5\r\nTRANSFER-encoding: chunked\r\n\r\nb\r\nEleven Bits\r\n0\r\n\r\n",
        Answer(400, 499, None),
    ),
];

/// What hides another request, by what is played on; the octets; and the statuses of the responses. One that is a refusal is
/// the last. Where the hidden request is found there is a 404 for its target, `/hidden`.
pub(crate) const SMUGGLED: &[(&str, &[u8], &[u16])] = &[
    // A length and a coding (CL.TE, TE.CL).
    ("CL.TE", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("CL.TE, whole", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
    ("CL.TE, closing", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX", &[400]),
    ("CL.TE, letters", b"POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 5\r\ntransfer-encoding: cHuNkEd\r\n\r\n0\r\n\r\n", &[400]),
    ("CL.TE, comma in front", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: , chunked\r\n\r\n0\r\n\r\n", &[400]),
    ("CL.TE, comma behind", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", &[400]),
    ("CL.TE, space behind", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked \r\n\r\n0\r\n\r\n", &[400]),
    ("CL.TE, tab", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n", &[400]),
    ("CL.TE, continued line", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n", &[400]),
    ("CL.TE, odd length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: N\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
    ("CL.TE, HEAD", b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.CL", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n25\r\nGET /hidden HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.CL, empty coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.CL, identity", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("TE in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    // Codings that only some take for one (TE.TE).
    ("TE.TE, other behind", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.TE, other in front", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[501]),
    ("TE.TE, list, behind", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, cow\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.TE, list, in front", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: cow, chunked\r\n\r\n0\r\n\r\n", &[501]),
    ("TE.TE, part of the word", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunk\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.TE, more than the word", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.TE, quoted", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.TE, in apostrophes", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: 'chunked'\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.TE, parameter", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.TE, Kelvin's sign", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chun\xe2\x84\xaaed\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.TE, no space", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.TE, space for hyphen", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.TE, form feed", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0cchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.TE, no-break space", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\xa0chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.TE, null", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\0\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.TE, bare CR", b"POST / HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    ("TE.TE, bare LF", b"POST / HTTP/1.1\r\nHost: a\r\nX: a\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", &[400]),
    // Names that are others: what follows is told by the length alone.
    ("TE with an underscore", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: 38\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
    ("Content-Encoding", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: chunked\r\nContent-Length: 38\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
    ("X-Transfer-Encoding", b"POST / HTTP/1.1\r\nHost: a\r\nX-Transfer-Encoding: chunked\r\nContent-Length: 38\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
    ("a length that Connection names", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\nContent-Length: 33\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
    // Bodies that some do not expect (CL.0, TE.0).
    ("CL.0, GET", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
    ("CL.0, POST to a page", b"POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[405]),
    ("CL.0, DELETE", b"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[405]),
    ("CL.0, OPTIONS", b"OPTIONS / HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[204]),
    ("CL.0, upgrade", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 33\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
    ("TE.0, OPTIONS", b"OPTIONS / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n21\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n", &[204]),
    ("TE.0, GET", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n21\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n", &[200]),
    // Lengths that some do not see (0.CL).
    ("0.CL, twice", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 33\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("0.CL, continued line", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 33\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("0.CL, space in front", b"POST / HTTP/1.1\r\nHost: a\r\n Content-Length: 33\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("0.CL, tab behind", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 33\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("0.CL, control character", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length\x01: 33\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("0.CL, in front of the host", b"POST / HTTP/1.1\r\n\tContent-Length: 33\r\nHost: a\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("0.CL, expectation", b"POST / HTTP/1.1\r\nHost: a\r\nExpect: y 100-continue\r\nContent-Length: 33\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[417]),
    // Lengths that are read in several ways.
    ("a length twice", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", &[400]),
    ("lengths that differ", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", &[400]),
    ("a list of lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\nhello!", &[400]),
    ("a list of the same", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5, 5\r\n\r\nhello", &[400]),
    ("a plus", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", &[400]),
    ("a minus", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello", &[400]),
    ("minus nothing", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n", &[400]),
    ("hexadecimal", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello", &[400]),
    ("octal", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0o5\r\n\r\nhello", &[400]),
    ("binary", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0b101\r\n\r\nhello", &[400]),
    ("an exponent", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5e0\r\n\r\nhello", &[400]),
    ("an underscore", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\nhello hello", &[400]),
    ("a space within", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\nhello hello", &[400]),
    ("a vertical tab", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \x0b5\r\n\r\nhello", &[400]),
    ("a null behind", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\0\r\n\r\nhello", &[400]),
    ("digits of another script", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xd9\xa5\r\n\r\nhello", &[400]),
    ("more than 64 bits", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\nhello", &[413]),
    ("far more than 64 bits", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 340282366920938463463374607431768211461\r\n\r\nhello", &[413]),
    ("zeros in front", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 010\r\n\r\nten octets", &[200]),
    // Chunks: sizes.
    ("a chunk, 0x", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", &[400]),
    ("a chunk, underscore", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0_5\r\nhello\r\n0\r\n\r\n", &[400]),
    ("a chunk, plus", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", &[400]),
    ("a chunk, minus", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", &[400]),
    ("a chunk, space in front", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n", &[400]),
    ("a chunk, tab behind", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\t\r\nhello\r\n0\r\n\r\n", &[400]),
    ("a chunk, vertical tab", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\x0b\r\nhello\r\n0\r\n\r\n", &[400]),
    ("a chunk, null", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\0\r\nhello\r\n0\r\n\r\n", &[400]),
    ("a chunk, no size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n;a\r\nhello\r\n0\r\n\r\n", &[400]),
    ("a chunk, beyond 64 bits", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", &[400]),
    ("a chunk, beyond 32 bits", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100000005\r\nhello\r\n0\r\n\r\n", &[400]),
    // Chunks: extensions and ends of lines (TERM.EXT, EXT.TERM).
    ("TERM.EXT", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;\nxx\r\n10\r\n\r\n0\r\n\r\nGET /hidden\r\n0\r\n\r\n", &[400]),
    ("EXT.TERM", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a\nb\r\nxx\r\n0\r\n\r\n", &[400]),
    ("an extension with CR", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\rb\r\nhello\r\n0\r\n\r\n", &[400]),
    ("an extension with a null", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\0b\r\nhello\r\n0\r\n\r\n", &[400]),
    ("an extension without a name", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n0\r\n\r\n", &[400]),
    ("an extension with a bracket", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a[b\r\nhello\r\n0\r\n\r\n", &[400]),
    ("an extension, quote open", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"\r\nhello\r\n0\r\n\r\n\"", &[400]),
    ("a size, bare LF", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", &[400]),
    ("a size, bare CR", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\rhello\r\n0\r\n\r\n", &[400]),
    ("contents, bare LF", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", &[400]),
    ("contents, bare CR", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r0\r\n\r\n", &[400]),
    ("contents, two others", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", &[400]),
    ("contents, none", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n", &[400]),
    ("contents, longer than told", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n", &[400]),
    ("the last chunk, bare LF", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\n\n", &[400]),
    ("an extension that is one", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"0\\\"\"\r\nhello\r\n00\r\n\r\n", &[200]),
    // Fields behind the last chunk, which mean nothing.
    ("a trailer, length", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 33\r\n\r\n", &[200]),
    ("a trailer, coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", &[200]),
    ("a trailer, host", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n", &[200]),
    ("a trailer, bare LF", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\n\r\n", &[400]),
    ("a trailer, continued line", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n b\r\n\r\n", &[400]),
    ("a trailer, a request", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET /hidden HTTP/1.1\r\n\r\n", &[400]),
    // Ends of lines, and names.
    ("a head of bare LFs", b"GET / HTTP/1.1\nHost: a\n\nGET /hidden HTTP/1.1\nHost: a\n\n", &[400]),
    ("an empty line of bare LF", b"GET / HTTP/1.1\r\nHost: a\r\n\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("an empty line of bare CR", b"GET / HTTP/1.1\r\nHost: a\r\n\rGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("CR CR LF", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", &[400]),
    ("a line without a colon", b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", &[400]),
    ("a name with a null", b"GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n", &[400]),
    ("a name with a delete", b"GET / HTTP/1.1\r\nHost: a\r\nX\x7f: a\r\n\r\n", &[400]),
    ("a name beyond ASCII", b"GET / HTTP/1.1\r\nHost: a\r\nX\x80: a\r\n\r\n", &[400]),
    ("no name", b"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", &[400]),
    ("a line with spaces alone", b"GET / HTTP/1.1\r\nHost: a\r\n  \r\n\r\n", &[400]),
    // Versions.
    ("HTTP/0.9, simple", b"GET /\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("HTTP/0.9, named", b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", &[505]),
    ("HTTP/2.0, its preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[505]),
    ("HTTP/3", b"GET / HTTP/3\r\nHost: a\r\n\r\n", &[400]),
    ("HTTP/1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", &[200]),
    ("HTTP/01.1", b"GET / HTTP/01.1\r\nHost: a\r\n\r\n", &[400]),
    ("HTTP/1.01", b"GET / HTTP/1.01\r\nHost: a\r\n\r\n", &[400]),
    ("HTTP/1.", b"GET / HTTP/1.\r\nHost: a\r\n\r\n", &[400]),
    ("HTTP/1.1 and more", b"GET / HTTP/1.1x\r\nHost: a\r\n\r\n", &[400]),
    ("http/1.1", b"GET / http/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("no protocol", b"GET / 1.1\r\nHost: a\r\n\r\n", &[400]),
    ("a tab for a space", b"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("a null in the target", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    // Hosts.
    ("a target's host and another", b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", &[200]),
    ("a target's host alone", b"GET http://a/ HTTP/1.1\r\n\r\n", &[400]),
    ("a target with a user", b"GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n", &[400]),
    ("a target with no host", b"GET http:///hidden HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("another scheme", b"GET gopher://a/ HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", &[400]),
    ("a list of hosts", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", &[400]),
    ("a host, space in front of the colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", &[400]),
    ("a host, continued line", b"GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n", &[400]),
    ("a host, null", b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", &[400]),
    ("a host, path", b"GET / HTTP/1.1\r\nHost: a/hidden\r\n\r\n", &[400]),
];

/// What follows each of [`SMUGGLED`]: it is answered, with 404, behind responses that are no refusals.
pub(crate) const MARKER: &[u8] = b"GET /marker HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
