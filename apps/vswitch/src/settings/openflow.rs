//! What the operator chooses about controllers.

use super::number;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// The port of the protocol, as IANA has it (OpenFlow 1.3.5, 6.3.1).
const PORT: u16 = 6653;
/// The most controllers that are called.
const CONTROLLERS: usize = 4;

/// The words, which begin with `openflow.`
pub(super) const WORDS: [&str; 5] = ["listen", "controllers", "fail", "flows", "datapath"];

/// What connections of the protocol are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TCP alone.
    Tcp,
    /// TLS, where each side shows a certificate.
    Tls,
}

/// A controller, as it is found, or as it has called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Controller {
    /// What its connection is made of.
    pub transport: Transport,
    /// Where it is.
    pub address: SocketAddr,
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.transport {
            Transport::Tcp => "tcp:",
            Transport::Tls => "ssl:",
        })?;
        self.address.fmt(f)
    }
}

/// Who may program the switch, and what it does when nobody does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenFlowSettings {
    /// The port of `net0` on which controllers may call, and what their connections are made of.
    pub listen: Option<(Transport, u16)>,
    /// The controllers that are called.
    pub controllers: Vec<Controller>,
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

    /// Whether any of it is to have TLS.
    pub fn has_tls(&self) -> bool {
        let listens = matches!(self.listen, Some((Transport::Tls, _)));
        listens || self.controllers.iter().any(|controller| controller.transport == Transport::Tls)
    }

    pub(super) fn set(&mut self, word: &str, value: &str) -> Result<(), &'static str> {
        match word {
            "listen" => {
                let named = |name| {
                    value.strip_prefix(name).and_then(|rest| match rest {
                        "" => Some("on"),
                        _ => rest.strip_prefix(':'),
                    })
                };
                let (transport, port) = match (named("pssl"), named("ptcp")) {
                    (Some(port), _) => (tls()?, port),
                    (_, port) => (Transport::Tcp, port.unwrap_or(value)),
                };
                let port = if port == "on" { Some(PORT.into()) } else { number(port, 1, 65_535) };
                let port = port.ok_or("on, for 6653, or the number of a port; with TLS pssl:6653")?;
                self.listen = Some((transport, port as u16));
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
            let (transport, part) = match part.strip_prefix("ssl:") {
                Some(part) => (tls()?, part),
                None => (Transport::Tcp, part.strip_prefix("tcp:").unwrap_or(part)),
            };
            let with_port = part.parse::<SocketAddr>().ok();
            let alone = || Some(SocketAddr::new(part.parse::<IpAddr>().ok()?, PORT));
            let address = with_port.or_else(alone).filter(|address| address.port() != 0).ok_or(EXPECTED)?;
            let is_known = self.controllers.iter().any(|known| known.address == address);
            if self.controllers.len() == CONTROLLERS || is_known {
                return Err(EXPECTED);
            }
            self.controllers.push(Controller { transport, address });
        }
        Ok(())
    }
}

/// TLS, where it is built in.
fn tls() -> Result<Transport, &'static str> {
    const NEEDED: &str = "tcp: or ptcp:, since this image is built without TLS: --features tls brings it";
    if cfg!(feature = "tls") { Ok(Transport::Tls) } else { Err(NEEDED) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn read(word: &str, value: &str) -> Result<OpenFlowSettings, &'static str> {
        let mut settings = OpenFlowSettings::default();
        settings.set(word, value).map(|()| settings)
    }

    #[test]
    fn a_port_may_be_named_as_open_vswitch_does() {
        for (value, port) in
            [("on", 6653), ("6640", 6640), ("ptcp", 6653), ("ptcp:on", 6653), ("ptcp:6640", 6640)]
        {
            assert_eq!(
                read("listen", value).map(|read| read.listen),
                Ok(Some((Transport::Tcp, port))),
                "{value}"
            );
        }
        for value in
            ["", ":", "0", "ptcp:", "ptcp6640", "65536", "ptcp:0", "ptcp:6640:192.0.2.1", "tcp:6640", "off"]
        {
            assert!(read("listen", value).is_err(), "{value}");
        }
    }

    #[test]
    fn tls_is_there_where_it_is_built_in() {
        let listen = ["pssl", "pssl:6640"].map(|value| read("listen", value).map(|read| read.listen));
        let called = read("controllers", "ssl:192.0.2.1,tcp:192.0.2.2,ssl:[2001:db8::1]:6640");
        if cfg!(feature = "tls") {
            assert_eq!(listen, [6653, 6640].map(|port| Ok(Some((Transport::Tls, port)))));
            let called = called.expect("it is built in");
            let names: Vec<_> = called.controllers.iter().map(ToString::to_string).collect();
            assert_eq!(names, ["ssl:192.0.2.1:6653", "tcp:192.0.2.2:6653", "ssl:[2001:db8::1]:6640"]);
            assert!(called.has_tls());
        } else {
            let needed = "tcp: or ptcp:, since this image is built without TLS: --features tls brings it";
            assert!(listen.iter().all(|listen| *listen == Err(needed)) && called == Err(needed));
        }
        assert!(!read("controllers", "192.0.2.1").expect("an address").has_tls());
        assert!(read("controllers", "tcp:192.0.2.1,192.0.2.1:6653").is_err(), "one controller twice");
    }
}
