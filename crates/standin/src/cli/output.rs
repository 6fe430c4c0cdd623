//! Writing to standard output and error. A reader that has gone away ends the command; it never makes it panic.

use std::fmt;
use std::io::{self, BufWriter, Stdout, Write as _};

use crate::error::CommandError;

/// Standard output, buffered.
pub struct Out(BufWriter<Stdout>);

impl Out {
    pub fn stdout() -> Self {
        Self(BufWriter::new(io::stdout()))
    }

    /// For `write!` and `writeln!`.
    ///
    /// # Errors
    /// [`Kind::Closed`](crate::error::Kind::Closed) when nobody reads any more.
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> Result<(), CommandError> {
        self.0.write_fmt(text).map_err(CommandError::output)
    }

    /// # Errors
    /// As [`Out::write_fmt`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        self.0.write_all(bytes).map_err(CommandError::output)
    }

    /// Writes JSON on many lines.
    ///
    /// # Errors
    /// As [`Out::write_fmt`].
    pub fn json(&mut self, value: &serde_json::Value) -> Result<(), CommandError> {
        writeln!(self, "{value:#}")
    }

    /// Writes rows in columns, each as wide as its widest cell; no blanks at line ends.
    ///
    /// # Errors
    /// As [`Out::write_fmt`].
    pub fn table<const N: usize>(&mut self, header: [&str; N], rows: &[[String; N]]) -> Result<(), CommandError> {
        let mut widths = header.map(str::len);
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let header = header.map(str::to_owned);
        for row in std::iter::once(&header).chain(rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                let _ = fmt::Write::write_fmt(&mut line, format_args!("{cell:width$}  "));
            }
            writeln!(self, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// # Errors
    /// As [`Out::write_fmt`].
    pub fn flush(&mut self) -> Result<(), CommandError> {
        self.0.flush().map_err(CommandError::output)
    }
}

/// Says something on standard error; nobody hears when it is closed.
pub(crate) fn to_stderr(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

pub(super) fn to_stdout(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}
