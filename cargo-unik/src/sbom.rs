//! Lists the crates that an image is made of, as a table or as a CycloneDX document.
//!
//! Which crates those are is what cargo resolves for the application's package and the target of images: normal dependencies, without
//! build scripts' and without procedural macros, which run while it is built and are not in it. `cargo tree` tells which of them are
//! chosen, `cargo metadata` how they depend on each other, `Cargo.lock` their checksums. The parts of the standard library that images
//! are built with are listed with the version of the compiler.
//!
//! The document holds no time and no serial number: the same commit gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use toml::Table;

use crate::error::{Context, Error, Result};
use crate::workspace::{App, Kind, TARGET_FILE, Workspace};
use crate::{identity, setup};

/// The version of CycloneDX that documents are written in.
pub const SPECIFICATION: &str = "1.5";
/// The crates of the standard library in every image, and their folders below the library's sources.
const LIBRARY: [(&str, &str); 3] =
    [("alloc", "alloc"), ("compiler_builtins", "compiler-builtins/compiler-builtins"), ("core", "core")];

/// One crate of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence as an SPDX expression, where its manifest has one.
    pub license: Option<String>,
    /// The SHA-256 of its archive, where it comes from a registry.
    pub checksum: Option<String>,
    /// Where its sources are kept.
    pub repository: Option<String>,
    /// The crates of the image that it names, as indices.
    pub depends_on: Vec<usize>,
}

/// What an image is made of. The first component is the application's package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// The application.
    pub name: String,
    /// The commit that it was listed at.
    pub commit: Option<String>,
    /// Crates that cargo chose.
    pub components: Vec<Component>,
    /// Parts of the standard library, which every one of them may use.
    pub library: Vec<Component>,
}

/// Lists the crates of an application.
///
/// # Errors
/// No such application, or cargo cannot resolve it.
pub fn run(name: Option<&str>, as_json: bool) -> Result<u8> {
    let here = std::env::current_dir().or_cannot(|| "find the current folder".to_owned())?;
    let workspace = Workspace::load(&here)?;
    let bill = Bill::of(&workspace, &workspace.app(name, &here)?)?;
    if as_json {
        println!("{:#}", bill.document());
    } else {
        print!("{}", bill.table());
    }
    Ok(0)
}

impl Component {
    /// Its name among packages of all kinds: <https://github.com/package-url/purl-spec>, type `cargo`.
    fn reference(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version.replace('+', "%2B"))
    }

    fn read(package: &Value, lock: &Checksums) -> Option<Component> {
        let text = |key: &str| Some(package.get(key)?.as_str()?.to_owned());
        let (name, version) = (text("name")?, text("version")?);
        Some(Component {
            checksum: lock.get(&(name.clone(), version.clone())).cloned(),
            // Manifests from before SPDX expressions separate licences by a slash.
            license: text("license").map(|license| license.replace('/', " OR ")),
            repository: text("repository"),
            depends_on: Vec::new(),
            name,
            version,
        })
    }

    fn value(&self, reference: &str) -> Value {
        let mut value = json!({
            "type": "library",
            "bom-ref": reference,
            "name": self.name,
            "version": self.version,
        });
        if reference.starts_with("pkg:") {
            value["purl"] = json!(reference);
        }
        if let Some(license) = &self.license {
            value["licenses"] = json!([{ "expression": license }]);
        }
        if let Some(checksum) = &self.checksum {
            value["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        if let Some(repository) = &self.repository {
            value["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
        }
        value
    }
}

impl Bill {
    /// Asks cargo what an application is made of.
    ///
    /// # Errors
    /// Cargo cannot resolve it.
    pub fn of(workspace: &Workspace, app: &App) -> Result<Bill> {
        setup::rust_src()?;
        let target = workspace.system()?.join(TARGET_FILE);
        let cargo = |words: &[&str]| {
            let mut command = Command::new(setup::cargo());
            command.current_dir(&workspace.root).env("RUSTC_BOOTSTRAP", "1");
            setup::output(command.args(["-Z", "json-target-spec"]).args(words).arg(&target))
        };
        // What stands last takes the path of the target as its value.
        let metadata = cargo(&["metadata", "--format-version", "1", "--filter-platform"]);
        let metadata = metadata.and_then(|text| {
            serde_json::from_str::<Value>(&text).or_cannot(|| "read what cargo metadata says".to_owned())
        })?;
        let edges = match app.kind {
            Kind::Program => "normal,no-proc-macro",
            Kind::Example => "normal,dev,no-proc-macro",
        };
        let features = app.defaults.features.join(",");
        let tree = [
            "tree",
            "--package",
            &app.package,
            "--edges",
            edges,
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--features",
            &features,
        ];
        let tree = cargo(&[&tree[..], &["--target"]].concat())?;
        let path = workspace.root.join("Cargo.lock");
        let lock = fs::read_to_string(&path).or_cannot(|| format!("read {}", path.display()))?;
        let components = components(&metadata, app, &chosen(&tree), &checksums(&lock)?)
            .ok_or_else(|| Error::failed("cargo metadata speaks of other things than it used to"))?;
        Ok(Bill {
            name: app.name.clone(),
            commit: identity::commit(&workspace.root),
            components,
            library: library(&setup::library_sources()?, &setup::compiler_version()?),
        })
    }

    /// The CycloneDX document: <https://cyclonedx.org/docs/1.5/json/>.
    pub fn document(&self) -> Value {
        let image = format!("image:{}", self.name);
        let references: Vec<String> = self.components.iter().map(Component::reference).collect();
        // There is no package URL of a part of the standard library.
        let parts: Vec<String> =
            self.library.iter().map(|part| format!("rust:{}@{}", part.name, part.version)).collect();
        let components = self.components.iter().zip(&references).chain(self.library.iter().zip(&parts));
        let components: Vec<Value> =
            components.map(|(component, reference)| component.value(reference)).collect();
        let mut dependencies = vec![json!({
            "ref": image,
            "dependsOn": references.iter().take(1).chain(&parts).collect::<Vec<_>>(),
        })];
        for (component, reference) in self.components.iter().zip(&references) {
            let depends_on: Vec<&String> =
                component.depends_on.iter().filter_map(|index| references.get(*index)).collect();
            dependencies.push(json!({ "ref": reference, "dependsOn": depends_on }));
        }
        dependencies.extend(parts.iter().map(|part| json!({ "ref": part, "dependsOn": [] })));
        let mut described = json!({ "type": "application", "bom-ref": image, "name": self.name });
        if let Some(package) = self.components.first() {
            described["version"] = json!(package.version);
        }
        let tool = json!({
            "type": "application",
            "name": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
        });
        let mut metadata = json!({ "tools": { "components": [tool] }, "component": described });
        if let Some(commit) = &self.commit {
            metadata["properties"] = json!([{ "name": "unik:commit", "value": commit }]);
        }
        json!({
            "bomFormat": "CycloneDX",
            "specVersion": SPECIFICATION,
            "version": 1,
            "metadata": metadata,
            "components": components,
            "dependencies": dependencies,
        })
    }

    fn table(&self) -> String {
        let rows = self.components.iter().chain(&self.library);
        let width = rows.clone().map(|component| component.name.len()).max().unwrap_or_default();
        let mut table = String::new();
        for component in rows {
            let license = component.license.as_deref().unwrap_or("no licence named");
            table += &format!("{:<width$}  {:<10}  {license}\n", component.name, component.version);
        }
        table
    }
}

/// The checksum of a package of a registry, by name and version.
type Checksums = BTreeMap<(String, String), String>;

fn checksums(lock: &str) -> Result<Checksums> {
    let lock: Table = lock.parse().or_cannot(|| "read Cargo.lock".to_owned())?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let text = |package: &toml::Value, key: &str| Some(package.get(key)?.as_str()?.to_owned());
    let read = |package: &toml::Value| {
        Some(((text(package, "name")?, text(package, "version")?), text(package, "checksum")?))
    };
    Ok(packages.into_iter().flatten().filter_map(read).collect())
}

/// Name and version of what `cargo tree` shows: `log v0.4.35`, and a folder or a note behind it.
fn chosen(tree: &str) -> BTreeSet<(String, String)> {
    let read = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
    };
    tree.lines().filter_map(read).collect()
}

