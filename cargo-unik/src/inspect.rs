//! Tells what an image file says of itself: [`Identity`], and the digest by which two files are compared.
//!
//! The file may come from anywhere: it is read up to a limit, and nothing of it is believed beyond what is shown.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::error::{Context, Error, Result};
use crate::identity::{Digest, Identity};
use crate::size::grouped;

/// The largest file that is looked at, in bytes.
pub const MAX_IMAGE: u64 = 1 << 30;

/// Prints the identity of an image, as a table or as one object.
///
/// # Errors
/// There is no such file, it is too large, or it is no image of unik.
pub fn run(path: &Path, as_json: bool) -> Result<u8> {
    let bytes = read(path)?;
    let identity = Identity::read(&bytes)
        .map_err(|error| Error::failed(format!("cannot tell what {} is: {error}", path.display())))?;
    let digest = Digest::of(&bytes);
    if as_json {
        println!("{}", object(&identity, &digest, bytes.len()));
    } else {
        print!("{}", table(&identity, &digest, bytes.len()));
    }
    Ok(0)
}

/// Reads a file of bounded size; a pipe or a device is none.
fn read(path: &Path) -> Result<Vec<u8>> {
    let reading = || format!("read {}", path.display());
    // Asked before it is opened: opening a pipe waits for its other end.
    let found = fs::metadata(path).or_cannot(reading)?;
    if !found.is_file() || found.len() > MAX_IMAGE {
        let sentence = format!("{} is no file of at most {} bytes", path.display(), grouped(MAX_IMAGE));
        return Err(Error::failed(sentence));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).or_cannot(reading)?;
    file.take(MAX_IMAGE).read_to_end(&mut bytes).or_cannot(reading)?;
    Ok(bytes)
}

fn table(identity: &Identity, digest: &Digest, size: usize) -> String {
    let sha256 = |digest: &Digest| format!("sha256 {digest}");
    let features = Some(identity.features.join(", ")).filter(|features| !features.is_empty());
    let rows = [
        ("name", identity.name.clone()),
        ("unik", identity.version.clone()),
        ("commit", identity.commit.clone()),
        ("profile", identity.profile.clone()),
        ("features", features),
        ("Cargo.lock", identity.lock.as_ref().map(sha256)),
        ("data", identity.data.as_ref().map(sha256)),
        ("image", Some(sha256(digest))),
        ("bytes", Some(grouped(size as u64))),
    ];
    let mut table = String::new();
    for (name, value) in rows {
        table += &format!("{name:<12}{}\n", value.as_deref().unwrap_or("-"));
    }
    table
}

fn object(identity: &Identity, digest: &Digest, size: usize) -> Value {
    let text = |digest: &Option<Digest>| digest.as_ref().map(Digest::to_string);
    json!({
        "name": identity.name,
        "unik": identity.version,
        "commit": identity.commit,
        "profile": identity.profile,
        "features": identity.features,
        "lock": text(&identity.lock),
        "data": text(&identity.data),
        "image": digest.to_string(),
        "bytes": size,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn what_is_not_there_is_a_dash_and_null() {
        let identity = Identity { name: Some("hello".to_owned()), ..Identity::default() };
        let digest = Digest::of(b"");
        let table = table(&identity, &digest, 1234);
        assert!(table.starts_with("name        hello\nunik        -\ncommit      -\n"), "{table}");
        assert!(table.ends_with("bytes       1,234\n"), "{table}");
        let object = object(&identity, &digest, 1234);
        assert_eq!((&object["name"], &object["commit"]), (&json!("hello"), &Value::Null));
        assert_eq!(object["features"], json!([]));
    }

    #[test]
    fn a_folder_and_a_device_are_no_images() {
        let scratch = Scratch::new();
        for path in [scratch.path(), Path::new("/dev/zero")] {
            assert!(read(path).unwrap_err().to_string().contains("is no file of at most"), "{path:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_image_is_named_in_the_sentence() {
        let scratch = Scratch::new();
        let path = scratch.write("notes.txt", b"not an image");
        let error = run(&path, false).unwrap_err().to_string();
        assert!(error.contains("notes.txt is: cannot read it as an image"), "{error}");
    }
}
