//! Sites on disks: served as from an archive, in pieces where they are large, and refused in a sentence where they cannot be read.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use cargo_unik::disk::Drive;
use cargo_unik::options::{Machine, Protocol};
use unik_tests::{DiskImage, Image, Setup, Vm};

const HTTP: &[(Protocol, u16)] = &[(Protocol::Tcp, 80)];
const MIB: u64 = 1 << 20;

/// An empty folder of this test program.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Bytes that tell where they belong.
fn large(length: u32) -> Vec<u8> {
    (0..length).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A folder with a page and a file of 3 MB.
fn site(name: &str) -> PathBuf {
    let folder = folder(name);
    fs::create_dir_all(folder.join("deep/er")).unwrap();
    fs::write(folder.join("index.html"), "<p>On a disk").unwrap();
    fs::write(folder.join("deep/er/index.html"), "<p>Deeper").unwrap();
    fs::write(folder.join("404.html"), "<p>Not on this disk").unwrap();
    fs::write(folder.join("large.bin"), large(3_000_000)).unwrap();
    folder
}

/// Makes a file system of a folder on the disk, from a position on.
fn put(disk: &DiskImage, position: u64, folder: &Path, size: &str) {
    let mut mke2fs = Command::new("mke2fs");
    mke2fs.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    mke2fs.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-E", &format!("offset={position}"), "-d"]);
    let output = mke2fs.arg(folder).arg(disk.path()).arg(size).output().expect("e2fsprogs are there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The disk, to be read by as many machines as like.
fn read_only(disk: &DiskImage) -> Drive {
    Drive { is_read_only: true, ..Drive::raw(disk.path()) }
}

fn server() -> Setup {
    Vm::of(&Image::release("httpd+disk")).network(HTTP).words("net0.nat=1")
}

/// Asks for `target` with further fields: the head of the response, and its contents.
fn get(stream: &mut TcpStream, target: &str, fields: &str) -> (String, Vec<u8>) {
    write!(stream, "GET {target} HTTP/1.1\r\nHost: example.org\r\n{fields}\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a response");
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let length = field(&head, "Content-Length").map_or(0, |length| length.parse().unwrap());
    let mut contents = vec![0; length];
    stream.read_exact(&mut contents).expect("the contents");
    (head, contents)
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|field| field.0 == name).map(|field| field.1)
}

#[track_caller]
fn serves(mut vm: Vm) {
    let mut stream = vm.connect(80);
    for (target, status, contents) in [
        ("/", "200", &b"<p>On a disk"[..]),
        ("/deep/er/", "200", b"<p>Deeper"),
        ("/missing", "404", b"<p>Not on this disk"),
    ] {
        let (head, found) = get(&mut stream, target, "");
        assert_eq!((&head[9..12], &found[..]), (status, contents), "{target}");
    }
    let whole = large(3_000_000);
    for _ in 0..2 {
        assert!(get(&mut stream, "/large.bin", "").1 == whole);
    }
    let (head, part) = get(&mut stream, "/large.bin", "Range: bytes=1000000-2999998\r\n");
    assert_eq!(field(&head, "Content-Range"), Some("bytes 1000000-2999998/3000000"));
    assert!(part == whole[1_000_000..2_999_999]);
    let tag = field(&head, "ETag").unwrap();
    write!(stream, "GET /large.bin HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tag}\r\n\r\n").unwrap();
    let mut line = [0; 12];
    stream.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"HTTP/1.1 304");
}

#[test]
fn a_site_on_a_disk_is_served_from_there() {
    let site = site("whole");
    for machine in [Machine::Microvm, Machine::Q35] {
        let disk = DiskImage::new(16 * MIB);
        put(&disk, 0, &site, "16M");
        let mut vm = server().machine(machine).drive(read_only(&disk)).boot();
        vm.line("4 files on disk0)");
        serves(vm);
    }
}

#[test]
fn a_site_on_a_disk_says_how_it_is_served() {
    let site = folder("said");
    fs::write(site.join("index.html"), "<p>On a disk").unwrap();
    fs::write(site.join("page.css"), "p { color: red }").unwrap();
    fs::write(site.join("page.css.br"), large(5000)).unwrap();
    let rules =
        "fallback = '/index.html'\n[[header]]\nending = '.css'\nset = { Cache-Control = 'max-age=60' }\n";
    fs::write(site.join("httpd.toml"), rules).unwrap();
    let disk = DiskImage::new(16 * MIB);
    put(&disk, 0, &site, "16M");
    // It is slow: what is said there has to be read before anybody is served, and before anything is said to be ready.
    let path = disk.path().display();
    let drive = format!("if=none,id=slow,format=raw,readonly=on,file={path},throttling.iops-total=50");
    let mut vm = server().qemu(["-drive", &drive, "-device", "virtio-blk-device,drive=slow"]).boot();
    vm.line("4 files on disk0)");
    let mut stream = vm.connect(80);
    let (head, contents) = get(&mut stream, "/page.css", "Accept-Encoding: br\r\n");
    assert_eq!(
        (field(&head, "Cache-Control"), field(&head, "Content-Encoding")),
        (Some("max-age=60"), Some("br"))
    );
    assert!(contents == large(5000));
    assert_eq!(get(&mut stream, "/nowhere", "").1, b"<p>On a disk");
    // What is wrong in it is told as it is of an archive.
    fs::write(site.join("httpd.toml"), "\nlistings = true\n").unwrap();
    let disk = DiskImage::new(16 * MIB);
    put(&disk, 0, &site, "16M");
    let mut vm = server().drive(read_only(&disk)).boot();
    vm.line("httpd.toml:2: 'listings': ");
    assert_eq!(vm.exit_code(), 4);
}

#[test]
fn a_partition_is_found_by_what_is_on_it_or_by_its_number() {
    let disk = DiskImage::new(40 * MIB);
    let other = folder("other");
    fs::write(other.join("index.html"), "<p>Elsewhere").unwrap();
    put(&disk, 12 * MIB, &site("second"), "12M");
    put(&disk, 24 * MIB, &other, "12M");
    let mut table = [0; 66];
    for (entry, (first, sectors)) in
        [(2048_u32, 8192_u32), (24_576, 24_576), (49_152, 24_576)].iter().enumerate()
    {
        table[entry * 16 + 4] = 0x83;
        table[entry * 16 + 8..][..4].copy_from_slice(&first.to_le_bytes());
        table[entry * 16 + 12..][..4].copy_from_slice(&sectors.to_le_bytes());
    }
    table[64..].copy_from_slice(&[0x55, 0xaa]);
    let file = fs::OpenOptions::new().write(true).open(disk.path()).unwrap();
    file.write_all_at(&table, 446).unwrap();
    let mut vm = server().drive(read_only(&disk)).memory("8M").boot();
    vm.line("4 files on disk0p2)");
    serves(vm);
    let mut vm = server().drive(read_only(&disk)).words("files=disk0p3").boot();
    vm.line("1 files on disk0p3)");
    assert_eq!(get(&mut vm.connect(80), "/", "").1, b"<p>Elsewhere");
    for (words, sentence) in [
        ("files=disk0p1", "disk0p1 cannot be used: there is no ext4 file system on it"),
        ("files=disk0p9", "disk0 has no partition 9, which files= names"),
        ("files=disk1", "files= names disk1, and there is no such disk"),
        ("files=sda1", "files= needs archive, or a disk or partition such as disk0 or disk0p1"),
    ] {
        let mut vm = server().drive(read_only(&disk)).words(words).boot();
        vm.line(sentence);
        assert_eq!(vm.exit_code(), 4, "{words}");
    }
}

#[test]
fn an_archive_is_served_where_there_is_no_disk_or_it_is_asked_for() {
    let site = site("archive");
    let mut vm = server().data(&site).boot();
    vm.line("ready: httpd");
    serves(vm);
    let disk = DiskImage::new(MIB);
    let mut vm = server().data(&site).drive(read_only(&disk)).words("files=archive").boot();
    vm.line("ready: httpd");
    serves(vm);
}

#[test]
fn a_disk_that_cannot_be_read_is_a_sentence_that_names_it() {
    let disk = DiskImage::new(MIB);
    let mut vm = server().drive(read_only(&disk)).boot();
    vm.line("error: disk0 cannot be used: there is no ext4 file system on it: make one with mkfs.ext4 -d DIR FILE SIZE");
    assert_eq!(vm.exit_code(), 4);
    let mut vm = server().boot();
    vm.line("error: this image needs data: start it with --disk FILE (made by mkfs.ext4 -d DIR FILE SIZE) or --data DIR");
    assert_eq!(vm.exit_code(), 4);
}

#[test]
fn a_sector_that_cannot_be_read_costs_the_file_it_belongs_to() {
    let disk = DiskImage::new(16 * MIB);
    put(&disk, 0, &site("broken"), "16M");
    let whole = large(3_000_000);
    let bytes = disk.stored(0, 16 << 20);
    let find = |from: usize| bytes.chunks(4096).position(|page| *page == whole[from..from + 4096]).unwrap();
    for (page, begins) in [(find(0), false), (find(2_400 << 10), true)] {
        let drive = format!(
            "if=none,id=faulty,format=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename={},\
             file.inject-error.0.event=none,file.inject-error.0.iotype=read,file.inject-error.0.errno=5,\
             file.inject-error.0.once=off,file.inject-error.0.sector={}",
            disk.path().display(),
            page * 8
        );
        let mut vm = server().qemu(["-drive", &drive, "-device", "virtio-blk-device,drive=faulty"]).boot();
        vm.line("files on disk0)");
        let mut stream = vm.connect(80);
        write!(stream, "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut all = Vec::new();
        let ended = stream.read_to_end(&mut all);
        if begins {
            assert!(ended.is_err() || all.len() < whole.len(), "{} octets", all.len());
            assert!(all.starts_with(b"HTTP/1.1 200 OK\r\n") && all.len() > 2_000_000);
        } else {
            assert!(
                all.starts_with(b"HTTP/1.1 500 Internal Server Error\r\n"),
                "{}",
                String::from_utf8_lossy(&all)
            );
        }
        vm.line(&format!(
            "large.bin cannot be read, as 0 other times: the disk cannot be read at sector {}",
            page * 8
        ));
        assert_eq!(get(&mut vm.connect(80), "/", "").1, b"<p>On a disk");
    }
}

#[test]
fn clients_that_do_not_take_what_they_ask_for_keep_no_page_from_others() {
    let disk = DiskImage::new(16 * MIB);
    put(&disk, 0, &site("slow"), "16M");
    let mut vm = server().drive(read_only(&disk)).memory("8M").boot();
    vm.line("files on disk0)");
    let mut slow: Vec<TcpStream> = (0..40).map(|_| vm.connect(80)).collect();
    for stream in &mut slow {
        // For those that the machine has no memory for others may have to go, also before they have said anything.
        let asked = write!(stream, "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n");
        let _ = asked.and_then(|()| stream.read_exact(&mut [0; 1000]));
    }
    let mut stream = vm.connect(80);
    assert!(get(&mut stream, "/large.bin", "").1 == large(3_000_000));
    drop(slow);
    assert!(get(&mut stream, "/large.bin", "").1 == large(3_000_000));
}

/// What `cargo test -p unik-tests --test files_disk -- --nocapture megabytes` prints is what bench/ tells.
#[test]
fn megabytes_come_from_the_disk_and_from_the_cache() {
    let folder = folder("megabytes");
    fs::write(folder.join("one.bin"), large(1_000_000)).unwrap();
    fs::write(folder.join("many.bin"), large(64_000_000)).unwrap();
    let disk = DiskImage::new(80 * MIB);
    put(&disk, 0, &folder, "80M");
    let mut vm = server().drive(read_only(&disk)).memory("64M").monitor().boot();
    vm.line("files on disk0)");
    let mut stream = vm.connect(80);
    for (target, length) in [("/one.bin", 1_000_000), ("/many.bin", 64_000_000)] {
        for state in ["cold", "again"] {
            let begun = Instant::now();
            let (_, contents) = get(&mut stream, target, "");
            let took = begun.elapsed().as_secs_f64();
            assert!(contents == large(length));
            println!("{target} {state}: {:.1} MB/s", f64::from(length) / 1e6 / took);
        }
    }
    println!("{}", vm.look("counters --all"));
}
