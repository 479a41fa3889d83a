//! What a boot costs, in instructions: under `-icount` an instruction is a nanosecond of the guest's clock, whatever else the computer
//! does. The exact figures are a snapshot, `bench/boot.txt`; here are the bounds that hold for good.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::sync::OnceLock;

use cargo_unik::bench::first_frame::{self, Subject};
use cargo_unik::bench::query::{Cost, measure};
use cargo_unik::bench::{read_ready, small_zone};
use unik_tests::{Image, Setup, Vm, workspace};

/// Instructions to `main` of an image without a network device, in thousands.
const TO_MAIN: u64 = 150;
/// Instructions to `ready` of dns with a zone of 1 KiB compiled in and a fixed address, in thousands.
const TO_READY: u64 = 600;
/// Instructions to the first frame of the same image where it asks for its address, in thousands.
const TO_FIRST_FRAME: u64 = 450;
/// How many boots are compared, at most.
const BOOTS: usize = 60;

/// Expects a boot that takes no more than `bound`, in thousands of instructions. Of several one has to: a device of QEMU that is late
/// makes the guest wait, and waiting counts. On a busy computer that is so in most boots.
#[track_caller]
fn is_within(bound: u64, what: &str, mut boot: impl FnMut() -> u64) {
    let mut costs = Vec::new();
    while costs.len() < BOOTS {
        let cost = boot();
        costs.push(cost);
        if (1..=bound).contains(&cost) {
            println!("thousands of instructions to {what}: {costs:?}");
            return;
        }
    }
    panic!("thousands of instructions to {what}: {costs:?}, and {bound} in none");
}

/// Instructions to `ready` and to `main` in one boot, in thousands.
#[track_caller]
fn instructions(app: &str, setup: Setup) -> (u64, u64) {
    let mut vm = setup.qemu(["-icount", "shift=0,sleep=off"]).boot();
    let line = vm.line(&format!("ready: {app}"));
    read_ready(&line).unwrap_or_else(|| vm.fail("the ready line has no times"))
}

#[test]
fn the_inspection_channel_costs_a_query_nothing_while_nobody_listens() {
    let Cost { without, with } = measure(&workspace()).unwrap_or_else(|error| panic!("{error}"));
    assert!(with * 100 <= without * 101, "{with} instructions a query, {without} without the channel");
}

#[test]
fn hello_reaches_main_in_few_instructions() {
    is_within(TO_MAIN, "main", || instructions("hello", Vm::of(&Image::release("hello"))).1);
}

/// dns with a zone of 1 KiB compiled in, and the folder of that. It is made once: the tests share the file.
fn small() -> (Image, PathBuf) {
    static MADE: OnceLock<(Image, PathBuf)> = OnceLock::new();
    let make = || {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("small");
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        std::fs::write(folder.join("small.zone"), small_zone()).expect("the zone can be written");
        (Image::embedding("dns", &folder), folder)
    };
    MADE.get_or_init(make).clone()
}

#[test]
fn dns_hands_its_first_frame_to_the_card_in_few_instructions() {
    let (image, folder) = small();
    let (elf, debug, root) = (&*image.elf, &*image.debug, &*workspace().root);
    let subject = Subject { name: "dns", elf, debug, root, capture: folder.with_extension("pcap") };
    is_within(TO_FIRST_FRAME, "the first frame", || {
        first_frame::boot(&subject).unwrap_or_else(|error| panic!("{error}"))
    });
}

#[test]
fn dns_with_its_zone_compiled_in_is_ready_in_few_instructions() {
    let (image, _) = small();
    is_within(TO_READY, "ready", || instructions("dns", Vm::of(&image).network(&[])).0);
}
