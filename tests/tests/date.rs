//! The date that an image takes from its machine.
#![forbid(unsafe_code)]

use cargo_unik::options::Machine;
use unik_tests::{Image, Vm};

/// 2001-02-03 04:05:06 UTC.
const START: u64 = 981_173_106;
/// Seconds that the boot may take on a busy computer.
const BOOT: u64 = 60;

fn date_of(machine: Machine) -> u64 {
    let setup = Vm::of(&Image::release("date")).machine(machine);
    let mut vm = setup.qemu(["-rtc", "base=2001-02-03T04:05:06"]).boot();
    let line = vm.line("since epoch ");
    assert_eq!(vm.exit_code(), 0);
    let seconds = line.split_whitespace().last().and_then(|word| word.parse().ok());
    seconds.unwrap_or_else(|| vm.fail("the line has no date"))
}

#[test]
fn the_real_time_clock_gives_the_date() {
    for machine in [Machine::Microvm, Machine::Q35, Machine::Pc] {
        let date = date_of(machine);
        assert!((START..START + BOOT).contains(&date), "{date} on {machine}");
    }
}
