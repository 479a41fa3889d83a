//! A slow and obvious model of flow tables, and programs for both that are drawn from octets.
#![allow(dead_code, reason = "each user takes its part")]

use unik_sched::time::Instant;
use unik_vswitch::{
    frame::{Copied, Frame, parse::parse},
    openflow::error::Refusal,
    pipeline::{
        Datapath, Destination, Outside, PacketIn,
        action::{Action, Step},
        commands::{ALL_TABLES, CHECK_OVERLAP, FlowCommand, FlowMod},
        fields::{Field, Fields, Match},
        groups::GROUP_ANY,
        ports::{self, Port},
    },
};

/// Octets as a source of choices; zeros behind their end.
pub(crate) struct Choices<'a>(pub(crate) &'a [u8]);

impl Choices<'_> {
    pub(crate) fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn below(&mut self, bound: u8) -> u8 {
        self.next() % bound
    }
}

/// An entry as the model keeps it.
struct Entry {
    table: u8,
    priority: u16,
    matching: Match,
    cookie: u64,
    program: Vec<Step>,
}

/// All entries in a list.
#[derive(Default)]
pub(crate) struct Model {
    entries: Vec<Entry>,
}

impl Model {
    fn same(&self, table: u8, priority: u16, matching: &Match) -> Option<usize> {
        self.entries.iter().position(|entry| {
            entry.table == table && entry.priority == priority && entry.matching == *matching
        })
    }

    fn covers(wide: &Match, narrow: &Match) -> bool {
        (0..wide.mask.0.len()).all(|at| {
            let mask = wide.mask.0[at];
            mask & narrow.mask.0[at] == mask && narrow.value.0[at] & mask == wide.value.0[at]
        })
    }

    fn change(&mut self, change: &FlowMod) {
        let same = self.same(change.table, change.priority, &change.matching);
        let is_meant = |entry: &Entry| {
            (change.table == ALL_TABLES || entry.table == change.table)
                && Self::covers(&change.matching, &entry.matching)
        };
        match change.command {
            FlowCommand::Add => {
                let entry = Entry {
                    table: change.table,
                    priority: change.priority,
                    matching: change.matching,
                    cookie: change.cookie,
                    program: change.program.clone(),
                };
                match same {
                    Some(at) => self.entries[at] = entry,
                    None => self.entries.push(entry),
                }
            }
            FlowCommand::Modify => {
                let meant = self.entries.iter_mut().filter(|entry| is_meant(entry));
                meant.for_each(|entry| entry.program = change.program.clone());
            }
            FlowCommand::ModifyStrict => {
                if let Some(at) = same {
                    self.entries[at].program = change.program.clone();
                }
            }
            FlowCommand::Delete => self.entries.retain(|entry| !is_meant(entry)),
            FlowCommand::DeleteStrict => {
                if let Some(at) = same {
                    self.entries.remove(at);
                }
            }
        }
    }

    /// The ports that a frame leaves by. Which of several entries with one priority is taken is not said, so there are no such.
    fn run(&self, fields: &Fields) -> Vec<u32> {
        let mut fields = *fields;
        let mut outputs = Vec::new();
        let mut table = 0;
        loop {
            let taken =
                self.entries.iter().filter(|entry| entry.table == table && entry.matching.takes(&fields));
            let Some(best) = taken.max_by_key(|entry| entry.priority) else { return outputs };
            let mut next = None;
            for step in &best.program {
                match step {
                    Step::Action(Action::Output { port, .. }) => outputs.push(*port),
                    Step::Metadata(value, mask) => {
                        let old = fields.get(Field::METADATA) as u64;
                        fields.set(Field::METADATA, (old & !mask | value & mask).into());
                    }
                    Step::Goto(table) => next = Some(*table),
                    _ => {}
                }
            }
            match next {
                Some(next) => table = next,
                None => return outputs,
            }
        }
    }
}

#[derive(Default)]
struct Outputs(Vec<u32>);

impl Outside for Outputs {
    fn send(&mut self, destination: Destination, _: &dyn Frame) {
        self.0.push(destination.port);
    }

    fn packet_in(&mut self, _: &PacketIn<'_>) {
        self.0.push(ports::CONTROLLER);
    }

    fn unmatched(&mut self, _: &PacketIn<'_>) {}
}

/// A frame out of a small world, so that entries and frames meet.
fn frame(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, choices.below(3), 2, 0, 0, 0, 1, choices.below(3)];
    if choices.below(3) == 0 {
        bytes.extend([0x81, 0, choices.below(2) << 5, choices.below(3)]);
    }
    bytes.extend([
        8,
        0,
        0x45,
        choices.below(2) << 2,
        0,
        40,
        0,
        0,
        0,
        0,
        64,
        [6, 17][usize::from(choices.below(2))],
        0,
        0,
    ]);
    bytes.extend([10, 0, choices.below(2), choices.below(3), 10, 1, choices.below(2), choices.below(3)]);
    bytes.extend([0, choices.below(3), 0, choices.below(3)]);
    bytes.resize(64, 0);
    bytes
}

