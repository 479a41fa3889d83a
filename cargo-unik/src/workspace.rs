//! The cargo workspace around the current folder, and the applications in it.
//!
//! An application is a program of a package (`unik-dns`, called `dns`; or the package that one stands in, outside of the workspace of
//! unik), or an example of a package (`hello`, an example of `unik-os`). Its wishes stand in `[package.metadata.unik]`; those of an
//! example in `[package.metadata.unik.examples.NAME]`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::error::{Context, Error, Result};
use crate::options::{self, Forward, Machine, Memory, Network};
use crate::setup;

/// The package that applications import.
pub const SYSTEM_PACKAGE: &str = "unik-os";
/// The target of every image, beside the manifests of unik.
pub const TARGET_FILE: &str = "x86_64-unik.json";

/// What cargo says about the current folder.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The folder of the workspace's manifest.
    pub root: PathBuf,
    /// The folder of everything built.
    pub target: PathBuf,
    /// Its packages.
    pub packages: Vec<Package>,
}

/// One package of a workspace.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// The folder of its manifest.
    pub folder: PathBuf,
    /// Its programs, by name.
    pub programs: Vec<String>,
    /// Its examples, by name.
    pub examples: Vec<String>,
    /// Features that its applications can be built with.
    pub features: Vec<String>,
    /// Name and, for a path dependency, the folder of each dependency, and whether it is for development only.
    pub dependencies: Vec<Dependency>,
    /// `[package.metadata.unik]`, or null.
    metadata: Value,
}

/// One line of a `[dependencies]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The package it names.
    pub name: String,
    /// Its folder, if it is named by a path.
    pub path: Option<PathBuf>,
    /// It stands in `[dev-dependencies]`.
    pub development: bool,
}

/// The kind of target that an application is to cargo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `--bin`
    Program,
    /// `--example`
    Example,
}

/// An application that can be made into an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// What the user calls it: the name of its image. With features of its package, they stand behind it: `httpd+tls`.
    pub name: String,
    /// The package it belongs to.
    pub package: String,
    /// The folder of that package.
    pub folder: PathBuf,
    /// The name cargo knows it by.
    pub target: String,
    /// What it is to cargo.
    pub kind: Kind,
    /// What it wishes for when the command line does not say.
    pub defaults: Defaults,
}

/// An application's wishes, from its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults {
    /// The folder of its files.
    pub data: Option<PathBuf>,
    /// The example of its package that checks files, on this computer, before they are packed.
    pub check: Option<String>,
    /// The example of its package that checks files and makes further ones of them, on this computer, when they are packed.
    pub prepare: Option<String>,
    /// Ports to forward.
    pub forwards: Vec<Forward>,
    /// Memory.
    pub memory: Option<Memory>,
    /// The kind of machine.
    pub machine: Option<Machine>,
    /// Networks; `None` where the manifest does not say.
    pub networks: Option<Vec<Network>>,
    /// Words of configuration.
    pub cmdline: Option<String>,
    /// Features of its package that it is built with.
    pub features: Vec<String>,
    /// Features that it is built with as well where `run` gives it a disk: then its files are there.
    pub disk_features: Vec<String>,
}

impl Workspace {
    /// Asks cargo about the workspace that `folder` lies in.
    ///
    /// # Errors
    /// There is no manifest there, or cargo cannot read it.
    pub fn load(folder: &Path) -> Result<Workspace> {
        let mut command = Command::new(setup::cargo());
        command.args(["metadata", "--format-version", "1", "--no-deps"]).current_dir(folder);
        let text = setup::output(&mut command)?;
        let metadata: Value =
            serde_json::from_str(&text).or_cannot(|| "read what cargo metadata says".to_owned())?;
        Workspace::read(&metadata)
            .ok_or_else(|| Error::failed("cargo metadata speaks of other things than it used to"))
    }

    fn read(metadata: &Value) -> Option<Workspace> {
        Some(Workspace {
            root: path(metadata, "workspace_root")?,
            target: path(metadata, "target_directory")?,
            packages: list(metadata, "packages")?.iter().map(Package::read).collect::<Option<_>>()?,
        })
    }

    /// Finds an application; without a name, the one whose package `folder` lies in. A name may end with features that it is
    /// built with besides: `httpd+tls`, or `+tls` without a name.
    ///
    /// # Errors
    /// There is none, or it has no such feature; the sentence lists those that there are.
    pub fn app(&self, name: Option<&str>, folder: &Path) -> Result<App> {
        let mut words = name.unwrap_or_default().split('+');
        let mut app = self.plain_app(words.next().filter(|word| !word.is_empty()), folder)?;
        for feature in words {
            self.add_feature(&mut app, feature)?;
        }
        Ok(app)
    }

