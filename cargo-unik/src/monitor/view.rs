//! Where answers are shown: standard output, as tables or as JSON, and the notes beside it.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::error::{Context, Result};
use crate::monitor::tables::{Table, json};

/// The output of one command.
pub struct View<'a> {
    /// What the command is asked for.
    pub output: &'a mut dyn Write,
    /// What it has to say besides.
    pub notes: &'a mut dyn Write,
    /// Whether programs read the output.
    pub json: bool,
    /// Set when the user wants an end.
    pub stop: &'a AtomicBool,
    /// Set when nobody reads the output any more.
    closed: bool,
}

impl<'a> View<'a> {
    /// An output that is open.
    pub fn new(
        output: &'a mut dyn Write,
        notes: &'a mut dyn Write,
        json: bool,
        stop: &'a AtomicBool,
    ) -> View<'a> {
        View { output, notes, json, stop, closed: false }
    }

    /// Writes bytes. That nobody reads them is no error, but an end.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let outcome = self.output.write_all(bytes);
        self.written(outcome)
    }

    /// Writes a line.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn line(&mut self, text: &str) -> Result<()> {
        let outcome = writeln!(self.output, "{text}");
        self.written(outcome)
    }

    /// Writes a value as a line of JSON.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn value(&mut self, value: &Value) -> Result<()> {
        self.line(&json(value))
    }

    /// Shows a table, or the same rows as one array of JSON.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn table(&mut self, table: &Table, rows: Vec<Value>) -> Result<()> {
        if self.json { self.value(&Value::Array(rows)) } else { self.bytes(table.to_string().as_bytes()) }
    }

    /// Hands on what was written so far.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        let outcome = self.output.flush();
        self.written(outcome)
    }

    /// Says something that is no part of the output.
    pub fn note(&mut self, text: &str) {
        // Nobody to read it is no reason to fail.
        let _ = writeln!(self.notes, "unik: {text}");
    }

    /// Whether to come to an end.
    pub fn ended(&self) -> bool {
        self.closed || self.stop.load(Ordering::SeqCst)
    }

    fn written(&mut self, outcome: std::io::Result<()>) -> Result<()> {
        match outcome {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.closed = true,
            outcome => outcome.or_cannot(|| "write to standard output".to_owned())?,
        }
        Ok(())
    }
}
