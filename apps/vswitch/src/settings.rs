//! What the operator chooses: [`Settings`], made of words such as `port1.vlan=10`, or of a file that says the same.
//!
//! [`Settings::set`] takes one word of either; [`Settings::read`] asks for those of a command line. Invariant: what is set is
//! in its limits, and about ports that are there.

mod openflow;

use crate::address::{Key, Mac};
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
pub use openflow::{Controller, OpenFlowSettings, Transport};

/// The most ports of a switch.
pub const PORTS: usize = 8;
/// The highest number of a VLAN (IEEE 802.1Q, 9.6).
pub(crate) const VLAN_MAX: u16 = 4094;
/// The most addresses that are configured.
pub const STATIC_LIMIT: usize = 64;
/// The most ranges of VLANs that one port lists.
const RANGE_LIMIT: usize = 32;
/// The type of a tag of customers (IEEE 802.1Q, table 9-1).
pub const CUSTOMER_TAG: u16 = 0x8100;
/// The VLAN of a port of which nothing else is said.
pub(crate) const DEFAULT_VLAN: u16 = 1;
/// The type of a tag of providers.
pub const SERVICE_TAG: u16 = 0x88a8;

/// Which frames a port takes, and how they leave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// All frames are of one VLAN, whatever tags they bear, and leave as they came.
    Tunnel,
    /// Frames are of one VLAN and bear no tag.
    Access,
    /// Frames say by their tag which VLAN they are of; those without are of the native one, if there is one.
    Trunk,
}

/// Frames that go to many ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flood {
    /// To all stations.
    Broadcast,
    /// To a group of stations.
    Multicast,
    /// To a station that nobody has heard of.
    Unknown,
}

/// Whether a port leads to hosts alone, as far as the spanning tree is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edge {
    /// It does until a bridge is heard there, and does again when none has been heard for a while.
    Auto,
    /// It does from the start.
    On,
    /// It does not.
    Off,
}

/// What is chosen for a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortSettings {
    /// Which frames it takes.
    pub mode: Mode,
    /// The VLAN of frames without a tag; 0: they are dropped.
    pub vlan: u16,
    /// The VLANs of frames with one, from and to.
    pub trunk: Vec<(u16, u16)>,
    /// The type of a tag.
    pub tag: u16,
    /// It reaches no other port that is isolated.
    pub is_isolated: bool,
    /// Frames that come in, and that go out, are copied to the port that mirrors.
    pub is_mirrored: (bool, bool),
    /// Frames a second of each [`Flood`] that it may send to many; 0: as many as it likes.
    pub storm: [u32; 3],
    /// Whether it tells its neighbours of itself, and hears of them, where anything is said of that.
    pub lldp: Option<bool>,
    /// Whether it leads to hosts alone.
    pub edge: Edge,
    /// What a way through it costs; 0: as much as a link of its speed.
    pub cost: u32,
    /// Its priority among ports, a multiple of 16.
    pub priority: u8,
}

impl Default for PortSettings {
    fn default() -> Self {
        Self {
            mode: Mode::Tunnel,
            vlan: DEFAULT_VLAN,
            trunk: Vec::new(),
            tag: CUSTOMER_TAG,
            is_isolated: false,
            is_mirrored: (false, false),
            storm: [0; 3],
            lldp: None,
            edge: Edge::Auto,
            cost: 0,
            priority: 128,
        }
    }
}

/// What is chosen for the switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// One for each port.
    pub ports: Vec<PortSettings>,
    /// The most addresses that are known.
    pub table: usize,
    /// Seconds that a silent address is known.
    pub ageing: u32,
    /// Addresses that are known from the start, and their ports.
    pub statics: Vec<(Key, usize)>,
    /// The port that copies go to. It takes part in nothing else.
    pub mirror: Option<usize>,
    /// Whether there is a spanning tree.
    pub has_rstp: bool,
    /// The priority of the bridge, a multiple of 4096.
    pub priority: u16,
    /// Seconds between two greetings of bridges.
    pub hello: u8,
    /// Seconds until what a bridge was told is too old.
    pub max_age: u8,
    /// Seconds of a step towards forwarding, where no neighbour agrees to a faster one.
    pub forward_delay: u8,
    /// About controllers.
    pub openflow: OpenFlowSettings,
}

/// The words about the switch, which begin with `switch.`, and those about a port, which begin with `port1.`
const SWITCH: [&str; 9] =
    ["table", "ageing", "static", "mirror", "rstp", "priority", "hello", "max_age", "forward_delay"];