/// A match over that world. No two of a table have one priority, as each has that of the fields it wants.
fn matching(choices: &mut Choices<'_>) -> Match {
    let mut matching = Match::ANY;
    let bits = choices.next();
    if bits & 1 != 0 {
        matching.want(Field::IN_PORT, u128::from(choices.below(2) + 1));
    }
    if bits & 2 != 0 {
        matching.want(Field::ETH_DST, 0x0200_0000_0000 + u128::from(choices.below(3)));
    }
    if bits & 4 != 0 {
        matching.want_masked(Field::VLAN_VID, u128::from(choices.below(3)) | 0x1000, 0x1fff);
    }
    if bits & 8 != 0 {
        matching.want(Field::ETH_TYPE, 0x0800);
        let address = 0x0a00_0000 + u128::from(choices.below(2)) * 256 + u128::from(choices.below(3));
        matching.want_masked(
            Field::IPV4_SRC,
            address,
            [0xffff_ff00, 0xffff_ffff][usize::from(choices.below(2))],
        );
    }
    if bits & 24 == 24 {
        matching.want(Field::IP_PROTO, 17);
        matching.want(Field::UDP_DST, choices.below(3).into());
    }
    if bits & 32 != 0 {
        matching.want_masked(Field::METADATA, choices.below(4).into(), 3);
    }
    matching
}

/// Two of one priority that a frame could match would have no order.
fn priority(matching: &Match) -> u16 {
    let weight = |at: usize| matching.mask.0[at].count_ones() * (at as u32 + 1);
    let hash = (0..matching.mask.0.len()).fold(0u32, |all, at| all.wrapping_mul(31).wrapping_add(weight(at)));
    let value =
        matching.value.0.iter().fold(0u64, |all, word| all.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word);
    (u64::from(hash) ^ value ^ value >> 29) as u16
}

fn program(choices: &mut Choices<'_>, table: u8) -> Vec<Step> {
    let mut program = vec![Step::Apply];
    for _ in 0..choices.below(3) {
        program.push(Step::Action(Action::Output { port: u32::from(choices.below(3)) + 2, most: 0 }));
    }
    if choices.below(2) == 0 && table < 5 {
        program.push(Step::Metadata(choices.below(4).into(), 3));
        program.push(Step::Goto(table + 1 + choices.below(2)));
    }
    program
}

/// Does with both what the octets say, and compares where frames go. How often the flow cache knew a frame, and how often not.
pub(crate) fn compare(octets: &[u8]) -> (u64, u64) {
    let mut choices = Choices(octets);
    let mut datapath = Datapath::new(3, 1000).expect("there is memory");
    for number in 1..=4 {
        assert!(datapath.put_port(Port::new(number, [2, 0, 0, 0, 0, number as u8], "port", Instant::ZERO)));
    }
    let mut model = Model::default();
    while !choices.0.is_empty() {
        if choices.below(7) == 0 {
            command(&mut datapath, &mut model, &mut choices);
        } else {
            let bytes = frame(&mut choices);
            let ingress = u32::from(choices.below(2)) + 1;
            pass(&mut datapath, &model, ingress, &bytes);
        }
    }
    assert_eq!(datapath.flows.len(), model.entries.len());
    assert!(model.entries.iter().all(|entry| {
        let place = datapath.flows.find_same(entry.table, entry.priority, &entry.matching);
        place.and_then(|place| datapath.flows.get(place)).is_some_and(|flow| {
            flow.cookie == entry.cookie
                && flow.program == entry.program
                && datapath.flows.matching(flow) == entry.matching
        })
    }));
    datapath.cache_counters()
}

fn command(datapath: &mut Datapath, model: &mut Model, choices: &mut Choices<'_>) {
    use FlowCommand::{Add, Delete, DeleteStrict, Modify, ModifyStrict};
    let commands = [Add, Add, Add, Add, Modify, ModifyStrict, Delete, DeleteStrict];
    let command = commands[usize::from(choices.below(8))];
    let table = choices.below(4);
    let matching = matching(choices);
    let is_delete = matches!(command, Delete | DeleteStrict);
    let change = || FlowMod {
        command,
        table: if command == Delete && table == 3 { ALL_TABLES } else { table },
        cookie: u64::from(table) + u64::from(priority(&matching)),
        cookie_mask: 0,
        idle: 0,
        hard: 0,
        priority: priority(&matching),
        out_port: ports::ANY,
        out_group: GROUP_ANY,
        flags: 0,
        matching,
        program: Vec::new(),
        is_1_0: false,
    };
    let program = if is_delete { Vec::new() } else { program(choices, table) };
    model.change(&FlowMod { program: program.clone(), ..change() });
    let done = datapath.flow_mod(FlowMod { program, ..change() }, Instant::ZERO, &mut |_, _, _| ());
    assert_eq!(done, Ok(()));
}

