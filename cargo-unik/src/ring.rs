//! Builds the part of ring that is not Rust, for images.
//!
//! ring's own build script takes the assembly code for systems that it knows, and images are none; its Rust code calls that
//! code all the same. So the script is overridden (the Cargo book, "Overriding build scripts"): the C and assembly sources of
//! ring are built here, small, for a program without a red zone and without a C library, each function in a section of its own, so
//! that the linker leaves out what nobody calls. What takes much room and needs instructions that images hide from ring
//! (`ring/machine.c`) is replaced by a trap.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::error::{Context, Error, Result};
use crate::identity::Digest;
use crate::setup;
use crate::workspace::{App, Kind, TARGET_FILE, Workspace};

/// The version whose sources are known.
const VERSION: &str = "0.17.14";
/// What ring is told of the processor.
const MACHINE: &str = include_str!("../ring/machine.c");
/// Its C code, without what `MACHINE` holds and what is for other processors.
const SOURCES: [&str; 12] = [
    "crypto/crypto.c",
    "crypto/curve25519/curve25519.c",
    "crypto/fipsmodule/aes/aes_nohw.c",
    "crypto/fipsmodule/bn/montgomery.c",
    "crypto/fipsmodule/bn/montgomery_inv.c",
    "crypto/fipsmodule/ec/ecp_nistz.c",
    "crypto/fipsmodule/ec/gfp_p256.c",
    "crypto/fipsmodule/ec/gfp_p384.c",
    "crypto/fipsmodule/ec/p256.c",
    "crypto/limbs/limbs.c",
    "crypto/mem.c",
    "crypto/poly1305/poly1305.c",
];
/// Its assembly code. That of P-256 belongs to tables of 150,000 bytes, in place of which `p256.c` is taken.
const ASSEMBLY: [&str; 11] = [
    "aes-gcm-avx2-x86_64",
    "aesni-gcm-x86_64",
    "aesni-x86_64",
    "chacha-x86_64",
    "chacha20_poly1305_x86_64",
    "ghash-x86_64",
    "sha256-x86_64",
    "sha512-x86_64",
    "vpaes-x86_64",
    "x86_64-mont",
    "x86_64-mont5",
];
/// Functions that are never called, because the processor seems not to have what they need.
const TRAPS: [&str; 16] = [
    "aes_gcm_dec_update_vaes_avx2",
    "aes_gcm_enc_update_vaes_avx2",
    "aesni_gcm_decrypt",
    "aesni_gcm_encrypt",
    "bn_mulx4x_mont",
    "ChaCha20_ctr32_avx2",
    "chacha20_poly1305_open_avx2",
    "chacha20_poly1305_open_sse41",
    "chacha20_poly1305_seal_avx2",
    "chacha20_poly1305_seal_sse41",
    "gcm_ghash_avx",
    "gcm_ghash_vpclmulqdq_avx2_1",
    "gcm_init_avx",
    "gcm_init_vpclmulqdq_avx2",
    "sha256_block_data_order_avx",
    "sha512_block_data_order_avx",
];
/// Functions in place of which another one is taken, which does the same with less code.
const PLAIN: [(&str, &str); 1] = [("sha256_block_data_order_ssse3", "sha256_block_data_order_nohw")];
/// The same as [`TRAPS`], of which the sources are in C.
const C_TRAPS: [&str; 2] = ["x25519_ge_scalarmult_base_adx", "x25519_scalar_mult_adx"];
/// How all of it is compiled: for the target of images, with the small tables.
const FLAGS: [&str; 19] = [
    "-c",
    "-m64",
    "-Os",
    "-std=c11",
    "-ffreestanding",
    "-mno-red-zone",
    "-mcmodel=small",
    "-fno-pic",
    "-fno-stack-protector",
    "-fcf-protection=none",
    "-fno-asynchronous-unwind-tables",
    "-fno-omit-frame-pointer",
    "-ffunction-sections",
    "-fdata-sections",
    "-fvisibility=hidden",
    "-w",
    "-DNDEBUG",
    "-DOPENSSL_SMALL",
    "-I.",
];