    /// Has an application built with one more feature of its package, if it is not built with that anyway.
    ///
    /// # Errors
    /// It has no such feature; the sentence lists those that there are.
    pub fn add_feature(&self, app: &mut App, feature: &str) -> Result<()> {
        let package = self.packages.iter().find(|package| package.name == app.package);
        match package.filter(|_| !app.defaults.features.iter().any(|known| known == feature)) {
            Some(package) => package.add_feature(app, feature),
            None => Ok(()),
        }
    }

    fn plain_app(&self, name: Option<&str>, folder: &Path) -> Result<App> {
        let Some(name) = name else {
            let here = self.packages.iter().filter(|package| folder.starts_with(&package.folder));
            let here = here.max_by_key(|package| package.folder.components().count());
            return match here {
                Some(package) if !package.programs.is_empty() => package.program(&package.short_name()),
                _ => Err(Error::usage(format!("name an application: {}", self.apps().join(", ")))),
            };
        };
        let named = |package: &&Package| package.name == format!("unik-{name}") || package.name == name;
        if let Some(package) = self.packages.iter().filter(named).find(|package| !package.programs.is_empty())
        {
            return package.program(name);
        }
        let holders =
            self.packages.iter().filter(|package| package.examples.iter().any(|example| example == name));
        match holders.max_by_key(|package| package.name == SYSTEM_PACKAGE) {
            Some(package) => package.example(name),
            None => {
                let sentence =
                    format!("there is no application '{name}' here: choose {}", self.apps().join(", "));
                Err(Error::usage(sentence))
            }
        }
    }

    /// The names of all applications: programs first, then examples.
    pub fn apps(&self) -> Vec<String> {
        // The tool is a program of its workspace, but not an application.
        let programs = self.packages.iter().filter(|package| !package.programs.is_empty());
        let programs =
            programs.filter(|package| package.name != env!("CARGO_PKG_NAME")).map(Package::short_name);
        let system = self.packages.iter().filter(|package| package.name == SYSTEM_PACKAGE);
        programs.chain(system.flat_map(|package| package.examples.iter().cloned())).collect()
    }

    /// Packages of applications, and the features that have wishes of their own there.
    pub fn features(&self) -> impl Iterator<Item = (&str, &str)> {
        self.packages.iter().flat_map(|package| {
            let with = package.metadata.get("with").and_then(Value::as_object);
            with.into_iter().flatten().map(|(feature, _)| (&*package.name, &**feature))
        })
    }

    /// The folder of the unik sources that this workspace uses: itself, or where its dependency leads.
    ///
    /// # Errors
    /// No package here depends on unik by a path.
    pub fn system(&self) -> Result<PathBuf> {
        if self.root.join(TARGET_FILE).is_file() {
            return Ok(self.root.clone());
        }
        let dependencies = self.packages.iter().flat_map(|package| &package.dependencies);
        let folders = dependencies.filter(|dependency| dependency.name == SYSTEM_PACKAGE);
        let parents = folders.filter_map(|dependency| dependency.path.as_ref()?.parent().map(Path::to_owned));
        parents.into_iter().find(|parent| parent.join(TARGET_FILE).is_file()).ok_or_else(|| {
            Error::failed(format!(
                "nothing here depends on unik: add {SYSTEM_PACKAGE} with its path to Cargo.toml"
            ))
        })
    }
}

impl Package {
    fn read(package: &Value) -> Option<Package> {
        let targets = list(package, "targets")?;
        let of_kind = |kind: &str| {
            let is_kind = |target: &&Value| {
                list(target, "kind")
                    .is_some_and(|kinds| kinds.iter().any(|found| found.as_str() == Some(kind)))
            };
            targets.iter().filter(is_kind).map(|target| text(target, "name")).collect::<Option<Vec<_>>>()
        };
        Some(Package {
            name: text(package, "name")?,
            folder: path(package, "manifest_path")?.parent()?.to_owned(),
            programs: of_kind("bin")?,
            examples: of_kind("example")?,
            features: package
                .get("features")
                .and_then(Value::as_object)
                .map(|features| features.keys().filter(|name| *name != "default").cloned().collect())
                .unwrap_or_default(),
            dependencies: list(package, "dependencies")?
                .iter()
                .map(Dependency::read)
                .collect::<Option<_>>()?,
            metadata: package
                .get("metadata")
                .and_then(|metadata| metadata.get("unik"))
                .cloned()
                .unwrap_or_default(),
        })
    }

    /// `dns` for `unik-dns`.
    fn short_name(&self) -> String {
        self.name.strip_prefix("unik-").unwrap_or(&self.name).to_owned()
    }

    fn program(&self, name: &str) -> Result<App> {
        let wanted = self.programs.iter().find(|program| *program == name || **program == self.name);
        let target =
            wanted.or_else(|| self.programs.first().filter(|_| self.programs.len() == 1)).ok_or_else(
                || Error::usage(format!("{} has several programs and none is called {name}", self.name)),
            )?;
        self.build_app(name, target, Kind::Program, &self.metadata)
    }

