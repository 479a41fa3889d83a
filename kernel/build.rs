//! Puts the linker script on the linker's search path, so that `-Tunik.ld` works in any crate that links this one.

use std::{env, fs, path::Path};

fn main() {
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::copy("unik.ld", Path::new(&out).join("unik.ld")).expect("OUT_DIR is writable");
    println!("cargo::rustc-link-search={}", Path::new(&out).display());
    println!("cargo::rerun-if-changed=unik.ld");
    println!("cargo::rerun-if-changed=build.rs");
}
