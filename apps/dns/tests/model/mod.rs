//! An authoritative server as the RFCs describe it, word by word and without haste: RFC 1034, 4.3.2, with RFC 4592 for
//! wildcards and RFC 6672 for DNAME; and the zones and questions that it is asked.
//!
//! It shares nothing with the server: names are lists of words, a zone is a list of records, and each step looks at all of
//! them.
#![allow(dead_code, reason = "each user takes its part")]

use crate::common::plain;
use crate::random::Random;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Labels in lower case, the leftmost first.
pub(crate) type Name = Vec<String>;

/// The name that `text`, without a dot at its end, writes.
pub(crate) fn name(text: &str) -> Name {
    text.split('.').filter(|label| !label.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn text(name: &[String]) -> String {
    if name.is_empty() { ".".to_owned() } else { name.iter().map(|label| format!("{label}.")).collect() }
}

#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) owner: Name,
    pub(crate) ttl: u32,
    pub(crate) kind: &'static str,
    /// The data in front of the target.
    pub(crate) data: String,
    pub(crate) target: Option<Name>,
}

impl Record {
    /// As a line of a master file, or of an answer with another owner.
    pub(crate) fn line(&self, owner: &[String], ttl: u32) -> String {
        let target = self.target.as_ref().map(|target| text(target)).unwrap_or_default();
        format!("{} {ttl} {} {}{target}", text(owner), self.kind, self.data)
    }
}

pub(crate) struct ModelZone {
    pub(crate) apex: Name,
    pub(crate) records: Vec<Record>,
}

/// What stands beside the records asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Beside {
    /// Name servers and addresses.
    All,
    Addresses,
    Nothing,
}

/// An answer in the making: lines of records by section.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) code: &'static str,
    pub(crate) is_authoritative: bool,
    pub(crate) answer: Vec<String>,
    pub(crate) authority: Vec<String>,
    pub(crate) additional: Vec<String>,
    /// Names and types of the sets that are there.
    sets: BTreeSet<(Name, &'static str)>,
}

impl Answer {
    /// As the helpers of the tests write a message, each section sorted.
    pub(crate) fn text(&self) -> String {
        let mut out = self.code.to_owned();
        if self.is_authoritative {
            out.push_str(" aa");
        }
        out.push('\n');
        for (sign, lines) in [('=', &self.answer), ('^', &self.authority), ('+', &self.additional)] {
            let mut lines: Vec<_> = lines.iter().map(|line| plain(line)).collect();
            lines.sort();
            for line in lines {
                writeln!(out, "{sign} {line}").expect("text");
            }
        }
        out
    }
}

impl ModelZone {
    pub(crate) fn at(&self, owner: &[String], kind: &str) -> Vec<&Record> {
        self.records.iter().filter(|record| record.owner == owner && record.kind == kind).collect()
    }

    fn has(&self, owner: &[String], kind: &str) -> bool {
        !self.at(owner, kind).is_empty()
    }

    /// RFC 4592, 2.2.2: a name exists if it, or a name below it, has records.
    fn exists(&self, name: &[String]) -> bool {
        self.records.iter().any(|record| record.owner.ends_with(name))
    }

    fn soa(&self) -> &Record {
        self.records.iter().find(|record| record.kind == "SOA").expect("each zone has one")
    }

    /// The lowest of the two times (RFC 2308, 5).
    fn negative_ttl(&self) -> u32 {
        let soa = self.soa();
        let minimum = soa.data.rsplit(' ').next().and_then(|word| word.parse().ok()).expect("a number");
        soa.ttl.min(minimum)
    }

    /// Whether `name` is at a zone cut of this zone, or below one.
    fn is_delegated(&self, name: &[String]) -> bool {
        (0..name.len().saturating_sub(self.apex.len())).any(|index| self.has(&name[index..], "NS"))
    }

    /// The name whose records answer for `target`.
    fn source(&self, target: &[String]) -> Option<Name> {
        if !target.ends_with(&self.apex) {
            return None;
        }
        if self.exists(target) {
            return Some(target.to_vec());
        }
        let encloser = (0..target.len()).map(|index| &target[index..]).find(|name| self.exists(name))?;
        let wildcard: Name = [&["*".to_owned()], encloser].concat();
        self.exists(&wildcard).then_some(wildcard)
    }