const PORT: [&str; 13] = [
    "vlan",
    "trunk",
    "tunnel",
    "tag",
    "isolated",
    "mirrored",
    "broadcast",
    "multicast",
    "unknown",
    "lldp",
    "edge",
    "cost",
    "priority",
];

/// What a setting is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Group {
    Switch,
    OpenFlow,
    /// A port, the first being 0.
    Port(usize),
}

impl Group {
    /// The group that is called so.
    fn find(name: &str) -> Option<Self> {
        match name.strip_prefix("port") {
            Some(number) => {
                let number = number.parse::<usize>().ok().filter(|_| number.len() == 1)?;
                number.checked_sub(1).filter(|index| *index < PORTS).map(Self::Port)
            }
            None => [Self::Switch, Self::OpenFlow].into_iter().find(|group| group.name() == name),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::OpenFlow => "openflow",
            Self::Port(_) => "port",
        }
    }

    /// What its settings are called.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Switch => &SWITCH,
            Self::OpenFlow => &openflow::WORDS,
            Self::Port(_) => &PORT,
        }
    }
}

/// The name of a setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name {
    group: Group,
    word: &'static str,
}

impl Name {
    /// The setting that is called so within `group`, which is `switch`, `openflow`, or `port1` and so on; its place there too.
    pub fn find(group: &str, word: &str) -> Option<(Self, usize)> {
        let group = Group::find(group)?;
        let place = group.words().iter().position(|known| *known == word)?;
        Some((Self { group, word: group.words().get(place)? }, place))
    }

    /// The place of a group: 0 for the switch, the number of a port, and one behind those for controllers.
    pub(crate) fn group(group: &str) -> Option<usize> {
        Some(match Group::find(group)? {
            Group::Switch => 0,
            Group::Port(port) => port + 1,
            Group::OpenFlow => PORTS + 1,
        })
    }

    /// All that there are.
    pub fn all() -> impl Iterator<Item = Self> {
        let groups = [Group::Switch, Group::OpenFlow].into_iter().chain((0..PORTS).map(Group::Port));
        groups.flat_map(|group| group.words().iter().map(move |word| Self { group, word }))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.group.name())?;
        if let Group::Port(port) = self.group {
            f.write_char(char::from(b'1' + port as u8))?;
        }
        f.write_char('.')?;
        f.write_str(self.word)
    }
}

/// A setting has a value that it cannot have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadSetting {
    name: Name,
    expected: &'static str,
}

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        f.write_str("= needs ")?;
        f.write_str(self.expected)
    }
}

impl core::error::Error for BadSetting {}

/// Finds the value of a word of the configuration.
type Get<'g> = &'g dyn Fn(&str) -> Option<&'static str>;

const NO_PORT: &str = "a port that is there: give the machine one more --net for each";
const SWITCHED: &str = "on or off";

impl Settings {
    /// Those of a switch with so many ports, where nothing is said.
    ///
    /// # Errors
    /// There is no memory.
    pub fn try_new(ports: usize) -> Result<Self, crate::NoMemory> {
        let mut all = Vec::new();
        let ports = ports.min(PORTS);
        all.try_reserve_exact(ports).map_err(|_| crate::NoMemory)?;
        all.resize_with(ports, PortSettings::default);
        Ok(Self {
            ports: all,
            table: 4096,
            ageing: 300,
            statics: Vec::new(),
            mirror: None,
            has_rstp: false,
            priority: 32768,
            hello: 2,
            max_age: 20,
            forward_delay: 15,
            openflow: OpenFlowSettings::default(),
        })
    }

    /// Sets what `get` has a value for.
    ///
    /// # Errors
    /// [`BadSetting`] names the word and what it needs.
    pub fn read(&mut self, get: Get<'_>) -> Result<(), BadSetting> {
        for name in Name::all() {
            let mut text = Text::default();
            // It has room for every name.
            let _ = write!(text, "{name}");
            if let Some(value) = get(text.as_str()) {
                self.set(name, value)?;
            }
        }
        Ok(())
    }

    /// Sets one thing.
    ///
    /// # Errors
    /// [`BadSetting`] says what it needs.
    #[inline(never)]
    pub fn set(&mut self, name: Name, value: &str) -> Result<(), BadSetting> {
        let set = match name.group {
            Group::Switch => self.set_switch(name.word, value),
            Group::OpenFlow => self.openflow.set(name.word, value),
            Group::Port(port) => match self.ports.get_mut(port) {
                Some(settings) => settings.set(name.word, value),
                None => Err(NO_PORT),
            },
        };
        set.map_err(|expected| BadSetting { name, expected })
    }

