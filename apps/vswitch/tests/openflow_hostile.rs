//! Octets and frames from those who mean harm.

mod checks;
mod controller;
mod model;

use controller::Bench;
use std::path::Path;

/// Numbers that look like chance, the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 24) as u8
    }
}

/// Each file of `fuzz/corpus/<target>`.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|file| std::fs::read(file).expect("octets")).collect()
}

/// The seeds as they are, and changed here and there.
fn replay(target: &str, times: u32, check: impl Fn(&[u8])) {
    for (number, seed) in (1..).zip(corpus(target)) {
        check(&seed);
        let mut chance = Chance(number);
        for _ in 0..times {
            let mut octets = seed.clone();
            for _ in 0..=chance.next() % 4 {
                let at = (usize::from(chance.next()) << 8 | usize::from(chance.next())) % octets.len().max(1);
                if let Some(octet) = octets.get_mut(at) {
                    *octet = chance.next();
                }
            }
            octets.truncate(
                octets.len().saturating_sub(usize::from(chance.next() % 64 / 40 * chance.next() % 50)),
            );
            check(&octets);
        }
    }
}

#[test]
fn messages_of_any_kind_do_no_harm() {
    replay("openflow_message", 2000, checks::messages);
}

#[test]
fn frames_and_entries_of_any_kind_do_no_harm() {
    replay("openflow_pipeline", 500, |octets| {
        checks::actions(octets);
        model::compare(octets);
    });
}

#[test]
fn chance_does_no_harm() {
    let mut chance = Chance(99);
    for _ in 0..3000 {
        let length = usize::from(chance.next()) * 4;
        let octets: Vec<u8> = (0..length).map(|_| chance.next()).collect();
        checks::messages(&octets);
        checks::actions(&octets);
    }
}

#[test]
fn of_a_controller_that_does_not_read_nothing_is_put_by() {
    let mut bench = Bench::new();
    let controller = bench.controller(4);
    let mut echo = vec![4, 2, 4, 0, 0, 0, 0, 1];
    echo.resize(1024, 0);
    let receive = |bench: &mut Bench| {
        bench.switch.receive(controller.id, &echo, bench.now, &mut bench.left).expect("it is not over")
    };
    let answered = (0..1000).take_while(|_| receive(&mut bench) == 1024).count();
    assert!((100..200).contains(&answered), "{answered}");
    assert_eq!(receive(&mut bench), 0, "what waits here would be done at once when there is room");
    let waiting = bench.switch.output(controller.id).len();
    bench.switch.sent(controller.id, waiting, bench.now, &mut bench.left).expect("it is not over");
    assert!(bench.switch.output(controller.id).is_empty());
    assert_eq!(receive(&mut bench), 1024);
}
