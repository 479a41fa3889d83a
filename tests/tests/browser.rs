//! A page served by the image is looked at by a browser: Debian's Chromium, without a window.
//!
//! The page itself tells what has become of it: its style, its picture, its font and its film, of which a part is asked for that lies behind
//! megabytes of nothing. It does so in a request, which the server logs. The browser and the machine live in a network namespace
//! that holds their loopback alone where the user may make one, and the browser is told to know no name and nobody but 127.0.0.1
//! everywhere.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cargo_unik::options::Protocol;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use unik_tests::{Image, PATIENCE, Vm};

#[path = "browser/files.rs"]
mod files;

const HTTP: &[(Protocol, u16)] = &[(Protocol::Tcp, 80)];
const HTTPS: &[(Protocol, u16)] = &[(Protocol::Tcp, 443)];
/// Every request is told on the console.
const WORDS: &str = "net0.nat=1 httpd.log=combined httpd.log_to=console";
/// The font of Debian that every computer with Chromium has.
const FONT: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf";
/// What the page has to find.
const SEEN: &str = "GET /seen?color=12%2C34%2C56&font=loaded&picture=6x4&pixel=200%2C100%2C50&film=64x48&seconds=4&frame=blue HTTP/1.1";
/// How long the browser may take to end, and how often that is looked for.
const ENDING: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(10);

/// A browser that ends with this value.
struct Browser(Child);

impl Browser {
    /// Opens a page; what the browser says goes into a file beside its profile.
    fn open(url: &str, folder: &Path) -> Browser {
        let log = std::fs::File::create(folder.join("browser.log")).unwrap();
        let mut command = Command::new("chromium");
        command.args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ]);
        // It stays open as long as somebody could drive it.
        command.arg("--remote-debugging-port=0").arg("--autoplay-policy=no-user-gesture-required");
        // Nothing of its own is to be asked of anybody.
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.args([
            "--disable-default-apps",
            "--disable-extensions",
            "--disable-domain-reliability",
            "--no-pings",
        ]);
        command
            .args(["--metrics-recording-only", "--disable-features=OptimizationHints,MediaRouter,Translate"]);
        // Nobody but the test has signed the certificate.
        command.arg("--ignore-certificate-errors");
        command.arg("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1").arg("--no-proxy-server");
        command.arg(format!("--user-data-dir={}", folder.join("profile").display())).arg(url);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Browser(command.spawn().expect("'apt-get install chromium' brings the browser"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to end, it takes its own children along. It may have ended already.
        let _ = i32::try_from(self.0.id()).map(|id| kill(Pid::from_raw(id), Signal::SIGTERM));
        let deadline = Instant::now() + ENDING;
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(TICK);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Leaves the computer's networks, with all that this thread starts, where the user may.
fn withdraw() {
    if unshare(CloneFlags::CLONE_NEWNET).is_ok() {
        let up =
            Command::new("ip").args(["link", "set", "dev", "lo", "up"]).status().expect("iproute2 is there");
        assert!(up.success(), "a namespace has a loopback");
    }
}

/// The site that is looked at, in a folder of its own.
fn site(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    let site = folder.join("site");
    std::fs::create_dir_all(&site).unwrap();
    for (name, contents) in [
        ("index.html", include_bytes!("browser/index.html").to_vec()),
        ("style.css", include_bytes!("browser/style.css").to_vec()),
        ("report.js", include_bytes!("browser/report.js").to_vec()),
        ("picture.png", files::png(6, 4, [200, 100, 50])),
        ("film.webm", files::webm()),
        ("font.ttf", std::fs::read(FONT).expect("'apt-get install fonts-dejavu-core' brings the font")),
    ] {
        std::fs::write(site.join(name), contents).unwrap();
    }
    folder
}

/// Puts a certificate for 127.0.0.1 and its key into a site.
fn certify(site: &Path) {
    let folder = site.join("tls");
    std::fs::create_dir_all(&folder).unwrap();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"])
        .arg("-keyout")
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("chain.pem"))
        .stderr(Stdio::null())
        .status()
        .expect("'apt-get install openssl' brings the maker of certificates");
    assert!(made.success(), "openssl makes a certificate");
}

/// Opens the page of `vm` in a browser, and waits until it has told what has become of it.
#[track_caller]
fn is_seen_right(vm: &mut Vm, scheme: &str, port: u16, folder: &Path) {
    let address = vm.address(Protocol::Tcp, port);
    let browser = Browser::open(&format!("{scheme}://{address}/"), folder);
    let started = Instant::now();
    let line = loop {
        let log = vm.log();
        if let Some(line) = log.lines().find(|line| line.contains("GET /seen?")) {
            break line.to_owned();
        }
        if started.elapsed() > PATIENCE {
            let said = std::fs::read_to_string(folder.join("browser.log")).unwrap_or_default();
            vm.fail(&format!("the page has told nothing; the browser says:\n{said}"));
        }
        std::thread::sleep(TICK);
    };
    drop(browser);
    assert!(line.contains(SEEN), "{line}");
}

#[test]
fn a_page_with_style_picture_font_and_film_is_right_in_a_browser() {
    withdraw();
    let folder = site("browser");
    let image = Image::release("httpd");
    let mut vm = Vm::of(&image).network(HTTP).data(&folder.join("site")).words(WORDS).boot();
    vm.line("ready: httpd");
    is_seen_right(&mut vm, "http", 80, &folder);
    // The film was asked for in parts, of which one begins behind the gap.
    let whole = files::webm().len();
    let log = vm.log();
    let parts: Vec<usize> = log
        .lines()
        .filter_map(|line| {
            line.split_once("\"GET /film.webm HTTP/1.1\" 206 ")?.1.split(' ').next()?.parse().ok()
        })
        .collect();
    assert!(parts.len() > 1, "{parts:?} of {whole}: more than one was asked for");
    // The log tells what was sent: the part that began with everything was given up.
    assert!(parts.iter().sum::<usize>() < whole, "{parts:?} of {whole}: the gap was not fetched");
    for name in ["style.css", "picture.png", "font.ttf", "report.js"] {
        assert!(log.contains(&format!("\"GET /{name} HTTP/1.1\" 200 ")), "{name}\n{log}");
    }
}

#[test]
fn the_same_page_is_right_over_tls() {
    withdraw();
    let folder = site("browser-tls");
    certify(&folder.join("site"));
    let image = Image::release("httpd+tls");
    let mut vm = Vm::of(&image).network(HTTPS).data(&folder.join("site")).words(WORDS).boot();
    vm.line("ready: httpd");
    is_seen_right(&mut vm, "https", 443, &folder);
}
