//! Tests of finding: folders, names, sockets of machines that run and of those that have ended.

use super::*;
use crate::monitor::fake::{Fake, Turn};
use crate::scratch::Scratch;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::sync::atomic::AtomicBool;

/// Too short for those that do not answer, long enough for those that do.
const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(20);

/// A folder of sockets.
fn folder() -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let folder = scratch.path().join("unik");
    make(&folder).unwrap();
    (scratch, folder)
}

fn sentence(outcome: Result<impl Sized>) -> String {
    outcome.err().map(|error| error.to_string()).unwrap()
}

#[test]
fn the_folder_is_the_user_s_alone() {
    let (_scratch, folder) = folder();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(make(&folder), Ok(()));
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(sentence(make(&folder)).ends_with("remove it, or name a socket elsewhere"));
    assert!(sockets(&folder).is_err());
}

#[test]
fn a_link_to_a_folder_is_not_trusted() {
    let (scratch, folder) = folder();
    let link = scratch.path().join("link");
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    assert!(sentence(make(&link)).contains("is not a folder of yours alone"));
}

#[test]
fn a_path_is_as_long_as_a_socket_s_can_be() {
    let folder = PathBuf::from(format!("/{}", "d".repeat(60)));
    let longest = LONGEST_PATH - 60 - 2 - ".socket".len();
    let path = socket(&folder, &"n".repeat(longest)).unwrap();
    assert_eq!(path.as_os_str().len(), LONGEST_PATH);
    let told = sentence(socket(&folder, &"n".repeat(longest + 1)));
    assert!(told.ends_with("cannot be a socket: its path has 108 bytes, and 107 are possible"), "{told}");
    assert!(fits(Path::new("")).is_err());
}

#[test]
fn a_socket_of_the_longest_path_can_be_bound_and_reached() {
    let scratch = Scratch::new();
    let rest = LONGEST_PATH - scratch.path().as_os_str().len() - 1;
    let path = scratch.path().join("s".repeat(rest));
    let _listener = UnixListener::bind(&path).unwrap();
    assert_eq!(is_alive(&path), Ok(true));
}

#[test]
fn a_name_is_a_plain_word() {
    for wrong in ["", ".", ".hidden", "a/b", "a b", "a\x1b", "é", &"n".repeat(65)] {
        assert!(
            sentence(socket(Path::new("/run"), wrong)).contains("is no name for a virtual machine"),
            "{wrong}"
        );
    }
}

#[test]
fn the_socket_of_a_machine_that_has_ended_is_cleared() {
    let (_scratch, folder) = folder();
    let path = socket(&folder, "dns").unwrap();
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(clear(&path), Ok(()));
    assert!(!path.exists());
    assert_eq!(clear(&path), Ok(()));
}

#[test]
fn the_socket_of_a_machine_that_runs_stays() {
    let (_scratch, folder) = folder();
    let path = socket(&folder, "dns").unwrap();
    let _listener = UnixListener::bind(&path).unwrap();
    assert!(sentence(clear(&path)).ends_with("choose another with --name NAME or --monitor PATH"));
    assert!(path.exists());
}

#[test]
fn a_file_is_not_taken_for_a_socket() {
    let (scratch, _folder) = folder();
    let path = scratch.write("notes", b"dear diary");
    assert!(sentence(clear(&path)).ends_with("is there already, and no socket"));
    assert!(path.exists());
}

#[test]
fn the_only_machine_needs_no_name() {
    let (_scratch, folder) = folder();
    let told = sentence(find(&folder, None));
    assert!(told.starts_with("there is no virtual machine to look into: none runs"), "{told}");
    let (dns, hello) = (socket(&folder, "dns").unwrap(), socket(&folder, "hello").unwrap());
    let _dns = UnixListener::bind(&dns).unwrap();
    drop(UnixListener::bind(&hello).unwrap());
    fs::write(folder.join("notes"), b"").unwrap();
    assert_eq!(find(&folder, None), Ok(dns.clone()), "one that has ended does not count");
    fs::remove_file(&hello).unwrap();
    let _hello = UnixListener::bind(&hello).unwrap();
    assert_eq!(sentence(find(&folder, None)), "several virtual machines run: choose dns, hello");
    assert_eq!(find(&folder, Some("hello")), Ok(hello));
    assert_eq!(sentence(find(&folder, Some("web"))), "there is no virtual machine 'web': choose dns, hello");
    assert_eq!(find(&folder, Some("./web")), Ok("./web".into()));
    assert!(has(&folder, "hello") && !has(&folder, "web") && !has(&folder, "../unik/hello"));
}

#[test]
fn a_folder_that_is_not_there_holds_nothing() {
    let scratch = Scratch::new();
    assert_eq!(sockets(&scratch.path().join("unik")), Ok(Vec::new()));
}

#[test]
fn a_list_shows_who_answers_and_who_does_not() {
    let (_scratch, folder) = folder();
    let _dns = Fake::usual(&socket(&folder, "dns").unwrap());
    drop(UnixListener::bind(socket(&folder, "ended").unwrap()).unwrap());
    let stop = AtomicBool::new(false);
    let show = |json, patience| {
        let (mut output, mut notes) = (Vec::new(), Vec::new());
        let mut view = View::new(&mut output, &mut notes, json, &stop);
        list(&folder, patience, &mut view).unwrap();
        String::from_utf8(output).unwrap()
    };
    let words = |table: String| -> Vec<Vec<String>> {
        table.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let path = |name: &str| format!("{}/{name}.socket", folder.display());
    let table = words(show(false, LONG));
    assert_eq!(table.len(), 2, "{table:?}");
    assert_eq!(table[0], ["NAME", "APPLIANCE", "VERSION", "PATH"]);
    assert_eq!(table[1], ["dns", "dns", "1", &path("dns")]);
    let rows: serde_json::Value = serde_json::from_str(&show(true, LONG)).unwrap();
    assert_eq!((&rows[0]["appliance"], &rows[0]["version"]), (&json!("dns"), &json!(1)));
    // Whether the other one answers within a time that short does not matter here.
    let _silent = Fake::start(&socket(&folder, "silent").unwrap(), |_, _, _| Turn::Handled);
    let table = words(show(false, SHORT));
    assert_eq!(table.len(), 3, "{table:?}");
    assert_eq!(table[2], ["silent", "does", "not", "answer", "-", &path("silent")]);
    let rows: serde_json::Value = serde_json::from_str(&show(true, SHORT)).unwrap();
    assert!(rows[1]["error"].as_str().unwrap().starts_with("nobody answers"));
}
