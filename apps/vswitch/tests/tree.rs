//! The spanning tree between switches on simulated wires, in virtual time.

use std::collections::VecDeque;

use unik_sched::time::{Duration, Instant};
use unik_vswitch::{Mac, Name, OWN_FRAME, Role, Settings, Switch};

/// How long a frame is on a wire.
const DELAY: Duration = Duration::from_millis(1);
/// Frames that one second of a network without loops never has.
const STORM: usize = 20_000;

/// An end of a wire: a switch, and its port.
type End = (usize, usize);

struct Net {
    switches: Vec<Switch>,
    wires: Vec<(End, End)>,
    /// When a frame arrives, and where.
    way: VecDeque<(Instant, End, Vec<u8>)>,
    now: Instant,
    /// Frames that arrived at ports without a wire: those of hosts.
    heard: Vec<(End, Vec<u8>)>,
    carried: usize,
}

fn address(switch: usize, port: usize) -> Mac {
    Mac::new([2, 0, 0, 0, switch as u8 + 1, port as u8 + 1])
}

impl Net {
    /// Switches with so many ports each; the words for each are those of `words`, by its number.
    fn new(ports: &[usize], words: &[(usize, &str, &str)]) -> Net {
        let build = |(index, count): (usize, &usize)| {
            let mut settings = Settings::try_new(*count).expect("there is memory");
            let own = words.iter().filter(|word| word.0 == index).map(|word| (word.1, word.2));
            for (key, value) in [("switch.rstp", "on")].into_iter().chain(own) {
                let (group, word) = key.split_once('.').expect("a group");
                let (name, _) = Name::find(group, word).expect("it is known");
                settings.set(name, value).unwrap_or_else(|error| panic!("{error}"));
            }
            let addresses: Vec<Mac> = (0..*count).map(|port| address(index, port)).collect();
            let mut switch = Switch::try_new(&settings, &addresses, 1).expect("there is memory");
            switch.begin(Instant::ZERO);
            switch
        };
        let switches = ports.iter().enumerate().map(build).collect();
        Net {
            switches,
            wires: Vec::new(),
            way: VecDeque::new(),
            now: Instant::ZERO,
            heard: Vec::new(),
            carried: 0,
        }
    }

    /// A link without another switch.
    fn host(&mut self, end: End) {
        self.switches[end.0].set_link(end.1, true);
        self.speak(end.0);
    }

    fn join(&mut self, one: End, other: End) {
        self.wires.push((one, other));
        self.host(one);
        self.host(other);
    }

    fn cut(&mut self, one: End, other: End) {
        self.wires.retain(|wire| *wire != (one, other));
        self.way.retain(|(_, end, _)| *end != one && *end != other);
        for (switch, port) in [one, other] {
            self.switches[switch].set_link(port, false);
            self.speak(switch);
        }
    }

    /// Sends a frame out of a port.
    fn emit(&mut self, end: End, frame: &[u8]) {
        let other = self.wires.iter().find_map(|(one, other)| match end {
            _ if end == *one => Some(*other),
            _ if end == *other => Some(*one),
            _ => None,
        });
        match other {
            Some(other) => self.way.push_back((self.now + DELAY, other, frame.to_vec())),
            None => self.heard.push((end, frame.to_vec())),
        }
    }

    fn speak(&mut self, switch: usize) {
        let mut space = [0; OWN_FRAME];
        while let Some((port, length)) = self.switches[switch].next_own(&mut space) {
            self.emit((switch, port), &space[..length]);
        }
    }

    /// A frame comes in by a port.
    fn arrive(&mut self, (switch, port): End, frame: &[u8]) {
        self.switches[switch].begin(self.now);
        let route = self.switches[switch].forward(port, frame, frame.len());
        if route.is_control {
            self.switches[switch].control(port, frame);
            self.speak(switch);
        }
        for egress in (0..8).filter(|egress| route.ports & 1 << egress != 0) {
            self.carried += 1;
            self.emit((switch, egress), frame);
        }
    }

