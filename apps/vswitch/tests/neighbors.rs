//! What the log is told of neighbours: it is slow, and whoever is at a port says how often there is something to tell.

use std::sync::atomic::{AtomicUsize, Ordering};

use unik_sched::time::Instant;
use unik_vswitch::{Mac, OWN_FRAME, Settings, Switch};

struct Lines;

static LINES: AtomicUsize = AtomicUsize::new(0);

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &log::Record<'_>) {
        LINES.fetch_add(1, Ordering::Relaxed);
    }

    fn flush(&self) {}
}

/// Where the last octet of the chassis and the time stand in a frame of the switch itself.
const CHASSIS: usize = 22;
const TIME: usize = 33;

#[test]
fn neighbours_that_come_and_go_do_not_fill_the_log() {
    log::set_logger(&Lines).expect("it is the only one");
    log::set_max_level(log::LevelFilter::Info);
    let settings = Settings::try_new(2).expect("there is memory");
    let mut switch = Switch::try_new(&settings, &[Mac::default(); 2], 1).expect("there is memory");
    switch.poll(Instant::from_millis(1));
    switch.set_link(0, true);
    let mut frame = [0; OWN_FRAME];
    let (_, length) = switch.next_own(&mut frame).expect("it is due");
    let mut come_and_go = |switch: &mut Switch| {
        for number in 0..=u8::MAX {
            frame[CHASSIS] = number;
            frame[TIME..TIME + 2].copy_from_slice(&120u16.to_be_bytes());
            switch.control(1, &frame[..length]);
            assert_eq!(switch.neighbors().len(), 1);
            frame[TIME..TIME + 2].fill(0);
            switch.control(1, &frame[..length]);
            assert!(switch.neighbors().is_empty());
        }
        LINES.load(Ordering::Relaxed)
    };
    assert_eq!(come_and_go(&mut switch), 1);
    switch.poll(Instant::from_millis(1001));
    assert_eq!(come_and_go(&mut switch), 2);
}