    /// As a master file.
    pub(crate) fn file(&self) -> String {
        self.records.iter().map(|record| record.line(&record.owner, record.ttl) + "\n").collect()
    }
}

/// The answer to a question of type `kind` for `asked`, over a stream.
pub(crate) fn answer(zones: &[ModelZone], asked: &Name, kind: &str, beside: Beside) -> Answer {
    let mut answer = Answer { code: "NOERROR", ..Answer::default() };
    let mut name = asked.clone();
    let mut seen = vec![];
    let mut aliases = 0;
    loop {
        // Step 2: the zone which is the nearest ancestor; of DS, the parent's side (RFC 4035, 3.1.4.1).
        let candidates = zones.iter().filter(|zone| name.ends_with(&zone.apex));
        let nearest = candidates.clone().max_by_key(|zone| zone.apex.len());
        let parent = candidates.filter(|zone| zone.apex != name).max_by_key(|zone| zone.apex.len());
        let zone = if kind == "DS" { parent.or(nearest) } else { nearest };
        let Some(zone) = zone else {
            if aliases == 0 {
                answer.code = "REFUSED";
            }
            return answer;
        };
        seen.push(name.clone());
        let told = answer.answer.len();
        match step(zone, &name, kind, beside, &mut answer) {
            None => return answer,
            Some(_) if aliases == 10 => {
                answer.answer.truncate(told);
                return answer;
            }
            Some(next) => {
                aliases += 1;
                if seen.contains(&next) {
                    return answer;
                }
                name = next;
            }
        }
    }
}

/// Step 3: down from the apex, label by label; the name that an alias leads to.
fn step(zone: &ModelZone, name: &Name, kind: &str, beside: Beside, answer: &mut Answer) -> Option<Name> {
    for index in (0..=name.len() - zone.apex.len()).rev() {
        let node = &name[index..];
        if !zone.exists(node) {
            let encloser = &name[index + 1..];
            // RFC 6672, 3.2, step 3.C.
            if let Some(dname) = zone.at(encloser, "DNAME").first() {
                answer.is_authoritative = true;
                return redirect(zone, name, encloser, dname, kind, answer);
            }
            let wildcard: Name = [&["*".to_owned()], encloser].concat();
            answer.is_authoritative = true;
            if zone.exists(&wildcard) {
                return records(zone, name, &wildcard, kind, beside, answer);
            }
            answer.code = "NXDOMAIN";
            answer.authority.push(zone.soa().line(&zone.apex, zone.negative_ttl()));
            return None;
        }
        // 3.b: a referral.
        let is_cut = node != zone.apex && zone.has(node, "NS");
        if is_cut && !(index == 0 && kind == "DS") {
            let servers = zone.at(node, "NS");
            answer.authority.extend(servers.iter().map(|record| record.line(node, record.ttl)));
            hosts(zone, &servers, true, answer);
            return None;
        }
    }
    answer.is_authoritative = true;
    records(zone, name, name, kind, beside, answer)
}

fn redirect(
    zone: &ModelZone,
    name: &Name,
    encloser: &[String],
    dname: &Record,
    kind: &str,
    answer: &mut Answer,
) -> Option<Name> {
    let target = dname.target.as_ref().expect("DNAME has one");
    if answer.sets.insert((encloser.to_vec(), "DNAME")) {
        answer.answer.push(dname.line(encloser, dname.ttl));
    } else if target.ends_with(encloser) {
        return None;
    }
    let next: Name = [&name[..name.len() - encloser.len()], target].concat();
    if next.iter().map(|label| label.len() + 1).sum::<usize>() + 1 > 255 {
        answer.code = "YXDOMAIN";
        return None;
    }
    let _ = zone;
    answer.answer.push(format!("{} {} CNAME {}", text(name), dname.ttl, text(&next)));
    (kind != "CNAME").then_some(next)
}

