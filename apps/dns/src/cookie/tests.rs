//! The examples of RFC 9018, and what becomes of cookies by time and by tampering.

use super::*;
use std::format;
use std::string::String;
use std::vec::Vec;

const CURRENT: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
const PREVIOUS: &str = "dd3bdf9344b678b185a6f5cb60fca715";
const NOW: u32 = 1_559_731_985;

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn secret(hex: &str) -> Secret {
    Secret::parse(hex.as_bytes()).unwrap()
}

fn secrets(current: &str) -> Secrets {
    Secrets { current: secret(current), previous: None }
}

/// What is answered to `asked`, and how that stands.
fn answer(secrets: &Secrets, asked: &str, address: &str, now: u32) -> Option<(String, Standing)> {
    let cookie = secrets.answer(&octets(asked), address.parse().unwrap(), now)?;
    Some((hex(&cookie.octets), cookie.standing))
}

/// How the cookie that was told first stands when it comes back after so many seconds, and whether it is told again.
fn after(seconds: i64, first: u32) -> (Standing, bool) {
    let secrets = secrets(CURRENT);
    let (cookie, _) = answer(&secrets, "2464c4abcf10c957", "198.51.100.100", first).unwrap();
    let now = first.wrapping_add(seconds as u32);
    let (told, standing) = answer(&secrets, &cookie, "198.51.100.100", now).unwrap();
    (standing, told == cookie)
}

#[test]
fn the_examples_of_rfc_9018_come_out() {
    use Standing::{Bad, Good, Missing};
    let first = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
    for (section, asked, address, now, told, standing) in [
        ("A.1", "2464c4abcf10c957", "198.51.100.100", NOW, first, Missing),
        (
            "A.2",
            first,
            "198.51.100.100",
            1_559_734_385,
            "2464c4abcf10c957010000005cf7a871d4a564a1442aca77",
            Good,
        ),
        // The cookie of this example is almost two hours old, which section 4.3 does not allow.
        (
            "A.3",
            "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
            "203.0.113.203",
            1_559_734_700,
            "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e",
            Bad,
        ),
    ] {
        let expected = Some((told.into(), standing));
        assert_eq!(answer(&secrets(CURRENT), asked, address, now), expected, "{section}");
    }
    let asked = "22681ab97d52c298010000005cf7c57926556bd0934c72f8";
    let told = "22681ab97d52c298010000005cf7c609a6bb79d16625507a";
    let both =
        Secrets { current: secret("445536bcd2513298075a5d379663c962"), previous: Some(secret(PREVIOUS)) };
    let from = "2001:db8:220:1:59de:d0f4:8769:82b8";
    assert_eq!(answer(&both, asked, from, 1_559_741_961), Some((told.into(), Good)), "A.4");
    let rolled = Secrets { previous: None, ..both };
    assert_eq!(answer(&rolled, asked, from, 1_559_741_961), Some((told.into(), Bad)), "A.4, a day later");
}

#[test]
fn reserved_octets_are_hashed_but_not_told_again() {
    // A.3 again, while it was young.
    let asked = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
    let (told, standing) = answer(&secrets(CURRENT), asked, "203.0.113.203", 1_559_727_990).unwrap();
    assert_eq!((standing, &told[16..24]), (Standing::Good, "01000000"));
    let tampered = asked.replace("abcdef", "abcdee");
    let (_, standing) = answer(&secrets(CURRENT), &tampered, "203.0.113.203", 1_559_727_990).unwrap();
    assert_eq!(standing, Standing::Bad);
}

#[test]
fn a_cookie_is_good_for_an_hour_and_new_after_half_of_it() {
    // In 2106 the seconds come round, and without a date they begin at 0.
    for first in [NOW, 0, 100, u32::MAX, u32::MAX - 1800, i32::MAX as u32] {
        for (seconds, expected) in [
            (0, (Standing::Good, true)),
            (1800, (Standing::Good, true)),
            (1801, (Standing::Good, false)),
            (3600, (Standing::Good, false)),
            (3601, (Standing::Bad, false)),
            (-300, (Standing::Good, true)),
            (-301, (Standing::Bad, false)),
            (i64::from(i32::MAX), (Standing::Bad, false)),
            (i64::from(i32::MIN), (Standing::Bad, false)),
        ] {
            assert_eq!(after(seconds, first), expected, "{seconds} seconds after {first}");
        }
    }
}

