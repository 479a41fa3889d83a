//! What must hold of a learning switch, whatever frames come in by its ports: used by the tests of hostile input and by a fuzz target.
//!
//! Where a frame may go is found a second time, slowly, out of the settings, the states of the ports and the list of addresses that the
//! switch shows.

use unik_sched::time::{Duration, Instant};
use unik_vswitch::{
    HEADER, Kind, Known, Mac, Mode, Name, OWN_FRAME, PortSettings, Role, Route, Settings, Switch,
};

/// Ports of each switch.
const PORTS: usize = 4;
/// The bits of a tag that name the VLAN.
const VLAN_BITS: u16 = 0xfff;
/// Frames a second that may be sent to many where that is limited, and those that may come at once.
const RATE: usize = 10;
const BURST: usize = 8;
/// Messages of the tree that a port may send at once, and one a second from then on (IEEE 802.1D-2004, 17.13.12).
const HOLD: u64 = 6;

/// What is chosen for the switches; the table of each is small.
const CONFIGURATIONS: [&[(&str, &str)]; 8] = [
    &[],
    &[("switch.rstp", "on")],
    &[("switch.rstp", "on"), ("switch.priority", "4096"), ("port1.edge", "off"), ("port2.edge", "on")],
    &[("port1.vlan", "10"), ("port2.trunk", "5,10,20-29"), ("port3.trunk", "all"), ("port3.vlan", "10")],
    &[("port1.tunnel", "100"), ("port2.trunk", "100"), ("port2.tag", "88a8"), ("port3.vlan", "100")],
    &[
        ("port1.isolated", "on"),
        ("port2.isolated", "on"),
        ("port1.broadcast", "10"),
        ("port1.multicast", "10"),
        ("port1.unknown", "10"),
    ],
    &[
        ("switch.mirror", "4"),
        ("port1.mirrored", "in"),
        ("port2.mirrored", "both"),
        ("port3.mirrored", "out"),
    ],
    &[
        ("switch.rstp", "on"),
        ("switch.mirror", "3"),
        ("switch.ageing", "10"),
        ("switch.static", "10/02:00:00:00:00:01/2,10/02:00:00:00:00:02/1"),
        ("port1.trunk", "10,20"),
        ("port2.trunk", "10,20"),
        ("port2.mirrored", "both"),
        ("port4.vlan", "10"),
        ("port1.isolated", "on"),
        ("port4.isolated", "on"),
        ("port4.unknown", "10"),
    ],
];

/// Octets as a source of choices; zeros behind their end.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.next()) % bound
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.next(), self.next()])
    }
}

struct Bench {
    switch: Switch,
    settings: Settings,
    now: Instant,
    /// Messages of the tree that each port has sent.
    bpdus: [u64; PORTS],
    /// Frames of each port that were sent to many, for each kind of these.
    floods: [[usize; 3]; PORTS],
}

/// Lets a switch see what `octets` say: frames, time, and links that come and go.
pub(crate) fn traffic(octets: &[u8]) {
    let mut choices = Choices(octets);
    let mut bench = Bench::new(CONFIGURATIONS[choices.below(CONFIGURATIONS.len())]);
    while !choices.0.is_empty() {
        let (kind, port) = (choices.next(), choices.below(PORTS));
        match kind % 16 {
            0 => bench.pass(Duration::from_millis(choices.next().into())),
            1 => bench.pass(Duration::from_millis(u64::from(choices.next()) * 250)),
            2 => {
                let is_up = choices.below(4) != 0;
                bench.switch.set_link(port, is_up);
            }
            3 => {
                for _ in 0..32 {
                    let station = [2, 1, choices.next(), choices.next(), 0, 0];
                    bench.arrive(port, &[&[0xff; 6], &station[..], &[8, 0, 0, 0]].concat());
                }
            }
            4 => bench.arrive(port, &bpdu(&mut choices, true)),
            5 => bench.arrive(port, &bpdu(&mut choices, false)),
            6 => bench.arrive(port, &neighbor(&mut choices)),
            7 => {
                let length = choices.below(64);
                let frame: Vec<u8> = (0..length).map(|_| choices.next()).collect();
                bench.arrive(port, &frame);
            }
            8 => bench.own(&ordinary(&mut choices)),
            _ => bench.arrive(port, &ordinary(&mut choices)),
        }
        bench.check();
    }
}

