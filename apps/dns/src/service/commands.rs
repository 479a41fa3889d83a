//! What an operator can ask through the inspection channel: how the zones are, and to look for newer versions now.

use super::maintenance::Maintenance;
use alloc::rc::Rc;
use unik::Commands;
use unik::command::{Command, Declined, Line};

/// Lets `commands` reach what `maintenance` knows and does.
pub(super) fn register(commands: &Commands, maintenance: &Rc<Maintenance>) {
    let zones = Rc::new(Zones(maintenance.clone()));
    commands.register("zones", "Shows the zones: where they come from and how they are.", zones);
    let reload = Rc::new(Reload(maintenance.clone()));
    commands.register("reload", "Asks primaries for newer versions now: reload [ZONE].", reload);
    let notify = Rc::new(Notify(maintenance.clone()));
    commands.register("notify", "Tells secondaries of the versions now: notify [ZONE].", notify);
}

/// A line for each zone.
struct Zones(Rc<Maintenance>);

impl Command for Zones {
    fn start(&self, _: &str, line: &mut Line) -> Result<Option<u64>, Declined> {
        line.push("ZONE\tSTATE\t SERIAL\t RECORDS\t QUERIES\tFROM\t NEXT\t EXPIRES");
        Ok(Some(0))
    }

    fn next(&self, _: &str, position: u64, line: &mut Line) -> Option<u64> {
        self.0.describe(position as usize, line)?;
        Some(position + 1)
    }
}

/// Begins to ask for newer versions.
struct Reload(Rc<Maintenance>);

impl Command for Reload {
    fn start(&self, zone: &str, line: &mut Line) -> Result<Option<u64>, Declined> {
        match (self.0.refresh(zone), zone) {
            (0, "") => line
                .push("no zone comes from another server: those of files change with the image's data only"),
            (0, zone) => {
                write!(
                    line,
                    "{zone} is no zone here that comes from another server: those of files change with the image's data only"
                );
            }
            (count, _) => {
                write!(line, "{count} being asked for: 'zones' and the log tell what comes of it");
                return Ok(None);
            }
        }
        Err(Declined)
    }
}

/// Begins to tell of the versions.
struct Notify(Rc<Maintenance>);

impl Command for Notify {
    fn start(&self, zone: &str, line: &mut Line) -> Result<Option<u64>, Declined> {
        match (self.0.announce_named(zone), zone) {
            (0, "") => line.push("no zone has a notify: in dns.conf"),
            (0, zone) => write!(line, "{zone} is no zone here with a notify: in dns.conf"),
            (count, _) => {
                write!(line, "{count} being told: the log says who does not answer");
                return Ok(None);
            }
        }
        Err(Declined)
    }
}
