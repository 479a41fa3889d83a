//! Tells where the bytes of an image are: by part, by crate, by symbol, and against the budget.
//!
//! The figures are of the release image. Parts and symbols are read from `APP.debug`; the number that counts is the length of `APP.elf`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::budget;
use crate::elf::{self, Parts};
use crate::error::{Context, Result};
use crate::image::{self, Image, Profile, Request};
use crate::symbols::{Symbol, Symbols, crate_of};
use crate::workspace::{App, Workspace};

/// Rows of the tables of crates and symbols.
pub const ROWS: usize = 12;

/// The figures of one image.
#[derive(Debug, Clone)]
pub struct Report {
    name: String,
    size: u64,
    embedded: u64,
    identity: u64,
    budget: Option<u64>,
    parts: Parts,
    crates: Vec<(String, u64)>,
    symbols: Vec<(String, u64)>,
}

/// Builds the release image of one application, or of all, and prints its figures.
///
/// # Errors
/// No such application, it does not build, or it is over its budget (the figures are printed all the same).
pub fn run(name: Option<&str>) -> Result<u8> {
    let here = std::env::current_dir().or_cannot(|| "find the current folder".to_owned())?;
    let workspace = Workspace::load(&here)?;
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => match workspace.app(None, &here) {
            Ok(app) => vec![app.name],
            Err(_) => workspace.apps(),
        },
    };
    let mut over = None;
    for name in names {
        let app = workspace.app(Some(&name), &here)?;
        let image = image::build(&workspace, &app, &Request::new(&workspace, Profile::Release))?;
        println!("{}", Report::of(&app, &image, &workspace.root)?);
        over = budget::check(&app, image.own_size()).err().or(over);
    }
    over.map_or(Ok(0), Err)
}

impl Report {
    /// Measures an image.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub fn of(app: &App, image: &Image, root: &Path) -> Result<Report> {
        let bytes = fs::read(&image.debug).or_cannot(|| format!("read {}", image.debug.display()))?;
        let symbols = Symbols::parse(&bytes, root)?;
        let table = symbols.table();
        Ok(Report {
            name: app.name.clone(),
            size: image.size,
            embedded: image.embedded,
            identity: image.identity,
            budget: budget::of(app)?.image,
            parts: elf::parts(&bytes)?,
            crates: biggest(table, |symbol| crate_of(&symbol.name)),
            symbols: biggest(table, |symbol| &symbol.name),
        })
    }
}

/// Adds symbols up by a name and sorts the sums, largest first. What takes no room in the file does not count.
fn biggest<'a>(table: &'a [Symbol], name: impl Fn(&'a Symbol) -> &'a str) -> Vec<(String, u64)> {
    let mut sums: HashMap<&str, u64> = HashMap::new();
    let mut counted = u64::MAX;
    for symbol in table.iter().filter(|symbol| !symbol.zeroed && symbol.size > 0) {
        // Identical functions share one address; their bytes are there once.
        if symbol.address != counted {
            *sums.entry(name(symbol)).or_default() += symbol.size;
            counted = symbol.address;
        }
    }
    let mut sums: Vec<(String, u64)> = sums.into_iter().map(|(name, size)| (name.to_owned(), size)).collect();
    sums.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    sums
}

impl std::fmt::Display for Report {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut row = |name: &str, bytes: u64| writeln!(formatter, "  {:>9}  {name}", grouped(bytes));
        row(&format!("{}, the image", self.name), self.size)?;
        if self.embedded > 0 {
            row("of them compiled-in files", self.embedded)?;
        }
        row("of them its identity, not loaded", self.identity)?;
        if let Some(budget) = self.budget {
            let used = (self.size - self.embedded - self.identity) * 100 / budget.max(1);
            row(&format!("budget ({used} % used)"), budget)?;
        }
        for (name, bytes) in [
            ("text", self.parts.text),
            ("rodata", self.parts.rodata),
            ("data", self.parts.data),
            ("bss (not in the file)", self.parts.bss),
        ] {
            row(name, bytes)?;
        }
        for (title, table) in [("crates", &self.crates), ("symbols", &self.symbols)] {
            writeln!(formatter, "{title} of {}, by the sizes of their symbols:", self.name)?;
            for (name, bytes) in table.iter().take(ROWS) {
                writeln!(formatter, "  {:>9}  {name}", grouped(*bytes))?;
            }
        }
        Ok(())
    }
}

/// `20,480`
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str, address: u64, size: u64, zeroed: bool) -> Symbol {
        Symbol { name: name.to_owned(), address, size, zeroed }
    }

    #[test]
    fn symbols_are_added_up_by_crate() {
        let table = [
            symbol("unik_net::poll", 0x1000, 100, false),
            symbol("unik_net::send", 0x1064, 50, false),
            symbol("core::fmt::write", 0x2000, 120, false),
            symbol("core::the_same_code_again", 0x2000, 120, false),
            symbol("unik_kernel::STACK", 0x3000, 4096, true),
        ];
        let crates = biggest(&table, |symbol| crate_of(&symbol.name));
        assert_eq!(crates, [("unik_net".to_owned(), 150), ("core".to_owned(), 120)]);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(20_480), grouped(1_234_567)],
            ["0", "999", "20,480", "1,234,567"]
        );
    }
}
