//! Disks: what is there after a restart, what a device that fails is told of, and machines of all kinds.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

use cargo_unik::disk::{Disk, Drive};
use cargo_unik::options::Machine;
use unik_tests::{DiskImage, Image, Setup, Vm, workspace};

const ALL: [Machine; 3] = [Machine::Microvm, Machine::Q35, Machine::Pc];
const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;

/// What `write:SECTOR:SECTORS:SEED` of the image `disks` stores.
fn pattern(sector: u64, sectors: u64, seed: u64) -> Vec<u8> {
    let words = (sector * 64..(sector + sectors) * 64).map(|word| word << 8 | seed);
    words.flat_map(u64::to_le_bytes).collect()
}

/// Runs steps to their end, and expects what is said of each.
#[track_caller]
fn steps(setup: Setup, steps: &[(&str, &str)]) -> Vm {
    let words: Vec<&str> = steps.iter().map(|(step, _)| *step).collect();
    let mut vm = setup.words(&format!("do={}", words.join(","))).boot();
    for (step, outcome) in steps {
        let line = vm.line(&format!("{step}: "));
        assert!(line.ends_with(outcome), "{line}, and not: {outcome}");
    }
    assert_eq!(vm.exit_code(), 0);
    vm
}

fn disks() -> Setup {
    Vm::of(&Image::release("disks"))
}

fn raw(image: &DiskImage) -> Drive {
    Drive::raw(image.path())
}

#[test]
fn what_was_flushed_is_there_after_a_restart() {
    for machine in ALL {
        let image = DiskImage::new(MIB);
        for boot in 1..=3_u64 {
            let mut vm = Vm::of(&Image::release("boots")).machine(machine).drive(raw(&image)).boot();
            vm.line(&format!("boot {boot}"));
            vm.line("disk0 1024 KiB)");
            assert_eq!(vm.exit_code(), 0);
            assert_eq!(image.stored(0, 8), boot.to_le_bytes());
        }
    }
}

#[test]
fn what_is_written_stands_in_the_file_and_is_read_back() {
    for (machine, legacy) in ALL.into_iter().zip([true, false, false]) {
        let image = DiskImage::new(4 * MIB);
        let setup = disks().machine(machine).drive(raw(&image));
        // Slots of virtio 0.9.
        let setup = if legacy { setup.qemu(["-global", "virtio-mmio.force-legacy=true"]) } else { setup };
        steps(
            setup,
            &[
                ("read:0:8:1", "zeroes"),
                ("write:0:1:1", "done"),
                ("write:7:3000:2", "done"),
                ("flush", "done"),
                ("read:0:1:1", "the same"),
                ("read:7:3000:2", "the same"),
                ("zero:8:2000", "done"),
                ("read:8:2000:0", "zeroes"),
                ("read:2008:999:2", "the same"),
                ("discard:16:64", "done"),
                ("read:8191:2:0", "the disk ends before the operation does that begins at sector 8191"),
            ],
        );
        assert_eq!(image.stored(0, 512), pattern(0, 1, 1));
        assert_eq!(image.stored(2008 * SECTOR, 999 * 512), pattern(2008, 999, 2));
    }
}

#[test]
fn two_hundred_tasks_write_and_read_at_the_same_time() {
    for machine in ALL {
        let image = DiskImage::new(MIB);
        let setup = disks().machine(machine).drive(raw(&image)).memory("8M");
        steps(setup, &[("many:200", "all the same"), ("flush", "done")]);
        for task in [0, 77, 199] {
            assert_eq!(image.stored(task * 8 * SECTOR, 4096), pattern(task * 8, 8, task));
        }
    }
}

#[test]
fn a_disk_without_msi_x_interrupts_by_its_pin() {
    for machine in [Machine::Q35, Machine::Pc] {
        let image = DiskImage::new(MIB);
        let setup = disks().machine(machine).drive(raw(&image));
        let setup = setup.qemu(["-global", "virtio-blk-pci.vectors=0"]);
        steps(setup, &[("write:9:700:3", "done"), ("many:50", "all the same"), ("flush", "done")]);
    }
}

