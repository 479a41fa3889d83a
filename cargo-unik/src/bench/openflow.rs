//! Has the suites that certify OpenFlow switches judge the switch: those of os-ken, which were Ryu's.
//!
//! The tester sends frames by a second switch, which is Open vSwitch, and looks at what comes back to that. [`SUITES`] are what it
//! asks; each has a pair of switches of its own, all in a namespace of this process. What the suites are, and what is wrong in the
//! tester itself, is told in `bench/README.md`. Beside them stands one figure: how many frames a second a controller can decide about.

use crate::bench::net::Options;
use crate::bench::net::namespace::{self, Namespace};
use crate::error::{Error, Result};
use crate::image::{self, Image, Profile, Request};
use crate::workspace::Workspace;

mod packet_in;
mod station;
mod tester;

use station::Station;
use tester::{Case, Edition, Environment, OS_KEN};

/// Cases of one kind.
struct Suite {
    name: &'static str,
    /// Where they are among all.
    folder: &'static str,
    /// The version of the protocol that both switches speak, as os-ken calls it, and as Open vSwitch does.
    version: &'static str,
    protocol: &'static str,
    /// How many there are.
    count: usize,
}

/// A suite of OpenFlow 1.3.
const fn suite(name: &'static str, folder: &'static str, count: usize) -> Suite {
    Suite { name, folder, version: "openflow13", protocol: "OpenFlow13", count }
}

const SUITES: [Suite; 5] = [
    suite("match", "of13/match", 714),
    suite("action", "of13/action", 226),
    suite("group", "of13/group", 15),
    suite("meter", "of13/meter", 36),
    Suite { version: "openflow10", protocol: "OpenFlow10", ..suite("of10", "of10", 192) },
];

/// Has the suites that are wanted done. The exit code tells whether all cases passed, in either edition of the tester.
///
/// # Errors
/// The user is not root, no suite is called so, the image does not build, or the tester cannot be fetched.
pub fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    let suites = wanted(&options.only)?;
    namespace::require_root()?;
    // Before the namespace, which no route leads out of.
    let environment = if suites.is_empty() { None } else { Some(Environment::prepare(workspace)?) };
    let app = workspace.app(Some("vswitch"), &workspace.root)?;
    let request = Request::new(workspace, Profile::Release);
    let request = Request { output: request.output.join("bench"), ..request };
    let image = image::build(workspace, &app, &request)?;
    let namespace = Namespace::enter()?;
    let mut code = 0;
    if options.only.is_empty() || options.only.iter().any(|name| name == packet_in::NAME) {
        code = packet_in::run(workspace, &image, &namespace, options)?;
    }
    let Some(environment) = environment else { return Ok(code) };
    station::lay(&namespace)?;
    println!("{OS_KEN}, Open vSwitch as the tester's switch, the image under TCG; cases that passed");
    if options.quick {
        println!("in a hurry: a rate is measured for 10 s instead of 30, all else is as it is");
    }
    let mut failed = false;
    for suite in suites {
        // What is wrong in the tester itself costs time only where it decides.
        let judge = |edition| judge(&image, &environment, suite, edition, options.quick);
        failed |= !(judge(Edition::Published)? || judge(Edition::Repaired)?);
    }
    Ok(code.max(u8::from(failed)))
}

/// The suites of these names, or all.
fn wanted(only: &[String]) -> Result<Vec<&'static Suite>> {
    let is_known = |name: &str| name == packet_in::NAME || SUITES.iter().any(|suite| suite.name == name);
    if let Some(name) = only.iter().find(|name| !is_known(name)) {
        let known = SUITES.map(|suite| suite.name).join(", ");
        let packet_in = packet_in::NAME;
        return Err(Error::usage(format!("there is no suite '{name}': choose of {known}, {packet_in}")));
    }
    let is_wanted = |suite: &&Suite| only.is_empty() || only.iter().any(|name| name == suite.name);
    Ok(SUITES.iter().filter(is_wanted).collect())
}

/// Does the cases of a suite, and tells of those that fail. True if all passed.
fn judge(
    image: &Image,
    environment: &Environment,
    suite: &Suite,
    edition: Edition,
    quick: bool,
) -> Result<bool> {
    println!("\n[{}] {edition}", suite.name);
    let mut station = Station::start(image, suite)?;
    let (mut passed, mut done) = (0, 0);
    let asked = environment.ask(suite, edition, quick, |case| {
        done += 1;
        match case {
            Case { failure: None, .. } => passed += 1,
            Case { failure: Some(reason), title } => println!("  failed: {title}\n    {reason}"),
        }
    });
    asked.map_err(|error| station.target.report(&error.to_string()))?;
    println!("{:8} {edition:16} {passed:>4} of {}", suite.name, suite.count);
    if done != suite.count {
        println!("  the tester has done {done} cases");
    }
    Ok(passed == suite.count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_suites_are_wanted_unless_some_are_named() {
        let names = |only: &[&str]| -> Vec<&str> {
            let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
            wanted(&only).unwrap().iter().map(|suite| suite.name).collect()
        };
        assert_eq!(names(&[]), ["match", "action", "group", "meter", "of10"]);
        assert_eq!(names(&["of10", "group"]), ["group", "of10"]);
        let error = wanted(&["tea".to_owned()]).err().unwrap().to_string();
        assert_eq!(error, "there is no suite 'tea': choose of match, action, group, meter, of10, packet-in");
        assert_eq!(names(&["packet-in"]), [""; 0], "that is no suite");
    }
}