/// A frame out of a small world, so that stations meet.
fn ordinary(choices: &mut Choices<'_>) -> Vec<u8> {
    let to = match choices.next() {
        kind @ 0..=7 => [0x01, 0x80, 0xc2, 0, 0, kind * 3],
        8..=30 => [0xff; 6],
        31..=50 => [0x01, 0, 0x5e, 0, 0, 1],
        kind => [2, 0, 0, 0, 0, kind % 6],
    };
    let from = match choices.next() {
        0..=3 => [0; 6],
        4..=7 => [3, 0, 0, 0, 0, 1],
        kind => [2, 0, 0, 0, 0, kind % 6],
    };
    let mut frame = [to, from].concat();
    let kind = choices.next();
    if !kind.is_multiple_of(4) {
        let vlan = [0, 5, 10, 10, 10, 20, 25, 100, 100, 4095][choices.below(10)];
        let [high, low] = (vlan | u16::from(kind) << 8 & 0xe000_u16).to_be_bytes();
        frame.extend([[0x81, 0], [0x81, 0], [0x88, 0xa8]][usize::from(kind) % 3]);
        frame.extend([high, low]);
    }
    frame.extend([8, 0, choices.next()]);
    frame.resize(60, 0);
    // Some end where a tag would be.
    let length = if kind > 250 { 10 + usize::from(choices.next()) % 10 } else { 60 };
    frame.truncate(length);
    frame
}

/// A BPDU of RSTP or STP (IEEE 802.1D-2004, 9.3) with fields that come near those of this bridge.
fn bpdu(choices: &mut Choices<'_>, is_rapid: bool) -> Vec<u8> {
    let mut frame = [[1, 0x80, 0xc2, 0, 0, 0], [2, 7, 7, 7, 7, choices.next()]].concat();
    let (kind, length) = match choices.next() {
        0..=60 if !is_rapid => (0x80, 7),
        _ if is_rapid => (2, 39),
        _ => (0, 38),
    };
    let version = if is_rapid { 2 } else { 0 };
    frame.extend([0, length, 0x42, 0x42, 3, 0, 0, version, kind, choices.next()]);
    for _ in 0..2 {
        // The root, what the way to it costs, and the bridge.
        let address = [2, 0, 0, 0, 0, choices.next() % 4];
        frame.extend((choices.word() & 0xf000).to_be_bytes());
        frame.extend(address);
        if frame.len() < 36 {
            frame.extend(u32::from(choices.word()).to_be_bytes());
        }
    }
    frame.extend([0x80, choices.next() % 8]);
    for _ in 0..4 {
        frame.extend([choices.next() % 24, choices.next() & 0x80]);
    }
    frame.resize(60, 0);
    frame
}

/// A frame of LLDP (IEEE 802.1AB, 8) with TLVs of any length.
fn neighbor(choices: &mut Choices<'_>) -> Vec<u8> {
    let last = [0x0e, 0x03, 0x00][choices.below(3)];
    let mut frame = [[1, 0x80, 0xc2, 0, 0, last], [2, 6, 6, 6, 6, 6]].concat();
    frame.extend([0x88, 0xcc]);
    for usual in [1u8, 2, 3, 5, 6, 0] {
        let kind = if choices.below(8) == 0 { choices.next() % 128 } else { usual };
        let length = choices.below(12);
        frame.extend([kind << 1, length as u8]);
        frame.extend((0..length).map(|_| choices.next()));
    }
    frame.truncate(frame.len() - choices.below(4).min(3));
    frame
}

impl Bench {
    fn new(words: &[(&str, &str)]) -> Bench {
        let mut settings = Settings::try_new(PORTS).expect("there is memory");
        for (key, value) in [("switch.table", "16")].iter().chain(words) {
            let (group, word) = key.split_once('.').expect("a group");
            let (name, _) = Name::find(group, word).expect("a word that is known");
            settings.set(name, value).unwrap_or_else(|error| panic!("{error}"));
        }
        let addresses: Vec<Mac> = (0..PORTS as u8).map(|port| Mac::new([2, 0, 0, 0, 0, port])).collect();
        let mut switch = Switch::try_new(&settings, &addresses, 42).expect("there is memory");
        switch.poll(Instant::ZERO);
        for port in 0..PORTS {
            switch.set_link(port, true);
        }
        Bench { switch, settings, now: Instant::ZERO, bpdus: [0; PORTS], floods: [[0; 3]; PORTS] }
    }

