//! A guest with nothing to do costs nothing: no periodic wake, no polling.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

use std::time::{Duration, Instant};

use cargo_unik::options::Protocol;
use unik_tests::{Image, Vm};

/// How long the guest is watched.
const WATCHED: Duration = Duration::from_secs(5);
/// Ticks of the processor's time in a second. Linux: USER_HZ is 100 on x86-64.
const TICKS: f64 = 100.0;
/// The most that is forgiven, as a part of one core. An idle guest uses a tenth of that or less; one that polls uses all of a core.
const BOUND: f64 = 0.05;

/// The processor time that a process has used, in ticks.
fn ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the guest runs");
    // proc(5): behind the name in parentheses, state is field 3, utime field 14 and stime field 15
    let fields: Vec<&str> = stat.rsplit_once(')').expect("stat has a name").1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn dns_uses_almost_no_time_while_it_waits() {
    let image = Image::release("dns");
    let zones = image.data.clone().expect("dns comes with zones");
    let mut vm = Vm::of(&image).network(&[(Protocol::Udp, 53)]).data(&zones).boot();
    vm.line("ready: dns");
    let (before, start) = (ticks(vm.process()), Instant::now());
    // What is measured is time itself, so this test has to let some pass.
    std::thread::sleep(WATCHED);
    let used = (ticks(vm.process()) - before) as f64 / TICKS / start.elapsed().as_secs_f64();
    println!("QEMU used {:.2} % of a core", used * 100.0);
    if used > BOUND {
        vm.fail(&format!("QEMU used {:.2} % of a core while dns waited", used * 100.0));
    }
}
