//! The row without machines: the appliance as an ordinary process at a tap, and nginx at a virtual cable.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Field;
use super::guests::{HTTP, UNLIMITED};
use super::rate::Answering;
use super::site;
use crate::bench::REPEAT;
use crate::bench::http::first_answer;
use crate::bench::net::namespace::Wire;
use crate::bench::net::side::{Side, program};
use crate::bench::process::{self, Process};
use crate::error::{Context, Error, Result};

/// The wires of the two processes.
const TAP: Wire = Wire::new("process", 92);
const CABLE: Wire = Wire::new("cable", 93);
/// The other end of [`CABLE`].
const OTHER: &str = "nginx";
/// How many times the best of nginx the best of unik has to be.
const REQUESTS: f64 = 0.7;
/// What nginx would otherwise keep where a package would have made a folder for it.
const FOLDERS: [&str; 5] = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/// Both sides as processes.
pub(super) fn row(field: &Field<'_>) -> Result<()> {
    field.namespace.lay_for_process(TAP)?;
    let unik = start_unik(field)?;
    let mut answering = vec![Answering { side: Side::Unik, address: TAP.port(HTTP), process: unik.0.id() }];
    let nginx = field.linux.as_deref().map(|folder| start_nginx(field, folder)).transpose()?;
    if let Some(nginx) = &nginx {
        answering.push(Answering { side: Side::Linux, address: CABLE.port(HTTP), process: nginx.0.id() });
    }
    for one in &answering {
        first_answer(one.address, REPEAT)?;
    }
    field.compare_pages("processes", &answering, REQUESTS, false)?;
    field.compare_files("processes", &answering, None)
}

fn start_unik(field: &Field<'_>) -> Result<Process> {
    let site = field.pack(&site::of_both())?;
    let mut command = Command::new(field.workspace.target.join("release/httpd"));
    command.arg(format!("--net=tap:{}", TAP.tap)).arg("--data").arg(site);
    command.args([format!("net0.ip={}/24", TAP.guest()), format!("net0.gateway={}", TAP.host())]);
    command.args(UNLIMITED.split(' ')).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(Process).or_cannot(|| "start httpd".to_owned())
}

fn start_nginx(field: &Field<'_>, folder: &Path) -> Result<Process> {
    let home = field.workspace.target.join("unik/bench/httpd/nginx");
    std::fs::create_dir_all(&home).or_cannot(|| format!("make {}", home.display()))?;
    let root = field.lay_out(&site::of_both())?;
    let file = home.join("nginx.conf");
    let text = configuration(&field.configuration()?, &home, &root)?;
    std::fs::write(&file, text).or_cannot(|| format!("write {}", file.display()))?;
    let text = |path: &Path| path.display().to_string();
    let error_log = text(&home.join("error.log"));
    let options = ["-e".to_owned(), error_log, "-p".to_owned(), text(&home), "-c".to_owned(), text(&file)];
    let words = program(&folder.join("tree"), "usr/sbin/nginx").into_iter().chain(options);
    process::behind_cable(&field.namespace, CABLE, OTHER, words)
}

/// That of the Linux guest, with the places of this computer.
fn configuration(text: &str, home: &Path, root: &Path) -> Result<String> {
    let home = home.display();
    let folders: String =
        FOLDERS.iter().map(|folder| format!("    {folder}_temp_path {home}/{folder};\n")).collect();
    let mut text = text.to_owned();
    for (before, after) in [
        ("pid /tmp/nginx.pid;", format!("pid {home}/pid;")),
        ("error_log /dev/console crit;", format!("error_log {home}/error.log crit;")),
        ("root /srv;", format!("root {};", root.display())),
        ("http {\n", format!("http {{\n{folders}")),
    ] {
        if !text.contains(before) {
            return Err(Error::failed(format!("the configuration of nginx has no '{}'", before.trim_end())));
        }
        text = text.replace(before, &after);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_finds_its_places_on_this_computer() {
        let text = include_str!("../../../../bench/peers/linux/nginx.conf");
        let text = configuration(text, Path::new("/a/b"), Path::new("/c")).unwrap();
        assert!(text.contains("\npid /a/b/pid;\n") && text.contains(" root /c;\n"), "{text}");
        assert!(text.contains("http {\n    client_body_temp_path /a/b/client_body;\n"), "{text}");
        let error = configuration("", Path::new("/a"), Path::new("/c")).unwrap_err().to_string();
        assert_eq!(error, "the configuration of nginx has no 'pid /tmp/nginx.pid;'");
    }
}
