//! The service: a switch between the cards of a machine.
//!
//! One task, the caller's, has all cards and the [`Switch`] ([`plane`]). When the appliance is asked to end, it ends at once: what is
//! on its way is not worth a wait.

mod commands;
mod plane;

use crate::NoMemory;
use crate::address::Mac;
use crate::file::{FILE, FileError, apply};
use crate::settings::{BadSetting, PORTS, Settings};
use crate::switch::Switch;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::ToString as _;
use core::cell::RefCell;
use core::fmt;
pub use plane::Plane;
use unik::ports::Port;
use unik::time::Time;
use unik::{Commands, Counters, Failure, Files, Ports, Shutdown, select};

/// The switch, which is looked at between two turns of the plane.
pub type SharedSwitch = Rc<RefCell<Switch>>;

/// Why the service never began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to switch between.
    NoPort,
    /// A word of the configuration is wrong.
    Setting(BadSetting),
    /// The file of settings is.
    File(FileError<'static>),
    /// There is no memory for the tables.
    NoMemory,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPort => f.write_str(
                "the switch has no port: the first network card is for management, give it one more --net for each port",
            ),
            Self::Setting(error) => error.fmt(f),
            Self::File(error) => error.fmt(f),
            Self::NoMemory => f.write_str("there is no memory for the tables of the switch: switch.table= makes them smaller"),
        }
    }
}

impl core::error::Error for Error {}

impl From<BadSetting> for Error {
    fn from(error: BadSetting) -> Self {
        Self::Setting(error)
    }
}

impl From<FileError<'static>> for Error {
    fn from(error: FileError<'static>) -> Self {
        Self::File(error)
    }
}

impl From<NoMemory> for Error {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NoMemory => Self::Error(Box::new(error)),
            _ => Self::Configuration(error.to_string()),
        }
    }
}

/// A switch for these ports, by `vswitch.toml` of the data and by the words of the configuration, which go before that. Nobody
/// outside may know `seed`.
///
/// # Errors
/// There is no port, a word makes no sense, or memory is lacking.
pub fn prepare(
    ports: Option<&Ports>,
    files: Option<&Files>,
    seed: u64,
    get: &dyn Fn(&str) -> Option<&'static str>,
) -> Result<SharedSwitch, Error> {
    let ports = ports.ok_or(Error::NoPort)?;
    let mut settings = Settings::try_new(ports.len())?;
    if let Some(file) = files.and_then(|files| files.read(FILE)) {
        apply(&mut settings, file)?;
    }
    settings.read(get)?;
    let mut addresses = [Mac::default(); PORTS];
    for (address, port) in addresses.iter_mut().zip(ports.iter()) {
        *address = Mac::new(port.nic.hardware_address());
    }
    let addresses = addresses.get(..ports.len()).unwrap_or_default();
    Ok(Rc::new(RefCell::new(Switch::try_new(&settings, addresses, seed)?)))
}

/// Lets the registry tell what the switch has counted: each port beside its card.
pub fn count(switch: &Switch, ports: &Ports, counters: &Counters) {
    for (index, port) in ports.iter().enumerate() {
        if let Some(set) = switch.port_counters(index) {
            counters.register(port.name, set);
        }
    }
    counters.register("switch", switch.counters());
    counters.register("lldp", switch.lldp_counters());
}

/// Lets an operator ask how the switch is.
pub fn show(switch: &SharedSwitch, commands: &Commands) {
    commands::register(commands, switch);
}

/// Switches until it is asked to end.
pub async fn serve(switch: SharedSwitch, ports: impl Iterator<Item = Port>, time: Time, shutdown: Shutdown) {
    let plane = Plane::new(switch, ports);
    select(plane.run(&time), shutdown.requested()).await;
}
