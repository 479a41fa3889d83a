//! The tester of os-ken, in an environment of its own: it is fetched once, started for one folder of cases, and listened to.

use std::fmt;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::Suite;
use super::station::{TARGET, TESTER};
use crate::bench::process::Process;
use crate::error::{Context, Error, Result};
use crate::workspace::Workspace;

/// The tester: the version that the figures are about.
pub(super) const OS_KEN: &str = "os-ken==2.8.1";
/// What starts it.
const SCRIPT: &str = include_str!("tester.py");
/// How long one case may take: two of them measure for twice thirty seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// Whether the tester is as it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edition {
    /// It is.
    Published,
    /// Its checksum of SCTP is one, and it sends as many frames as it means to.
    Repaired,
}

impl fmt::Display for Edition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Edition::Published => "as published",
            Edition::Repaired => "repaired",
        })
    }
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    /// Why it failed, if it did.
    pub(super) failure: Option<String>,
    /// The file's title, and that of the case.
    pub(super) title: String,
}

impl Case {
    /// Reads a line of the script; `None` where it is of something else.
    fn read(line: &str) -> Option<Case> {
        let mut words = line.trim_end().split('\t');
        let ("case", verdict) = (words.next()?, words.next()?) else { return None };
        let title = format!("{}: {}", words.next()?, words.next()?);
        let failure = match verdict {
            "ok" => None,
            _ => Some(words.next().unwrap_or_default().to_owned()),
        };
        Some(Case { failure, title })
    }
}

/// The environment in which the tester is.
pub(super) struct Environment {
    python: PathBuf,
    script: PathBuf,
    /// The folder of all cases.
    cases: PathBuf,
}

impl Environment {
    /// Makes the environment, unless it is there.
    ///
    /// # Errors
    /// Python has no environments here, or the package index is out of reach.
    pub(super) fn prepare(workspace: &Workspace) -> Result<Environment> {
        let folder = workspace.target.join("unik/bench/openflow");
        let home = folder.join("python");
        let python = home.join("bin/python");
        let whole = home.join(OS_KEN);
        if !whole.exists() {
            println!("fetching {OS_KEN} from PyPI, once");
            let install =
                "have Python make an environment ('apt-get install python3-venv' brings what it needs)";
            run(Command::new("python3").args(["-m", "venv"]).arg(&home), install)?;
            let words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", OS_KEN];
            run(Command::new(&python).args(words), "fetch the tester")?;
            fs::write(&whole, "").or_cannot(|| format!("write {}", whole.display()))?;
        }
        let script = folder.join("tester.py");
        fs::write(&script, SCRIPT).or_cannot(|| format!("write {}", script.display()))?;
        let find = "import os_ken.tests.switch as m; print(m.__path__[0])";
        let output = Command::new(&python).args(["-W", "ignore", "-c", find]).output();
        let output = output.or_cannot(|| "find the cases of the tester".to_owned())?;
        let cases = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if !cases.join("of13/match").is_dir() {
            return Err(Error::failed(format!("{OS_KEN} has no cases at {}", cases.display())));
        }
        Ok(Environment { python, script, cases })
    }

    /// Has the tester do all cases of a suite, and hands each to `tell` when it is done.
    ///
    /// # Errors
    /// It does not start, or falls silent before it ends.
    pub(super) fn ask(
        &self,
        suite: &Suite,
        edition: Edition,
        quick: bool,
        mut tell: impl FnMut(Case),
    ) -> Result<()> {
        let mut command = Command::new(&self.python);
        command.args(["-W", "ignore"]).arg(&self.script);
        command.args((edition == Edition::Repaired).then_some("repair")).args(quick.then_some("quick"));
        command
            .args(["--", "--test-switch-interval", "0", "--test-switch-dir"])
            .arg(self.cases.join(suite.folder));
        command.args(["--test-switch-target", TARGET, "--test-switch-tester", TESTER]);
        command.args([
            "--test-switch-target-version",
            suite.version,
            "--test-switch-tester-version",
            suite.version,
        ]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process(command.spawn().or_cannot(|| "start the tester".to_owned())?);
        let output = process.0.stdout.take().ok_or_else(|| Error::failed("the tester says nothing"))?;
        let lines = lines(output);
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => Case::read(&line).into_iter().for_each(&mut tell),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Error::failed(format!(
                        "the tester has said nothing for {PATIENCE:?}: a switch may have left it"
                    )));
                }
            }
        }
    }
}

/// The lines that a process writes, from a thread that ends with them.
fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn run(command: &mut Command, doing: &str) -> Result<()> {
    let output = command.output().or_cannot(|| doing.to_owned())?;
    if output.status.success() {
        return Ok(());
    }
    let complaint =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned());
    Err(Error::failed(format!("cannot {doing}: {}", complaint.join("\n").trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_script_is_read_and_others_are_not() {
        let read = Case::read("case\tfailed\tmatch: 03\tether/ipv4\tReceiving timeout: no change\n");
        let failure = Some("Receiving timeout: no change".to_owned());
        assert_eq!(read, Some(Case { failure, title: "match: 03: ether/ipv4".to_owned() }));
        assert_eq!(Case::read("case\tok\ta\tb\t").map(|case| case.failure), Some(None));
        for other in ["", "....", "case\tok", "cases\tok\ta\tb"] {
            assert_eq!(Case::read(other), None);
        }
    }
}
