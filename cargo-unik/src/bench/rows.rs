//! A bench of several rows: choosing them by name, and measuring one after the other.

use std::cell::Cell;
use std::fmt::Display;

use super::net::statistics::Comparison;
use crate::error::{Error, Result};

/// A question that a bench answers, with what `F` holds.
pub(super) struct Row<F> {
    pub(super) name: &'static str,
    pub(super) measure: fn(&F) -> Result<()>,
    /// Whether it is asked when nobody names any.
    pub(super) usual: bool,
}

/// Those of `rows` with these names, in their order; the usual ones without a name.
pub(super) fn wanted<F>(rows: Vec<Row<F>>, only: &[String]) -> Result<Vec<Row<F>>> {
    if let Some(name) = only.iter().find(|name| !rows.iter().any(|row| row.name == **name)) {
        let known: Vec<&str> = rows.iter().map(|row| row.name).collect();
        return Err(Error::usage(format!("there is no row '{name}': choose of {}", known.join(", "))));
    }
    let named = |row: &Row<F>| only.iter().any(|name| name == row.name);
    Ok(rows.into_iter().filter(|row| if only.is_empty() { row.usual } else { named(row) }).collect())
}

/// Whether each side has had a figure in each row, and each bound was kept.
#[derive(Default)]
pub(super) struct Verdict {
    is_bad: Cell<bool>,
}

impl Verdict {
    pub(super) fn is_good(&self) -> bool {
        !self.is_bad.get()
    }

    /// The exit code that says so.
    pub(super) fn code(&self) -> u8 {
        u8::from(self.is_bad.get())
    }

    fn note(&self, is_good: bool) {
        self.is_bad.set(self.is_bad.get() || !is_good);
    }

    /// Tells what a row has found.
    pub(super) fn show<S: Copy + PartialEq + Display>(&self, comparison: &Comparison<S>) {
        print!("{comparison}");
        self.note(comparison.is_complete());
    }

    /// Tells whether a bound is kept.
    pub(super) fn judge(&self, bound: &str, is_kept: bool) {
        println!("  bound: {bound}: {}", if is_kept { "kept" } else { "MISSED" });
        self.note(is_kept);
    }
}

/// Measures `rows`; one that has no figure is noted in `verdict`.
pub(super) fn measure<F>(rows: &[Row<F>], field: &F, verdict: &Verdict) {
    for row in rows {
        println!("\n[{}]", row.name);
        if let Err(error) = (row.measure)(field) {
            println!("  not measured: {error}");
            verdict.note(false);
        }
    }
}
