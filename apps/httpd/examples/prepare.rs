//! Prepares a site on this computer: `cargo unik` runs it when it packs files,
//! `cargo run -p unik-httpd --example prepare -- ARCHIVE OUT CACHE`.
//!
//! The archive has the files of the site. What the appliance would refuse is said on standard error, in its words, and the exit code is
//! 1; it is 2 where the archive cannot be read or `OUT` not written. Otherwise `OUT` gets what is to be packed beside the files:
//! compressed forms of those that gain by it, and the index of all that the appliance would else find out at each start. `CACHE` keeps
//! forms for the next time. The same archive always gives the same bytes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use brotli::enc::BrotliEncoderParams;
use siphasher::sip128::{Hasher128 as _, SipHasher13};
use std::hash::Hasher as _;
use unik_block::archive::Archive;
use unik_httpd::service::Error;
use unik_httpd::{CONFIGURATION, Configuration, FORMS, File, INDEX, LoadError, Server, Settings};

/// A shorter file is sent in one packet anyway.
const LEAST: usize = 1024;
/// A longer file would take minutes.
const MOST: usize = 8 << 20;
/// All forms together: they lie in the memory of the machine.
const ALL: usize = 64 << 20;
/// What a form may have of its file's length, in tenths.
const SHARE: usize = 9;
/// The folder that all of `OUT` is in.
const OURS: &str = ".httpd/";

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [archive, out, cache] = arguments.as_slice() else {
        eprintln!("name an archive, a folder for what is made of it, and one for what is kept");
        return ExitCode::from(2);
    };
    match prepare(archive, out, cache) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Refused(sentence)) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
        Err(Failure::Io(error)) => {
            eprintln!("cannot prepare {}: {error}", archive.display());
            ExitCode::from(2)
        }
    }
}

/// Why nothing is prepared.
#[derive(Debug)]
enum Failure {
    /// The files are wrong.
    Refused(String),
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn prepare(archive: &Path, out: &Path, cache: &Path) -> Result<(), Failure> {
    let bytes = fs::read(archive)?;
    let archive = Archive::parse(&bytes).map_err(|error| Failure::Io(io::Error::other(error)))?;
    let of_archive = |file: unik_block::archive::File<'_>| (file.path().to_owned(), file.contents().to_vec());
    let files: Vec<(String, Vec<u8>)> = archive.files().map(of_archive).collect();
    fs::create_dir_all(cache)?;
    for (path, contents) in made(&files, &|name, contents| kept(cache, name, contents))? {
        let path = out.join(path);
        fs::create_dir_all(path.parent().unwrap_or(out))?;
        fs::write(path, contents)?;
    }
    Ok(())
}

/// Compresses contents with a coding.
type Compress<'c> = &'c (dyn Fn(&str, &[u8]) -> io::Result<Vec<u8>> + Sync);

/// What is packed beside `files`.
fn made(files: &[(String, Vec<u8>)], compress: Compress<'_>) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    if let Some((path, _)) = files.iter().find(|(path, _)| path.starts_with(OURS)) {
        return Err(Failure::Refused(format!(
            "{path}: {OURS} is made when files are packed, and is none of them"
        )));
    }
    load(files, &[])?;
    let text = files.iter().find(|(path, _)| path == CONFIGURATION).map_or(&[][..], |(_, text)| text);
    let configuration = Configuration::parse(text).map_err(|error| Failure::Refused(error.to_string()))?;
    let mut made = forms(files, &configuration, compress)?;
    let index = load(files, &made)?.index();
    let index =
        index.ok_or_else(|| Failure::Refused("a path or the fields of a file are too long".to_owned()))?;
    made.push((INDEX.to_owned(), index));
    Ok(made)
}