/// The records at `source` as those of `name`.
fn records(
    zone: &ModelZone,
    name: &Name,
    source: &Name,
    kind: &str,
    beside: Beside,
    answer: &mut Answer,
) -> Option<Name> {
    let found: Vec<_> = zone
        .records
        .iter()
        .filter(|record| record.owner == *source && (record.kind == kind || kind == "ANY"))
        .collect();
    if let Some(first) = found.first() {
        if kind != "DNAME" || !answer.sets.contains(&(name.clone(), "DNAME")) {
            answer.answer.extend(found.iter().map(|record| record.line(name, record.ttl)));
        }
        if kind == "ANY" {
            return None;
        }
        answer.sets.insert((name.clone(), first.kind));
        let servers = zone.at(&zone.apex, "NS");
        let is_more = beside == Beside::All && !(kind == "NS" && *name == zone.apex) && kind != "DS";
        if is_more {
            answer.authority.extend(servers.iter().map(|record| record.line(&zone.apex, record.ttl)));
        }
        if kind == "NS" || matches!(kind, "MX" | "SRV") && beside != Beside::Nothing {
            hosts(zone, &found, kind == "NS", answer);
        }
        if is_more {
            hosts(zone, &servers, true, answer);
        }
        return None;
    }
    if let Some(alias) = zone.at(source, "CNAME").first() {
        answer.answer.push(alias.line(name, alias.ttl));
        return alias.target.clone();
    }
    answer.authority.push(zone.soa().line(&zone.apex, zone.negative_ttl()));
    None
}

/// Adds the addresses that the zone has for the targets of `records`.
fn hosts(zone: &ModelZone, records: &[&Record], with_glue: bool, answer: &mut Answer) {
    for target in records.iter().filter_map(|record| record.target.as_ref()) {
        if !with_glue && zone.is_delegated(target) {
            continue;
        }
        let Some(source) = zone.source(target) else { continue };
        for kind in ["A", "AAAA"] {
            let found = zone.at(&source, kind);
            if !found.is_empty() && answer.sets.insert((target.clone(), kind)) {
                answer.additional.extend(found.iter().map(|record| record.line(target, record.ttl)));
            }
        }
    }
}

/// Labels that names are made of, few, so that they meet.
const LABELS: [&str; 5] = ["a", "b", "c", "x", "*"];
/// Types by the number of chances that each has.
const KINDS: &str = "A A A AAAA TXT MX MX SRV NS NS NS CNAME CNAME CNAME DNAME DNAME PTR";
/// Types that are asked for.
const ASKED: &str = "A A A AAAA NS SOA CNAME DNAME MX TXT SRV PTR DS ANY TYPE65280";

