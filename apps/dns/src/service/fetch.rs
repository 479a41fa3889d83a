//! The sockets of a conversation with a primary.

use super::{Platform, SharedServer};
use crate::origin::Clock;
use crate::text::End;
use crate::transfer::{Fetch, FetchError, Step, Wanted};
use core::fmt;
use core::net::SocketAddr;
use unik::io::{Read, Write};
use unik::net::{self, TcpStream};
use unik::time::Duration;
use unik::{log, yield_now};

/// How long a primary has to accept a connection, and for each piece of what it sends.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long all of it may take, so that nobody keeps the others from being asked.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// How asking a primary ended.
pub(super) enum Outcome {
    /// It has what we have.
    Current,
    /// There is a new version, and it is served.
    New,
}

/// Why asking a primary failed.
enum Failure {
    Net(net::Error),
    /// It did not answer in time.
    Silence,
    /// It closed the connection before the end.
    Closed,
    Fetch(FetchError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Net(error) => return error.fmt(f),
            Self::Fetch(error) => return error.fmt(f),
            Self::Silence => "it does not answer",
            Self::Closed => "it closed the connection",
        })
    }
}

impl From<net::Error> for Failure {
    fn from(error: net::Error) -> Self {
        Self::Net(error)
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

/// Asks the primary with the number `primary` for a newer version of the zone at `place`, and serves it. `None` where that was in
/// vain: the log says why.
pub(super) async fn fetch(
    server: &SharedServer,
    platform: &Platform,
    place: usize,
    primary: usize,
) -> Option<Outcome> {
    let (wanted, primary) = {
        let server = server.borrow();
        let options = server.options(place)?;
        let primary = *options.request().get(primary)?;
        let wanted = Wanted {
            name: options.wire_name()?,
            current: server.zone_at(place),
            limit: options.size_limit().unwrap_or(u32::MAX) as usize,
            is_axfr_only: primary.is_axfr_only(),
            may_fall_back: options.allows_axfr_fallback(),
        };
        (wanted, primary)
    };
    let address = primary.address();
    match converse(server, platform, wanted, address, primary.key()).await {
        Ok((Step::Zone(zone), is_whole)) => {
            let (serial, records, from) = (zone.serial(), zone.records(), End(address));
            let how = if is_whole { "whole" } else { "changes" };
            log::info!(
                "zone {} fetched from {from} ({how}), serial {serial}, {records} records",
                zone.name()
            );
            let transfers = server.borrow().transfers().clone();
            if is_whole {
                transfers.axfr_in.increment()
            } else {
                transfers.ixfr_in.increment()
            }
            // Both take their time.
            yield_now().await;
            let is_served = server.borrow_mut().replace_at(place, zone);
            if !is_served {
                log::error!("there is no memory to serve what was fetched");
            }
            is_served.then_some(Outcome::New)
        }
        Ok(_) => Some(Outcome::Current),
        Err(failure) => {
            let server = server.borrow();
            let name = core::str::from_utf8(server.options(place)?.name()).unwrap_or_default();
            log::warn!("zone {name} is not fetched from {}: {failure}", End(address));
            None
        }
    }
}

/// Talks with the primary at `address`, to whom messages are signed with the key of this number, until there is an end; says too
/// whether what came is the whole zone.
async fn converse(
    server: &SharedServer,
    platform: &Platform,
    wanted: Wanted,
    address: SocketAddr,
    key: Option<usize>,
) -> Result<(Step, bool), Failure> {
    let mut fetch = Fetch::try_new(wanted).ok_or(FetchError::NoMemory)?;
    let mut connection: Option<TcpStream> = None;
    let end = platform.time.now() + LONGEST;
    loop {
        let id = platform.entropy.next_u32() as u16;
        let step = fetch.advance(server.borrow().key(key), platform.date(), id)?;
        if matches!(step, Step::Current | Step::Zone(_)) {
            return Ok((step, fetch.is_whole()));
        }
        let moved = async {
            match (&step, &mut connection) {
                (Step::Connect, _) => {
                    connection = Some(platform.net.connect(address).await?);
                    Ok(None)
                }
                (Step::Write, Some(stream)) => stream.write_all(fetch.output()).await.map(|()| None),
                (Step::Read, Some(stream)) => stream.read(fetch.space()).await.map(Some),
                _ => Ok(None),
            }
        };
        let left = end.duration_since(platform.time.now()).min(PATIENCE);
        match platform.time.timeout(left, moved).await {
            Err(_) => return Err(Failure::Silence),
            Ok(Ok(Some(0)) | Err(net::Error::ConnectionReset)) if fetch.closed() => {}
            Ok(Ok(Some(0))) => return Err(Failure::Closed),
            Ok(moved) => fetch.received(moved?.unwrap_or(0)),
        }
    }
}