    /// Lets time pass, stopping wherever something is due.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.speak();
            let due = self.switch.deadline();
            assert!(due > self.now, "what is due is done");
            self.now = due.min(end);
            self.switch.poll(self.now);
            self.check();
            if self.now == end {
                return self.speak();
            }
        }
    }

    /// Takes what the switch has to say for itself.
    fn speak(&mut self) {
        let mut space = [0; OWN_FRAME];
        let mut count = 0;
        while let Some((port, length)) = self.switch.next_own(&mut space) {
            count += 1;
            assert!(count <= 8 * PORTS, "it never ends");
            assert!(self.switch.state(port).0 && self.settings.mirror != Some(port));
            assert!((60..=OWN_FRAME).contains(&length));
            assert_eq!(space[..5], [1, 0x80, 0xc2, 0, 0]);
            if space[5] == 0 {
                self.bpdus[port] += 1;
                let most = HOLD + self.now.as_millis() / 1000 + 1;
                assert!(self.bpdus[port] <= most, "{} messages of port {port}", self.bpdus[port]);
            }
        }
    }

    fn known(&self) -> Vec<Known> {
        let mut position = 0;
        core::iter::from_fn(|| {
            let (known, next) = self.switch.address_at(position)?;
            position = next;
            Some(known)
        })
        .collect()
    }

    fn find(&self, vlan: u16, address: Mac) -> Option<Known> {
        self.known().into_iter().find(|known| (known.key.vlan(), known.key.address()) == (vlan, address))
    }

    /// A frame comes in by a port.
    fn arrive(&mut self, ingress: usize, frame: &[u8]) {
        self.switch.begin(self.now);
        let vlan = self.vlan(ingress, frame);
        let (_, learns, forwards) = self.switch.state(ingress);
        let addresses = frame.first_chunk::<HEADER>().map(Mac::pair);
        let before = vlan.zip(addresses).and_then(|(vlan, (to, _))| self.find(vlan, to));
        let route = self.switch.forward(ingress, frame, frame.len());
        let is_reserved = addresses.is_some_and(|(_, from)| is_reserved(frame) && from.is_source());
        assert_eq!(route.is_control, is_reserved);
        self.check_copy(ingress, frame, route);
        if route.is_control {
            assert_eq!(route.ports, 0);
            self.switch.control(ingress, frame);
            return self.speak();
        }
        let (Some(vlan), Some((to, from))) = (vlan, addresses) else { return assert_eq!(route.ports, 0) };
        if learns {
            let heard = self.find(vlan, from).expect("there is room for it");
            assert!(heard.port == ingress || heard.kind == Kind::Static, "it was heard at another port");
        }
        let allowed = if forwards { self.allowed(ingress, vlan) } else { 0 };
        match before.filter(|_| !to.is_group()) {
            // It is where the frame came from by now, unless that is configured or nothing is learned.
            _ if to == from => assert_eq!(route.ports & !allowed, 0),
            Some(known) if self.find(vlan, to) == Some(known) => {
                let its = if known.port == ingress { 0 } else { 1 << known.port };
                assert_eq!(route.ports, allowed & its);
                assert_eq!(self.switch.forward(ingress, frame, frame.len()), route, "what is remembered");
            }
            // It made way for the source, or was never there.
            _ => self.check_flood(ingress, to, route, allowed),
        }
        self.check_form(ingress, frame, vlan, route);
    }

    /// A frame comes in by no port.
    fn own(&mut self, frame: &[u8]) {
        let route = self.switch.forward_own(frame);
        let open =
            (0..PORTS).filter(|port| self.switch.state(*port).2).fold(0, |ports, port| ports | 1 << port);
        assert_eq!(route.ports & !open, 0);
        assert!(route.ports == 0 || !is_reserved(frame));
    }

    /// The VLAN of a frame, if it is one that the port takes.
    fn vlan(&self, ingress: usize, frame: &[u8]) -> Option<u16> {
        let port = &self.settings.ports[ingress];
        let (_, from) = Mac::pair(frame.first_chunk::<HEADER>()?);
        if is_reserved(frame) || !from.is_source() || self.settings.mirror == Some(ingress) {
            return None;
        }
        let vlan = match self.tag(ingress, frame) {
            None => port.vlan,
            Some(None) => return None,
            Some(Some(tag)) if tag & VLAN_BITS == 0 => port.vlan,
            Some(Some(_)) if port.mode == Mode::Access => return None,
            Some(Some(tag)) => tag & VLAN_BITS,
        };
        is_member(port, vlan).then_some(vlan)
    }

    /// The tag of a frame, if it has one that the port looks at, and what that says if it is whole.
    fn tag(&self, ingress: usize, frame: &[u8]) -> Option<Option<u16>> {
        let port = &self.settings.ports[ingress];
        let has_tag = port.mode != Mode::Tunnel && frame.get(12..14)? == port.tag.to_be_bytes();
        has_tag.then(|| frame.get(14..16).map(|tag| u16::from_be_bytes([tag[0], tag[1]])))
    }

    /// The ports that a frame of a VLAN may leave by.
    fn allowed(&self, ingress: usize, vlan: u16) -> u8 {
        let is_isolated = |port: usize| self.settings.ports[port].is_isolated;
        let others = (0..PORTS).filter(|port| {
            *port != ingress
                && self.settings.mirror != Some(*port)
                && self.switch.state(*port).2
                && is_member(&self.settings.ports[*port], vlan)
                && !(is_isolated(ingress) && is_isolated(*port))
        });
        others.fold(0, |ports, port| ports | 1 << port)
    }

    fn check_flood(&mut self, ingress: usize, to: Mac, route: Route, allowed: u8) {
        let kind = if to == Mac::BROADCAST { 0 } else { 2 - usize::from(to.is_group()) };
        let floods = &mut self.floods[ingress][kind];
        if self.settings.ports[ingress].storm[kind] == 0 {
            return assert_eq!(route.ports, allowed, "it goes to all");
        }
        assert!(route.ports == allowed || route.ports == 0);
        *floods += usize::from(route.ports != 0);
        let most = BURST + 1 + (self.now.as_millis() as usize).div_ceil(1000) * RATE;
        assert!(*floods <= most, "{floods} were sent to many");
    }

    /// The copy for the port that mirrors.
    fn check_copy(&self, ingress: usize, frame: &[u8], route: Route) {
        let has_header = frame.len() >= HEADER && self.settings.mirror.is_some();
        let comes = has_header && self.settings.ports[ingress].is_mirrored.0;
        let leaves =
            (0..PORTS).any(|port| route.ports & 1 << port != 0 && self.settings.ports[port].is_mirrored.1);
        assert_eq!(route.is_mirrored, comes || has_header && leaves);
    }

    /// With or without a tag, and which.
    fn check_form(&self, ingress: usize, frame: &[u8], vlan: u16, route: Route) {
        if route.ports == 0 {
            return;
        }
        assert_eq!(route.is_tagged, self.tag(ingress, frame).is_some());
        assert_eq!(route.tag & VLAN_BITS, vlan);
        for port in (0..PORTS).filter(|port| route.ports & 1 << port != 0) {
            assert_eq!(route.plain & 1 << port != 0, self.settings.ports[port].vlan == vlan);
        }
        if let Some(port) = route.straight() {
            assert_eq!(route.ports, 1 << port);
            let is_plain = route.plain & route.ports == route.ports;
            assert!(is_plain && !route.is_tagged && !route.is_mirrored);
        }
    }

    /// What always holds.
    fn check(&self) {
        let known = self.known();
        assert!(known.len() <= self.settings.table);
        for (at, one) in known.iter().enumerate() {
            assert!(known.iter().skip(at + 1).all(|other| other.key != one.key), "it is known twice");
            assert!(one.port < PORTS && one.age <= self.settings.ageing);
        }
        for (key, port) in &self.settings.statics {
            assert!(known.iter().any(|one| one.key == *key && one.port == *port && one.kind == Kind::Static));
        }
        for port in 0..PORTS {
            let (is_up, learns, forwards) = self.switch.state(port);
            assert!((is_up || !learns) && (learns || !forwards));
            assert!(!learns || self.settings.mirror != Some(port));
            let role = self.switch.role(port).map(|(role, _)| role);
            assert!(!forwards || matches!(role, None | Some(Role::Root | Role::Designated)), "{role:?}");
            let neighbors = self.switch.neighbors().iter().filter(|neighbor| neighbor.port == port);
            assert!(neighbors.count() <= 4);
        }
        let is_root = |port: &usize| self.switch.role(*port).is_some_and(|(role, _)| role == Role::Root);
        assert!((0..PORTS).filter(is_root).count() <= 1);
    }
}

/// Whether no bridge may pass a frame on (IEEE 802.1Q, table 8-1).
fn is_reserved(frame: &[u8]) -> bool {
    frame.starts_with(&[1, 0x80, 0xc2, 0, 0]) && frame.get(5).is_some_and(|octet| *octet < 16)
}

/// Whether a port is in a VLAN.
fn is_member(port: &PortSettings, vlan: u16) -> bool {
    let is_listed = port.trunk.iter().any(|(from, to)| (*from..=*to).contains(&vlan));
    vlan != 0 && (port.vlan == vlan || port.mode == Mode::Trunk && is_listed)
}
