//! Sends its log to the collector that `log.syslog=` names, and logs what it hears on port 7.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::net::{Error, Net};
use unik::{Monitor, Syslog, log};

#[unik::main]
async fn main(net: Net, syslog: Syslog, _monitor: Option<Monitor>) -> Result<(), Error> {
    syslog.follow(&net);
    log::warn!("this host\nlogs afar");
    let mut socket = net.udp(7).await?;
    let mut datagram = [0; 1500];
    loop {
        let (length, peer) = socket.receive_from(&mut datagram).await?;
        let text = core::str::from_utf8(&datagram[..length]).unwrap_or("what is no text");
        log::info!("heard {text} from {peer}");
    }
}