/// The server that an image would make of these.
fn load<'a>(files: &'a [(String, Vec<u8>)], made: &'a [(String, Vec<u8>)]) -> Result<Server<'a>, Failure> {
    let mut all = files.iter().chain(made).map(|(path, contents)| File { path, contents, modified: None });
    let server = Server::load(&mut all, Settings::default()).map_err(|error| match error {
        LoadError::NoMemory => Failure::Io(io::ErrorKind::OutOfMemory.into()),
        LoadError::Configuration(error) => Failure::Refused(error.to_string()),
    })?;
    if server.files() == 0 {
        return Err(Failure::Refused(Error::NoFiles.to_string()));
    }
    Ok(server)
}

/// A form that is wanted: its path, the name of its coding, and the contents that it is made of.
type Wanted<'f> = (String, &'static str, &'f [u8]);

/// The compressed forms of those files that gain by it.
fn forms(
    files: &[(String, Vec<u8>)],
    configuration: &Configuration<'_>,
    compress: Compress<'_>,
) -> io::Result<Vec<(String, Vec<u8>)>> {
    let paths: BTreeSet<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    for (path, contents) in files {
        let is_served = !unik_httpd::is_hidden(path) && path != CONFIGURATION;
        if is_served && unik_httpd::compresses(path) && (LEAST..=MOST).contains(&contents.len()) {
            // One that the owner has made goes before.
            let codings = configuration
                .compress()
                .filter(|(_, suffix)| !paths.contains(format!("{path}{suffix}").as_str()));
            wanted.extend(
                codings.map(|(name, suffix)| (format!("{FORMS}{path}{suffix}"), name, contents.as_slice())),
            );
        }
    }
    let (mut forms, mut total) = (Vec::new(), 0);
    for ((path, _, contents), form) in wanted.iter().zip(compressed(&wanted, compress)?) {
        let is_shorter = form.len() * 10 <= contents.len() * SHARE;
        if is_shorter && total + form.len() <= ALL {
            total += form.len();
            forms.push((path.clone(), form));
        }
    }
    Ok(forms)
}

/// Makes all forms, as many at a time as this computer has processors, and gives them in their order.
fn compressed(wanted: &[Wanted<'_>], compress: Compress<'_>) -> io::Result<Vec<Vec<u8>>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = |first: usize| -> io::Result<Vec<(usize, Vec<u8>)>> {
        let mine = wanted.iter().enumerate().skip(first).step_by(threads);
        mine.map(|(number, (_, name, contents))| Ok((number, compress(name, contents)?))).collect()
    };
    let shares = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(move || share(first))).collect();
        let ended = workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| io::Error::other("a thread panicked"))?);
        ended.collect::<io::Result<Vec<_>>>()
    })?;
    let mut forms: Vec<_> = shares.into_iter().flatten().collect();
    forms.sort_by_key(|(number, _)| *number);
    Ok(forms.into_iter().map(|(_, form)| form).collect())
}