/// Follows the dependencies of the application's package, as far as they are among the chosen.
fn components(
    metadata: &Value,
    app: &App,
    chosen: &BTreeSet<(String, String)>,
    lock: &Checksums,
) -> Option<Vec<Component>> {
    let by_id = |list: &'static str| {
        let list = metadata.pointer(list)?.as_array()?.iter();
        Some(list.filter_map(|entry| Some((entry.get("id")?.as_str()?, entry))).collect::<BTreeMap<_, _>>())
    };
    let (packages, nodes) = (by_id("/packages")?, by_id("/resolve/nodes")?);
    let is_root = |package: &Value| {
        let manifest = package.get("manifest_path").and_then(Value::as_str).map(Path::new);
        manifest.and_then(Path::parent) == Some(&app.folder)
    };
    let root = packages.iter().find(|(_, package)| is_root(package)).map(|(id, _)| *id)?;
    let mut found = vec![root];
    let mut components: Vec<Component> = Vec::new();
    // What is found on the way is looked at after what was found before it.
    while let Some(id) = found.get(components.len()).copied() {
        let mut component = Component::read(packages.get(id)?, lock)?;
        for dependency in nodes.get(id)?.get("deps")?.as_array()? {
            let other = dependency.get("pkg")?.as_str()?;
            let package = Component::read(packages.get(other)?, lock)?;
            let development = id == root && app.kind == Kind::Example;
            if !is_linked(dependency, development) || !chosen.contains(&(package.name, package.version)) {
                continue;
            }
            let index = found.iter().position(|known| *known == other).unwrap_or_else(|| {
                found.push(other);
                found.len() - 1
            });
            component.depends_on.push(index);
        }
        components.push(component);
    }
    Some(components)
}

/// Whether a dependency is linked, and not used by build scripts or tests alone.
fn is_linked(dependency: &Value, development: bool) -> bool {
    let kinds = dependency.get("dep_kinds").and_then(Value::as_array);
    kinds.into_iter().flatten().any(|kind| match kind.get("kind") {
        None | Some(Value::Null) => true,
        Some(kind) => development && kind == "dev",
    })
}

/// The parts of the standard library; their manifests say the licence, the compiler the version.
fn library(sources: &Path, version: &str) -> Vec<Component> {
    let license = |folder: &str| {
        let manifest = fs::read_to_string(sources.join(folder).join("Cargo.toml")).ok()?;
        let manifest: Table = manifest.parse().ok()?;
        Some(manifest.get("package")?.get("license")?.as_str()?.to_owned())
    };
    let component = |(name, folder): &(&str, &str)| Component {
        name: (*name).to_owned(),
        version: version.to_owned(),
        license: license(folder),
        checksum: None,
        repository: Some("https://github.com/rust-lang/rust".to_owned()),
        depends_on: Vec::new(),
    };
    LIBRARY.iter().map(component).collect()
}

#[cfg(test)]
#[path = "sbom_tests.rs"]
mod tests;
