//! What the learning switch takes of the memory, and a switch for which there is not enough.

use unik_sched::time::{Duration, Instant};
use unik_testkit::{Scarce, Scarcity, Usage};
use unik_vswitch::{Mac, Name, OWN_FRAME, Settings, Switch, apply};

#[global_allocator]
static HEAP: Scarce = Scarce;

/// All that takes memory of its own.
const WORDS: [(&str, &str, &str); 7] = [
    ("switch", "table", "1000"),
    ("switch", "rstp", "on"),
    ("switch", "mirror", "8"),
    ("switch", "static", "10/02:00:00:00:00:01/1,20/02:00:00:00:00:02/2"),
    ("port1", "trunk", "1-4094"),
    ("port2", "vlan", "10"),
    ("port3", "trunk", "10,20,30-40"),
];

fn settings() -> Result<Settings, String> {
    let mut settings = Settings::try_new(8).map_err(|_| "no memory")?;
    for (group, word, value) in WORDS {
        let (name, _) = Name::find(group, word).expect("it is known");
        settings.set(name, value).map_err(|error| error.to_string())?;
    }
    Ok(settings)
}

fn switch(settings: &Settings) -> Option<Switch> {
    Switch::try_new(settings, &[Mac::new([2, 0, 0, 0, 0, 1]); 8], 7).ok()
}

#[test]
fn a_switch_that_finds_no_memory_says_so() {
    let settings = settings().expect("they are right");
    let (made, usage) = Usage::of(|| switch(&settings));
    assert!(made.is_some());
    println!("{} octets, {} on the way", usage.kept, usage.peak);
    let mut refusals = 0;
    for bytes in (0..usage.peak).step_by(101) {
        let (made, failed) = Scarcity::Bytes(bytes).during(|| switch(&settings).is_some());
        // What grows in place does with less than it took on the way.
        assert!(!made || failed == 0, "a switch with {bytes} octets");
        refusals += usize::from(!made);
    }
    assert!(refusals > 1000, "{refusals} refusals");
    // Where it can have what it took, it has what it needs.
    let room = usage.peak + 64 * 16;
    assert!(Scarcity::Bytes(room).during(|| switch(&settings).is_some()).0);
}

#[test]
fn settings_that_find_no_memory_say_so() {
    for number in 0.. {
        let (read, failed) = Scarcity::Nth(number).during(|| match settings() {
            Ok(_) => Ok(()),
            // The sentence itself takes memory.
            Err(sentence) => Err(sentence.ends_with("more memory") || sentence == "no memory"),
        });
        assert_eq!(read.is_err(), failed == 1);
        if failed == 0 {
            assert!(number > 3, "{number} allocations");
            break;
        }
        assert_eq!(read, Err(true));
    }
    const FILE: &[u8] = b"[switch]\nstatic = ['1/02:00:00:00:00:01/2']\n[port1]\ntrunk = [10, '20-29']\n";
    for number in 0.. {
        let mut settings = Settings::try_new(2).expect("there is memory");
        let (is_read, failed) = Scarcity::Nth(number).during(|| apply(&mut settings, FILE).is_ok());
        assert_eq!(is_read, failed == 0);
        if failed == 0 {
            assert!(number >= 2, "{number} allocations");
            break;
        }
    }
}

fn frame(to: [u8; 6], from: u32, tag: Option<u8>) -> [u8; 60] {
    let mut frame = [0; 60];
    frame[..6].copy_from_slice(&to);
    frame[6..8].copy_from_slice(&[2, 9]);
    frame[8..12].copy_from_slice(&from.to_be_bytes());
    if let Some(vlan) = tag {
        frame[12..16].copy_from_slice(&[0x81, 0, 0, vlan]);
    }
    frame
}

/// A BPDU of RSTP with these flags, of a bridge that is a better root (IEEE 802.1D-2004, 9.3.3).
fn bpdu(flags: u8) -> [u8; 60] {
    let mut frame = frame([1, 0x80, 0xc2, 0, 0, 0], 7, None);
    frame[12..22].copy_from_slice(&[0, 39, 0x42, 0x42, 3, 0, 0, 2, 2, flags]);
    frame[22..24].copy_from_slice(&[0x10, 0]);
    frame[34..36].copy_from_slice(&[0x10, 0]);
    frame[42..52].copy_from_slice(&[0x80, 1, 0, 0, 20, 0, 2, 0, 15, 0]);
    frame
}

/// A frame of LLDP (IEEE 802.1AB, 8.5): chassis, port, time, name.
fn neighbor(number: u8) -> [u8; 60] {
    let mut frame = frame([1, 0x80, 0xc2, 0, 0, 0x0e], 8, None);
    frame[12..14].copy_from_slice(&[0x88, 0xcc]);
    let body =
        [2, 7, 4, 2, 0, 0, 0, 0, number, 4, 2, 5, b'p', 6, 2, 0, 120, 10, 4, b'h', b'o', b's', b't', 0, 0];
    frame[14..14 + body.len()].copy_from_slice(&body);
    frame
}

#[test]
fn nothing_that_comes_in_takes_memory() {
    let mut switch = switch(&settings().expect("they are right")).expect("there is memory");
    let ((), usage) = Usage::of(|| {
        let mut space = [0; OWN_FRAME];
        let mut now = Instant::ZERO;
        let mut own = 0;
        for round in 0..5000u32 {
            now += Duration::from_millis(20);
            switch.poll(now);
            for port in 0..8 {
                switch.set_link(port, round % 500 != 499 || port != 1);
            }
            let mut arrive = |port: usize, frame: &[u8]| {
                let route = switch.forward(port, frame, frame.len());
                if route.is_control {
                    switch.control(port, frame);
                }
            };
            // Known and unknown stations, more than there is room for, and all kinds of VLANs.
            for (port, tag) in [(0, Some(10)), (1, None), (2, Some((round % 50) as u8)), (3, None), (7, None)]
            {
                arrive(port, &frame([0xff; 6], round, tag));
                arrive(port, &frame([2, 9, 0, 0, 0, 1], round / 7, tag));
            }
            // Messages of bridges at one port, changes of the tree among them, and neighbours at another.
            if round > 1000 {
                arrive(4, &bpdu(0x7c | (round % 3 == 0) as u8));
            }
            arrive(5, &neighbor((round % 9) as u8));
            while switch.next_own(&mut space).is_some() {
                own += 1;
            }
        }
        assert!(own > 100, "{own} frames of its own");
    });
    assert_eq!(usage.peak, 0);
    assert!(switch.tree().is_some_and(|tree| tree.port == Some(4)), "it has heard the bridge");
    assert!(switch.neighbors().len() == 4 && switch.address_at(0).is_some());
    assert!(switch.counters().evicted.get() > 1000 && switch.counters().flushed.get() > 1000);
}
