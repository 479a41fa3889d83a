//! TLS between switch and controller: who is believed, and what is said of those who are not.

mod tls_common;

use rustls::AlertDescription;
use rustls::version::{TLS12, TLS13};
use tls_common::{Authority, Credential, NOW, Wire, called, caller, load};
use unik_vswitch::tls::{Tls, Trouble};

/// A switch, the authority that it believes, and a controller's certificate of that.
fn both() -> (Tls, Authority, Credential) {
    let authority = Authority::new();
    let (switch, controller) = (authority.sign(), authority.sign());
    (load(&switch, &authority.pem).expect("credentials"), authority, controller)
}

#[test]
fn octets_pass_both_ways_whoever_calls_and_however_they_come() {
    let (tls, authority, controller) = both();
    let version = &TLS13;
    for is_called in [false, true] {
        for piece in [usize::MAX, 1000, 1] {
            let peer = if is_called {
                called(version, &controller, &authority.pem)
            } else {
                caller(version, Some(&controller))
            };
            let mut wire = Wire::new(&tls, peer);
            wire.piece = piece;
            assert_eq!(wire.talk(), Ok(vec![]));
            assert!(wire.switch.is_open());
            let long: Vec<u8> = (0..50_000_u32).map(|number| (number / 7) as u8).collect();
            wire.hear(&long);
            wire.say(&long);
            assert_eq!(wire.talk().as_deref(), Ok(&long[..]));
            assert_eq!(wire.read, long);
            wire.switch.end();
            wire.controller.send_close_notify();
            assert_eq!(wire.talk(), Ok(vec![]));
            assert!(wire.switch.is_over());
            assert_eq!(wire.complaint, None);
        }
    }
}

#[test]
fn who_shows_no_certificate_of_the_authority_is_refused_and_told_so() {
    let (tls, authority, controller) = both();
    let stranger = Authority::called("another one").sign();
    let old = authority.sign_until(2025);
    let unknown = "no authority in tls/cacert.pem has signed its certificate";
    let version = &TLS13;
    for (peer, sentence) in [
        (caller(version, Some(&stranger)), unknown),
        (called(version, &stranger, &authority.pem), unknown),
        (caller(version, Some(&old)), "its certificate has expired"),
        (called(version, &old, &authority.pem), "its certificate has expired"),
        (caller(version, None), "it shows no certificate"),
    ] {
        let mut wire = Wire::new(&tls, peer);
        wire.hear(b"before it is known who says so");
        assert_eq!(wire.talk(), Err(Trouble::Refused(sentence)));
        assert!(!wire.switch.is_open());
        let complaint = wire.complaint.expect("it is told");
        assert!(matches!(complaint, rustls::Error::AlertReceived(_)), "{complaint}");
    }
    let mut wire = Wire::new(&tls, caller(&TLS13, Some(&controller)));
    assert_eq!(wire.talk(), Ok(vec![]), "it is good for others");
}

#[test]
fn without_a_date_no_certificate_is_good() {
    let (tls, authority, controller) = both();
    let version = &TLS13;
    for peer in [caller(version, Some(&controller)), called(version, &controller, &authority.pem)] {
        let mut wire = Wire::new(&tls, peer);
        wire.now = None;
        let sentence = "its certificate cannot be checked: nobody knows the date, ntp= finds it out";
        assert_eq!(wire.talk(), Err(Trouble::Refused(sentence)));
    }
    let mut wire = Wire::new(&tls, caller(version, Some(&controller)));
    wire.now = Some(1_550_000_000);
    assert_eq!(wire.talk(), Err(Trouble::Refused("its certificate is not valid yet")));
}

#[test]
fn a_controller_that_does_not_believe_the_switch_is_heard() {
    let (tls, _, controller) = both();
    let other = Authority::called("another one");
    let version = &TLS13;
    let mut wire = Wire::new(&tls, called(version, &controller, &other.pem));
    let sentence = "it does not know the authority that has signed the certificate of this switch";
    assert_eq!(wire.talk(), Err(Trouble::Refused(sentence)));
    let refusal = wire.complaint.take().expect("it does not believe");
    assert!(matches!(refusal, rustls::Error::InvalidCertificate(_)), "{refusal}");
}

#[test]
fn what_is_no_tls_is_refused() {
    let (tls, ..) = both();
    for octets in
        [&[4, 0, 0, 8, 0, 0, 0, 1, 4, 5, 0, 8, 0, 0, 0, 2][..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 100]]
    {
        let mut channel = tls.begin(false).expect("memory");
        channel.begin(Some(NOW)).expect("memory");
        channel.space().expect("memory")[..octets.len()].copy_from_slice(octets);
        let refused = channel.received(octets.len(), Some(NOW));
        assert_eq!(refused, Err(Trouble::Refused("it does not speak TLS")), "{octets:x?}");
    }
}

