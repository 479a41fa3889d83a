//! Measures the web server of an image: against nginx in a Linux guest where speed is asked for, and by itself where it is tried
//! whether it bears what clients do.
//!
//! Requests a second and their times are those of Debian's wrk, slow clients those of Debian's slowhttptest. Figures with a bound are
//! told with it, and the exit code is 1 where one is missed. What each row asks is told in `bench/README.md`.

use std::path::PathBuf;

use crate::bench::net::namespace::{self, Namespace};
use crate::bench::net::side::{BUILD, RAM, Side};
use crate::bench::net::statistics::Comparison;
use crate::bench::net::{Options, ROUNDS, ROUNDS_QUICK};
use crate::bench::process;
use crate::bench::request;
use crate::bench::rows::{self, Row, Verdict};
use crate::error::{Error, Result};
use crate::image::{self, Image, Profile, Request};
use crate::workspace::Workspace;

mod guests;
mod host;
mod rate;
mod site;
mod slow;
mod soak;
mod start;
mod wrk;

/// Instructions that a request of a page on a connection that is kept may take.
const INSTRUCTIONS: u64 = 8000;

fn rows<'w>() -> Vec<Row<Field<'w>>> {
    let row = |name, measure| Row { name, measure, usual: true };
    vec![
        row("requests", rate::requests),
        row("file", rate::file),
        row("host", host::row),
        row("start", start::row),
        row("instructions", instructions),
        row("soak", soak::row),
        row("slow", slow::row),
    ]
}

/// What the rows are measured with.
struct Field<'w> {
    workspace: &'w Workspace,
    namespace: Namespace,
    httpd: Image,
    /// The folder of the Linux guest, where it is wanted.
    linux: Option<PathBuf>,
    rounds: usize,
    quick: bool,
    verdict: Verdict,
}

impl Field<'_> {
    /// Who is there to be measured.
    fn sides(&self) -> Vec<Side> {
        let linux = self.linux.as_ref().map(|_| Side::Linux);
        [Side::Unik].into_iter().chain(linux).collect()
    }

    /// Tells whether unik's best is so many times that of Linux, where both are measured.
    fn judge_ratio(&self, comparison: &Comparison, least: f64) {
        if let Some(ratio) = comparison.best_ratio() {
            self.verdict.judge(
                &format!("at least {least} times the best of linux, and it is {ratio:.2}"),
                ratio >= least,
            );
        }
    }
}

/// Measures the rows that are wanted. The exit code tells whether each had a figure, and kept its bound.
///
/// # Errors
/// The user is not root, a row has no such name, the image does not build, or the Linux guest is not built.
pub fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    let rows = rows::wanted(rows(), &options.only)?;
    namespace::require_root()?;
    let folder = workspace.target.join("peers/linux");
    if !options.no_peer && !guests::is_built(&folder) {
        return Err(Error::failed(format!(
            "the Linux guest to compare with is not built: '{BUILD}' does it, in ten minutes; --no-peer measures unik alone"
        )));
    }
    let app = workspace.app(Some("httpd"), &workspace.root)?;
    let request = Request::new(workspace, Profile::Release);
    let request = Request { output: request.output.join("bench"), ..request };
    let httpd = image::build(workspace, &app, &request)?;
    if rows.iter().any(|row| row.name == "host") {
        process::build(workspace, "httpd")?;
    }
    let namespace = Namespace::enter()?;
    namespace.lay(namespace::UNIK)?;
    namespace.add_client(namespace::UNIK)?;
    let linux = (!options.no_peer).then_some(folder);
    if linux.is_some() {
        namespace.lay(namespace::LINUX)?;
        namespace.add_client(namespace::LINUX)?;
    }
    let rounds = if options.quick { ROUNDS_QUICK } else { ROUNDS };
    println!(
        "httpd, QEMU under TCG, one processor and {RAM} each unless told, taps with offloads; {rounds} rounds a side, in turn"
    );
    let verdict = Verdict::default();
    let field = Field { workspace, namespace, httpd, linux, rounds, quick: options.quick, verdict };
    rows::measure(&rows, &field, &field.verdict);
    Ok(field.verdict.code())
}

/// The measure of `cargo unik bench request`, beside its bound.
fn instructions(field: &Field<'_>) -> Result<()> {
    let request::Cost { alone, together } = request::measure(field.workspace)?;
    println!(
        "instructions a request on a connection that is kept: alone {alone}, each of 16 together {together}"
    );
    field.verdict.judge(
        &format!("at most {INSTRUCTIONS} where 16 come together, and it is {together}"),
        together <= INSTRUCTIONS,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_not_there_is_answered_with_those_that_are() {
        let error = rows::wanted(rows(), &["bulk".to_owned()]).err().unwrap().to_string();
        assert!(
            error.starts_with("there is no row 'bulk': choose of requests, file, host, start"),
            "{error}"
        );
    }

    #[test]
    fn without_a_name_all_rows_are_wanted() {
        assert_eq!(rows::wanted(rows(), &[]).unwrap().len(), rows().len());
    }
}