/// A form of contents, from the folder of those that were made before, or made now and kept.
fn kept(cache: &Path, name: &str, contents: &[u8]) -> io::Result<Vec<u8>> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mut hasher = SipHasher13::new();
    hasher.write(contents);
    let place = cache.join(format!("{:032x}-{}.{name}", hasher.finish128().as_u128(), contents.len()));
    if let Ok(form) = fs::read(&place) {
        return Ok(form);
    }
    let form = compress(name, contents)?;
    // In one step: others may prepare the same files at the same time.
    let draft = cache.join(format!("{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    fs::write(&draft, &form)?;
    fs::rename(&draft, &place)?;
    Ok(form)
}

/// Compresses as far as a coding can: it is done once, and sent often.
fn compress(name: &str, contents: &[u8]) -> io::Result<Vec<u8>> {
    match name {
        "br" => {
            let mut form = Vec::new();
            let parameters =
                BrotliEncoderParams { quality: 11, size_hint: contents.len(), ..Default::default() };
            brotli::BrotliCompress(&mut &contents[..], &mut form, &parameters)?;
            Ok(form)
        }
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(contents)?;
            encoder.finish()
        }
        // The window of this level is 8 MiB, the most that clients need take (RFC 9659, 3).
        "zstd" => zstd::bulk::compress(contents, 19),
        _ => Err(io::Error::other(format!("nobody knows how to make the form {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
        files.iter().map(|(path, contents)| ((*path).to_owned(), contents.to_vec())).collect()
    }

    /// Paths of what is made of some files.
    fn paths(files: &[(String, Vec<u8>)]) -> Vec<String> {
        made(files, &compress).expect("the files are good").into_iter().map(|made| made.0).collect()
    }

    fn refused(given: &[(&str, &[u8])]) -> String {
        match made(&files(given), &compress) {
            Err(Failure::Refused(sentence)) => sentence,
            other => panic!("{other:?}"),
        }
    }

    /// Text that compresses well.
    fn text() -> Vec<u8> {
        b"all work and no play ".repeat(100)
    }

    #[test]
    fn files_that_gain_get_forms_and_all_get_an_index() {
        let mut word = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            word as u8
        })
        .take(5000)
        .collect();
        let text = text();
        let given = files(&[
            (".hidden/a.css", &text),
            ("a.css", &text),
            ("b.png", &text),
            ("c.txt", &noise),
            ("d.txt", &text[..1000]),
            ("e.js", &text),
            ("e.js.br", b"mine"),
            ("f.js.br", b"mine"),
        ]);
        let expected =
            ["a.css.br", "a.css.zst", "a.css.gz", "e.js.zst", "e.js.gz"].map(|path| format!("{FORMS}{path}"));
        assert_eq!(paths(&given), [&expected[..], &[INDEX.to_owned()]].concat());
        let chosen = files(&[("a.css", &text), ("httpd.toml", b"compress = ['gzip']")]);
        assert_eq!(paths(&chosen), [".httpd/forms/a.css.gz", ".httpd/index"]);
        let none = files(&[("a.css", &text), ("httpd.toml", b"compress = []")]);
        assert_eq!(paths(&none), [".httpd/index"]);
    }

    #[test]
    fn forms_are_what_their_readers_take_for_the_contents() {
        let text = text();
        let form = |name| compress(name, &text).expect("compressed");
        let mut brotli = Vec::new();
        brotli::BrotliDecompress(&mut form("br").as_slice(), &mut brotli).expect("brotli");
        assert!(brotli == text);
        let mut gzip = Vec::new();
        io::copy(&mut flate2::read::GzDecoder::new(form("gzip").as_slice()), &mut gzip).expect("gzip");
        assert!(gzip == text);
        assert!(zstd::bulk::decompress(&form("zstd"), text.len()).expect("zstd") == text);
    }

    #[test]
    fn the_same_files_give_the_same_bytes_from_the_cache_and_without() {
        let text = text();
        let given = files(&[("a.css", &text), ("b/index.html", &text)]);
        let cache = std::env::temp_dir().join(format!("unik-prepare-{}", std::process::id()));
        fs::create_dir_all(&cache).expect("a folder");
        let with_cache = || made(&given, &|name, contents| kept(&cache, name, contents)).expect("good");
        let (first, second) = (with_cache(), with_cache());
        fs::remove_dir_all(&cache).expect("it is there");
        let without = made(&given, &compress).expect("good");
        assert!(first == second && first == without);
    }

    #[test]
    fn what_the_appliance_would_refuse_is_refused_in_its_words() {
        let page: (&str, &[u8]) = ("index.html", b"page");
        assert_eq!(refused(&[page, ("httpd.toml", b"a = 1")]), {
            "httpd.toml:1: 'a': expected root, fallback, listing, unknown-hosts or compress"
        });
        assert_eq!(refused(&[page, ("httpd.toml", b"fallback = '/x'")]), {
            "httpd.toml:1: '/x': expected a file of this host that can be served"
        });
        assert_eq!(refused(&[(".a", b"")]), Error::NoFiles.to_string());
        assert_eq!(refused(&[page, (".httpd/index", b"")]), {
            ".httpd/index: .httpd/ is made when files are packed, and is none of them"
        });
    }
}
