//! The storage of unik: what an image reads files from.
//!
//! [`archive`] reads the tree of files that is compiled into an image or handed over beside it. It is zero-copy and
//! allocates nothing: the archive stays where it lies, and files are slices of it.
//!
//! Invariant: no archive, however damaged, causes a panic or an access outside its bytes.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod archive;
mod error;

pub use error::Error;
