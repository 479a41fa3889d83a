//! The two sides as guests that serve a site.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Field;
use super::site::Site;
use crate::bench::http::first_answer;
use crate::bench::net::side::{self, Server, Side};
use crate::cpio::Archive;
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::image;
use crate::options::Network;

/// The port of the protocol.
pub(super) const HTTP: u16 = 80;
/// One client asks all there is: a limit on what it gets is not what is measured, here as in the configuration of nginx.
pub(super) const UNLIMITED: &str = "httpd.connections=1000 httpd.client_connections=1000";
/// What the Linux guest of this role boots with.
const INITRAMFS: &str = "tuned/initramfs.nginx";
/// How long an answer is waited for before the question is repeated.
const REPEAT: Duration = Duration::from_millis(20);

/// Whether the Linux guest is built.
pub(super) fn is_built(folder: &Path) -> bool {
    ["tuned/vmlinux", INITRAMFS, "tree/usr/sbin/nginx"].iter().all(|file| folder.join(file).exists())
}

impl Field<'_> {
    /// Lays out a site in a folder of its own.
    pub(super) fn lay_out(&self, site: &Site) -> Result<PathBuf> {
        let folder = self.workspace.target.join("unik/bench/httpd").join(site.name);
        // What an earlier one has left would be served as well; there may be none.
        let _ = fs::remove_dir_all(&folder);
        for (path, contents) in &site.files {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).or_cannot(|| format!("make {}", parent.display()))?;
            }
            fs::write(&path, contents).or_cannot(|| format!("write {}", path.display()))?;
        }
        Ok(folder)
    }

    /// Packs a site for the image.
    pub(super) fn pack(&self, site: &Site) -> Result<PathBuf> {
        let folder = self.lay_out(site)?;
        image::pack(&folder, &folder.with_extension("cpio"))
    }

    /// The configuration of nginx as it stands in the repository.
    pub(super) fn configuration(&self) -> Result<String> {
        let path = self.workspace.root.join("bench/peers/linux/nginx.conf");
        fs::read_to_string(&path).or_cannot(|| format!("read {}", path.display()))
    }

    /// What the Linux guest boots with: what was built, and behind it a second archive, whose files take the place of the first one's.
    pub(super) fn initramfs(&self, folder: &Path, site: &Site) -> Result<PathBuf> {
        let built = folder.join(INITRAMFS);
        let mut bytes = fs::read(&built).or_cannot(|| format!("read {}", built.display()))?;
        // Linux takes four zeros for the end of what is compressed, and wants the next archive at a multiple of four.
        bytes.resize((bytes.len() + 4).next_multiple_of(4), 0);
        let mut archive = Archive::new();
        for folder in ["etc", "srv"] {
            archive.folder(folder)?;
        }
        archive.file("etc/nginx.conf", self.configuration()?.as_bytes())?;
        for (path, contents) in &site.files {
            archive.file(&format!("srv/{path}"), contents)?;
        }
        bytes.extend(archive.finish());
        let path = self.workspace.target.join("unik/bench/httpd/initramfs");
        fs::write(&path, bytes).or_cannot(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// The machine of a side that serves a site; `words` are for the image.
    pub(super) fn guest(&self, side: Side, site: &Site, words: &str) -> Result<Guest> {
        let guest = match (side, &self.linux) {
            (Side::Unik, _) => {
                let guest = side::unik(&self.httpd)?;
                Guest {
                    initrd: Some(self.pack(site)?),
                    monitor: Some(side::monitor_path()),
                    cmdline: format!("{} {words}", guest.cmdline),
                    ..guest
                }
            }
            (Side::Linux, Some(folder)) => {
                Guest { initrd: Some(self.initramfs(folder, site)?), ..side::linux(folder, "nginx")? }
            }
            (Side::Linux, None) => return Err(Error::failed("there is no Linux guest")),
        };
        Ok(Guest { networks: vec![Network::Tap(side.wire().tap.to_owned())], ..guest })
    }

    /// Starts a side and waits for its first answer.
    pub(super) fn start(&self, side: Side, guest: &Guest) -> Result<Server> {
        let mut server = Server::start(side, guest)?;
        let answered = first_answer(server.port(HTTP), REPEAT);
        answered.map_err(|error| server.report(&error))?;
        Ok(server)
    }
}
