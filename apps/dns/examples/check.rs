//! Checks the zones in a folder on this computer, in the words in which the appliance would refuse them:
//! `cargo run -p unik-dns --example check -- FOLDER`. `cargo unik` runs it before it packs the folder.
//!
//! It says what is wrong on standard error, and exits with 1 if anything is; with 2 where the folder cannot be read.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use unik_dns::service::{Error, SUFFIX};
use unik_dns::{Server, Zone};

/// The files of a folder by their paths from there on, as an archive has them.
type Files = BTreeMap<String, Vec<u8>>;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("name the folder whose zones are to be checked");
        return ExitCode::from(2);
    };
    let mut files = Files::new();
    if let Err(error) = gather(Path::new(&folder), "", &mut files) {
        eprintln!("cannot read {}: {error}", Path::new(&folder).display());
        return ExitCode::from(2);
    }
    let mistakes = mistakes(&files);
    for mistake in &mistakes {
        eprintln!("{mistake}");
    }
    if mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Reads the files of `folder`, which is called `prefix`.
fn gather(folder: &Path, prefix: &str, files: &mut Files) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A name that is no text is no zone's and none's to include.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            gather(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// What is wrong with the zones in `files`, a sentence each.
fn mistakes(files: &Files) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut server = Server::new();
    let include =
        |wanted: &str| files.get_key_value(wanted).map(|(path, text)| (path.as_str(), text.as_slice()));
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(SUFFIX)) {
        match Zone::read(path, text, &include) {
            Err(error) => mistakes.push(error.to_string()),
            Ok(zone) => mistakes.extend(server.add(zone).err().map(|error| format!("{path}: {error}"))),
        }
    }
    if mistakes.is_empty() && server.zones().is_empty() {
        mistakes.push(Error::NoZones.to_string());
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_in_a_folder_is_said() {
        let good = "$ORIGIN e.\n$TTL 5\n@ SOA n.f. h.f. 1 2 3 4 5\n@ NS n.f.\n$INCLUDE sub/hosts\n";
        let files = |files: &[(&str, &str)]| -> Files {
            files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
        };
        let hosts = ("sub/hosts", "a A 192.0.2.1");
        assert_eq!(mistakes(&files(&[("e.zone", good), hosts])), [""; 0]);
        assert_eq!(
            mistakes(&files(&[("a/e.zone", good), ("b/e.zone", good), ("c.zone", "x"), hosts])),
            [
                "b/e.zone: another file holds a zone of the same name",
                "c.zone:1:1: expected a name that ends with a dot, because no $ORIGIN says what a relative name is \
                 relative to"
            ]
        );
        let said = mistakes(&files(&[("e.zone", good), ("sub/hosts", "a A x")]));
        assert_eq!(said, ["sub/hosts:1:5: expected an IPv4 address"]);
        assert_eq!(mistakes(&files(&[hosts])), [Error::NoZones.to_string()]);
    }

    #[test]
    fn the_example_zones_have_no_mistakes() {
        let mut files = Files::new();
        gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join("zones"), "", &mut files).expect("readable");
        assert_eq!(mistakes(&files), [""; 0]);
    }
}
