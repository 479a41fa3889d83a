//! HTTPS of a whole image, with curl and openssl at the other end.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use cargo_unik::options::Protocol;
use unik_tests::{Image, PATIENCE, Setup, Vm};

const PORTS: &[(Protocol, u16)] = &[(Protocol::Tcp, 80), (Protocol::Tcp, 443)];
const HOST: &str = "example.org";

/// An empty folder of this test program.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("tls")).unwrap();
    folder
}

/// What a program prints, which is to succeed.
#[track_caller]
fn output(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {complaint}");
    output.stdout
}

/// A certificate for [`HOST`] and its key, in a site with a page and a large file.
fn site(name: &str, curve: &str) -> PathBuf {
    let folder = folder(name);
    std::fs::write(folder.join("index.html"), "<p>Secret").unwrap();
    let large: Vec<u8> =
        (0..1_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(folder.join("large.bin"), large).unwrap();
    let (key, chain) = (folder.join("tls/key.pem"), folder.join("tls/chain.pem"));
    let curve = format!("ec_paramgen_curve:{curve}");
    let words = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        &curve,
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=example.org",
        "-addext",
        "subjectAltName=DNS:example.org",
        "-keyout",
        key.to_str().unwrap(),
        "-out",
        chain.to_str().unwrap(),
    ];
    output("openssl", &words);
    folder
}

fn machine(site: &Path) -> Setup {
    Vm::of(&Image::release("httpd+tls")).network(PORTS).data(site).words("net0.nat=1")
}

/// What curl gets for a path, with these options.
#[track_caller]
fn get(vm: &Vm, site: &Path, path: &str, options: &[&str]) -> Vec<u8> {
    let port = vm.address(Protocol::Tcp, 443).port();
    let (url, resolve) = (format!("https://{HOST}:{port}{path}"), format!("{HOST}:{port}:127.0.0.1"));
    let chain = site.join("tls/chain.pem");
    let usual = [
        "--silent",
        "--show-error",
        "--max-time",
        "60",
        "--cacert",
        chain.to_str().unwrap(),
        "--resolve",
        &resolve,
    ];
    output("curl", &[&usual[..], options, &[&url]].concat())
}

#[track_caller]
fn serves(site: &Path, setup: Setup) {
    let mut vm = setup.words("httpd.https_redirect=8443").boot();
    vm.line("ready: httpd");
    let large = std::fs::read(site.join("large.bin")).unwrap();
    for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        assert_eq!(get(&vm, site, "/", &version), b"<p>Secret");
        assert!(get(&vm, site, "/large.bin", &version) == large);
    }
    for cipher in ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256"] {
        let options = ["--tls-max", "1.2", "--ciphers", cipher, "--curves", "P-256:P-384"];
        assert!(get(&vm, site, "/large.bin", &options) == large, "{cipher}");
    }
    let status = get(&vm, site, "/tls/key.pem", &["--output", "/dev/null", "--write-out", "%{http_code}"]);
    assert_eq!(status, b"404", "keys are never served");
    let plain = format!("http://127.0.0.1:{}/a?b", vm.address(Protocol::Tcp, 80).port());
    let location =
        output("curl", &["--silent", "--output", "/dev/null", "--write-out", "%{redirect_url}", &plain]);
    assert_eq!(location, b"https://127.0.0.1:8443/a?b");
}

#[test]
fn pages_come_over_tls_with_what_every_processor_has() {
    let site = site("plain", "P-256");
    serves(&site, machine(&site));
}

#[test]
fn pages_come_over_tls_with_the_instructions_for_it() {
    let site = site("max", "P-384");
    serves(&site, machine(&site).qemu(["-cpu", "max"]));
}

#[test]
fn a_session_goes_on_with_a_ticket() {
    let site = site("ticket", "P-256");
    let mut vm = machine(&site).monitor().boot();
    vm.line("ready: httpd");
    let address = vm.address(Protocol::Tcp, 443).to_string();
    let ticket = site.join("ticket");
    for (option, expected) in [("-sess_out", "New, TLSv1.2"), ("-sess_in", "Reused, TLSv1.2")] {
        let words = [
            "s_client",
            "-tls1_2",
            "-connect",
            &address,
            "-servername",
            HOST,
            option,
            ticket.to_str().unwrap(),
        ];
        let said = String::from_utf8_lossy(&output("openssl", &words)).into_owned();
        assert!(said.contains(expected), "{said}");
    }
    // The client is through with a resumed handshake before the server is (RFC 5077, 3.1).
    let deadline = Instant::now() + PATIENCE;
    while vm.counter("httpd.tls.handshakes") < 2 {
        assert!(Instant::now() < deadline, "{}", vm.look("counters httpd"));
    }
    assert_eq!(vm.counter("httpd.tls.handshakes"), 2);
    assert_eq!(vm.counter("httpd.tls.resumptions"), 1);
}

#[test]
fn a_site_without_its_key_ends_with_a_sentence_and_code_four() {
    let site = site("keyless", "P-256");
    std::fs::remove_file(site.join("tls/key.pem")).unwrap();
    let mut vm = machine(&site).boot();
    vm.line("error: tls/chain.pem: no key in tls/ belongs to this certificate");
    assert_eq!(vm.exit_code(), 4);
}

#[test]
fn six_mebibytes_are_enough() {
    let site = site("small", "P-256");
    std::fs::remove_file(site.join("large.bin")).unwrap();
    let mut vm = machine(&site).memory("6M").boot();
    vm.line("ready: httpd");
    assert_eq!(get(&vm, &site, "/", &[]), b"<p>Secret");
}
