//! HTTPS with a client of rustls: versions, names, tickets, and ends of all kinds.

mod tls_common;

use rcgen::{PKCS_ECDSA_P256_SHA256 as P256, PKCS_ECDSA_P384_SHA384 as P384, PKCS_ED25519};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, CipherSuite, Error, HandshakeKind, ProtocolVersion};
use std::io::Write as _;
use tls_common::{End, Files, Wire, certificate, client, client_config, contents, large, leak, load, site};
use unik_httpd::Settings;
use unik_sched::time::Duration;

const HTTP: &[&[u8]] = &[b"http/1.1"];

/// A server for `example.org` with its certificate.
fn example() -> (rustls::pki_types::CertificateDer<'static>, Files) {
    let (der, chain, key) = certificate(&["example.org"], &P256);
    (
        der,
        vec![("index.html", b"no certificate"), ("tls/chain.pem", leak(&chain)), ("tls/key.pem", leak(&key))],
    )
}

#[test]
fn pages_come_over_both_versions_however_records_are_cut() {
    let (der, files) = example();
    let (tls, server) = (load(&files).expect("credentials"), site(Settings::default()));
    for (version, number) in [(&TLS13, ProtocolVersion::TLSv1_3), (&TLS12, ProtocolVersion::TLSv1_2)] {
        for piece in [1, 7, 100, 1500, usize::MAX] {
            let mut client = client(&client_config(&[&der], &[version], HTTP), "example.org");
            let mut wire = Wire { piece, ..Wire::new(&server, &tls) };
            let response = wire.get(&mut client, "/").expect("a response");
            assert_eq!(contents(&response), b"<p>Hello");
            assert_eq!(client.protocol_version(), Some(number));
            assert_eq!(client.alpn_protocol(), Some(HTTP[0]));
            assert_eq!(contents(&wire.get(&mut client, "/large.bin").expect("a response")), large());
            // Whoever says good-bye hears it too.
            client.send_close_notify();
            assert_eq!(wire.talk(&mut client), Ok(vec![]));
            assert!(
                wire.end == Some(End::Closed)
                    && client.process_new_packets().expect("an end").peer_has_closed()
            );
        }
    }
    assert_eq!(tls.counters().handshakes.get(), 10);
    assert_eq!((tls.counters().failed_handshakes.get(), tls.counters().failures.get()), (0, 0));
}

