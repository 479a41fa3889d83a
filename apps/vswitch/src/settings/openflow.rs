//! What the operator chooses about controllers.

use super::number;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// The port of the protocol, as IANA has it (OpenFlow 1.3.5, 6.3.1).
const PORT: u16 = 6653;
/// The most controllers that are called.
const CONTROLLERS: usize = 4;

/// The words, which begin with `openflow.`
pub(super) const WORDS: [&str; 5] = ["listen", "controllers", "fail", "flows", "datapath"];

/// Who may program the switch, and what it does when nobody does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenFlowSettings {
    /// The port of `net0` on which controllers may call.
    pub listen: Option<u16>,
    /// The controllers that are called.
    pub controllers: Vec<SocketAddr>,
    /// Without a controller, the tables say what they said, and it is no learning switch (OpenFlow 1.3.5, 6.3.2).
    pub is_secure: bool,
    /// The most flow entries.
    pub flows: usize,
    /// The identifier of the switch, where it is not that of `net0`.
    pub datapath: Option<u64>,
}

impl Default for OpenFlowSettings {
    fn default() -> Self {
        Self { listen: None, controllers: Vec::new(), is_secure: false, flows: 16_384, datapath: None }
    }
}

impl OpenFlowSettings {
    /// Whether there is anything of it at all.
    pub fn is_on(&self) -> bool {
        self.listen.is_some() || !self.controllers.is_empty()
    }

    pub(super) fn set(&mut self, word: &str, value: &str) -> Result<(), &'static str> {
        match word {
            "listen" => {
                let port = if value == "on" { Some(PORT.into()) } else { number(value, 1, 65_535) };
                self.listen = Some(port.ok_or("on, for 6653, or the number of a port")? as u16);
            }
            "controllers" => self.set_controllers(value)?,
            "fail" => {
                self.is_secure = match value {
                    "standalone" => false,
                    "secure" => true,
                    _ => return Err("standalone or secure"),
                }
            }
            "flows" => {
                let flows = number(value, 16, 1_000_000).ok_or("a number of entries from 16 to 1000000")?;
                self.flows = flows as usize;
            }
            _ => {
                let datapath = u64::from_str_radix(value, 16).ok().filter(|_| value.len() == 16);
                self.datapath = Some(datapath.ok_or("sixteen hexadecimal digits")?);
            }
        }
        Ok(())
    }

    fn set_controllers(&mut self, value: &str) -> Result<(), &'static str> {
        const EXPECTED: &str =
            "addresses of up to 4 controllers with commas between, such as tcp:192.0.2.1:6653";
        self.controllers.clear();
        self.controllers.try_reserve(CONTROLLERS).map_err(|_| "more memory")?;
        for part in value.split(',') {
            let part = part.trim();
            let part = part.strip_prefix("tcp:").unwrap_or(part);
            let with_port = part.parse::<SocketAddr>().ok();
            let alone = || Some(SocketAddr::new(part.parse::<IpAddr>().ok()?, PORT));
            let address = with_port.or_else(alone).filter(|address| address.port() != 0).ok_or(EXPECTED)?;
            if self.controllers.len() == CONTROLLERS || self.controllers.contains(&address) {
                return Err(EXPECTED);
            }
            self.controllers.push(address);
        }
        Ok(())
    }
}
