//! Tests of the workspace: a small one in the words of `cargo metadata`.

use serde_json::json;

use super::*;

fn workspace(dns_metadata: &Value) -> Workspace {
    let target = |name: &str, kind: &str| json!({ "name": name, "kind": [kind] });
    Workspace::read(&json!({
        "workspace_root": "/w",
        "target_directory": "/w/target",
        "packages": [
            {
                "name": "cargo-unik", "manifest_path": "/w/cargo-unik/Cargo.toml", "dependencies": [],
                "targets": [target("cargo-unik", "bin")], "metadata": null,
            },
            {
                "name": "unik-kernel", "manifest_path": "/w/kernel/Cargo.toml", "dependencies": [],
                "targets": [target("unik_kernel", "lib"), target("hello", "example"), target("fault", "example")],
                "metadata": null,
            },
            {
                "name": "unik-os", "manifest_path": "/w/unik/Cargo.toml", "dependencies": [],
                "targets": [target("unik", "lib"), target("hello", "example")],
                "metadata": { "unik": { "examples": { "hello": { "net": "none" } } } },
            },
            {
                "name": "unik-dns", "manifest_path": "/w/apps/dns/Cargo.toml",
                "dependencies": [{ "name": "unik-os", "path": "/w/unik", "kind": null }],
                "targets": [target("unik-dns", "bin")], "metadata": dns_metadata,
                "features": { "default": [], "tls": [], "other": [] },
            },
        ],
    }))
    .unwrap()
}

fn dns(wishes: &Value) -> Result<App> {
    workspace(&json!({ "unik": wishes })).app(Some("dns"), Path::new("/w"))
}

#[test]
fn an_application_is_found_by_its_short_name() {
    let app = dns(&json!({})).unwrap();
    assert_eq!(
        (app.name.as_str(), app.package.as_str(), app.target.as_str()),
        ("dns", "unik-dns", "unik-dns")
    );
    assert_eq!(app.kind, Kind::Program);
}

#[test]
fn an_example_of_the_system_goes_before_one_of_another_package() {
    let workspace = workspace(&Value::Null);
    let app = workspace.app(Some("hello"), Path::new("/w")).unwrap();
    assert_eq!((app.package.as_str(), app.kind), ("unik-os", Kind::Example));
    assert_eq!(app.defaults.networks, Some(vec![]));
    assert_eq!(workspace.app(Some("fault"), Path::new("/w")).unwrap().package, "unik-kernel");
}

#[test]
fn without_a_name_it_is_the_package_one_stands_in() {
    let workspace = workspace(&Value::Null);
    assert_eq!(workspace.app(None, Path::new("/w/apps/dns/src")).unwrap().name, "dns");
    let error = workspace.app(None, Path::new("/w")).unwrap_err().to_string();
    assert_eq!(error, "name an application: dns, hello");
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let error = workspace(&Value::Null).app(Some("ftpd"), Path::new("/w")).unwrap_err().to_string();
    assert_eq!(error, "there is no application 'ftpd' here: choose dns, hello");
}

#[test]
fn wishes_are_read_from_the_manifest() {
    let wishes = json!({
        "data": "zones", "forward": ["udp:5300:53", "tcp:5300:53"], "memory": "8M", "machine": "q35",
        "net": ["user"], "cmdline": "log=debug", "features": ["one", "other"],
    });
    let defaults = dns(&wishes).unwrap().defaults;
    assert_eq!(defaults.data.as_deref(), Some(Path::new("/w/apps/dns/zones")));
    assert_eq!(defaults.forwards.len(), 2);
    assert_eq!(defaults.memory.map(Memory::mebibytes), Some(8));
    assert_eq!(defaults.machine, Some(Machine::Q35));
    assert_eq!(defaults.networks, Some(vec![Network::User]));
    assert_eq!(defaults.cmdline.as_deref(), Some("log=debug"));
    assert_eq!(defaults.features, ["one", "other"]);
}

#[test]
fn features_stand_behind_the_name_and_have_wishes_of_their_own() {
    let wishes = json!({
        "forward": ["tcp:8080:80"], "memory": "8M", "features": ["one"],
        "with": { "tls": { "forward": ["tcp:8443:443"], "memory": "16M" } },
    });
    let workspace = workspace(&json!({ "unik": wishes }));
    assert_eq!(workspace.features().collect::<Vec<_>>(), [("unik-dns", "tls")]);
    let app = workspace.app(Some("dns+tls+other"), Path::new("/w")).unwrap();
    assert_eq!((app.name.as_str(), app.package.as_str()), ("dns+tls+other", "unik-dns"));
    assert_eq!(app.defaults.features, ["one", "tls", "other"]);
    assert_eq!(app.defaults.forwards.iter().map(|forward| forward.host).collect::<Vec<_>>(), [8080, 8443]);
    assert_eq!(app.defaults.memory.map(Memory::mebibytes), Some(16));
    let mut again = app.clone();
    workspace.add_feature(&mut again, "tls").unwrap();
    assert_eq!(again, app);
    let here = workspace.app(Some("+tls"), Path::new("/w/apps/dns")).unwrap();
    assert_eq!(here.name, "dns+tls");
    let plain = workspace.app(Some("dns"), Path::new("/w")).unwrap();
    assert_eq!((plain.defaults.forwards.len(), plain.defaults.features.len()), (1, 1));
    for (name, sentence) in [
        ("dns+udp", "dns has no feature 'udp': choose other, tls"),
        ("hello+tls", "hello has no feature 'tls': it has none"),
    ] {
        assert_eq!(workspace.app(Some(name), Path::new("/w")).unwrap_err().to_string(), sentence);
    }
}

#[test]
fn a_mistake_in_the_manifest_names_the_manifest_and_the_key() {
    for (wishes, expected) in [
        (json!({ "memory": 8 }), "memory wants one string"),
        (json!({ "machine": "vax" }), "there is no machine 'vax': choose microvm, q35 or pc"),
        (
            json!({ "memmory": "8M" }),
            "there is no wish 'memmory': choose data, check, prepare, memory, machine, cmdline, forward, net, features, disk-features",
        ),
    ] {
        let error = dns(&wishes).unwrap_err().to_string();
        assert_eq!(error, format!("/w/apps/dns/Cargo.toml, [package.metadata.unik]: {expected}"));
    }
}