fn pass(datapath: &mut Datapath, model: &Model, ingress: u32, bytes: &[u8]) {
    let mut copy = Copied::default();
    assert!(copy.fill(bytes));
    let mut fields = parse(bytes).fields;
    fields.set(Field::IN_PORT, ingress.into());
    fields.set(Field::IN_PHY_PORT, ingress.into());
    // A frame does not leave by the port that it came in on.
    let expected: Vec<u32> = model.run(&fields).into_iter().filter(|port| *port != ingress).collect();
    let mut outputs = Outputs::default();
    let last = datapath.frame(ingress, &mut copy, Instant::ZERO, &mut outputs);
    outputs.0.extend(last.map(|destination| destination.port));
    // Which of two entries of one priority is taken is not said.
    if !is_ambiguous(model, &fields) {
        assert_eq!(outputs.0, expected, "{bytes:02x?} from {ingress}");
    }
    assert_eq!(copy.bytes(), bytes);
}

/// Whether two entries of one priority, by a chance of one in many thousands, take the frame.
fn is_ambiguous(model: &Model, fields: &Fields) -> bool {
    let mut any = *fields;
    (0..4u64).any(|metadata| {
        any.set(Field::METADATA, metadata.into());
        let taken: Vec<&Entry> = model.entries.iter().filter(|entry| entry.matching.takes(&any)).collect();
        taken.iter().enumerate().any(|(at, one)| {
            taken.iter().skip(at + 1).any(|two| (one.table, one.priority) == (two.table, two.priority))
        })
    })
}

/// Adds entries unless they overlap, and compares whether they do with what a list of them says. How many did.
pub(crate) fn compare_overlaps(octets: &[u8]) -> usize {
    let mut choices = Choices(octets);
    let mut datapath = Datapath::new(5, 1000).expect("there is memory");
    let mut entries: Vec<(u8, u16, Match)> = Vec::new();
    let mut refused = 0;
    while !choices.0.is_empty() {
        let (table, priority, matching) = (choices.below(2), choices.below(3).into(), matching(&mut choices));
        let overlaps = entries.iter().any(|(its_table, its_priority, other)| {
            let words = 0..matching.mask.0.len();
            let mut differences = words.map(|at| {
                (matching.value.0[at] ^ other.value.0[at]) & matching.mask.0[at] & other.mask.0[at]
            });
            (*its_table, *its_priority) == (table, priority) && differences.all(|bits| bits == 0)
        });
        let done = add(&mut datapath, table, priority, matching);
        assert_eq!(done, if overlaps { Err(Refusal::OVERLAP) } else { Ok(()) });
        refused += usize::from(overlaps);
        if !overlaps {
            entries.push((table, priority, matching));
        }
        // One of those that are there goes now and then.
        if choices.below(8) == 0 && !entries.is_empty() {
            let (table, priority, matching) =
                entries.swap_remove(usize::from(choices.next()) % entries.len());
            let delete = FlowMod { command: FlowCommand::DeleteStrict, ..new(table, priority, matching) };
            assert_eq!(datapath.flow_mod(delete, Instant::ZERO, &mut |_, _, _| ()), Ok(()));
        }
    }
    assert_eq!(datapath.flows.len(), entries.len());
    refused
}

/// An entry that does nothing, as a command that says whether it overlaps others.
fn new(table: u8, priority: u16, matching: Match) -> FlowMod {
    FlowMod {
        command: FlowCommand::Add,
        table,
        cookie: 0,
        cookie_mask: 0,
        idle: 0,
        hard: 0,
        priority,
        out_port: ports::ANY,
        out_group: GROUP_ANY,
        flags: CHECK_OVERLAP,
        matching,
        program: Vec::new(),
        is_1_0: false,
    }
}

/// Adds an entry that does nothing, unless it overlaps another one.
pub(crate) fn add(datapath: &mut Datapath, table: u8, priority: u16, matching: Match) -> Result<(), Refusal> {
    datapath.flow_mod(new(table, priority, matching), Instant::ZERO, &mut |_, _, _| ())
}
