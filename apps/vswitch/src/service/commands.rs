//! What an operator can ask through the inspection channel: addresses, ports, VLANs, neighbours, the tree, controllers.

use super::{SharedPlane, SharedSwitch};
use crate::openflow::{Role, V1_0};
use crate::switch::Switch;
use crate::table::Kind;
use alloc::rc::Rc;
use unik::Commands;
use unik::command::{Command, Declined, Line};

/// Writes the line at a position, and gives the position of the next.
type Write = fn(&Switch, usize, &mut Line) -> Option<usize>;

/// What can be asked: its name, its help, its headings and its lines.
const ALL: [(&str, &str, &str, Write); 5] = [
    (
        "addresses",
        "Shows the addresses that are known, and where.",
        "VLAN\tADDRESS\tPORT\tKIND\t AGE",
        address,
    ),
    (
        "ports",
        "Shows the ports: link, role and state in the spanning tree.",
        "PORT\tLINK\tROLE\tSTATE\t IN\t OUT\t FLOODED",
        port,
    ),
    (
        "vlans",
        "Shows the VLANs, their ports, and what has passed.",
        "VLAN\tPORTS\tPLAIN\t FRAMES\t OCTETS\t FLOODED",
        vlan,
    ),
    (
        "neighbors",
        "Shows the neighbours that LLDP tells of.",
        "PORT\tCHASSIS\tTHEIR PORT\tNAME\tDESCRIPTION\t LEFT",
        neighbor,
    ),
    ("tree", "Shows the spanning tree.", "BRIDGE\tROOT\t COST\tPORT", tree),
];

/// Lets `commands` reach the switch.
pub(super) fn register(commands: &Commands, switch: &SharedSwitch) {
    for (name, help, headings, write) in ALL {
        commands.register(name, help, Rc::new(Show { switch: switch.clone(), headings, write }));
    }
}

/// Lets `commands` reach the controllers of a plane.
pub(super) fn register_controllers(commands: &Commands, plane: &SharedPlane) {
    let help = "Shows the controllers: those that are called, those that have called, and why the last connection ended.";
    commands.register("controllers", help, Rc::new(ShowControllers(plane.clone())));
}

struct Show {
    switch: SharedSwitch,
    headings: &'static str,
    write: Write,
}

impl Command for Show {
    fn start(&self, _: &str, line: &mut Line) -> Result<Option<u64>, Declined> {
        line.push(self.headings);
        Ok(Some(0))
    }

    fn next(&self, _: &str, position: u64, line: &mut Line) -> Option<u64> {
        // It is asked between two turns of the plane.
        let switch = self.switch.try_borrow().ok()?;
        Some((self.write)(&switch, position as usize, line)? as u64)
    }
}

struct ShowControllers(SharedPlane);

impl Command for ShowControllers {
    fn start(&self, _: &str, line: &mut Line) -> Result<Option<u64>, Declined> {
        line.push("CONTROLLER\tSTATE\tVERSION\tROLE\tLAST ERROR");
        Ok(Some(0))
    }

    fn next(&self, _: &str, position: u64, line: &mut Line) -> Option<u64> {
        let mut plane = self.0.try_borrow_mut().ok()?;
        let (report, known) = plane.control()?.report(position as usize)?;
        write!(line, "{}\t", report.controller);
        line.push(match (report.id, known) {
            (None, _) => "away",
            (_, Some((_, 1..))) => "there",
            _ => "greets",
        });
        match known {
            Some((role, version @ 1..)) => {
                line.push(if version == V1_0 { "\t1.0\t" } else { "\t1.3\t" });
                line.push(match role {
                    Role::Equal => "equal\t",
                    Role::Master => "master\t",
                    Role::Slave => "slave\t",
                });
            }
            _ => line.push("\t\t\t"),
        }
        if let Some(end) = report.last {
            write!(line, "{end}");
        }
        Some(position + 1)
    }
}

fn address(switch: &Switch, position: usize, line: &mut Line) -> Option<usize> {
    let (known, next) = switch.address_at(position)?;
    write!(line, "{}\t{}\tport{}\t", known.key.vlan(), known.key.address(), known.port + 1);
    match known.kind {
        Kind::Static => line.push("static\t"),
        Kind::Learned => write!(line, "learned\t{}", known.age),
    }
    Some(next)
}

fn port(switch: &Switch, index: usize, line: &mut Line) -> Option<usize> {
    let counters = switch.port_counters(index)?;
    let (is_up, learns, forwards) = switch.state(index);
    let role = switch.role(index);
    write!(line, "port{}\t", index + 1);
    line.push(if is_up { "up\t" } else { "down\t" });
    line.push(match role {
        _ if switch.mirror() == Some(index) => "mirror",
        None => "",
        Some((_, true)) => "edge",
        Some((role, _)) => role.name(),
    });
    line.push(match (learns, forwards) {
        (_, true) => "\tforwarding",
        (true, false) => "\tlearning",
        (false, false) => "\tdiscarding",
    });
    let counts = [&counters.in_frames, &counters.out_frames, &counters.flooded];
    counts.iter().for_each(|count| write!(line, "\t{}", count.get()));
    Some(index + 1)
}

fn vlan(switch: &Switch, index: usize, line: &mut Line) -> Option<usize> {
    let vlan = switch.vlans().get(index)?;
    write!(line, "{}", vlan.number);
    for ports in [vlan.members, vlan.members & vlan.plain] {
        let mut mark = "\t";
        for index in (0..8).filter(|index| ports & 1 << index != 0) {
            line.push(mark);
            write!(line, "{}", index + 1);
            mark = ",";
        }
        if ports == 0 {
            line.push("\t");
        }
    }
    write!(line, "\t{}\t{}\t{}", vlan.frames, vlan.octets, vlan.flooded);
    Some(index + 1)
}

fn neighbor(switch: &Switch, index: usize, line: &mut Line) -> Option<usize> {
    let neighbor = switch.neighbors().get(index)?;
    write!(line, "port{}\t{}\t{}", neighbor.port + 1, neighbor.chassis, neighbor.their_port);
    let left = neighbor.until.duration_since(switch.now()).as_secs();
    write!(line, "\t{}\t{}\t{left}", neighbor.name, neighbor.description);
    Some(index + 1)
}

fn tree(switch: &Switch, index: usize, line: &mut Line) -> Option<usize> {
    let tree = switch.tree().filter(|_| index == 0)?;
    for bridge in [tree.bridge, tree.root] {
        // Its priority, then its address
        write!(line, "{}.{}\t", bridge >> 48, crate::address::Key(bridge).address());
    }
    write!(line, "{}\t", tree.cost);
    match tree.port {
        Some(port) => write!(line, "port{}", port + 1),
        None => line.push("this is the root"),
    }
    Some(1)
}
