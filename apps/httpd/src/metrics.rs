//! Metrics: what is counted and measured, in the text of OpenMetrics 1.0 (sections are those of its specification).
//!
//! Names follow from those of the registry of counters: `requests` of the group `httpd` becomes `unik_httpd_requests_total`.

use crate::text::{push, push_all, push_number};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The type of the text (4.1).
pub(crate) const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The path under which it is found, without its first slash.
pub(crate) const PATH: &[u8] = b"metrics";

/// What a number is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It only grows (5.1).
    Counter,
    /// It goes up and down (5.2).
    Gauge,
}

/// Calls a function with kind, group, name and value of every number. Names are letters, digits and underscores.
pub type Numbers = Box<dyn Fn(&mut dyn FnMut(Kind, &str, &str, u64))>;

/// Writes all numbers. `None` if there is no memory for the text.
#[inline(never)]
pub(crate) fn write(numbers: &Numbers, out: &mut Vec<u8>) -> Option<()> {
    let mut written = Some(());
    numbers(&mut |kind, group, name, value| {
        if written.is_some() {
            written = write_family(kind, group, name, value, out);
        }
    });
    written?;
    push(out, b"# EOF\n")
}

/// Writes one family of one number (4.4).
fn write_family(kind: Kind, group: &str, name: &str, value: u64, out: &mut Vec<u8>) -> Option<()> {
    // The base unit has this name (A.5).
    let (stem, unit): (_, &[u8]) = match name.strip_suffix("octets").or_else(|| name.strip_suffix("bytes")) {
        Some(stem) => (stem, b"bytes"),
        None => (name, if name.ends_with("seconds") { b"seconds" } else { b"" }),
    };
    let end: &[u8] = if stem.len() < name.len() { unit } else { b"" };
    let family = [b"unik_", group.as_bytes(), b"_", stem.as_bytes(), end];
    let (kind, total): (&[u8], &[u8]) = match kind {
        Kind::Counter => (b" counter\n", b"_total "),
        Kind::Gauge => (b" gauge\n", b" "),
    };
    push(out, b"# TYPE ")?;
    push_all(out, &family)?;
    push(out, kind)?;
    if !unit.is_empty() {
        push(out, b"# UNIT ")?;
        push_all(out, &family)?;
        push_all(out, &[b" ", unit, b"\n"])?;
    }
    push(out, b"# HELP ")?;
    push_all(out, &family)?;
    push_all(out, &[b" What ", group.as_bytes(), b" tells of ", name.as_bytes(), b".\n"])?;
    push_all(out, &family)?;
    push(out, total)?;
    push_number(out, usize::try_from(value).unwrap_or(usize::MAX))?;
    push(out, b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn each_number_is_a_family_with_type_unit_and_help() {
        let numbers: Numbers = Box::new(|visit| {
            visit(Kind::Counter, "httpd", "requests", 7);
            visit(Kind::Counter, "httpd", "octets", u64::MAX);
            visit(Kind::Counter, "net0", "rx_bytes", 0);
            visit(Kind::Gauge, "machine", "uptime_seconds", 3);
        });
        let mut out = Vec::new();
        write(&numbers, &mut out).expect("there is memory");
        let expected = "# TYPE unik_httpd_requests counter\n\
            # HELP unik_httpd_requests What httpd tells of requests.\n\
            unik_httpd_requests_total 7\n\
            # TYPE unik_httpd_bytes counter\n\
            # UNIT unik_httpd_bytes bytes\n\
            # HELP unik_httpd_bytes What httpd tells of octets.\n\
            unik_httpd_bytes_total 18446744073709551615\n\
            # TYPE unik_net0_rx_bytes counter\n\
            # UNIT unik_net0_rx_bytes bytes\n\
            # HELP unik_net0_rx_bytes What net0 tells of rx_bytes.\n\
            unik_net0_rx_bytes_total 0\n\
            # TYPE unik_machine_uptime_seconds gauge\n\
            # UNIT unik_machine_uptime_seconds seconds\n\
            # HELP unik_machine_uptime_seconds What machine tells of uptime_seconds.\n\
            unik_machine_uptime_seconds 3\n\
            # EOF\n";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
