//! Zones out of the files of the data.

use super::Error;
use crate::configuration::Configuration;
use crate::master::ZoneError;
use crate::server::Server;
use crate::zone::Zone;
use unik::{Files, log};

/// The ending of a zone's master file; files that it includes have another.
pub const SUFFIX: &str = ".zone";

/// The file that says who may transfer zones, and where they are fetched from.
pub const CONFIGURATION: &str = "dns.conf";

/// Reads every `*.zone` of `files`, with what they include out of the others, and the [configuration](CONFIGURATION) if there is
/// one, with the files that it calls a zone's. A file with a mistake is named in the log, and the
/// others are served; questions for the zone that it should have held get SERVFAIL, by the name of the file and by what it says.
///
/// # Errors
/// [`Error::Configuration`] says what is wrong with that, [`Error::NoZones`] that there is no zone to serve, nor one to fetch.
#[inline(never)]
pub fn load(files: &Files) -> Result<Server, Error> {
    let text = files.read(CONFIGURATION).unwrap_or(&[]);
    let configuration = Configuration::parse(CONFIGURATION, text).map_err(Error::Configuration)?;
    let mut server = Server::new();
    let include = |wanted: &str| files.iter().find(|(path, _)| *path == wanted);
    for (path, contents) in files.iter().filter(|(path, _)| is_zone(path, &configuration)) {
        match Zone::read(path, contents, &include) {
            Ok(zone) => {
                log::info!(
                    "{path}: zone {}, serial {}, {} records",
                    zone.name(),
                    zone.serial(),
                    zone.records()
                );
                if let Err(error) = server.add(zone) {
                    log::error!("{path}: {error}; this one is not served");
                }
            }
            Err(error) => {
                log::error!("{error}; this zone is not served");
                fail(&mut server, path, &error);
            }
        }
    }
    server.follow(configuration).map_err(|_| Error::NoMemory)?;
    for name in server.wanting() {
        log::error!("{CONFIGURATION}: zone {name} is in no file, and has no request-xfr: to fetch it from");
    }
    let is_fetched = server.with_options().any(|(_, options)| !options.request().is_empty());
    if server.zones().next().is_none() && !is_fetched { Err(Error::NoZones) } else { Ok(server) }
}

/// Whether the file at `path` holds a zone: by its name, or because the configuration says so.
pub fn is_zone(path: &str, configuration: &Configuration<'_>) -> bool {
    path.ends_with(SUFFIX) || configuration.zones().iter().any(|options| options.file() == Some(path))
}

/// Lets questions for the zone that the file at `path` should have held get SERVFAIL.
#[inline(never)]
fn fail(server: &mut Server, path: &str, error: &ZoneError<'_>) {
    let start = path.bytes().rposition(|octet| octet == b'/').map_or(0, |slash| slash + 1);
    let named = path.strip_suffix(SUFFIX).unwrap_or(path).as_bytes().get(start..).unwrap_or_default();
    // An origin may lie above the zone: it says which one that is where neither a SOA record does nor the file's name.
    let told = error.zone.as_deref().filter(|_| error.has_soa || !named.contains(&b'.'));
    let named = Some(named).filter(|named| !named.is_empty());
    for name in [named, told].into_iter().flatten() {
        // Where another file holds that zone, nothing is amiss.
        let _ = server.add_failed(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn a_broken_file_fails_the_zone_it_is_called_after_and_the_owner_of_its_soa_record() {
        let soa = " 5 SOA n. h. 1 2 3 4 5\n";
        for (path, text, fails, is_left) in [
            ("a/example.org.zone", "$ORIGIN org.\n@ X", "example.org", "org"),
            ("a/example.org.zone", &format!("example.net.{soa}"), "example.org example.net", "org"),
            ("main.zone", "$ORIGIN example.org.\n@ X", "example.org", "org"),
            ("main.zone", &format!("$ORIGIN org.\nexample{soa}"), "example.org", "org"),
            ("org.zone", "x", "org", "example.org"),
            ("a/.zone", "x", "", "."),
        ] {
            let mut server = Server::new();
            let error = Zone::parse(path, text.as_bytes()).err().expect("a mistake");
            fail(&mut server, path, &error);
            for name in fails.split_terminator(' ') {
                assert!(server.add_failed(name.as_bytes()).is_err(), "{path} with {text}");
            }
            assert!(server.add_failed(is_left.as_bytes()).is_ok(), "{path} with {text}");
        }
    }
}