    fn set_switch(&mut self, word: &str, value: &str) -> Result<(), &'static str> {
        match word {
            "table" => {
                self.table =
                    number(value, 16, 65_536).ok_or("a number of addresses from 16 to 65536")? as usize;
            }
            "ageing" => {
                // IEEE 802.1Q, table 8-6
                self.ageing = number(value, 10, 1_000_000).ok_or("a number of seconds from 10 to 1000000")?;
            }
            "static" => self.set_statics(value)?,
            "mirror" => self.mirror = Some(self.port(value).ok_or(NO_PORT)?),
            "rstp" => self.has_rstp = switched(value).ok_or(SWITCHED)?,
            "priority" => {
                let priority = number(value, 0, 61_440).filter(|priority| priority % 4096 == 0);
                self.priority = priority.ok_or("a multiple of 4096 up to 61440")? as u16;
            }
            // IEEE 802.1D-2004, table 17-1
            "hello" => self.hello = number(value, 1, 2).ok_or("1 or 2 seconds")? as u8,
            "max_age" => self.max_age = number(value, 6, 40).ok_or("a number of seconds from 6 to 40")? as u8,
            _ => self.forward_delay = number(value, 4, 30).ok_or("a number of seconds from 4 to 30")? as u8,
        }
        Ok(())
    }

    /// A port by its number, the first being 1.
    fn port(&self, text: &str) -> Option<usize> {
        Some(number(text, 1, self.ports.len() as u32)? as usize - 1)
    }

    fn set_statics(&mut self, value: &str) -> Result<(), &'static str> {
        const EXPECTED: &str =
            "VLAN/ADDRESS/PORT, with commas between up to 64 of them, such as 1/02:00:00:00:00:01/2";
        self.statics.clear();
        self.statics.try_reserve(STATIC_LIMIT).map_err(|_| "more memory")?;
        for part in value.split(',') {
            let mut words = part.trim().split('/');
            let (vlan, address) = (words.next().and_then(vlan), words.next().and_then(Mac::parse));
            let port = words.next().and_then(|port| self.port(port));
            let (Some(vlan), Some(address), Some(port)) = (vlan, address, port) else { return Err(EXPECTED) };
            if !address.is_source() || words.next().is_some() || self.statics.len() == STATIC_LIMIT {
                return Err(EXPECTED);
            }
            self.statics.push((Key::new(vlan, address), port));
        }
        Ok(())
    }
}

impl PortSettings {
    fn set(&mut self, word: &str, value: &str) -> Result<(), &'static str> {
        const VLAN: &str = "a VLAN from 1 to 4094";
        const RATE: &str = "a number of frames a second up to 10000000, or 0 for no limit";
        let rate = || number(value, 0, 10_000_000).ok_or(RATE);
        match word {
            "vlan" => {
                self.vlan = vlan(value).ok_or(VLAN)?;
                if self.mode != Mode::Trunk {
                    self.mode = Mode::Access;
                }
            }
            "trunk" => self.set_trunk(value)?,
            "tunnel" => (self.mode, self.vlan) = (Mode::Tunnel, vlan(value).ok_or(VLAN)?),
            "tag" => {
                self.tag = match value {
                    "8100" => CUSTOMER_TAG,
                    "88a8" => SERVICE_TAG,
                    _ => return Err("8100 or 88a8"),
                }
            }
            "isolated" => self.is_isolated = switched(value).ok_or(SWITCHED)?,
            "mirrored" => {
                self.is_mirrored = match value {
                    "in" => (true, false),
                    "out" => (false, true),
                    "both" => (true, true),
                    "off" => (false, false),
                    _ => return Err("in, out, both or off"),
                }
            }
            "lldp" => self.lldp = Some(switched(value).ok_or(SWITCHED)?),
            "edge" => {
                self.edge = match value {
                    "auto" => Edge::Auto,
                    _ => match switched(value) {
                        Some(true) => Edge::On,
                        Some(false) => Edge::Off,
                        None => return Err("auto, on or off"),
                    },
                }
            }
            "cost" => self.cost = number(value, 1, 200_000_000).ok_or("a number from 1 to 200000000")?,
            "priority" => {
                let priority = number(value, 0, 240).filter(|priority| priority % 16 == 0);
                self.priority = priority.ok_or("a multiple of 16 up to 240")? as u8;
            }
            "broadcast" => self.storm[Flood::Broadcast as usize] = rate()?,
            "multicast" => self.storm[Flood::Multicast as usize] = rate()?,
            _ => self.storm[Flood::Unknown as usize] = rate()?,
        }
        Ok(())
    }

    fn set_trunk(&mut self, value: &str) -> Result<(), &'static str> {
        const EXPECTED: &str = "VLANs from 1 to 4094, such as 10,20-29, or all";
        self.trunk.clear();
        self.trunk.try_reserve(RANGE_LIMIT).map_err(|_| "more memory")?;
        let value = if value == "all" { "1-4094" } else { value };
        for part in value.split(',') {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (Some(from), Some(to)) = (vlan(from.trim()), vlan(to.trim())) else { return Err(EXPECTED) };
            if from > to || self.trunk.len() == RANGE_LIMIT {
                return Err(EXPECTED);
            }
            self.trunk.push((from, to));
        }
        // What was said of the native VLAN before holds; without it there is none.
        if self.mode == Mode::Tunnel {
            self.vlan = 0;
        }
        self.mode = Mode::Trunk;
        Ok(())
    }
}

