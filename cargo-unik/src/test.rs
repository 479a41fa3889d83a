//! Runs the tests: on this computer, and with images under QEMU.
//!
//! In the workspace of unik the two suites are `cargo test` of all packages but `unik-tests`, and of `unik-tests` alone. In a project
//! of somebody else's, both are its own `cargo test`. An application that has features of its own is tested on this computer with
//! each of them too; or one application alone is, as it is named. The runners' output goes through unchanged.

use std::process::Command;

use crate::error::{Context, Error, Result};
use crate::setup;
use crate::workspace::Workspace;

/// The package of the whole-image tests.
pub const IMAGE_TESTS: &str = "unik-tests";

/// Which suites to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Suites {
    /// Both.
    #[default]
    All,
    /// Those that need no QEMU.
    Host,
    /// Those that boot images.
    Machine,
}

/// Runs the suites one after the other, both even when the first one fails.
///
/// # Errors
/// What is needed is missing and cannot be installed, or tests failed.
pub fn run(app: Option<&str>, suites: Suites) -> Result<u8> {
    let here = std::env::current_dir().or_cannot(|| "find the current folder".to_owned())?;
    let workspace = Workspace::load(&here)?;
    if let Some(name) = app {
        if suites == Suites::Machine {
            return Err(Error::usage(
                "the tests in machines are run for all applications: leave the name or --vm out",
            ));
        }
        let app = workspace.app(Some(name), &here)?;
        let features = app.defaults.features.join(",");
        return match cargo_test(&["--package", &app.package, "--features", &features])? {
            true => Ok(0),
            false => Err(Error::failed(format!("tests of {name} failed"))),
        };
    }
    let inside = workspace.packages.iter().any(|package| package.name == IMAGE_TESTS);
    let mut failed = Vec::new();
    if suites != Suites::Machine {
        let arguments: &[&str] = if inside { &["--workspace", "--exclude", IMAGE_TESTS] } else { &[] };
        if !cargo_test(arguments)? {
            failed.push("host");
        }
        for (package, feature) in workspace.features() {
            if !cargo_test(&["--package", package, "--features", feature])? {
                failed.push("host");
            }
        }
    }
    if suites != Suites::Host && inside {
        setup::qemu()?;
        setup::rust_src()?;
        setup::plain_target()?;
        setup::check_compiler()?;
        if !cargo_test(&["--package", IMAGE_TESTS])? {
            failed.push("image");
        }
    }
    if failed.is_empty() {
        Ok(0)
    } else {
        Err(Error::failed(format!("{} tests failed", failed.join(" and "))))
    }
}

fn cargo_test(arguments: &[&str]) -> Result<bool> {
    eprintln!("unik: cargo test {}", arguments.join(" "));
    let status = Command::new(setup::cargo()).args(["test", "--no-fail-fast"]).args(arguments).status();
    Ok(status.or_cannot(|| "start cargo".to_owned())?.success())
}
