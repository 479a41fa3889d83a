//! What must hold for any messages whatever that pretend to be a transfer: used by the tests of hostile input and by the fuzz target.

use std::rc::Rc;
use unik_dns::{Incoming, MAX_ANSWER, Moment, Origin, Progress, Server, Transport, Zone};

/// The name of the zone on the wire.
const NAME: &[u8] = b"\x07example\x03org\0";
/// The version that differences are made to.
pub(crate) const CURRENT: &str = "$ORIGIN example.org.\n$TTL 1h\n@ SOA ns hostmaster 1 2h 30m 2w 5m\n@ NS ns\nns A 192.0.2.53\n\
    a MX 10 b\nb TXT \"text\"\nc CNAME a\nd DNAME e\n*.w AAAA 2001:db8::1\nsub NS ns.sub\nns.sub A 192.0.2.9\n\
    s SRV 0 5 443 a\nn NAPTR 1 1 u e !a! n.other.\n";

/// Takes `input` as a transfer, each message behind its length in two octets. The first octet says whether there is a version
/// already. Whatever becomes a zone is then served.
pub(crate) fn transfer(input: &[u8]) {
    let Some((mode, mut rest)) = input.split_first() else { return };
    let current =
        (mode & 1 == 1).then(|| Rc::new(Zone::parse("z.zone", CURRENT.as_bytes()).expect("a zone")));
    let mut incoming = Incoming::new(current, 1 << 20);
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (message, behind) = behind.split_at(length);
        rest = behind;
        match incoming.take(NAME, message) {
            Ok(Progress::More) => {}
            Ok(Progress::Zone(zone)) => {
                serve(zone);
                assert!(incoming.take(NAME, message).is_err(), "it has ended");
                return;
            }
            Ok(Progress::Current) | Err(_) => return,
        }
    }
}

/// Asks for all there is at some names of `zone`, with proofs and without.
fn serve(zone: Zone) {
    assert_eq!(zone.name().to_string().to_lowercase(), "example.org.");
    assert!(zone.records() > 0);
    let mut server = Server::new();
    server.add(zone).expect("the first zone");
    let origin = Origin { client: [192, 0, 2, 99].into(), transport: Transport::Tcp, clock: &Moment::START };
    let mut out = vec![0; MAX_ANSWER];
    for label in ["", "\x01a", "\x01c", "\x01x\x01d", "\x01x\x01w", "\x01x\x03sub", "\x01*", "\x02ns"] {
        for kind in [1_u8, 2, 5, 6, 43, 255] {
            for flags in [0, 0x80] {
                let mut query = b"\0\x01\0\0\0\x01\0\0\0\0\0\x01".to_vec();
                query.extend(label.as_bytes());
                query.extend(NAME);
                query.extend([0, kind, 0, 1, 0, 0, 41, 16, 0, 0, 0, flags, 0, 0, 0]);
                assert!(server.answer(&query, &origin, &mut out).is_some());
            }
        }
    }
}