#[test]
fn only_lengths_of_cookies_are_well_formed() {
    let asked = [0x5a; 64];
    for length in 0..asked.len() {
        let expected = length == 8 || (16..=40).contains(&length);
        assert_eq!(is_well_formed(length), expected, "{length}");
        let answered = secrets(CURRENT).answer(&asked[..length], [192, 0, 2, 1].into(), NOW);
        let standing = if length == 8 { Standing::Missing } else { Standing::Bad };
        assert_eq!(answered.map(|cookie| cookie.standing), expected.then_some(standing), "{length}");
        if let Some(cookie) = answered {
            assert_eq!(cookie.octets[..8], asked[..8]);
        }
    }
}

#[test]
fn a_cookie_is_bad_with_any_bit_changed_and_from_any_other_address() {
    for address in ["198.51.100.100", "2001:db8:220:1:59de:d0f4:8769:82b8"] {
        let secrets = secrets(CURRENT);
        let (cookie, _) = answer(&secrets, "2464c4abcf10c957", address, NOW).unwrap();
        let address: IpAddr = address.parse().unwrap();
        let standing = |asked: &[u8], address: IpAddr| secrets.answer(asked, address, NOW).unwrap().standing;
        let cookie = octets(&cookie);
        assert_eq!(standing(&cookie, address), Standing::Good);
        for bit in 0..8 * cookie.len() {
            let mut changed = cookie.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(standing(&changed, address), Standing::Bad, "bit {bit}");
        }
        let neighbours: Vec<IpAddr> = match address {
            IpAddr::V4(address) => {
                (0..32).map(|bit| (u32::from(address) ^ 1 << bit).to_be_bytes().into()).collect()
            }
            IpAddr::V6(address) => {
                (0..128).map(|bit| (u128::from(address) ^ 1 << bit).to_be_bytes().into()).collect()
            }
        };
        for neighbour in neighbours {
            assert_eq!(standing(&cookie, neighbour), Standing::Bad, "from {neighbour}");
        }
        // Longer by what another server may have added: it is not one of ours.
        assert_eq!(standing(&[&cookie[..], &[0]].concat(), address), Standing::Bad);
    }
}

#[test]
fn the_answer_to_any_cookie_is_good_when_it_comes_back() {
    let mut random = unik_testkit::Random::new(9018);
    for _ in 0..2_000 {
        let mut octets = [0; 40];
        octets.fill_with(|| random.next_u64() as u8);
        let length = [8, 16, 24, 40][random.below(4)];
        let now = random.next_u64() as u32;
        let both = Secrets {
            current: Secret::new(*octets.last_chunk().unwrap()),
            previous: Some(secret(PREVIOUS)).filter(|_| random.one_in(2)),
        };
        let address = IpAddr::from(random.next_u64().to_be_bytes().first_chunk::<4>().copied().unwrap());
        let told = both.answer(&octets[..length], address, now).unwrap();
        let again = both.answer(&told.octets, address, now.wrapping_add(random.below(1801) as u32)).unwrap();
        assert_eq!(again, Cookie { octets: told.octets, standing: Standing::Good });
    }
}

#[test]
fn a_secret_is_read_from_its_digits_and_shown_to_nobody() {
    let octets = core::array::from_fn(|at| at as u8 * 17);
    assert_eq!(Secret::parse(b"00112233445566778899aABbcCDdeEfF"), Some(Secret::new(octets)));
    for text in ["", "00", "00112233445566778899aabbccddeef", "00112233445566778899aabbccddeeff0"] {
        assert_eq!(Secret::parse(text.as_bytes()), None, "{text}");
    }
    for sign in ["g", "+", " ", "-"] {
        assert_eq!(Secret::parse(CURRENT.replacen('e', sign, 1).as_bytes()), None, "{sign}");
    }
    assert_eq!(format!("{:?}", secret(CURRENT)), "Secret");
    let both = Secrets { previous: Some(secret(PREVIOUS)), ..secrets(CURRENT) };
    assert_eq!(Secrets::parse(format!("{CURRENT},{PREVIOUS}").as_bytes()), Some(both));
    assert_eq!(Secrets::parse(CURRENT.as_bytes()), Some(secrets(CURRENT)));
}
