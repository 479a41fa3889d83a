//! A network whose hosts are found by their names, by the servers that `net0.dns=ADDRESS`, DHCP or a router names.

use crate::entropy::Entropy;
use crate::net;
use crate::outcome::Failure;
use crate::resource::Resource;
use crate::system::System;
use alloc::boxed::Box;
use alloc::string::ToString;
use core::ops::Deref;
use unik_net::resolver::{Addresses, NameError, Resolver, Settings};
use unik_net::{Net, TcpStream};

const COUNTERS: &str = "resolver";

/// A [`Net`] whose hosts are found by their names. It asks the servers that `net0.dns=` names, or else those that DHCP or a router names,
/// and searches short names below those of `net0.search=`.
///
/// ```no_run
/// use unik::{NamedNet, net::NameError};
///
/// #[unik::main]
/// async fn main(net: NamedNet) -> Result<(), NameError> {
///     let stream = net.connect_to("example.org", 80).await?;
///     unik::log::info!("connected to {}", stream.peer_address());
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct NamedNet {
    net: Net,
    resolver: Resolver,
}

impl NamedNet {
    /// The addresses of a host, in the order in which to try them: at least one. What the servers say is remembered for as
    /// long as they say. An address as text is that address.
    ///
    /// # Errors
    /// Any [`NameError`].
    pub async fn resolve(&self, name: &str) -> Result<Addresses, NameError> {
        self.resolver.resolve(name).await
    }

    /// Connects to a TCP listener on a host: to its addresses in turn, until one accepts.
    ///
    /// # Errors
    /// Any [`NameError`].
    pub async fn connect_to(&self, name: &str, port: u16) -> Result<TcpStream, NameError> {
        self.resolver.connect(name, port).await
    }
}

impl Deref for NamedNet {
    type Target = Net;

    fn deref(&self) -> &Net {
        &self.net
    }
}

impl Resource for NamedNet {
    async fn take<const LOOKED: bool>(system: &System) -> Result<Self, Failure> {
        let (words, entropy) = (system.config(), Entropy::of(system)?);
        let net = net::start_first(system)?;
        let settings = Settings::parse(net.name(), &mut |key| words.get(key))
            .map_err(|error| Failure::Configuration(error.to_string()))?;
        let resolver = Resolver::new(net.clone(), settings, Box::new(move || entropy.next_u64()));
        system.counters().register(COUNTERS, resolver.counters());
        if LOOKED {
            net::watch(system, &net);
        }
        net.configured().await;
        net::note(system, net.name(), &net);
        Ok(Self { net, resolver })
    }

    fn is_present(system: &System) -> bool {
        Net::is_present(system)
    }
}