#[test]
fn who_speaks_an_older_version_is_told_so() {
    let (tls, authority, controller) = both();
    let sentence = "it has no version, suite or signature of TLS in common with this switch";
    let mut wire = Wire::new(&tls, caller(&TLS12, Some(&controller)));
    assert_eq!(wire.talk(), Err(Trouble::Refused(sentence)));
    let alert = rustls::Error::AlertReceived(AlertDescription::ProtocolVersion);
    assert_eq!(wire.complaint, Some(alert));
    let mut wire = Wire::new(&tls, called(&TLS12, &controller, &authority.pem));
    let sentence = "it finds no version, suite or signature of TLS in common with this switch";
    assert_eq!(wire.talk(), Err(Trouble::Refused(sentence)));
}

#[test]
fn a_record_that_is_changed_on_its_way_ends_the_connection() {
    let (tls, _, controller) = both();
    let version = &TLS13;
    let mut wire = Wire::new(&tls, caller(version, Some(&controller)));
    assert_eq!(wire.talk(), Ok(vec![]));
    wire.hear(b"octets");
    wire.controller.write_tls(&mut wire.to_switch).expect("memory takes all");
    if let Some(octet) = wire.to_switch.last_mut() {
        *octet ^= 1;
    }
    assert_eq!(wire.talk(), Err(Trouble::Refused("it does not keep to TLS")));
    let alert = rustls::Error::AlertReceived(AlertDescription::BadRecordMac);
    assert_eq!(wire.complaint, Some(alert));
}

#[test]
fn nothing_that_comes_is_a_panic() {
    let (tls, authority, controller) = both();
    let mut random = 1_u64;
    let mut number = move |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below.max(1)
    };
    let mut ended = [0; 2];
    for round in 0..600 {
        let peer = match round % 2 {
            0 => called(&TLS13, &controller, &authority.pem),
            _ => caller(&TLS13, Some(&controller)),
        };
        let mut wire = Wire::new(&tls, peer);
        wire.piece = 1 + number(3000);
        // In one of the first flights a few octets are others.
        let mut flights = number(3);
        let mut number = number;
        wire.damage = Box::new(move |octets| {
            for _ in 0..=number(3) {
                let place = octets.get_mut(number(octets.len())).filter(|_| flights == 0);
                place.into_iter().for_each(|place| *place = number(256) as u8);
            }
            flights = flights.wrapping_sub(1);
        });
        wire.hear(b"octets");
        ended[usize::from(wire.talk().is_ok())] += 1;
    }
    assert!(ended[0] > 300, "{ended:?}");
}

#[test]
fn a_file_that_is_wrong_is_named() {
    let authority = Authority::new();
    let (own, other) = (authority.sign(), authority.sign());
    let refused = |own: &Credential, authorities: &str| match load(own, authorities) {
        Ok(_) => panic!("there is nothing wrong with it"),
        Err(error) => error.to_string(),
    };
    let mixed = Credential { key: own.key.clone(), certificate: other.certificate };
    assert_eq!(
        refused(&mixed, &authority.pem),
        "tls/cert.pem: this is no certificate of the key in tls/privkey.pem"
    );
    let swapped = Credential { key: own.certificate.clone(), certificate: own.key.clone() };
    assert_eq!(
        refused(&swapped, &authority.pem),
        "tls/privkey.pem: there is no key in it, as PEM without a password"
    );
    assert_eq!(refused(&own, &own.key), "tls/cacert.pem: there is no certificate in it, as PEM");
    assert_eq!(refused(&own, ""), "tls/cacert.pem: there is no certificate in it, as PEM");
    let damaged = own.certificate.replace("MII", "!!!");
    assert_eq!(refused(&own, &damaged), "tls/cacert.pem: this is no PEM: it is damaged");
    let rsa = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n".to_owned();
    let rsa = Credential { key: rsa, certificate: own.certificate };
    assert_eq!(
        refused(&rsa, &authority.pem),
        "tls/privkey.pem: this key is none of the kinds ECDSA P-256 and P-384, or it is damaged"
    );
    let missing = Tls::load(&|_| None).err().map(|error| error.to_string());
    let sentence = "tls/privkey.pem: this file is not in the data: TLS needs tls/privkey.pem, tls/cert.pem and tls/cacert.pem";
    assert_eq!(missing.as_deref(), Some(sentence));
}
