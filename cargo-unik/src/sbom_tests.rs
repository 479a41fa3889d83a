//! Tests of the list of crates, on a resolve graph of five packages.

use super::*;
use crate::workspace::Defaults;

/// An application `a` that names `b`, a macro and a crate for tests; `b` names `c` of a registry and, optionally, `d`.
fn metadata() -> Value {
    let package = |name: &str, version: &str, license: Value| {
        json!({ "id": name, "name": name, "version": version, "license": license,
                "manifest_path": format!("/w/{name}/Cargo.toml"), "repository": null })
    };
    let needs = |name: &str, kind: Value| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
    json!({
        "packages": [
            package("a", "0.1.0", json!("MIT")),
            package("b", "0.2.0", json!("MIT/Apache-2.0")),
            package("c", "1.0.0+1", Value::Null),
            package("d", "1.0.0", json!("MIT")),
            package("tests", "1.0.0", json!("MIT")),
        ],
        "resolve": { "nodes": [
            { "id": "a", "deps": [needs("b", Value::Null), needs("tests", json!("dev"))] },
            { "id": "b", "deps": [needs("c", Value::Null), needs("d", Value::Null), needs("c", json!("build"))] },
            { "id": "c", "deps": [] },
            { "id": "d", "deps": [] },
            { "id": "tests", "deps": [] },
        ] },
    })
}

const LOCK: &str = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"0.1.0\"\n\n\
    [[package]]\nname = \"c\"\nversion = \"1.0.0+1\"\nsource = \"registry\"\nchecksum = \"00ff\"\n";

const TREE: &str = "a v0.1.0 (/w/a)\nb v0.2.0 (/w/b)\nc v1.0.0+1\ntests v1.0.0\nb v0.2.0 (/w/b) (*)\n";

fn bill(kind: Kind) -> Bill {
    let app = App {
        name: "app".to_owned(),
        package: "a".to_owned(),
        folder: "/w/a".into(),
        target: "app".to_owned(),
        kind,
        defaults: Defaults::default(),
    };
    let components = components(&metadata(), &app, &chosen(TREE), &checksums(LOCK).unwrap()).unwrap();
    let library = library(Path::new("/nowhere"), "1.95.0");
    Bill { name: app.name, commit: Some("0123-dirty".to_owned()), components, library }
}

fn names(kind: Kind) -> Vec<String> {
    bill(kind).components.into_iter().map(|component| component.name).collect()
}

#[test]
fn what_is_linked_is_listed_and_what_is_not_chosen_is_not() {
    assert_eq!(names(Kind::Program), ["a", "b", "c"]);
}

#[test]
fn an_example_may_link_what_is_for_development() {
    assert_eq!(names(Kind::Example), ["a", "b", "tests", "c"]);
}

#[test]
fn licences_checksums_and_dependencies_are_taken_along() {
    let components = bill(Kind::Program).components;
    assert_eq!(components[1].license.as_deref(), Some("MIT OR Apache-2.0"));
    assert_eq!((components[1].checksum.as_deref(), components[2].checksum.as_deref()), (None, Some("00ff")));
    assert_eq!(
        components.iter().map(|one| one.depends_on.clone()).collect::<Vec<_>>(),
        [vec![1], vec![2], vec![]]
    );
}

#[test]
fn a_document_has_what_the_schema_requires() {
    let document = bill(Kind::Program).document();
    assert_eq!((&document["bomFormat"], &document["specVersion"]), (&json!("CycloneDX"), &json!("1.5")));
    assert_eq!(document["version"], json!(1));
    assert_eq!(document["metadata"]["component"]["name"], json!("app"));
    assert_eq!(document["metadata"]["properties"][0]["value"], json!("0123-dirty"));
    let expected = json!({
        "type": "library", "bom-ref": "pkg:cargo/c@1.0.0%2B1", "purl": "pkg:cargo/c@1.0.0%2B1", "name": "c",
        "version": "1.0.0+1", "hashes": [{ "alg": "SHA-256", "content": "00ff" }],
    });
    assert_eq!(document["components"][2], expected);
}

#[test]
fn references_are_unique_and_every_dependency_leads_to_one() {
    let document = bill(Kind::Program).document();
    let described = [&document["metadata"]["component"]];
    let components = document["components"].as_array().unwrap().iter().chain(described);
    let references: Vec<&Value> = components.map(|component| &component["bom-ref"]).collect();
    assert_eq!(references.iter().map(|one| one.to_string()).collect::<BTreeSet<_>>().len(), references.len());
    for dependency in document["dependencies"].as_array().unwrap() {
        let ends = dependency["dependsOn"].as_array().unwrap().iter().chain([&dependency["ref"]]);
        ends.for_each(|end| assert!(references.contains(&end), "{end}"));
    }
}

#[test]
fn the_table_is_for_people() {
    let table = bill(Kind::Program).table();
    assert!(table.starts_with("a                  0.1.0       MIT\n"), "{table}");
    assert!(table.contains("c                  1.0.0+1     no licence named\n"), "{table}");
}
