//! Signed zones, and the questions that both this server and NSD are asked about them.
#![allow(dead_code, reason = "each user takes its part")]

use crate::common::{self, plain};

/// The zones, and their names.
pub(crate) const ZONES: [(&str, &str); 3] = [
    ("nsec.test", include_str!("nsec.test.zone")),
    ("nsec3.test", include_str!("nsec3.test.zone")),
    ("optout.test", include_str!("optout.test.zone")),
];

/// Names below a zone and types, for each of which another rule holds.
pub(crate) const QUESTIONS: [&str; 46] = [
    // What is there.
    "@ SOA",
    "@ NS",
    "@ MX",
    "@ DNSKEY",
    "@ NSEC3PARAM",
    "ns A",
    "mail AAAA",
    "alias CNAME",
    "@ RRSIG",
    // Types that are not, at a name, at one between others, at the apex.
    "mail TXT",
    "@ A",
    "c A",
    "b.c A",
    "empty A",
    "alias NSEC",
    "@ DS",
    "new A",
    // Names that are not: first, last, below a name, below one between others.
    "nothing A",
    "0 A",
    "zzz A",
    "x.mail A",
    "z.b.c A",
    "x.y.mail A",
    "x.a.b.c MX",
    "A.NOTHING A",
    // Wildcards: what is there, what is not, aliases, chains of them.
    "x.w A",
    "x.y.w A",
    "*.w A",
    "x.w MX",
    "x.v A",
    "q.v CNAME",
    "alias A",
    "chain A",
    "alias MX",
    "wild A",
    // Delegations: signed, not signed, below a name between others; their DS.
    "x.secure A",
    "x.open A",
    "x.below.empty A",
    "secure DS",
    "open DS",
    "below.empty DS",
    "x.secure DS",
    "open NS",
    // Redirections.
    "a.old A",
    "b.old A",
    "old DNAME",
];

/// A query for `question` below `apex`, with the DO bit.
pub(crate) fn query(apex: &str, question: &str) -> Vec<u8> {
    let (name, kind) = question.split_once(' ').expect("a name and a type");
    let name = if name == "@" { apex.to_owned() } else { format!("{name}.{apex}") };
    common::query_with_edns(&format!("{name} {kind}"), 4096, 0, true)
}

/// An answer as text, sorted, its owners in lower case, with what a signature covers in place of the signature.
pub(crate) fn text(message: &[u8]) -> String {
    let text = common::sorted(message);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    let mut lines: Vec<_> = lines
        .map(|line| {
            let mut words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            words[1].make_ascii_lowercase();
            if words[3] == "RRSIG" {
                words.truncate(5);
            }
            plain(&words.join(" "))
        })
        .collect();
    lines.sort();
    lines.insert(0, first);
    lines.join("\n") + "\n"
}
