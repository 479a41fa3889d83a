//! What other hypervisors need of an image, and the files that boot one without the tool.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

use std::io::Cursor;
use std::path::PathBuf;
use std::process::Command;

use cargo_unik::guest::Guest;
use cargo_unik::options::{Accelerator, Protocol};
use cargo_unik::pack::{self, File};
use cargo_unik::run::RunOptions;
use linux_loader::loader::elf::{Elf, PvhBootCapability};
use linux_loader::loader::{KernelLoader as _, KernelLoaderResult};
use serde_json::Value;
use unik_tests::{Image, Vm, workspace};
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryMmap};

/// Where Firecracker and Cloud Hypervisor let an image begin.
const HIGH_MEMORY: u64 = 0x10_0000;

/// Loads an image as Firecracker and Cloud Hypervisor do, with their own loader.
fn load(elf: &[u8]) -> (KernelLoaderResult, GuestMemoryMmap<()>) {
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 16 << 20)]).unwrap();
    let loaded = Elf::load(&memory, None, &mut Cursor::new(elf), Some(GuestAddress(HIGH_MEMORY))).unwrap();
    (loaded, memory)
}

/// Physical address, bytes in the file and size in memory of each segment that is loaded.
fn segments(elf: &[u8]) -> Vec<(u64, Vec<u8>, u64)> {
    let word = |at: usize| u64::from_le_bytes(elf[at..at + 8].try_into().unwrap());
    let count = usize::from(u16::from_le_bytes(elf[56..58].try_into().unwrap()));
    let headers = (0..count).map(|index| 64 + index * 56).filter(|at| elf[*at..at + 4] == [1, 0, 0, 0]);
    headers
        .map(|at| {
            let (offset, size) = (word(at + 8) as usize, word(at + 32) as usize);
            (word(at + 24), elf[offset..offset + size].to_vec(), word(at + 40))
        })
        .collect()
}

#[test]
fn the_loader_of_other_hypervisors_finds_the_entry_and_loads_every_byte() {
    for app in ["hello_monitor", "dns"] {
        let elf = std::fs::read(Image::release(app).elf).unwrap();
        assert_eq!(elf[..6], *b"\x7fELF\x02\x01", "{app} is a 64-bit little-endian ELF file");
        let (loaded, memory) = load(&elf);
        let PvhBootCapability::PvhEntryPresent(entry) = loaded.pvh_boot_cap else {
            panic!("{app}: {}", loaded.pvh_boot_cap)
        };
        let mut segments = segments(&elf);
        assert!(
            segments.iter().any(|(start, bytes, _)| (*start..start + bytes.len() as u64).contains(&entry.0)),
            "{app}: the entry {entry:?} is not loaded"
        );
        segments.sort();
        let mut end = HIGH_MEMORY;
        for (start, bytes, size) in &segments {
            assert!(*start >= end, "{app}: a segment at {start:#x} begins before {end:#x}");
            let mut found = vec![0; bytes.len()];
            memory.read_slice(&mut found, GuestAddress(*start)).unwrap();
            assert!(found == *bytes, "{app}: the segment at {start:#x} is not in memory as in the file");
            end = start + size;
        }
        assert_eq!(loaded.kernel_end, end, "{app}");
    }
}

#[test]
fn devices_that_the_command_line_announces_are_found() {
    // As Firecracker does: nothing but the command line says where devices are. microvm fills its slots from the highest down.
    let image = Image::release("dns");
    let announced = "virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00c00:11";
    let mut vm = Vm::of(&image)
        .network(&[(Protocol::Udp, 53)])
        .data(image.data.as_ref().unwrap())
        .words(announced)
        .qemu(["-machine", "auto-kernel-cmdline=off"])
        .boot();
    vm.line("ready: dns");
    // www.example.org, type A, class IN (RFC 1035, 4.1).
    let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01";
    assert_eq!(vm.ask(53, query)[..2], query[..2]);
}

/// What `cargo unik pack dns` puts beside the image.
fn packed() -> [File; 4] {
    let workspace = workspace();
    let app = workspace.app(Some("dns"), &workspace.root).unwrap();
    let options = RunOptions { accelerator: Accelerator::Tcg, ..RunOptions::default() };
    let guest = options.guest(&app, &PathBuf::new()).unwrap();
    pack::files(&options, &app, &Guest { initrd: Some("dns.cpio".into()), ..guest }).unwrap()
}

#[test]
fn the_files_in_the_documentation_are_those_that_are_packed() {
    let folder = workspace().root.join("docs/running");
    for File { name, text, .. } in packed() {
        let written = std::fs::read_to_string(folder.join(&name)).unwrap();
        assert!(written == text, "docs/running/{name} should be:\n{text}");
    }
}

#[test]
fn the_readme_of_dns_has_the_command_that_is_packed() {
    let readme = std::fs::read_to_string(workspace().root.join("apps/dns/README.md")).unwrap();
    let words = |text: &str| {
        text.replace(['\\', '\n', '\'', '"'], " ").split_whitespace().map(str::to_owned).collect()
    };
    let [run, ..] = packed();
    let (_, line) = run.text.split_once("exec ").unwrap();
    let line: Vec<String> = words(line.split_once(" \"$@\"").unwrap().0);
    let readme: Vec<String> = words(&readme);
    assert!(
        readme.windows(line.len()).any(|window| *window == line[..]),
        "the README lacks:\n{}",
        line.join(" ")
    );
}

#[test]
fn firecracker_gets_a_network_entropy_and_the_image() {
    let [_, _, firecracker, _] = packed();
    let value: Value = serde_json::from_str(&firecracker.text).unwrap();
    assert_eq!(value["boot-source"]["kernel_image_path"], "dns.elf");
    assert_eq!(value["boot-source"]["initrd_path"], "dns.cpio");
    // What is true of QEMU's user network is not true of a tap device.
    assert_eq!(value["boot-source"]["boot_args"], "");
    assert!(value["entropy"].is_object() && value["network-interfaces"][0]["host_dev_name"].is_string());
}

#[test]
fn systemd_finds_no_fault_in_the_unit() {
    if !cargo_unik::setup::in_path("systemd-analyze") {
        eprintln!("systemd-analyze is not here: its opinion is not asked");
        return;
    }
    let folder = workspace().root.join("docs/running");
    let output =
        Command::new("systemd-analyze").args(["verify", "dns.service"]).current_dir(folder).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    let about_it: Vec<&str> = words.lines().filter(|line| line.contains("dns.service")).collect();
    assert!(output.status.success() && about_it.is_empty(), "{words}");
}