    /// Has an application built with one more feature, whose own wishes stand in `[package.metadata.unik.with.FEATURE]`: forwarded
    /// ports come behind those that there are, and all else takes the place of what there is.
    fn add_feature(&self, app: &mut App, feature: &str) -> Result<()> {
        if !self.features.iter().any(|known| known == feature) {
            let known = match self.features.join(", ") {
                known if known.is_empty() => "it has none".to_owned(),
                known => format!("choose {known}"),
            };
            return Err(Error::usage(format!("{} has no feature '{feature}': {known}", app.name)));
        }
        let wishes = self.metadata.get("with").and_then(|with| with.get(feature));
        let wishes = Defaults::read(wishes.unwrap_or(&Value::Null), &self.folder);
        let wishes = wishes.map_err(|error| self.in_manifest(&error))?;
        let defaults = &mut app.defaults;
        defaults.forwards.extend(wishes.forwards);
        defaults.data = wishes.data.or(defaults.data.take());
        defaults.memory = wishes.memory.or(defaults.memory);
        defaults.cmdline = wishes.cmdline.or(defaults.cmdline.take());
        defaults.features.push(feature.to_owned());
        app.name = format!("{}+{feature}", app.name);
        Ok(())
    }

    fn in_manifest(&self, error: &Error) -> Error {
        Error::usage(format!(
            "{}, [package.metadata.unik]: {error}",
            self.folder.join("Cargo.toml").display()
        ))
    }

    fn example(&self, name: &str) -> Result<App> {
        let metadata = self.metadata.get("examples").and_then(|examples| examples.get(name)).cloned();
        self.build_app(name, name, Kind::Example, &metadata.unwrap_or_default())
    }

    fn build_app(&self, name: &str, target: &str, kind: Kind, metadata: &Value) -> Result<App> {
        Ok(App {
            name: name.to_owned(),
            package: self.name.clone(),
            folder: self.folder.clone(),
            target: target.to_owned(),
            kind,
            defaults: Defaults::read(metadata, &self.folder).map_err(|error| self.in_manifest(&error))?,
        })
    }
}

impl Dependency {
    fn read(dependency: &Value) -> Option<Dependency> {
        Some(Dependency {
            name: text(dependency, "name")?,
            path: path(dependency, "path"),
            development: text(dependency, "kind").as_deref() == Some("dev"),
        })
    }
}

impl Defaults {
    /// Reads the table; a value is a string or a list of strings.
    fn read(metadata: &Value, folder: &Path) -> Result<Defaults> {
        let mut defaults = Defaults::default();
        let Some(table) = metadata.as_object() else { return Ok(defaults) };
        for (key, value) in table {
            let words = words(value);
            let one = || match words.as_deref() {
                Some([word]) => Ok(*word),
                _ => Err(Error::usage(format!("{key} wants one string"))),
            };
            let several =
                || words.clone().ok_or_else(|| Error::usage(format!("{key} wants a list of strings")));
            match key.as_str() {
                "data" => defaults.data = Some(folder.join(one()?)),
                "check" => defaults.check = Some(one()?.to_owned()),
                "prepare" => defaults.prepare = Some(one()?.to_owned()),
                "memory" => defaults.memory = Some(one()?.parse()?),
                "machine" => defaults.machine = Some(one()?.parse()?),
                "cmdline" => defaults.cmdline = Some(one()?.to_owned()),
                "forward" => {
                    defaults.forwards = several()?.into_iter().map(str::parse).collect::<Result<_>>()?;
                }
                "net" => {
                    let networks =
                        several()?.into_iter().map(options::network).collect::<Result<Vec<_>>>()?;
                    defaults.networks = Some(networks.into_iter().flatten().collect());
                }
                "features" => defaults.features = several()?.into_iter().map(str::to_owned).collect(),
                "disk-features" => {
                    defaults.disk_features = several()?.into_iter().map(str::to_owned).collect();
                }
                "examples" | "with" => {}
                _ => {
                    let known = "data, check, prepare, memory, machine, cmdline, forward, net, features, disk-features";
                    return Err(Error::usage(format!("there is no wish '{key}': choose {known}")));
                }
            }
        }
        Ok(defaults)
    }
}

fn words(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(word) => Some(vec![word]),
        Value::Array(values) => values.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn list<'a>(value: &'a Value, key: &str) -> Option<&'a Vec<Value>> {
    value.get(key)?.as_array()
}

fn text(value: &Value, key: &str) -> Option<String> {
    Some(value.get(key)?.as_str()?.to_owned())
}

fn path(value: &Value, key: &str) -> Option<PathBuf> {
    text(value, key).map(PathBuf::from)
}

#[cfg(test)]
#[path = "workspace_tests.rs"]
mod tests;
