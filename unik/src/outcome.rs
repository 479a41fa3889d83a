//! How an appliance ends: what `main` may return, and why it may not have started.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt::Display;

/// Why an appliance ended otherwise than by returning.
pub enum Failure {
    /// The machine or the configuration lacks something; the sentence says what, and how to give it.
    Configuration(String),
    /// `main` returned this error.
    Error(Box<dyn Display>),
}

/// What `main` may return: nothing, or a result whose error says what went wrong.
pub trait Outcome {
    /// The outcome as a result.
    ///
    /// # Errors
    /// The error that `main` returned.
    fn into_result(self) -> Result<(), Failure>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Outcome for core::convert::Infallible {
    fn into_result(self) -> Result<(), Failure> {
        match self {}
    }
}

/// For an application that finds mistakes in its configuration itself, and says which of its errors are such.
impl Outcome for Result<(), Failure> {
    fn into_result(self) -> Result<(), Failure> {
        self
    }
}

impl<E: Display + 'static> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), Failure> {
        self.map_err(|error| Failure::Error(Box::new(error)))
    }
}
