//! Keeps docs/threat-model.md honest: every line of its table names a test, and that test is there.

use std::fs;
use std::path::Path;

#[test]
fn every_line_of_the_threat_model_names_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/threat-model.md")).expect("the page can be read");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(rows.len() >= 30, "the list only grows, and has {} lines", rows.len());
    let mut missing = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let proof = cells.get(3).and_then(|proof| proof.strip_prefix('`')?.split_once("` in "));
        let found = proof.is_some_and(|(test, file)| {
            let source = fs::read_to_string(root.join(file)).unwrap_or_default();
            source.contains(&format!("fn {test}()"))
        });
        if !found {
            missing.push(row);
        }
    }
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}