#[test]
fn a_read_only_disk_is_read_and_nothing_else() {
    for machine in ALL {
        let image = DiskImage::new(MIB);
        let setup = disks().machine(machine).drive(Drive { is_read_only: true, ..raw(&image) });
        let mut vm = steps(
            setup,
            &[
                ("read:0:8:1", "zeroes"),
                ("write:0:8:1", "the disk is read-only"),
                ("zero:0:8", "the disk is read-only"),
                ("flush", "done"),
            ],
        );
        assert!(vm.log().contains("disk0 1024 KiB read-only"), "{}", vm.log());
    }
}

#[test]
fn disks_are_those_of_the_command_line_in_its_order() {
    for machine in ALL {
        let images = [1, 2, 3, 4].map(|size| DiskImage::new(size * MIB));
        let setup = images.iter().fold(disks().machine(machine), |setup, image| setup.drive(raw(image)));
        let mut vm = steps(
            setup,
            &[
                ("disk:3", "taken"),
                ("write:1:2:7", "done"),
                ("flush", "done"),
                ("disk:1", "taken"),
                ("write:1:2:8", "done"),
                ("read:1:2:8", "the same"),
                ("flush", "done"),
                ("disk:0", "taken"),
                ("read:1:2:7", "zeroes"),
            ],
        );
        assert!(vm.log().contains("disk0 1024 KiB, disk1 2048 KiB, disk2 3072 KiB, disk3 4096 KiB"));
        assert_eq!(images[3].stored(SECTOR, 1024), pattern(1, 2, 7));
        assert_eq!(images[1].stored(SECTOR, 1024), pattern(1, 2, 8));
    }
}

/// A disk in front of which something injects errors: QEMU's blkdebug.
fn faulty(image: &DiskImage, operation: &str, sector: Option<u64>) -> Setup {
    let at = sector.map_or(String::new(), |sector| format!(",file.inject-error.0.sector={sector}"));
    let drive = format!(
        "if=none,id=faulty,format=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename={},\
         file.inject-error.0.event=none,file.inject-error.0.iotype={operation},file.inject-error.0.errno=5,file.inject-error.0.once=off{at}",
        image.path().display()
    );
    disks().qemu(["-drive", &drive, "-device", "virtio-blk-device,drive=faulty"])
}

#[test]
fn errors_of_reading_name_the_sector_and_leave_the_rest_alone() {
    let image = DiskImage::new(MIB);
    steps(
        faulty(&image, "read", Some(1000)),
        &[
            ("write:1000:1:1", "done"),
            ("read:1000:1:1", "the disk cannot be read at sector 1000"),
            ("read:1001:1:1", "zeroes"),
            ("read:744:600:1", "the disk cannot be read at sector 1000"),
            ("read:0:1000:1", "zeroes"),
        ],
    );
}

#[test]
fn errors_of_writing_and_flushing_are_errors() {
    let image = DiskImage::new(MIB);
    steps(
        faulty(&image, "write", Some(300)),
        &[
            ("write:300:2:1", "the disk cannot be written at sector 300"),
            ("write:0:256:1", "done"),
            ("flush", "done"),
        ],
    );
    let image = DiskImage::new(MIB);
    steps(
        faulty(&image, "flush", None),
        &[
            ("write:0:2:1", "done"),
            ("flush", "the disk cannot make durable what was written to it"),
            ("read:0:2:1", "the same"),
        ],
    );
}

#[test]
fn a_disk_that_never_flushes_says_so_once_and_flushing_is_an_error() {
    let image = DiskImage::new(MIB);
    let drive = format!("if=none,id=through,format=raw,cache=writethrough,file={}", image.path().display());
    let setup = disks().qemu(["-drive", &drive, "-device", "virtio-blk-device,drive=through,config-wce=off"]);
    let mut vm = steps(
        setup,
        &[
            ("write:0:2:1", "done"),
            ("flush", "the disk does not say when what was written to it is durable"),
            ("flush", "the disk does not say when what was written to it is durable"),
        ],
    );
    assert_eq!(vm.log().matches("disk0: nothing says when what is written is durable").count(), 1);
}

#[test]
fn a_disk_of_large_blocks_is_used_in_whole_blocks() {
    let image = DiskImage::new(MIB);
    let drive = format!("if=none,id=large,format=raw,file={}", image.path().display());
    let device = "virtio-blk-device,drive=large,logical_block_size=4096,physical_block_size=4096";
    let setup = disks().qemu(["-drive", &drive, "-device", device]);
    steps(
        setup,
        &[
            ("read:1:8:0", "a disk is used in whole blocks, which is not so at sector 1"),
            ("read:8:1:0", "a disk is used in whole blocks, which is not so at sector 8"),
            ("write:8:600:1", "done"),
            ("read:8:600:1", "the same"),
        ],
    );
}

