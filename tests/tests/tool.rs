//! The tool as its user meets it: exit codes, named addresses, Ctrl-C.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use cargo_unik::port::free_port;
use cargo_unik::symbols::Symbols;
use unik_tests::{PATIENCE, workspace};

/// www.example.org, type A, class IN (RFC 1035, 4.1).
const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01";

/// `cargo unik`, as its alias in the workspace runs it.
fn unik(words: &str) -> Command {
    let mut command = Command::new(cargo_unik::setup::cargo());
    command.current_dir(workspace().root).args(["run", "--quiet", "--package", "cargo-unik", "--"]);
    command.args(words.split_whitespace()).stdin(Stdio::null());
    command
}

fn ran(words: &str) -> (Output, String) {
    let output = unik(words).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, said)
}

#[test]
fn the_exit_code_of_the_guest_is_that_of_the_tool() {
    let (output, said) = ran("run hello --net none --accel tcg --monitor none");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("hello, world") && said.contains("ready: hello in "), "{said}");
}

#[test]
fn a_zone_with_a_mistake_gets_into_no_image_and_to_no_guest() {
    let folder = workspace().target.join(format!("unik/tests/zones-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let zone = "$ORIGIN e.\n$TTL 5\n@ SOA n.f. h.f. 1 2 3 4 5\n@ NS n.f.\n$INCLUDE hosts\n";
    std::fs::write(folder.join("e.zone"), zone).unwrap();
    std::fs::write(folder.join("hosts"), "a A 192.0.2.256\n").unwrap();
    for words in ["build dns --embed", "run dns --monitor none --net none --data"] {
        let (output, said) = ran(&format!("{words} {}", folder.display()));
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("hosts:1:5: expected an IPv4 address\n"), "{said}");
        assert!(said.contains(&format!("unik: dns refuses the files in {}\n", folder.display())), "{said}");
        assert!(!said.contains("ready:"), "{said}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_site_with_a_mistake_gets_into_no_image_and_to_no_guest() {
    let folder = workspace().target.join(format!("unik/tests/site-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("index.html"), "page").unwrap();
    std::fs::write(folder.join("httpd.toml"), "# here\nlisting = yes\n").unwrap();
    for words in ["build httpd --embed", "run httpd --monitor none --net none --data"] {
        let (output, said) = ran(&format!("{words} {}", folder.display()));
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("httpd.toml:2: 'yes': expected true or false\n"), "{said}");
        assert!(said.contains(&format!("unik: httpd refuses the files in {}\n", folder.display())), "{said}");
        assert!(!said.contains("ready:"), "{said}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// An image has one file, wherever it is moved to: who runs it at another address has it alone.
static PANIC: Mutex<()> = Mutex::new(());

#[test]
fn an_epitaph_is_told_with_functions_files_and_lines() {
    let _alone = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
    let (output, said) = ran("run panic --net none --accel tcg --monitor none");
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("kernel/examples/panic.rs:"), "{said}");
    assert!(said.contains("unik: the guest exited with 2 (panic)"), "{said}");
}

#[test]
fn two_runs_at_random_addresses_differ_and_name_the_same_functions() {
    let _alone = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
    let told = || {
        let (output, said) = ran("run panic --base random --net none --accel tcg --monitor none");
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("kernel/examples/panic.rs:"), "{said}");
        let epitaph = said.lines().find(|line| line.starts_with("epitaph: backtrace ")).map(str::to_owned);
        epitaph.unwrap_or_else(|| panic!("no backtrace in {said}"))
    };
    let first = told();
    // Two draws out of thousands may be the same, ten in a row are not.
    assert!((0..10).any(|_| told() != first), "{first}");
}

#[test]
fn a_core_file_of_a_panic_is_opened_by_gdb() {
    let Some(shown) = core_file("panic_in_task", 2) else { return };
    for expected in
        [" panic_fmt ", " check ", " {async_fn#0} ", " turn_with ", " start () at kernel/src/boot.rs:"]
    {
        assert!(shown.contains(expected), "no {expected} in {shown}");
    }
    // The journal is in the memory, with what was logged before the end.
    assert!(shown.contains("the sensor is about to be read"), "{shown}");
}

#[test]
fn a_core_file_of_a_fault_shows_the_fault_and_not_its_handler() {
    let Some(shown) = core_file("null_dereference", 3) else { return };
    assert!(shown.contains("#0  read_volatile"), "{shown}");
    assert!(shown.contains(" start () at kernel/examples/null_dereference.rs:"), "{shown}");
    assert!(shown.contains(" <unik_entry+"), "{shown}");
    assert!(!shown.contains("epitaph"), "{shown}");
}

/// Lets an image die, and what gdb shows of its core file; `None` where there is no gdb.
fn core_file(app: &str, code: i32) -> Option<String> {
    let core = workspace().target.join(format!("unik/tests/{app}-{}.core", std::process::id()));
    std::fs::create_dir_all(core.parent().unwrap()).unwrap();
    let (output, said) =
        ran(&format!("run {app} --net none --accel tcg --monitor none --core {}", core.display()));
    assert_eq!(output.status.code(), Some(code), "{said}");
    let size = std::fs::metadata(&core).unwrap();
    assert!(size.blocks() * 512 < 2 << 20, "{} bytes of zeros are on the disk", size.blocks() * 512);
    let debug = workspace().target.join(format!("unik/{app}.debug"));
    let symbols = Symbols::open(&debug, &workspace().root).unwrap();
    let journal = symbols.table().iter().find(|symbol| symbol.name == "unik_kernel::console::JOURNAL");
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-ex", "backtrace", "-ex", "info registers rip", "-ex", "set language c"]);
    if let Some(journal) = journal {
        gdb.arg("-ex")
            .arg(format!("find {}, +{}, 't','h','e',' ','s','e','n'", journal.address, journal.size));
        gdb.args(["-ex", "x/s $_"]);
    }
    let shown = gdb.arg(debug).arg(&core).output();
    std::fs::remove_file(&core).unwrap();
    let shown = match shown {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // Past the harness, which shows nothing of what a test prints that does not fail.
            let note = format!("not run: what gdb shows of {app}'s core file: there is no gdb\n");
            std::io::stderr().write_all(note.as_bytes()).unwrap();
            return None;
        }
        shown => shown.unwrap(),
    };
    Some(String::from_utf8_lossy(&shown.stdout).into_owned() + &String::from_utf8_lossy(&shown.stderr))
}

#[test]
fn gdb_stops_in_main_and_knows_tasks_and_log() {
    let words = "gdb hello --net none --accel tcg -- -nx -batch -ex";
    let mut tool = unik(words);
    tool.args([
        "break hello.rs:7",
        "-ex",
        "continue",
        "-ex",
        "unik-tasks",
        "-ex",
        "hbreak unik_kernel::power::exit",
    ]);
    let output = tool.args(["-ex", "continue", "-ex", "unik-log"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    if complaints.contains("there is no gdb here") {
        let note = "not run: what cargo unik gdb shows: there is no gdb\n";
        std::io::stderr().write_all(note.as_bytes()).unwrap();
        return;
    }
    let row = said.lines().find(|line| line.split_whitespace().eq(["0", "main", "0", "event"]));
    assert!(row.is_some(), "no task main in {said}{complaints}");
    assert!(said.contains("INFO  hello: hello, world"), "{said}{complaints}");
    assert_eq!(output.status.code(), Some(0), "{said}{complaints}");
}

#[test]
fn gdb_knows_tasks_and_log_of_a_guest_that_died() {
    let core = workspace().target.join(format!("unik/tests/types-{}.core", std::process::id()));
    std::fs::create_dir_all(core.parent().unwrap()).unwrap();
    let at = core.display();
    let (output, said) =
        ran(&format!("run panic_in_task --types --net none --accel tcg --monitor none --core {at}"));
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("with: cargo unik gdb panic_in_task --core {at}")), "{said}");
    let (_, said) = ran(&format!("gdb panic_in_task --core {at} -- -nx -batch -ex unik-tasks -ex unik-log"));
    std::fs::remove_file(&core).unwrap();
    if said.contains("there is no gdb here") {
        std::io::stderr()
            .write_all(b"not run: what cargo unik gdb shows of a core: there is no gdb\n")
            .unwrap();
        return;
    }
    let is_sensor = |line: &str| line.split_whitespace().nth(1) == Some("sensor");
    assert!(said.lines().any(is_sensor), "no task sensor in {said}");
    assert!(said.contains("INFO") && said.contains("the sensor is about to be read"), "{said}");
}

/// What gdb says of a name server that has answered one client, who stays connected; `None` where there is no gdb.
fn gdb_of_a_server(tcp: u16) -> Option<String> {
    let words =
        format!("gdb dns --accel tcg --forward tcp:{tcp}:53 -- -nx -batch -ex continue -ex unik-sockets");
    let mut tool = unik(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut console = BufReader::new(tool.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("ready: dns") {
        line.clear();
        if console.read_line(&mut line).unwrap() == 0 || line.contains("there is no gdb here") {
            tool.wait().unwrap();
            let note = format!("not run: what cargo unik gdb shows of sockets: there is no gdb: {line}\n");
            std::io::stderr().write_all(note.as_bytes()).unwrap();
            return None;
        }
    }
    // Nobody may wait for us to read what else it says.
    let rest = std::thread::spawn(move || std::io::copy(&mut console, &mut std::io::sink()));
    let mut client = std::net::TcpStream::connect(("127.0.0.1", tcp)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(&[&[0, QUERY.len() as u8], QUERY].concat()).unwrap();
    client.read_exact(&mut [0; 14]).unwrap();
    // Cargo became the tool, whose child gdb is stopped by Ctrl-C.
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", tool.id())).unwrap();
    let is_gdb = |id: &&str| std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap().trim() == "gdb";
    let gdb = children.split_whitespace().find(is_gdb).unwrap();
    assert!(Command::new("kill").args(["-INT", gdb]).status().unwrap().success());
    let mut said = String::new();
    tool.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(tool.wait().unwrap().success(), "{said}");
    rest.join().unwrap().unwrap();
    drop(client);
    Some(said)
}

#[test]
fn gdb_knows_the_sockets_of_a_guest_that_was_stopped_anywhere() {
    let tcp = free_port().unwrap();
    let Some(said) = gdb_of_a_server(tcp) else { return };
    let row = |words: &[&str]| {
        let is_it = |line: &str| words.iter().all(|word| line.split_whitespace().any(|its| its == *word));
        assert_eq!(said.lines().filter(|line| is_it(line)).count(), 1, "{words:?} in {said}");
    };
    row(&["udp", "0.0.0.0:53", "OPEN"]);
    row(&["tcp", "0.0.0.0:53", "LISTEN"]);
    row(&["tcp", "0", "10.0.2.15:53", "ESTABLISHED"]);
}

#[test]
fn a_guest_that_ends_in_order_leaves_its_exit_code_and_no_core_file() {
    let core = workspace().target.join(format!("unik/tests/exit-{}.core", std::process::id()));
    std::fs::create_dir_all(core.parent().unwrap()).unwrap();
    let (output, said) =
        ran(&format!("run exit --net none --accel tcg --monitor none --core {}", core.display()));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("no core file: the guest did not die"), "{said}");
    assert!(!core.exists());
}

#[test]
fn ctrl_c_asks_a_guest_without_a_button_by_its_channel() {
    ctrl_c_stops_the_guest_and_then_the_tool("microvm", 0);
}

#[test]
fn ctrl_c_presses_the_button_of_a_guest_that_hears_it() {
    ctrl_c_stops_the_guest_and_then_the_tool("q35", 0);
}

fn ctrl_c_stops_the_guest_and_then_the_tool(machine: &str, code: i32) {
    let (udp, tcp) = (free_port().unwrap(), free_port().unwrap());
    let ports = format!("--forward udp:{udp}:53 --forward tcp:{tcp}:53");
    // A name of its own: somebody may run the name server already.
    let name = format!("ctrl-c-{machine}-{}", std::process::id());
    let words = format!("run dns --accel tcg --machine {machine} --name {name} {ports}");
    let mut tool = unik(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut console = BufReader::new(tool.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("ready: dns") {
        line.clear();
        assert_ne!(console.read_line(&mut line).unwrap(), 0, "the guest ended before it was ready");
    }
    // Cargo became the tool, so its process is the one to interrupt.
    let interrupted = Command::new("kill").args(["-INT", &tool.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let mut rest = String::new();
    console.read_to_string(&mut rest).unwrap();
    assert_eq!(tool.wait().unwrap().code(), Some(code), "{rest}");
    assert_eq!(rest.contains("asked to end"), code == 0, "{rest}");
    // The guest is gone: its ports are free again, and so is its name.
    std::net::TcpListener::bind(("127.0.0.1", tcp)).unwrap();
    assert!(!cargo_unik::monitor::find::has(&cargo_unik::monitor::find::folder(), &name));
}

#[test]
fn sizes_are_told_by_part_crate_and_symbol() {
    let (_, said) = ran("size hello");
    for part in ["hello, the image", "text", "bss (not in the file)", "unik_kernel", "symbols of hello"] {
        assert!(said.contains(part), "no '{part}' in {said}");
    }
}