#[test]
fn each_suite_is_spoken_with_keys_of_both_curves() {
    let server = site(Settings::default());
    for kind in [&P256, &P384] {
        let (der, chain, key) = certificate(&["example.org"], kind);
        let tls = load(&vec![("tls/all.pem", leak(&(chain + &key)))]).expect("credentials");
        let suites = [
            (&TLS13, CipherSuite::TLS13_AES_128_GCM_SHA256),
            (&TLS13, CipherSuite::TLS13_AES_256_GCM_SHA384),
            (&TLS13, CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
            (&TLS12, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
            (&TLS12, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
            (&TLS12, CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
        ];
        for (version, suite) in suites {
            for group in rustls::crypto::ring::ALL_KX_GROUPS.iter().take(2) {
                let mut provider = rustls::crypto::ring::default_provider();
                provider.cipher_suites.retain(|known| known.suite() == suite);
                provider.kx_groups = vec![*group];
                let config = client_config(&[&der], &[version], HTTP);
                let roots = rustls::RootCertStore { roots: vec![webpki_root(&der)] };
                let builder =
                    rustls::ClientConfig::builder_with_details(provider.into(), config.time_provider.clone());
                let builder = builder.with_protocol_versions(&[version]).expect("versions");
                let config = builder.with_root_certificates(roots).with_no_client_auth();
                let mut client = client(&config.into(), "example.org");
                let response = Wire::new(&server, &tls).get(&mut client, "/").expect("a response");
                assert_eq!(contents(&response), b"<p>Hello", "{suite:?}");
                assert_eq!(client.negotiated_cipher_suite().map(|found| found.suite()), Some(suite));
            }
        }
    }
}

/// A certificate as a root.
fn webpki_root(der: &rustls::pki_types::CertificateDer<'static>) -> rustls::pki_types::TrustAnchor<'static> {
    let mut store = rustls::RootCertStore::empty();
    store.add(der.clone()).expect("a root");
    store.roots.remove(0)
}

#[test]
fn each_host_has_its_certificate() {
    let (first, first_chain, first_key) = certificate(&["first.example", "www.first.example"], &P256);
    let (star, star_chain, star_key) = certificate(&["*.first.example"], &P384);
    // The order of files decides which one is for strangers, and nothing else.
    let files = vec![
        ("tls/a.pem", leak(&first_key)),
        ("tls/b/fullchain.pem", leak(&first_chain)),
        ("tls/c.pem", leak(&star_chain)),
        ("tls/d.pem", leak(&star_key)),
    ];
    let (tls, server) = (load(&files).expect("credentials"), site(Settings::default()));
    let config = client_config(&[&first, &star], &[&TLS13], HTTP);
    for (name, expected) in
        [("first.example", &first), ("WWW.first.example", &first), ("other.first.example", &star)]
    {
        let mut client = client(&config, name);
        assert!(Wire::new(&server, &tls).get(&mut client, "/").is_ok(), "{name}");
        assert_eq!(client.peer_certificates().map(|chain| &chain[0]), Some(expected), "{name}");
    }
    // Strangers get the first one, which their client does not take; a star is one label and no more.
    for name in ["stranger.example", "a.b.first.example", "192.0.2.1"] {
        let mut client = client(&config, name);
        let mut wire = Wire::new(&server, &tls);
        assert!(matches!(wire.talk(&mut client), Err(Error::InvalidCertificate(_))), "{name}");
    }
}

#[test]
fn a_client_goes_on_with_a_ticket_until_its_keys_are_forgotten() {
    let (der, files) = example();
    let (clock, wall) = tls_common::clock();
    let tls = unik_httpd::tls::Tls::load(&mut files.iter().copied(), wall).expect("credentials");
    let (tls, server) = (std::rc::Rc::new(tls), site(Settings::default()));
    for version in [&TLS13, &TLS12] {
        let config = client_config(&[&der], &[version], HTTP);
        let again = || {
            let mut client = client(&config, "example.org");
            assert!(Wire::new(&server, &tls).get(&mut client, "/").is_ok());
            client.handshake_kind()
        };
        assert_eq!(again(), Some(HandshakeKind::Full));
        assert_eq!(again(), Some(HandshakeKind::Resumed));
        assert_eq!(again(), Some(HandshakeKind::Resumed));
        clock.fetch_add(24 * 60 * 60, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(again(), Some(HandshakeKind::Full));
    }
    assert_eq!((tls.counters().handshakes.get(), tls.counters().resumptions.get()), (8, 4));
}

#[test]
fn nothing_is_taken_early() {
    let (der, files) = example();
    let (tls, server) = (load(&files).expect("credentials"), site(Settings::default()));
    let mut config = client_config(&[&der], &[&TLS13], HTTP);
    std::sync::Arc::get_mut(&mut config).expect("nobody else has it").enable_early_data = true;
    assert!(Wire::new(&server, &tls).get(&mut client(&config, "example.org"), "/").is_ok());
    let mut second = client(&config, "example.org");
    assert!(second.early_data().is_none(), "no ticket allows it");
    assert!(Wire::new(&server, &tls).get(&mut second, "/").is_ok());
}

#[test]
fn whoever_speaks_another_protocol_is_told_so() {
    let (der, files) = example();
    let (tls, server) = (load(&files).expect("credentials"), site(Settings::default()));
    for (protocols, expected) in [
        (&[&b"h2"[..], b"http/1.1"][..], Ok(Some(&b"http/1.1"[..]))),
        (&[], Ok(None)),
        (&[b"h2"], Err(Error::AlertReceived(AlertDescription::NoApplicationProtocol))),
    ] {
        let mut client = client(&client_config(&[&der], &[&TLS13, &TLS12], protocols), "example.org");
        let mut wire = Wire::new(&server, &tls);
        let response = wire.get(&mut client, "/");
        assert_eq!(response.map(|_| client.alpn_protocol()), expected);
        assert_eq!(wire.end.is_some(), expected.is_err());
    }
    assert_eq!(tls.counters().failed_handshakes.get(), 1);
}

#[test]
fn http_without_tls_is_answered_with_one_sentence() {
    let (_, files) = example();
    let (tls, server) = (load(&files).expect("credentials"), site(Settings::default()));
    let mut wire = Wire::new(&server, &tls);
    wire.to_server.extend_from_slice(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
    wire.serve();
    assert_eq!(wire.end, Some(End::Closed));
    let text = String::from_utf8(wire.to_client).expect("text");
    let (head, contents) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    assert!(head.ends_with(&format!("\r\nContent-Length: {}", contents.len())), "{text}");
    assert_eq!(tls.counters().plain_requests.get(), 1);
}

#[test]
fn a_hello_with_another_message_behind_it_in_its_record_is_refused_like_any() {
    let (der, files) = example();
    let (tls, server) = (load(&files).expect("credentials"), site(Settings::default()));
    for version in [&TLS13, &TLS12] {
        let mut client = client(&client_config(&[&der], &[version], &[b"h2"]), "example.org");
        let mut wire = Wire::new(&server, &tls);
        client.write_tls(&mut wire.to_server).expect("memory takes all");
        // RFC 8446, 5.1: several messages may stand in one record. The second one is known of when the first is refused.
        let message = wire.to_server[5..].to_vec();
        wire.to_server.extend(message);
        let length = (wire.to_server.len() - 5) as u16;
        wire.to_server[3..5].copy_from_slice(&length.to_be_bytes());
        wire.serve();
        assert_eq!(wire.end, Some(End::Closed));
        assert_eq!(wire.to_client[..1], [21], "an alert");
    }
}

#[test]
fn garbage_ends_a_connection_with_an_alert() {
    let (_, files) = example();
    let (tls, server) = (load(&files).expect("credentials"), site(Settings::default()));
    let alert = [21, 3, 3, 0, 2, 2];
    for garbage in [
        &[0_u8; 100][..],
        &[0xff; 5000],
        // A record of the handshake that is longer than any.
        &[22, 3, 1, 0xff, 0xff, 1],
        // A hello of a client that is none.
        &[22, 3, 1, 0, 4, 1, 0, 0, 0],
        // Application data instead.
        &[23, 3, 3, 0, 1, 0],
        // Empty records.
        &[22, 3, 1, 0, 0, 22, 3, 1, 0, 0],
    ] {
        for piece in [1, usize::MAX] {
            let mut wire = Wire { piece, ..Wire::new(&server, &tls) };
            wire.to_server.extend_from_slice(garbage);
            wire.serve();
            assert_eq!(wire.end, Some(End::Closed), "{garbage:?}");
            assert!(
                wire.to_client.starts_with(&alert[..1]) || wire.to_client.is_empty(),
                "{:?}",
                wire.to_client
            );
        }
    }
    assert_eq!(tls.counters().failed_handshakes.get(), 12);
    assert_eq!(tls.counters().handshakes.get(), 0);
}

#[test]
fn a_message_in_many_records_is_bounded() {
    let (_, files) = example();
    let (tls, server) = (load(&files).expect("credentials"), site(Settings::default()));
    let mut wire = Wire::new(&server, &tls);
    // A hello of 65,000 octets that never comes to an end.
    wire.to_server.extend([22, 3, 1, 0x10, 0, 1, 0, 0xfd, 0xe8]);
    wire.to_server.extend([0; 4092]);
    for _ in 0..20 {
        wire.to_server.extend([22, 3, 1, 0x10, 0]);
        wire.to_server.extend([0; 4096]);
    }
    wire.serve();
    assert_eq!(wire.end, Some(End::Closed));
}

#[test]
fn each_octet_that_is_changed_on_the_way_ends_the_connection() {
    let (der, files) = example();
    let (tls, server) = (load(&files).expect("credentials"), site(Settings::default()));
    for version in [&TLS13, &TLS12] {
        let mut client = client(&client_config(&[&der], &[version], HTTP), "example.org");
        let mut wire = Wire::new(&server, &tls);
        wire.talk(&mut client).expect("a handshake");
        client.writer().write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("memory takes all");
        client.write_tls(&mut wire.to_server).expect("memory takes all");
        let last = wire.to_server.len() - 1;
        wire.to_server[last] ^= 1;
        let end = wire.talk(&mut client);
        assert_eq!(end, Err(Error::AlertReceived(AlertDescription::BadRecordMac)));
        assert_eq!(wire.end, Some(End::Closed));
    }
    assert_eq!(tls.counters().failures.get(), 2);
}

#[test]
fn a_handshake_has_the_time_of_a_head_and_no_more() {
    let (der, files) = example();
    let (tls, server) = (load(&files).expect("credentials"), site(Settings::default()));
    let mut client = client(&client_config(&[&der], &[&TLS13], HTTP), "example.org");
    let mut wire = Wire::new(&server, &tls);
    client.write_tls(&mut wire.to_server).expect("memory takes all");
    let deadline = wire.conversation.deadline();
    assert_eq!(deadline, wire.now + server.settings().head_time);
    wire.now += Duration::from_secs(5);
    wire.serve();
    assert_eq!(wire.conversation.deadline(), deadline, "what the server says gives no more time");
    wire.now = deadline;
    wire.conversation.expire(&server, None);
    wire.serve();
    assert_eq!(wire.end, Some(End::Aborted));
    assert_eq!(tls.counters().slow_handshakes.get(), 1);
}

#[test]
fn whoever_is_too_slow_behind_the_handshake_is_treated_as_without_tls() {
    let (der, files) = example();
    let (tls, server) = (load(&files).expect("credentials"), site(Settings::default()));
    let config = client_config(&[&der], &[&TLS13], HTTP);
    // A request that has begun is refused.
    let mut slow = client(&config, "example.org");
    let mut wire = Wire::new(&server, &tls);
    slow.writer().write_all(b"GET / HT").expect("memory takes all");
    wire.talk(&mut slow).expect("a handshake");
    wire.now = wire.conversation.deadline();
    wire.conversation.expire(&server, None);
    let response = wire.talk(&mut slow).expect("a response");
    assert!(response.starts_with(b"HTTP/1.1 408 "));
    assert_eq!(wire.end, Some(End::Closed));
    assert_eq!(
        wire.now,
        unik_sched::time::Instant::ZERO + server.settings().head_time,
        "a ticket gives no time"
    );
    // A client that does not take its response is left.
    let mut idle = client(&config, "example.org");
    let mut wire = Wire::new(&server, &tls);
    wire.talk(&mut idle).expect("a handshake");
    idle.writer().write_all(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n").expect("memory takes all");
    idle.write_tls(&mut wire.to_server).expect("memory takes all");
    let space = wire.conversation.space();
    space[..wire.to_server.len()].copy_from_slice(&wire.to_server);
    wire.conversation.received(wire.to_server.len());
    wire.to_server.clear();
    assert_eq!(wire.conversation.advance(&server, wire.now, None), unik_httpd::Step::Write);
    wire.conversation.expire(&server, None);
    wire.serve();
    assert_eq!(wire.end, Some(End::Aborted));
    assert_eq!(server.counters().slow_responses.get(), 1);
}

#[test]
fn an_end_of_the_server_says_good_bye() {
    let (der, files) = example();
    let (tls, server) = (load(&files).expect("credentials"), site(Settings::default()));
    let config = client_config(&[&der], &[&TLS13], HTTP);
    let mut kept = client(&config, "example.org");
    let mut wire = Wire::new(&server, &tls);
    wire.get(&mut kept, "/").expect("a response");
    wire.conversation.finish();
    wire.talk(&mut kept).expect("an end");
    assert!(kept.process_new_packets().expect("an end").peer_has_closed());
    assert_eq!(wire.end, Some(End::Closed));
    // A refusal closes the sending half, and what still comes is thrown away unread.
    let mut refused = client(&config, "example.org");
    let mut wire = Wire::new(&server, &tls);
    refused.writer().write_all(b"GET / HTTP/1.1\r\n\r\n").expect("memory takes all");
    let response = wire.talk(&mut refused).expect("a response");
    assert!(response.starts_with(b"HTTP/1.1 400 "));
    assert_eq!(wire.end, Some(End::Shut));
    assert!(refused.process_new_packets().expect("an end").peer_has_closed());
    wire.to_server.extend([0; 1000]);
    wire.serve();
    assert_eq!((wire.end, wire.to_client.len()), (Some(End::Shut), 0));
}

#[test]
fn without_tls_clients_are_led_to_where_it_is() {
    let settings = Settings { https_redirect: Some(443), ..Settings::default() };
    let (der, files) = example();
    let (tls, server) = (load(&files).expect("credentials"), site(settings));
    let ask = |server: &unik_httpd::Server<'static>, request: &str| {
        let mut session =
            unik_httpd::Session::new([192, 0, 2, 1].into(), server.settings(), Default::default());
        session.advance(server, Default::default(), None);
        session.space()[..request.len()].copy_from_slice(request.as_bytes());
        session.received(request.len());
        session.advance(server, Default::default(), None);
        String::from_utf8(session.output().to_vec()).expect("text")
    };
    for (host, location) in [
        ("example.org", "https://example.org/a%20b?c"),
        ("example.org:80", "https://example.org/a%20b?c"),
        ("[::1]:8080", "https://[::1]/a%20b?c"),
    ] {
        let response = ask(&server, &format!("GET /a%20b?c HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert!(response.starts_with("HTTP/1.1 301 "), "{response}");
        assert!(response.contains(&format!("\r\nLocation: {location}\r\n")), "{response}");
    }
    assert!(ask(&server, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 200 "));
    assert!(ask(&server, "GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 400 "));
    // The authority of a target goes before the field (RFC 9112, 3.2.2).
    let absolute = ask(&server, "GET http://a/b HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert!(absolute.contains("\r\nLocation: https://a/b\r\n"), "{absolute}");
    // Nobody is led to a host that is refused.
    let file = |path, contents| unik_httpd::File { path, contents, modified: None };
    let text: &[u8] = b"unknown-hosts = 'refuse'\n[[host]]\nnames = ['a']\nroot = '/a'";
    let mut refusing = [file("httpd.toml", text), file("a/x", b"x")].into_iter();
    let refusing = unik_httpd::Server::load(&mut refusing, settings).expect("there is memory");
    assert!(ask(&refusing, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").starts_with("HTTP/1.1 421 "));
    assert!(
        ask(&refusing, "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n").starts_with("HTTP/1.1 200 ")
    );
    assert!(ask(&refusing, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 301 "));
    let other = site(Settings { https_redirect: Some(8443), ..Settings::default() });
    assert!(ask(&other, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").contains("\r\nLocation: https://a:8443/\r\n"));
    // Those who have come are served.
    let mut client = client(&client_config(&[&der], &[&TLS13], HTTP), "example.org");
    assert_eq!(contents(&Wire::new(&server, &tls).get(&mut client, "/").expect("a response")), b"<p>Hello");
}

#[test]
fn the_scheme_of_a_target_is_that_which_it_came_over() {
    let (der, files) = example();
    let (tls, server) = (load(&files).expect("credentials"), site(Settings::default()));
    let config = client_config(&[&der], &[&TLS13], HTTP);
    for (target, code) in [("https://example.org/", "200"), ("http://example.org/", "421")] {
        let mut client = client(&config, "example.org");
        let response = Wire::new(&server, &tls).get(&mut client, target).expect("a response");
        assert!(response.starts_with(format!("HTTP/1.1 {code} ").as_bytes()), "{target}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_in_one_sentence() {
    let (_, chain, key) = certificate(&["example.org"], &P256);
    let (_, _, other) = certificate(&["example.org"], &P384);
    let (_, _, edwards) = certificate(&["example.org"], &PKCS_ED25519);
    let [chain, key, other, edwards] = [chain, key, other, edwards].map(|text| leak(&text));
    let cut = &chain[..chain.len() / 2];
    let text = core::str::from_utf8(chain).expect("text");
    let damaged = leak(&text.replacen("MI", "AA", 1));
    let no_base64 = leak(&text.replacen("MI", "!!", 1));
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (files, sentence) in [
        (
            vec![],
            "tls/: HTTPS needs a certificate and its key here, as PEM: put them into the data, or build without \
             --features tls",
        ),
        (vec![("tls/a.pem", chain)], "tls/a.pem: no key in tls/ belongs to this certificate"),
        (
            vec![("tls/a.pem", chain), ("tls/k.pem", other)],
            "tls/a.pem: no key in tls/ belongs to this certificate",
        ),
        (
            vec![("tls/a.pem", chain), ("tls/k.pem", key), ("tls/o.pem", other)],
            "tls/o.pem: no certificate in tls/ belongs to this key",
        ),
        (
            vec![("tls/a.pem", chain), ("tls/k.pem", edwards)],
            "tls/k.pem: this key is none of the kinds ECDSA P-256 and P-384, or it is damaged",
        ),
        (vec![("tls/a.pem", cut), ("tls/k.pem", key)], "tls/a.pem: this is no PEM: it is damaged"),
        (vec![("tls/a.pem", no_base64), ("tls/k.pem", key)], "tls/a.pem: this is no PEM: it is damaged"),
        (vec![("tls/a.pem", damaged), ("tls/k.pem", key)], "tls/a.pem: its first certificate is damaged"),
        (
            vec![("tls/readme.txt", &b"certificates"[..])],
            "tls/readme.txt: there is neither a certificate nor a key in it, as PEM",
        ),
        (
            vec![("tls/k.pem", &encrypted[..])],
            "tls/k.pem: this key is encrypted, and nobody is there to be asked for the password",
        ),
    ] {
        assert_eq!(load(&files).map(|_| ()).unwrap_err().to_string(), sentence);
    }
}