#[test]
fn a_disk_that_grows_while_it_is_used_has_its_new_size() {
    for machine in [Machine::Microvm, Machine::Q35] {
        let image = DiskImage::new(MIB);
        let setup = disks().machine(machine).drive(raw(&image)).controlled().words("do=read:0:1:0 stay=1");
        let mut vm = setup.boot();
        vm.line("read:0:1:0: zeroes");
        vm.resize_disk("disk0", 2 * MIB);
        vm.line("disk0: has 4096 sectors now");
    }
}

/// A qcow2 image of 1 MiB with nothing in it (QEMU, docs/interop/qcow2.txt): header, table of reference counts, their
/// block, and the first table of clusters, a cluster of 64 KiB each.
fn qcow2(path: &Path) {
    const CLUSTER: u64 = 1 << 16;
    let mut bytes = vec![0; 4 * CLUSTER as usize];
    let mut put = |place: u64, value: &[u8]| {
        let place = place as usize;
        bytes[place..place + value.len()].copy_from_slice(value);
    };
    put(0, b"QFI\xfb");
    put(4, &2_u32.to_be_bytes());
    put(20, &16_u32.to_be_bytes());
    put(24, &MIB.to_be_bytes());
    put(36, &1_u32.to_be_bytes());
    put(40, &(3 * CLUSTER).to_be_bytes());
    put(48, &CLUSTER.to_be_bytes());
    put(56, &1_u32.to_be_bytes());
    put(CLUSTER, &(2 * CLUSTER).to_be_bytes());
    for cluster in 0..4 {
        put(2 * CLUSTER + 2 * cluster, &1_u16.to_be_bytes());
    }
    std::fs::write(path, bytes).expect("there is room");
}

#[test]
fn a_qcow2_image_is_a_disk_that_grows_in_its_file() {
    let path = DiskImage::new(0).path().with_extension("qcow2");
    qcow2(&path);
    let drive = Disk::parse(path.as_os_str()).and_then(|disk| disk.drive()).expect("it is one");
    steps(disks().drive(drive.clone()), &[("write:1000:200:5", "done"), ("flush", "done")]);
    assert!(std::fs::metadata(&path).expect("it is there").len() > 4 << 16);
    steps(disks().drive(drive), &[("read:1000:200:5", "the same"), ("read:0:900:5", "zeroes")]);
    std::fs::remove_file(&path).expect("it is there");
}

#[test]
fn an_image_without_the_disk_that_it_needs_says_so() {
    for (image, machine) in [("boots", Machine::Microvm), ("disks", Machine::Q35)] {
        let mut vm = Vm::of(&Image::release(image)).machine(machine).boot();
        vm.line("error: this image needs a disk: start it with --disk FILE (-drive, and -device virtio-blk-device");
        assert_eq!(vm.exit_code(), 4);
    }
}

#[test]
fn a_process_keeps_its_data_in_a_file() {
    let (workspace, cargo) = (workspace(), cargo_unik::setup::cargo());
    let mut build = Command::new(cargo);
    build.current_dir(&workspace.root).args([
        "build",
        "--quiet",
        "--package",
        "unik-os",
        "--example",
        "boots",
    ]);
    assert!(build.status().expect("cargo was there a moment ago").success());
    let program = || Command::new(workspace.target.join("debug/examples/boots"));
    let image = DiskImage::new(MIB);
    let run = |words: &[&str]| {
        let output = program().args(words).output().expect("it was built");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let path = image.path().display().to_string();
    for boot in 1..=2 {
        let (code, said) = run(&["--disk", &path]);
        assert!(code == Some(0) && said.contains(&format!("boot {boot}")), "{said}");
    }
    assert_eq!(image.stored(0, 8), 2_u64.to_le_bytes());
    let (code, said) = run(&["--disk", &format!("{path},ro")]);
    assert_eq!((code, said.lines().last()), (Some(1), Some("error: the disk is read-only")));
    let (code, said) = run(&[]);
    assert_eq!(
        (code, said.as_str()),
        (Some(4), "error: this program needs a disk: start it with --disk FILE\n")
    );
    let (code, said) = run(&["--disk=/no/such/disk"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(4), "error: disk0, /no/such/disk, cannot be used: the file does not exist\n")
    );
}
