//! What else an application needs of a machine: entropy, the date, a console, data, an end.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process;
use std::time::{Duration, SystemTime};

use rustix::rand::{GetRandomFlags, getrandom};

use crate::Error;

/// The largest archive that [`load`] takes into memory, in bytes.
pub const DATA_LIMIT: u64 = 1 << 30;

/// Fills `bytes` with entropy of the host; false if it has none, and `bytes` are then not to be used.
#[must_use]
pub fn fill_with_entropy(mut bytes: &mut [u8]) -> bool {
    while !bytes.is_empty() {
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(length) => bytes = bytes.split_at_mut(length).1,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}

/// The time since 1970-01-01 00:00 UTC; zero on a host whose clock is before that.
pub fn wall_clock() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Writes `text` to standard output at once. That nobody reads it is no error, as it is none of a serial console.
pub fn print(text: &str) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes());
    let _ = output.flush();
}

/// Reads the file at `path`, to stay in memory until the process ends.
///
/// # Errors
/// The variants of [`Error`] that speak of data.
pub fn load(path: &Path) -> Result<&'static [u8], Error> {
    let file = File::open(path).map_err(|error| Error::of_data(&error))?;
    let mut bytes = Vec::new();
    // One byte over the limit tells a file that is too large from one that just fits, pipes included.
    let length = file.take(DATA_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| Error::of_data(&error))?;
    if length as u64 > DATA_LIMIT {
        return Err(Error::DataTooLarge);
    }
    Ok(bytes.leak())
}

/// Ends the process with the exit code of an image: 0 done, 1 error from `main` or not in time, 2 panic, 3 fault, 4 configuration.
pub fn exit(code: u8) -> ! {
    process::exit(i32::from(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_differs_from_call_to_call() {
        let (mut bytes, mut others) = ([0; 1000], [0; 1000]);
        assert!(fill_with_entropy(&mut bytes) && fill_with_entropy(&mut others));
        assert_ne!(bytes, others);
        assert!(bytes.chunks(100).all(|chunk| chunk.iter().any(|&byte| byte != 0)));
    }

    #[test]
    fn loading_what_is_no_file_is_an_error() {
        assert_eq!(load(Path::new("/nonexistent/archive.cpio")), Err(Error::NoSuchData));
        assert_eq!(load(Path::new("/")), Err(Error::DataIsDirectory));
    }

    #[test]
    fn a_file_is_loaded_whole() {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        assert!(load(path).unwrap().starts_with(b"[package]"));
    }
}
