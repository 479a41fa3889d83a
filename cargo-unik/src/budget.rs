//! The budget of an application: how large its release image may be, and how little memory it must run in.
//!
//! `budget.toml` stands beside the manifest; `image` is the number of bytes of the stripped release image, compiled-in files not
//! counted, and `memory` the least memory that the application is tested with. The budgets of examples are tables:
//! `[examples.hello]`; those of an application with features too: `[with."tls"]`, or `[with."one+other"]`.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

use crate::error::{Context, Error, Result};
use crate::options::Memory;
use crate::workspace::{App, Kind};

/// The name of the file.
pub const FILE: &str = "budget.toml";

/// What an application may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// Bytes of the stripped release image.
    pub image: Option<u64>,
    /// Memory that is enough for it.
    pub memory: Option<Memory>,
}

/// The budget of an application; empty where no file sets one.
///
/// # Errors
/// A file that cannot be read, or one with keys or values that are not budgets.
pub fn of(app: &App) -> Result<Budget> {
    let path = app.folder.join(FILE);
    if !path.exists() {
        return Ok(Budget::default());
    }
    let text = fs::read_to_string(&path).or_cannot(|| format!("read {}", path.display()))?;
    let table: Table = text.parse().or_cannot(|| format!("read {}", path.display()))?;
    let (name, features) =
        app.name.split_once('+').map_or((&*app.name, None), |(name, rest)| (name, Some(rest)));
    let example = (app.kind == Kind::Example).then_some(name);
    read(&table, example, features).map_err(|error| Error::failed(format!("{}: {error}", path.display())))
}

/// Compares the size of a release image with its budget.
///
/// # Errors
/// It is over the budget; the sentence says by how much.
pub fn check(app: &App, size: u64) -> Result<()> {
    match of(app)?.image {
        Some(budget) if size > budget => Err(Error::failed(format!(
            "{} takes {size} bytes, {} more than the {budget} of {}",
            app.name,
            size - budget,
            shown(&app.folder.join(FILE)),
        ))),
        _ => Ok(()),
    }
}

fn read(table: &Table, example: Option<&str>, features: Option<&str>) -> Result<Budget> {
    let inner = |table: &'_ Table, group: &str, name: &str| table.get(group)?.get(name)?.as_table().cloned();
    let table = match example {
        None => Some(table.clone()),
        Some(name) => inner(table, "examples", name),
    };
    let table = match features {
        None => table,
        Some(features) => table.and_then(|table| inner(&table, "with", features)),
    };
    let mut budget = Budget::default();
    for (key, value) in table.iter().flatten() {
        match (key.as_str(), value) {
            ("image", Value::Integer(bytes)) if *bytes > 0 => budget.image = Some(bytes.unsigned_abs()),
            ("memory", Value::String(word)) => budget.memory = Some(word.parse()?),
            ("examples" | "with", Value::Table(_)) => {}
            _ => {
                return Err(Error::failed(format!(
                    "{key} is no budget: set image = BYTES or memory = \"8M\""
                )));
            }
        }
    }
    Ok(budget)
}

fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use crate::workspace::Defaults;

    fn app(scratch: &Scratch, kind: Kind) -> App {
        App {
            name: "hello".to_owned(),
            package: "unik-hello".to_owned(),
            folder: scratch.path().to_owned(),
            target: "hello".to_owned(),
            kind,
            defaults: Defaults::default(),
        }
    }

    #[test]
    fn an_image_over_its_budget_fails_with_the_difference() {
        let scratch = Scratch::new();
        scratch.write(FILE, b"image = 20_480\nmemory = \"8M\"\n");
        let app = app(&scratch, Kind::Program);
        assert_eq!(check(&app, 20_480), Ok(()));
        let error = check(&app, 20_490).unwrap_err().to_string();
        assert!(error.starts_with("hello takes 20490 bytes, 10 more than the 20480 of "), "{error}");
    }

    #[test]
    fn an_example_has_a_table_of_its_own() {
        let scratch = Scratch::new();
        scratch.write(FILE, b"image = 1\n[examples.hello]\nimage = 2\n");
        assert_eq!(of(&app(&scratch, Kind::Example)).unwrap().image, Some(2));
        assert_eq!(of(&app(&scratch, Kind::Program)).unwrap().image, Some(1));
    }

    #[test]
    fn features_have_a_table_of_their_own() {
        let scratch = Scratch::new();
        scratch.write(FILE, b"image = 1\n[with.tls]\nimage = 3\n");
        let app = App { name: "hello+tls".to_owned(), ..app(&scratch, Kind::Program) };
        assert_eq!(of(&app).unwrap().image, Some(3));
        assert_eq!(of(&App { name: "hello+other".to_owned(), ..app }).unwrap().image, None);
    }

    #[test]
    fn without_a_file_there_is_no_limit() {
        let scratch = Scratch::new();
        assert_eq!(check(&app(&scratch, Kind::Program), u64::MAX), Ok(()));
    }

    #[test]
    fn a_misspelt_key_is_not_taken_for_no_budget() {
        let scratch = Scratch::new();
        scratch.write(FILE, b"imgae = 1\n");
        let error = of(&app(&scratch, Kind::Program)).unwrap_err().to_string();
        assert!(error.ends_with("imgae is no budget: set image = BYTES or memory = \"8M\""), "{error}");
    }
}
