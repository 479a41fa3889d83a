//! The one error of the tool: a sentence for the person at the terminal, and the exit code that goes with it.
//!
//! The tool is a program, not a library that others recover from: what matters is that the sentence names the thing that is wrong
//! and, where there is one, the command that helps.

use std::fmt;

/// Exit code for a command line that cannot be understood.
pub const EXIT_USAGE: u8 = 2;
/// Exit code for anything that was understood and then failed.
pub const EXIT_FAILED: u8 = 1;

/// What went wrong, as one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    sentence: String,
    exit_code: u8,
}

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The command line or a manifest asks for something that makes no sense.
    pub fn usage(sentence: impl Into<String>) -> Error {
        Error { sentence: sentence.into(), exit_code: EXIT_USAGE }
    }

    /// The request was clear, carrying it out failed.
    pub fn failed(sentence: impl Into<String>) -> Error {
        Error { sentence: sentence.into(), exit_code: EXIT_FAILED }
    }

    /// What the process should exit with.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentence)
    }
}

impl std::error::Error for Error {}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Error {
        Error::usage(error.to_string())
    }
}

/// Turns somebody else's error into a sentence that says what was being done.
pub trait Context<T> {
    /// `doing` completes "cannot ...": `read budget.toml`.
    ///
    /// # Errors
    /// The error of `self`, as [`Error::failed`].
    fn or_cannot(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn or_cannot(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::failed(format!("cannot {}: {error}", doing())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_error_becomes_a_sentence_that_says_what_was_tried() {
        let outcome: std::result::Result<(), &str> = Err("no such file");
        let error = outcome.or_cannot(|| "read budget.toml".to_owned()).unwrap_err();
        assert_eq!(error.to_string(), "cannot read budget.toml: no such file");
        assert_eq!(error.exit_code(), EXIT_FAILED);
    }
}
