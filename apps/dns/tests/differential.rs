//! Random questions about random zones, answered by the server and by a model of what the RFCs say.

mod common;
mod model;
mod random;

use common::{answer, query, query_with_edns, sorted};
use model::{Beside, ModelZone};
use random::Random;
use unik_dns::{Minimal, Server, Settings, Transport, Zone};

const ROUNDS: usize = 400;
const QUESTIONS: usize = 60;

fn server(zones: &[ModelZone], minimal: Minimal) -> Server {
    let mut server = Server::new();
    for zone in zones {
        let file = zone.file();
        let zone =
            Zone::parse("random.zone", file.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{file}"));
        server.add(zone).expect("they have different names");
    }
    server.configure(Settings { minimal, ..Settings::default() });
    server
}

#[test]
fn the_server_answers_as_the_model_does() {
    let mut random = Random::new(5);
    let modes = [
        (Minimal::No, Beside::All),
        (Minimal::NoAuthority, Beside::Addresses),
        (Minimal::Yes, Beside::Nothing),
    ];
    for round in 0..ROUNDS {
        let zones = model::zones(&mut random, "example");
        let (minimal, beside) = modes[round % modes.len()];
        let server = server(&zones, minimal);
        for _ in 0..QUESTIONS {
            let (name, kind) = model::question(&mut random, &zones);
            let question = format!("{} {kind}", model::text(&name));
            let message = answer(&server, &query(&question), Transport::Tcp).expect("an answer");
            let (found, expected) = (sorted(&message), model::answer(&zones, &name, kind, beside).text());
            let files: String = zones.iter().map(|zone| zone.file() + "\n").collect();
            assert_eq!(
                found, expected,
                "\n{beside:?}, round {round}: {question}\n{found}\n{expected}\n{files}"
            );
        }
    }
}

#[test]
fn what_does_not_fit_is_left_out_by_the_rules() {
    let mut random = Random::new(6);
    let mut cut = 0;
    for _ in 0..ROUNDS {
        let zones = model::zones(&mut random, "example");
        let server = server(&zones, Minimal::No);
        for _ in 0..QUESTIONS {
            let (name, kind) = model::question(&mut random, &zones);
            if kind == "ANY" {
                continue;
            }
            let question = format!("{} {kind}", model::text(&name));
            let whole = sorted(&answer(&server, &query(&question), Transport::Tcp).expect("an answer"));
            let limit = 512 + random.below(100) as u16;
            let query = query_with_edns(&question, limit, 0, false);
            let message = answer(&server, &query, Transport::UDP).expect("an answer");
            assert!(message.len() <= limit.into());
            let part = sorted(&message);
            let mut lines = whole.lines();
            assert!(part.lines().skip(1).all(|line| lines.any(|other| other == line)), "{part}\n{whole}");
            if part.lines().next().is_some_and(|line| line.ends_with(" tc")) {
                cut += 1;
                continue;
            }
            // Whole are the answer, and the authority section where it is a referral or a denial.
            let of = |text: &str, sign: char| text.lines().filter(|line| line.starts_with(sign)).count();
            assert_eq!(of(&part, '='), of(&whole, '='), "{part}\n{whole}");
            assert!(of(&whole, '=') > 0 || of(&part, '^') == of(&whole, '^'), "{part}\n{whole}");
        }
    }
    assert!(cut > 0, "some answers must not fit for the test to say something");
}
