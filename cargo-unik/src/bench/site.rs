//! Measures what a start costs the web server with a site of a thousand files: as a plain archive, and with the index and the forms that
//! packing makes.

use std::fs;
use std::path::Path;

use super::{ADDRESS, PATIENCE, guest, read_ready};
use crate::check;
use crate::console::Running;
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::image::{self, Image, Profile, Request};
use crate::options::{Memory, Network};
use crate::workspace::Workspace;

/// Files of the site, in folders of a hundred.
const FILES: usize = 1000;
/// Bytes of each, more or less.
const LENGTH: usize = 10_000;
/// Boots of each kind, of which the least counts.
const BOOTS: usize = 5;

/// A start with one kind of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// Bytes of the archive.
    pub(super) archive: u64,
    /// Instructions from the image's entry point to the ready line, in thousands.
    pub(super) instructions: u64,
}

/// Builds image and site, and starts it as a plain archive, then as a prepared one.
///
/// # Errors
/// An image that does not build, or a guest that does not do its part.
pub(super) fn measure(workspace: &Workspace) -> Result<[Start; 2]> {
    let folder = workspace.target.join("unik/bench/site");
    write_site(&folder)?;
    let app = workspace.app(Some("httpd"), &workspace.root)?;
    let plain = image::pack(&folder, &workspace.target.join("unik/bench/site.plain.cpio"))?;
    let prepared =
        check::pack(workspace, &app, &folder, &workspace.target.join("unik/bench/site.data.cpio"))?;
    let request = Request::new(workspace, Profile::Release);
    let output = request.output.join("bench");
    let image = image::build(workspace, &app, &Request { output, ..request })?;
    Ok([start(&image, &plain)?, start(&image, &prepared)?])
}

/// Pages with a style sheet, of words that differ from file to file.
fn write_site(folder: &Path) -> Result<()> {
    for number in 0..FILES {
        let ending = if number % 10 == 0 { "css" } else { "html" };
        let path = folder.join(format!("part{}/file{number:04}.{ending}", number / 100));
        let doing = || format!("write {}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).or_cannot(doing)?;
        }
        let (mut text, mut word) = (String::new(), number as u32 + 1);
        while text.len() < LENGTH {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text += ["<p>web ", "server ", "of pages ", "that are ", "in memory\n", "without "]
                [(word >> 16) as usize % 6];
        }
        fs::write(&path, text).or_cannot(doing)?;
    }
    let index = folder.join("index.html");
    fs::write(&index, "<p>Hello").or_cannot(|| format!("write {}", index.display()))
}

fn start(image: &Image, site: &Path) -> Result<Start> {
    let guest = Guest {
        initrd: Some(site.to_owned()),
        cmdline: ADDRESS.to_owned(),
        networks: vec![Network::User],
        memory: "64M".parse::<Memory>()?,
        extra: ["-icount", "shift=0,sleep=off"].map(Into::into).into(),
        ..guest(image)
    };
    let mut least = u64::MAX;
    for _ in 0..BOOTS {
        let line = Running::start(&guest.command()?)?.line("ready: httpd", PATIENCE)?;
        let (total, _) = read_ready(&line).ok_or_else(|| Error::failed(format!("no times in '{line}'")))?;
        least = least.min(total);
    }
    let archive = fs::metadata(site).or_cannot(|| format!("read {}", site.display()))?.len();
    Ok(Start { archive, instructions: least })
}
