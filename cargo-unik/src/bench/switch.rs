//! Measures the data plane of the switch: what a frame costs in instructions, how many a second pass, what TCP makes of it, and how often a
//! card is told that there is something to do.
//!
//! Frames and TCP are compared with a bridge in a Linux guest, frames also with QEMU's own hub, which joins two taps without a guest: no switch
//! under this QEMU is faster. All are asked in turn; figures with a bound are told with it, and the exit code is 1 where one is missed.
//! What each row asks is told in `bench/README.md`.

use std::path::PathBuf;
use std::time::Duration;

use crate::bench::net::namespace::{self, Namespace};
use crate::bench::net::side::{BUILD, RAM};
use crate::bench::net::{Options, ROUNDS, ROUNDS_QUICK};
use crate::bench::rows::{self, Row, Verdict};
use crate::error::{Error, Result};
use crate::image::{self, Image, Profile, Request};
use crate::workspace::Workspace;

mod cost;
mod frames;
mod joint;
mod kicks;
mod load;
mod sink;
mod table;
mod tcp;

/// The rows that need no network, and so not root.
const COUNTED: &str = "instructions";
const TABLE: &str = "table";

fn rows<'w>() -> Vec<Row<Field<'w>>> {
    let row = |name, measure| Row { name, measure, usual: true };
    vec![
        row(COUNTED, cost::row),
        row("frames", frames::row),
        row("tcp", tcp::row),
        row("kicks", kicks::row),
        row(TABLE, table::row),
    ]
}

/// What the rows are measured with.
struct Field<'w> {
    workspace: &'w Workspace,
    image: Image,
    /// The folder of the Linux guest, where it is wanted.
    linux: Option<PathBuf>,
    /// Where the taps are, if a row has any.
    namespace: Option<Namespace>,
    /// QEMU's hub is measured too.
    has_hub: bool,
    rounds: usize,
    quick: bool,
    verdict: Verdict,
}

impl Field<'_> {
    fn namespace(&self) -> Result<&Namespace> {
        self.namespace.as_ref().ok_or_else(|| Error::failed("there is no network to measure in"))
    }

    /// So many seconds, or one when there is no time.
    fn duration(&self, seconds: u64) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { seconds })
    }
}

/// Measures the rows that are wanted. The exit code tells whether each had a figure, and kept its bound.
///
/// # Errors
/// A row has no such name, the user is not root and a row needs a network, the image does not build, or the Linux guest is not built.
pub fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    let rows = rows::wanted(rows(), &options.only)?;
    let has_network = rows.iter().any(|row| ![COUNTED, TABLE].contains(&row.name));
    let folder = workspace.target.join("peers/linux");
    if has_network {
        namespace::require_root()?;
        if !options.no_peer && !joint::is_built(&folder) {
            return Err(Error::failed(format!(
                "the Linux guest to compare with is not built: '{BUILD}' does it, in ten minutes; --no-peer measures unik alone"
            )));
        }
    }
    let app = workspace.app(Some("vswitch"), &workspace.root)?;
    let request = Request::new(workspace, Profile::Release);
    let request = Request { output: request.output.join("bench"), ..request };
    let image = image::build(workspace, &app, &request)?;
    let namespace = if has_network { Some(Namespace::enter()?) } else { None };
    let rounds = if options.quick { ROUNDS_QUICK } else { ROUNDS };
    if has_network {
        println!(
            "switch, QEMU under TCG, one processor and {RAM} each, taps; {rounds} rounds a side, in turn"
        );
    }
    let field = Field {
        workspace,
        image,
        linux: (!options.no_peer).then_some(folder),
        namespace,
        has_hub: !options.no_peer,
        rounds,
        quick: options.quick,
        verdict: Verdict::default(),
    };
    rows::measure(&rows, &field, &field.verdict);
    Ok(field.verdict.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_not_there_is_answered_with_those_that_are() {
        let error = rows::wanted(rows(), &["bulk".to_owned()]).err().unwrap().to_string();
        assert_eq!(error, "there is no row 'bulk': choose of instructions, frames, tcp, kicks, table");
    }

    #[test]
    fn without_a_name_all_rows_are_wanted() {
        assert_eq!(rows::wanted(rows(), &[]).unwrap().len(), rows().len());
    }
}
