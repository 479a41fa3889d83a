//! Measures the name server of an image: against NSD in a Linux guest where speed is asked for, and in counts where a count says it
//! better.
//!
//! Instructions and bytes do not vary from day to day; they are written to `bench/dns.txt` by a run in which all rows that count
//! were asked. Queries a second are those of Debian's dnsperf, which asks both sides in turn; what processor time it takes itself is
//! told beside them. What each row asks is told in `bench/README.md`.

use std::cell::RefCell;
use std::path::PathBuf;

use crate::bench::net::namespace::{self, Namespace};
use crate::bench::net::side::{BUILD, RAM, Side};
use crate::bench::net::{Options, ROUNDS, ROUNDS_QUICK};
use crate::bench::process;
use crate::bench::rows::{self, Row, Verdict};
use crate::bench::write;
use crate::error::{Error, Result};
use crate::image::{self, Image, Profile, Request};
use crate::workspace::Workspace;

mod dnsperf;
mod guests;
mod host;
mod noise;
mod rate;
mod sizes;
mod start;
mod zone;

use sizes::Measured;

fn rows<'w>() -> Vec<Row<Field<'w>>> {
    let row = |name, measure| Row { name, measure, usual: true };
    vec![
        row("queries", rate::row),
        row("host", host::row),
        row("start", start::row),
        row("instructions", sizes::instructions),
        row("memory", sizes::memory),
        row("load", sizes::load),
        row("noise", noise::row),
    ]
}

/// What the rows are measured with.
struct Field<'w> {
    workspace: &'w Workspace,
    namespace: Namespace,
    dns: Image,
    /// The folder of the Linux guest, where it is wanted.
    linux: Option<PathBuf>,
    rounds: usize,
    quick: bool,
    /// Zones of several sizes, each measured once for all rows.
    sizes: RefCell<Vec<Measured>>,
    /// Counts by what they count.
    counted: RefCell<Vec<(String, u64)>>,
    verdict: Verdict,
}

impl Field<'_> {
    /// Who is there to be measured.
    fn sides(&self) -> Vec<Side> {
        let linux = self.linux.as_ref().map(|_| Side::Linux);
        [Side::Unik].into_iter().chain(linux).collect()
    }

    /// Tells a count of the image, and keeps it for the snapshot.
    fn count(&self, what: &str, count: u64) {
        println!("{what:60} {count:>9} (unik)");
        self.counted.borrow_mut().push((what.to_owned(), count));
    }
}

/// Measures the rows that are wanted. The exit code tells whether each had a figure.
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
    let app = workspace.app(Some("dns"), &workspace.root)?;
    let request = Request::new(workspace, Profile::Release);
    let request = Request { output: request.output.join("bench"), ..request };
    let dns = image::build(workspace, &app, &request)?;
    process::build(workspace, "dns")?;
    let namespace = Namespace::enter()?;
    namespace.lay(namespace::UNIK)?;
    let linux = (!options.no_peer).then_some(folder);
    if linux.is_some() {
        namespace.lay(namespace::LINUX)?;
    }
    let rounds = if options.quick { ROUNDS_QUICK } else { ROUNDS };
    println!(
        "dns, QEMU under TCG, one processor and {RAM} each unless told, taps with offloads; {rounds} rounds a side, in turn"
    );
    let field = Field {
        workspace,
        namespace,
        dns,
        linux,
        rounds,
        quick: options.quick,
        sizes: RefCell::default(),
        counted: RefCell::default(),
        verdict: Verdict::default(),
    };
    rows::measure(&rows, &field, &field.verdict);
    if field.counted.borrow().len() == COUNTED && !options.quick && field.verdict.is_good() {
        write(workspace, "dns.txt", &snapshot(&field.counted.borrow()))?;
    }
    Ok(field.verdict.code())
}

/// Figures that are counts: the snapshot holds all of them or is not written.
const COUNTED: usize = 15;

fn snapshot(counted: &[(String, u64)]) -> String {
    let mut text =
        "the name server (QEMU, -icount shift=0,sleep=off, microvm, a tap), queries one after the other\n"
            .to_owned();
    for (what, count) in counted {
        text += &format!("{what:60} {count:>9}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_not_there_is_answered_with_those_that_are() {
        let options = Options { only: vec!["bulk".to_owned()], ..Options::default() };
        let error = rows::wanted(rows(), &options.only).err().unwrap().to_string();
        assert!(error.starts_with("there is no row 'bulk': choose of queries, host, start"), "{error}");
    }

    #[test]
    fn without_a_name_all_rows_are_wanted() {
        assert_eq!(rows::wanted(rows(), &[]).unwrap().len(), rows().len());
    }

    #[test]
    fn the_snapshot_has_one_line_a_count() {
        let text = snapshot(&[("bytes a name".to_owned(), 40)]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("        40\n"), "{text}");
    }
}
