//! What must hold for any bytes whatever as `dns.conf`: used by the tests of hostile input and by a fuzz target.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use unik_dns::configuration::{Access, Configuration, Entry, MAX_ENTRIES, MAX_KEYS, allows};

/// Reads `bytes` as the file. A mistake has a place in it; what is read agrees with itself.
pub(crate) fn configuration(bytes: &[u8]) {
    let configuration = match Configuration::parse("dns.conf", bytes) {
        Ok(configuration) => configuration,
        Err(error) => {
            let lines: Vec<_> = bytes.split(|&byte| byte == b'\n').collect();
            let line = lines.get(error.line as usize - 1).expect("the line is in the file");
            assert!((1..=line.len() + 1).contains(&(error.column as usize)), "so is the column");
            assert!(error.expected.starts_with("expected "));
            return;
        }
    };
    let keys = configuration.keys().len();
    assert!(keys <= MAX_KEYS);
    for zone in configuration.zones() {
        let name = zone.wire_name().expect("it was read as a name");
        let found = configuration.zone(name.octets()).expect("it is found by its name");
        assert!(core::ptr::eq(found, zone), "and no other");
        assert!(zone.file().is_none_or(|file| !file.is_empty()));
        rules(zone.provide(), keys);
        rules(zone.allow_notify(), keys);
        peers(zone.notify(), keys);
        peers(zone.request(), keys);
        assert!(zone.notify().iter().all(|peer| !peer.is_axfr_only()));
        let [refresh, retry, expire] = zone.limit([u32::MAX, 0, 7]);
        assert_eq!(
            [refresh, retry],
            [zone.limit([refresh, retry, 0])[0], zone.limit([refresh, retry, 0])[1]]
        );
        assert!(expire >= 7);
    }
}

fn rules(rules: &[Entry], keys: usize) {
    assert!(rules.len() <= MAX_ENTRIES);
    for rule in rules {
        assert!(!matches!(rule.access(), Access::Key(key) if key >= keys));
    }
    for client in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(192, 0, 2, 7), Ipv4Addr::BROADCAST] {
        for key in (0..keys.min(5)).map(Some).chain([None]) {
            let is_allowed = allows(rules, IpAddr::V4(client), key);
            assert_eq!(allows(rules, IpAddr::V6(client.to_ipv6_mapped()), key), is_allowed);
            let shown = key.map_or(Access::NoKey, Access::Key);
            assert!(!is_allowed || rules.iter().any(|rule| rule.access() == shown));
        }
    }
    allows(rules, IpAddr::V6(Ipv6Addr::LOCALHOST), None);
}

fn peers(peers: &[Entry], keys: usize) {
    assert!(peers.len() <= MAX_ENTRIES);
    for peer in peers {
        assert!(peer.address().port() != 0 && peer.key().is_none_or(|key| key < keys));
        assert_ne!(peer.access(), Access::Blocked);
        assert_eq!(peer.address().ip(), peer.address().ip().to_canonical());
    }
}
