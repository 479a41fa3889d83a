//! A bench of several rows: choosing them by name, and measuring one after the other.

use std::cell::Cell;

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

/// Measures `rows`, and notes in `failed` whether one has no figure.
pub(super) fn measure<F>(rows: &[Row<F>], field: &F, failed: &Cell<bool>) {
    for row in rows {
        println!("\n[{}]", row.name);
        if let Err(error) = (row.measure)(field) {
            println!("  not measured: {error}");
            failed.set(true);
        }
    }
}