/// Builds what an application's image needs of ring, and gives the arguments for cargo that put it in; none where ring is not
/// among its crates.
///
/// # Errors
/// There is no C compiler, or it fails; or it is another version of ring.
pub fn overrides(workspace: &Workspace, app: &App) -> Result<Vec<String>> {
    let locked = fs::read_to_string(workspace.root.join("Cargo.lock")).unwrap_or_default();
    if !locked.contains("name = \"ring\"") {
        return Ok(Vec::new());
    }
    let Some(version) = linked(workspace, app)? else { return Ok(Vec::new()) };
    if version != VERSION {
        return Err(Error::failed(format!(
            "images are built with ring {VERSION}, and {} has ring {version}: set ring = \"={VERSION}\"",
            app.name
        )));
    }
    let sources = sources(workspace)?;
    let name = format!("ring_core_{}_", VERSION.replace('.', "_"));
    let folder = build(&sources, &name, &workspace.target.join("unik"))?;
    let key = format!("target.x86_64-unik.{name}");
    let search = format!("native={}", folder.display());
    Ok(vec![
        "--config".to_owned(),
        format!("{key}.rustc-link-lib = {}", Value::from(vec![format!("static={name}")])),
        "--config".to_owned(),
        format!("{key}.rustc-link-search = {}", Value::from(vec![search])),
    ])
}

/// The version of ring among the crates of an image.
fn linked(workspace: &Workspace, app: &App) -> Result<Option<String>> {
    let edges = match app.kind {
        Kind::Program => "normal,no-proc-macro",
        Kind::Example => "normal,dev,no-proc-macro",
    };
    let mut command = Command::new(setup::cargo());
    command.current_dir(&workspace.root).env("RUSTC_BOOTSTRAP", "1").args(["-Z", "json-target-spec", "tree"]);
    command.args(["--package", &app.package, "--edges", edges, "--prefix", "none", "--format", "{p}"]);
    if !app.defaults.features.is_empty() {
        command.args(["--features", &app.defaults.features.join(",")]);
    }
    let tree = setup::output(command.arg("--target").arg(workspace.system()?.join(TARGET_FILE)))?;
    let mut versions = tree.lines().filter_map(|line| line.strip_prefix("ring v"));
    Ok(versions.next().and_then(|rest| rest.split(' ').next()).map(str::to_owned))
}

/// The folder of ring's sources.
fn sources(workspace: &Workspace) -> Result<PathBuf> {
    let mut command = Command::new(setup::cargo());
    command.args(["metadata", "--format-version", "1"]).current_dir(&workspace.root);
    let metadata: Value = serde_json::from_str(&setup::output(&mut command)?)
        .or_cannot(|| "read what cargo metadata says".to_owned())?;
    let packages = metadata.get("packages").and_then(Value::as_array).into_iter().flatten();
    let text = |package: &Value, key: &str| package.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut rings = packages.filter(|package| {
        text(package, "name").as_deref() == Some("ring")
            && text(package, "version").as_deref() == Some(VERSION)
    });
    let manifest = rings.next().and_then(|ring| text(ring, "manifest_path")).map(PathBuf::from);
    let folder = manifest.as_deref().and_then(Path::parent).map(Path::to_owned);
    folder.ok_or_else(|| Error::failed("cargo metadata does not say where ring is"))
}

/// Builds the library, unless it is there already, made by the same compiler in the same way, and gives its folder. That has
/// another name for each way, since cargo sees by that whether it has to build again.
fn build(sources: &Path, name: &str, output: &Path) -> Result<PathBuf> {
    let compiler = setup::c_compiler()?;
    let version = setup::output(Command::new(&compiler).arg("--version"))?;
    let way = format!(
        "{version}{SOURCES:?}{ASSEMBLY:?}{FLAGS:?}{TRAPS:?}{PLAIN:?}{C_TRAPS:?}{MACHINE}{}",
        sources.display()
    );
    let way = Digest::of(way.as_bytes()).to_string();
    let folder = output.join(format!("{name}{}", way.get(..12).unwrap_or_default()));
    let library = folder.join(format!("lib{name}.a"));
    if library.is_file() {
        return Ok(folder);
    }
    eprintln!("unik: {} builds the C and assembly code of ring", compiler.display());
    // Others may build it at the same time: whoever is last puts the same there once more.
    let draft = folder.join(format!("draft.{}", std::process::id()));
    fs::create_dir_all(&draft).or_cannot(|| format!("make {}", draft.display()))?;
    let built = compile(sources, name, &compiler, &draft);
    let put = built
        .and_then(|built| fs::rename(&built, &library).or_cannot(|| format!("write {}", library.display())));
    let _ = fs::remove_dir_all(&draft);
    put.map(|()| folder)
}