    /// Lets time pass.
    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        let before = self.carried;
        loop {
            let frame = self.way.front().map_or(Instant::MAX, |(due, ..)| *due);
            let timer = self.switches.iter().map(Switch::deadline).min().unwrap_or(Instant::MAX);
            let next = frame.min(timer);
            if next > end {
                break;
            }
            self.now = next.max(self.now);
            assert!(self.carried - before < STORM, "frames go round");
            while self.way.front().is_some_and(|(due, ..)| *due <= self.now) {
                if let Some((_, to, frame)) = self.way.pop_front() {
                    self.arrive(to, &frame);
                }
            }
            for switch in 0..self.switches.len() {
                self.switches[switch].poll(self.now);
                self.speak(switch);
            }
        }
        self.now = end;
    }

    fn role(&self, (switch, port): End) -> Role {
        self.switches[switch].role(port).expect("a tree").0
    }

    fn forwards(&self, (switch, port): End) -> bool {
        self.switches[switch].state(port).2
    }

    /// A host behind a port calls all others; how often each port of a host hears it, and that no frame goes round.
    fn call(&mut self, from: End) -> Vec<End> {
        self.heard.clear();
        let mut frame = [Mac::BROADCAST.octets(), [2, 9, 9, 9, from.0 as u8, from.1 as u8]].concat();
        frame.extend_from_slice(&[0x88, 0xb5]);
        frame.resize(60, 0);
        self.arrive(from, &frame);
        self.run(Duration::from_millis(100));
        let own = self.heard.iter().filter(|(_, heard)| *heard == frame);
        let mut ends: Vec<End> = own.map(|(end, _)| *end).collect();
        ends.sort_unstable();
        ends
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_port_with_a_host_forwards_after_three_seconds() {
    let mut net = Net::new(&[2], &[(0, "port2.edge", "on")]);
    net.host((0, 0));
    net.host((0, 1));
    assert!(net.forwards((0, 1)), "it is said to lead to a host");
    assert!(!net.forwards((0, 0)));
    net.run(4 * SECOND);
    assert!(net.forwards((0, 0)));
}

#[test]
fn a_loop_of_two_cables_has_one_that_stands_by() {
    let mut net = Net::new(&[3, 3], &[(1, "switch.priority", "4096")]);
    net.host((0, 2));
    net.host((1, 2));
    net.join((0, 0), (1, 0));
    net.join((0, 1), (1, 1));
    net.run(5 * SECOND);
    let state = net.switches[0].tree().expect("a tree");
    assert_eq!((state.root >> 48, state.port, state.cost), (4096, Some(0), 20_000));
    assert_eq!((net.role((0, 0)), net.role((0, 1))), (Role::Root, Role::Alternate));
    assert_eq!((net.role((1, 0)), net.role((1, 1))), (Role::Designated, Role::Designated));
    assert!(net.forwards((0, 0)) && !net.forwards((0, 1)));
    assert_eq!(net.call((0, 2)), [(1, 2)]);
    assert_eq!(net.call((1, 2)), [(0, 2)]);
}

#[test]
fn two_rapid_switches_agree_at_once() {
    let mut net = Net::new(&[1, 1], &[]);
    net.join((0, 0), (1, 0));
    net.run(Duration::from_millis(50));
    assert!(net.forwards((0, 0)) && net.forwards((1, 0)), "by proposal and agreement, without a timer");
}

#[test]
fn the_other_cable_takes_over_at_once() {
    let mut net = Net::new(&[3, 3], &[]);
    net.host((0, 2));
    net.host((1, 2));
    net.join((0, 0), (1, 0));
    net.join((0, 1), (1, 1));
    net.run(5 * SECOND);
    // The first switch has the lower address: it is the root.
    assert_eq!((net.role((1, 0)), net.role((1, 1))), (Role::Root, Role::Alternate));
    assert_eq!(net.call((1, 2)), [(0, 2)]);
    net.cut((0, 0), (1, 0));
    net.run(Duration::from_millis(20));
    assert_eq!(net.role((1, 1)), Role::Root);
    assert!(net.forwards((1, 1)));
    assert_eq!(net.call((0, 2)), [(1, 2)]);
    // What was heard at the cable that is gone is forgotten, and calls after that do not go round.
    net.join((0, 0), (1, 0));
    net.run(5 * SECOND);
    assert_eq!((net.role((1, 0)), net.role((1, 1))), (Role::Root, Role::Alternate));
    assert_eq!(net.call((0, 2)), [(1, 2)]);
}

#[test]
fn a_ring_of_four_is_cut_in_one_place_whichever_cable_is_lost() {
    let mut net = Net::new(&[3, 3, 3, 3], &[]);
    let cables: Vec<(End, End)> = (0..4).map(|index| ((index, 0), ((index + 1) % 4, 1))).collect();
    for index in 0..4 {
        net.host((index, 2));
    }
    for (one, other) in &cables {
        net.join(*one, *other);
    }
    net.run(10 * SECOND);
    let hosts: Vec<End> = (1..4).map(|index| (index, 2)).collect();
    assert_eq!(net.call((0, 2)), hosts);
    for (one, other) in &cables {
        net.cut(*one, *other);
        net.run(10 * SECOND);
        assert_eq!(net.call((0, 2)), hosts, "without {one:?}");
        net.join(*one, *other);
        net.run(10 * SECOND);
        assert_eq!(net.call((0, 2)), hosts, "with {one:?} again");
    }
}

#[test]
fn a_root_that_is_gone_is_replaced() {
    let mut net = Net::new(&[3, 3, 3], &[(0, "switch.priority", "0")]);
    let cables: [(End, End); 3] = [((0, 0), (1, 0)), ((1, 1), (2, 1)), ((0, 1), (2, 0))];
    for (one, other) in cables {
        net.join(one, other);
    }
    net.host((1, 2));
    net.host((2, 2));
    net.run(10 * SECOND);
    assert_eq!(net.switches[2].tree().expect("a tree").root >> 48, 0);
    net.cut((0, 0), (1, 0));
    net.cut((0, 1), (2, 0));
    net.run(30 * SECOND);
    let state = net.switches[2].tree().expect("a tree");
    assert_eq!(state.root, net.switches[1].tree().expect("a tree").bridge);
    assert_eq!(net.call((1, 2)), [(2, 2)]);
}

#[test]
fn two_ports_of_one_switch_on_one_cable_are_no_loop() {
    let mut net = Net::new(&[3], &[]);
    net.host((0, 2));
    net.join((0, 0), (0, 1));
    net.run(10 * SECOND);
    assert_eq!((net.role((0, 0)), net.role((0, 1))), (Role::Designated, Role::Backup));
    assert_eq!(net.call((0, 2)), [(0, 2); 0]);
}

/// A configuration BPDU of a bridge that speaks STP alone (IEEE 802.1D-2004, 9.3.1).
fn stp(root: u64, flags: u8) -> Vec<u8> {
    let mut frame = [[1, 0x80, 0xc2, 0, 0, 0], [2, 7, 7, 7, 7, 7]].concat();
    frame.extend_from_slice(&[0, 38, 0x42, 0x42, 3, 0, 0, 0, 0, flags]);
    frame.extend_from_slice(&root.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&root.to_be_bytes());
    frame.extend_from_slice(&[0x80, 1, 0, 0, 20, 0, 2, 0, 15, 0]);
    frame.resize(60, 0);
    frame
}

#[test]
fn a_bridge_of_the_older_protocol_is_answered_in_it_and_waited_for() {
    let mut net = Net::new(&[2], &[]);
    net.host((0, 0));
    let other = 0xffff_0207_0707_0707;
    let mut forwarding_after = None;
    for second in 0..60 {
        net.arrive((0, 0), &stp(other, 0));
        net.run(SECOND);
        if net.forwards((0, 0)) && forwarding_after.is_none() {
            forwarding_after = Some(second);
        }
    }
    // This switch is the better root: its port is designated, and goes through listening and learning.
    assert_eq!(net.role((0, 0)), Role::Designated);
    assert!((20..45).contains(&forwarding_after.expect("it forwards")), "{forwarding_after:?}");
    let (_, last) =
        net.heard.iter().rev().find(|(_, frame)| frame[..6] == [1, 0x80, 0xc2, 0, 0, 0]).expect("it speaks");
    assert_eq!(last[17..21], [0, 0, 0, 0], "STP, version 0, configuration");
}

#[test]
fn news_of_a_root_that_came_once_is_forgotten() {
    let mut net = Net::new(&[2], &[]);
    net.host((0, 0));
    net.arrive((0, 0), &stp(0x0000_0207_0707_0707, 0));
    assert_eq!(net.role((0, 0)), Role::Root);
    net.run(7 * SECOND);
    assert_eq!(net.role((0, 0)), Role::Designated);
    let state = net.switches[0].tree().expect("a tree");
    assert_eq!(state.root, state.bridge);
}

/// The value of a counter of a switch.
fn count(switch: &Switch, name: &str) -> u64 {
    use unik_sched::counter::CounterSet as _;
    let mut found = None;
    switch.counters().visit(&mut |its, value| {
        if its == name {
            found = Some(value);
        }
    });
    found.unwrap_or_else(|| panic!("no counter {name}"))
}

/// A station that is heard at port 1, whether it is known before that.
fn is_known(net: &mut Net) -> bool {
    let station = Mac::new([2, 5, 5, 5, 5, 5]);
    let known = (0..).scan(0, |position, _| {
        let (known, next) = net.switches[0].address_at(*position)?;
        *position = next;
        Some(known.key.address())
    });
    let is_known = known.into_iter().any(|address| address == station);
    let mut frame = [Mac::BROADCAST.octets(), station.octets()].concat();
    frame.resize(60, 0);
    net.arrive((0, 0), &frame);
    is_known
}

#[test]
fn changes_that_come_too_fast_are_heeded_once_a_second() {
    // Both ports lead to bridges, and both hear changes.
    let mut net = Net::new(&[2], &[(0, "port1.edge", "off"), (0, "port2.edge", "off")]);
    net.host((0, 0));
    net.host((0, 1));
    net.run(60 * SECOND);
    assert!(net.forwards((0, 0)) && net.forwards((0, 1)));
    is_known(&mut net);
    assert!(is_known(&mut net));
    // One change is heeded at once.
    let change = stp(0xffff_0207_0707_0707, 0);
    let notice = {
        let mut notice = change.clone();
        (notice[13], notice[20]) = (7, 0x80);
        notice
    };
    net.arrive((0, 1), &notice);
    assert!(!is_known(&mut net) && is_known(&mut net));
    net.run(10 * SECOND);
    // A thousand a second are not.
    let mut forgotten = 0;
    for _ in 0..10_000 {
        net.arrive((0, 1), &notice);
        forgotten += usize::from(!is_known(&mut net));
        net.run(Duration::from_millis(1));
    }
    assert!((10..=17).contains(&forgotten), "forgotten {forgotten} times in ten seconds");
    assert!(count(&net.switches[0], "flushes_put_off") > 9000);
    // None is lost: what is learned behind the last one is what the tree is now.
    net.run(SECOND);
    assert!(!is_known(&mut net));
    net.run(10 * SECOND);
    assert!(is_known(&mut net));
    // Who was a nuisance is heard again.
    net.arrive((0, 1), &notice);
    assert!(!is_known(&mut net) && is_known(&mut net));
}

#[test]
fn hostile_messages_end_in_no_panic_and_no_endless_work() {
    let mut net = Net::new(&[4, 4], &[]);
    net.join((0, 0), (1, 0));
    net.join((0, 1), (1, 1));
    net.host((0, 2));
    let mut state = 7u64;
    for round in 0..20_000 {
        let mut frame = stp(0x0000_0207_0707_0707, 0);
        for _ in 0..4 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = 17 + state as usize % 36;
            frame[at] = (state >> 32) as u8;
        }
        if round % 2 == 0 {
            frame[13] = 39;
            (frame[19], frame[20]) = (2, 2);
        }
        net.arrive((0, 2), &frame);
        if round % 50 == 0 {
            net.run(SECOND);
        }
    }
    net.run(60 * SECOND);
    assert_eq!(net.call((0, 2)).len(), 0);
    let root = net.switches[1].tree().expect("a tree").root;
    assert_eq!(root, net.switches[0].tree().expect("a tree").bridge);
}
