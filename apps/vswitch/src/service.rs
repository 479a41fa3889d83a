//! The service: a switch between the cards of a machine.
//!
//! One task, the caller's, works the [`Plane`], which has all cards and the [`Switch`]; each controller has a task of its own, which
//! changes the plane's tables between two of its turns. When the appliance is asked to end, it ends at once: what is
//! on its way is not worth a wait.

#[cfg(test)]
#[path = "../tests/card/mod.rs"]
mod card;
mod cards;
mod commands;
mod control;
mod controllers;
mod long;
mod outputs;
mod plane;
mod reports;
#[cfg(feature = "tls")]
mod secure;
#[cfg(not(feature = "tls"))]
#[path = "service/plain.rs"]
mod secure;
mod stream;
mod talk;
mod ways;

use crate::NoMemory;
use crate::address::Mac;
use crate::file::{FILE, FileError, apply};
use crate::settings::{BadSetting, OpenFlowSettings, PORTS, Settings};
use crate::switch::Switch;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::ToString as _;
use control::Control;
use controllers::Company;
use core::cell::RefCell;
use core::fmt;
pub use plane::{Plane, SharedPlane};
use secure::Door;
pub use secure::Wall;
use unik::net::Net;
use unik::time::Time;
use unik::{Commands, Counters, Failure, Files, Ports, Shutdown, Spawner, select};

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
    /// A key or a certificate is.
    #[cfg(feature = "tls")]
    Tls(crate::tls::Error),
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
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.fmt(f),
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

/// A switch for these ports, by `vswitch.toml` of the data and by the words of the configuration, which go before that; and what they
/// say about controllers. Nobody outside may know `seed`.
///
/// # Errors
/// There is no port, a word makes no sense, or memory is lacking.
pub fn prepare(
    ports: Option<&Ports>,
    files: Option<&Files>,
    seed: u64,
    get: &dyn Fn(&str) -> Option<&'static str>,
) -> Result<(SharedSwitch, OpenFlowSettings), Error> {
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
    let switch = Switch::try_new(&settings, addresses, seed)?;
    Ok((Rc::new(RefCell::new(switch)), settings.openflow))
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

/// Lets an operator ask how the controllers are.
pub fn show_controllers(plane: &SharedPlane, commands: &Commands) {
    commands::register_controllers(commands, plane);
}

/// Who may program the switch, and what connections are made with.
pub struct Access {
    settings: OpenFlowSettings,
    door: Door,
}

impl Access {
    /// Reads key and certificates out of the data, where the settings want TLS.
    ///
    /// # Errors
    /// One of them is wrong, or is not there.
    pub fn open(settings: OpenFlowSettings, files: Option<&Files>, wall: Wall) -> Result<Self, Error> {
        let door = Door::open(&settings, files, wall)?;
        Ok(Self { settings, door })
    }
}

/// The cards under the switch, and, where the settings name some, controllers that are called through `net`, or call. Nobody
/// outside may know `seed`.
///
/// # Errors
/// Memory is lacking, for tables or for tasks.
pub fn connect(
    switch: SharedSwitch,
    ports: Ports,
    Access { settings, door }: Access,
    net: Net,
    spawner: &Spawner,
    time: &Time,
    seed: u64,
) -> Result<SharedPlane, Error> {
    let control = if settings.is_on() {
        let datapath = settings.datapath.unwrap_or_else(|| datapath_of(net.hardware_address()));
        let cards = ports.iter().map(|port| (port.name, port.nic.hardware_address()));
        Some(Control::try_new(&settings, datapath, cards, seed, time.now())?)
    } else {
        None
    };
    let mut plane = Plane::new(switch, ports.into_iter());
    if let Some(control) = control {
        plane.put_under(control);
    }
    let plane = Rc::new(RefCell::new(plane));
    door.follow(&net);
    let company = Company { net, door, plane: plane.clone(), time: time.clone() };
    if let Some(listen) = settings.listen {
        let task = controllers::answer(company.clone(), listen, spawner.clone());
        spawner.spawn("openflow", task).map_err(|_| Error::NoMemory)?;
    }
    for controller in settings.controllers {
        let task = controllers::call(company.clone(), controller);
        spawner.spawn("controller", task).map_err(|_| Error::NoMemory)?;
    }
    Ok(plane)
}

/// The identifier of a switch whose management card has this address: OpenFlow 1.3.5, 7.3.1, with the upper bits zero.
fn datapath_of(address: [u8; 6]) -> u64 {
    address.into_iter().fold(0, |number, octet| number << 8 | u64::from(octet))
}

/// Switches until it is asked to end.
pub async fn serve(plane: SharedPlane, time: &Time, shutdown: Shutdown) {
    select(Plane::run(&plane, time), shutdown.requested()).await;
}