/// Compiles everything into `draft` and gives the library there.
fn compile(sources: &Path, name: &str, compiler: &Path, draft: &Path) -> Result<PathBuf> {
    let read = |path: &Path| fs::read_to_string(path).or_cannot(|| format!("read {}", path.display()));
    let write = |file: &str, text: &str| {
        let path = draft.join(file);
        fs::write(&path, text).or_cannot(|| format!("write {}", path.display())).map(|()| path)
    };
    let mut inputs: Vec<PathBuf> = SOURCES.iter().map(|source| sources.join(source)).collect();
    inputs.push(write("machine.c", MACHINE)?);
    let traps = C_TRAPS.map(|function| format!("void {name}_{function}(void) {{ __builtin_trap(); }}\n"));
    inputs.push(write("traps.c", &traps.concat())?);
    for file in ASSEMBLY {
        let text = read(&sources.join("pregenerated").join(format!("{file}-elf.S")))?;
        inputs.push(write(&format!("{file}.S"), &divided(&text))?);
    }
    let mut archive = Command::new(setup::archiver()?);
    let library = draft.join(format!("lib{name}.a"));
    archive.arg("rcs").arg(&library);
    for (number, input) in inputs.iter().enumerate() {
        let object = draft.join(format!("{number}.o"));
        let mut command = Command::new(compiler);
        command.current_dir(sources).args(FLAGS).args(["-Iinclude", "-Ipregenerated"]);
        command.arg(format!("-DRING_CPUID_SETUP={name}_OPENSSL_cpuid_setup"));
        // Where the sources lie on this computer is nobody's business.
        command.arg(format!("-ffile-prefix-map={}=ring", sources.display()));
        setup::output(command.arg(input).arg("-o").arg(&object))?;
        archive.arg(object);
    }
    setup::output(&mut archive)?;
    Ok(library)
}

/// Assembly code with each function in a section of its own, without tables for unwinding, which images do not do, with
/// a trap in place of what is never called, and a jump in place of what another function does as well.
fn divided(text: &str) -> String {
    let traps = TRAPS.map(|name| (name, "\tud2\n".to_owned()));
    let jumps = PLAIN.map(|(name, other)| (name, format!("\tjmp\t{other}\n")));
    let instead: BTreeMap<&str, String> = traps.into_iter().chain(jumps).collect();
    let mut left_out: Option<&str> = None;
    let mut result = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split([' ', '\t', ',']).filter(|word| !word.is_empty()).collect();
        let function = match words[..] {
            [".type", name, "@function"] => Some(name),
            _ => None,
        };
        if let Some(name) = function {
            result.push_str(&format!(".section .text.{name},\"ax\",@progbits\n"));
            left_out = Some(name).filter(|name| instead.contains_key(name));
        }
        let is_about_symbol =
            matches!(words.first(), Some(&(".globl" | ".hidden" | ".type" | ".size" | ".align")));
        if words.first().is_some_and(|word| word.starts_with(".cfi_")) {
            continue;
        }
        match left_out {
            Some(name) if line.strip_suffix(':') == Some(name) => {
                result.push_str(&format!("{line}\n{}", instead.get(name).map_or("", |code| code)));
            }
            Some(_) if !is_about_symbol => {}
            _ => result.push_str(&format!("{line}\n")),
        }
        if words.first() == Some(&".size") {
            left_out = None;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = ".text\t\n.globl\tone\n.hidden one\n.type\tone,@function\n.align\t16\none:\n.cfi_startproc\t\n\tret\n\
        .cfi_endproc\t\n.size\tone,.-one\n.globl\tgcm_init_avx\n.type\tgcm_init_avx,@function\ngcm_init_avx:\n.Linside:\n\tvzeroupper\n\
        .size\tgcm_init_avx,.-gcm_init_avx\n.section\t.rodata\n.Ltable:\n.long\t1\n";

    #[test]
    fn each_function_has_a_section_and_those_never_called_are_traps() {
        let expected = ".text\t\n.globl\tone\n.hidden one\n.section .text.one,\"ax\",@progbits\n.type\tone,@function\n.align\t16\n\
            one:\n\tret\n.size\tone,.-one\n.globl\tgcm_init_avx\n.section .text.gcm_init_avx,\"ax\",@progbits\n\
            .type\tgcm_init_avx,@function\ngcm_init_avx:\n\tud2\n.size\tgcm_init_avx,.-gcm_init_avx\n.section\t.rodata\n\
            .Ltable:\n.long\t1\n";
        assert_eq!(divided(CODE), expected);
        let plain = divided(&CODE.replace("gcm_init_avx", PLAIN[0].0));
        assert!(plain.contains(&format!("\n{}:\n\tjmp\t{}\n.size", PLAIN[0].0, PLAIN[0].1)), "{plain}");
    }
}