fn word(random: &mut Random, words: &'static str) -> &'static str {
    let words: Vec<_> = words.split(' ').collect();
    words[random.below(words.len())]
}

fn below(random: &mut Random, apex: &Name, most: usize) -> Name {
    let count = random.below(most + 1);
    let labels = (0..count).map(|_| random.one(&LABELS).to_owned());
    labels.chain(apex.iter().cloned()).collect()
}

/// Some zones that know of each other, without a mistake, with `middle` in the names of all.
pub(crate) fn zones(random: &mut Random, middle: &str) -> Vec<ModelZone> {
    let apexes = [format!("{middle}.org"), format!("{middle}.net"), format!("a.{middle}.org")];
    let apexes: Vec<_> = apexes.iter().map(|apex| name(apex)).collect();
    let count = 1 + random.below(apexes.len());
    let apexes = &apexes[..count];
    apexes.iter().map(|apex| zone(random, apex, apexes)).collect()
}

fn zone(random: &mut Random, apex: &Name, apexes: &[Name]) -> ModelZone {
    let mut zone = ModelZone { apex: apex.clone(), records: vec![] };
    let (ttl, minimum) = (60 * (1 + random.below(3)), 60 * (1 + random.below(3)));
    let soa = format!("ns.test. h.test. 1 2 3 4 {minimum}");
    let soa = Record { owner: apex.clone(), ttl: ttl as u32, kind: "SOA", data: soa, target: None };
    zone.records.push(soa);
    let server = [&["ns".to_owned()], apex.as_slice()].concat();
    zone.add(&server, 300, "A", "192.0.2.53".to_owned(), None);
    zone.add(apex, 300, "NS", String::new(), Some(server));
    for number in 0..4 + random.below(30) {
        let owner = below(random, apex, 4);
        let kind = word(random, KINDS);
        let ttl = 60 * (1 + random.below(9)) as u32;
        // RFC 6672, 2.4: no zone has its place below a DNAME record of another, and below a zone nothing of it is seen.
        let is_across = |other: &Name| other != apex && (other.ends_with(&owner) || owner.ends_with(other));
        if kind == "DNAME" && apexes.iter().any(is_across) {
            continue;
        }
        for part in 0..1 + random.below(4) {
            let other = &apexes[random.below(apexes.len())];
            let target = match random.below(8) {
                0 => name("x.test"),
                1 => below(random, other, 3),
                _ => below(random, apex, 3),
            };
            let data = match kind {
                "A" => format!("10.0.{number}.{part}"),
                "AAAA" => format!("2001:db8:{:x}::{:x}", number + 1, part + 1),
                "TXT" => format!("\"{number} {part} {}\"", "x".repeat(random.below(240))),
                "MX" => format!("{number} "),
                "SRV" => format!("{number} {part} 3 "),
                _ => String::new(),
            };
            let target = (!matches!(kind, "A" | "AAAA" | "TXT")).then_some(target);
            zone.add(&owner, ttl, kind, data, target);
        }
    }
    zone
}

impl ModelZone {
    /// Adds a record, unless it may not stand where the others are.
    fn add(&mut self, owner: &Name, ttl: u32, kind: &'static str, data: String, target: Option<Name>) {
        let here: Vec<_> = self.records.iter().filter(|record| record.owner == *owner).collect();
        let is_apex = *owner == self.apex;
        let has = |kind| here.iter().any(|record| record.kind == kind);
        let is_below_dname = |name: &Name| {
            (1..=name.len().saturating_sub(self.apex.len())).any(|index| self.has(&name[index..], "DNAME"))
        };
        let stands_above =
            self.records.iter().any(|record| record.owner != *owner && record.owner.ends_with(owner));
        let is_wrong = is_below_dname(owner)
            || has("CNAME")
            || match kind {
                "CNAME" => !here.is_empty(),
                "DNAME" => stands_above || has("DNAME") || has("NS") && !is_apex,
                "NS" => owner[0] == "*" || has("DNAME") && !is_apex,
                _ => false,
            };
        let ttl = here.iter().find(|record| record.kind == kind).map_or(ttl, |record| record.ttl);
        let record = Record { owner: owner.clone(), ttl, kind, data, target };
        if is_wrong || here.iter().any(|other| other.line(owner, ttl) == record.line(owner, ttl)) {
            return;
        }
        // RFC 1034, 4.2.1, and RFC 2181, 10.3: a name server in the zone has an address there, and is no alias.
        if let Some(server) = record.target.as_ref().filter(|name| kind == "NS" && name.ends_with(&self.apex))
        {
            let is_redirected = self.has(owner, "DNAME") && server != owner && server.ends_with(owner);
            if self.has(server, "CNAME") || is_below_dname(server) || is_redirected {
                return;
            }
            self.records.push(record.clone());
            if !self.has(server, "A") {
                self.add(&server.clone(), 300, "A", "192.0.2.99".to_owned(), None);
            }
            return;
        }
        self.records.push(record);
    }
}

/// A name and a type to ask for.
pub(crate) fn question(random: &mut Random, zones: &[ModelZone]) -> (Name, &'static str) {
    let zone = &zones[random.below(zones.len())];
    let record = &zone.records[random.below(zone.records.len())];
    let base = match (random.below(4), &record.target) {
        (0, Some(target)) => target,
        _ => &record.owner,
    };
    let mut asked = base.clone();
    match random.below(4) {
        0 => asked = below(random, base, 2),
        1 if asked.len() > 1 => drop(asked.remove(0)),
        _ => {}
    }
    (asked, word(random, ASKED))
}