/// A number within limits.
fn number(text: &str, least: u32, most: u32) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && (least..=most).contains(number))
}

/// The number of a VLAN.
fn vlan(text: &str) -> Option<u16> {
    number(text, 1, VLAN_MAX.into()).map(|number| number as u16)
}

fn switched(text: &str) -> Option<bool> {
    match text {
        "on" | "true" => Some(true),
        "off" | "false" => Some(false),
        _ => None,
    }
}

/// A name that is being written.
#[derive(Default)]
struct Text {
    bytes: [u8; 32],
    length: usize,
}

impl Text {
    fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};

    fn read(words: &[(&str, &'static str)]) -> Result<Settings, String> {
        let mut settings = Settings::try_new(3).unwrap();
        let get = |key: &str| words.iter().find(|word| word.0 == key).map(|word| word.1);
        settings.read(&get).map(|()| settings).map_err(|error| error.to_string())
    }

    #[test]
    fn each_word_sets_what_it_is_called_after() {
        let settings = read(&[
            ("switch.table", "100"),
            ("switch.ageing", "10"),
            ("switch.static", "1/02:00:00:00:00:01/2,20/02:00:00:00:00:02/3"),
            ("switch.mirror", "3"),
            ("switch.rstp", "on"),
            ("switch.priority", "4096"),
            ("port1.vlan", "10"),
            ("port1.isolated", "on"),
            ("port1.broadcast", "100"),
            ("port2.trunk", "10,20-29"),
            ("port2.tag", "88a8"),
            ("port2.mirrored", "both"),
            ("port3.tunnel", "7"),
        ]);
        let settings = settings.unwrap();
        let [one, two, three] = &settings.ports[..] else { panic!("three ports") };
        assert_eq!((one.mode, one.vlan, one.is_isolated), (Mode::Access, 10, true));
        assert_eq!(one.storm, [100, 0, 0]);
        assert_eq!((two.mode, two.vlan, &two.trunk[..]), (Mode::Trunk, 0, &[(10, 10), (20, 29)][..]));
        assert_eq!((two.tag, two.is_mirrored), (SERVICE_TAG, (true, true)));
        assert_eq!((three.mode, three.vlan), (Mode::Tunnel, 7));
        assert_eq!(settings.mirror, Some(2));
        assert!(settings.has_rstp);
        assert_eq!(settings.statics[1], (Key::new(20, Mac::new([2, 0, 0, 0, 0, 2])), 2));
    }

    #[test]
    fn a_trunk_has_a_native_vlan_where_one_is_named() {
        let settings = read(&[("port1.trunk", "all"), ("port1.vlan", "5")]).unwrap();
        assert_eq!((settings.ports[0].mode, settings.ports[0].vlan), (Mode::Trunk, 5));
    }

    #[test]
    fn a_value_that_makes_no_sense_is_told_with_what_is_needed() {
        for (key, value, sentence) in [
            ("port1.vlan", "4095", "port1.vlan= needs a VLAN from 1 to 4094"),
            ("port1.trunk", "10,,20", "port1.trunk= needs VLANs from 1 to 4094, such as 10,20-29, or all"),
            ("port2.isolated", "yes", "port2.isolated= needs on or off"),
            (
                "port4.vlan",
                "1",
                "port4.vlan= needs a port that is there: give the machine one more --net for each",
            ),
            ("switch.priority", "1", "switch.priority= needs a multiple of 4096 up to 61440"),
            ("switch.ageing", "+20", "switch.ageing= needs a number of seconds from 10 to 1000000"),
        ] {
            assert_eq!(read(&[(key, value)]).unwrap_err(), sentence);
        }
    }
}
