//! Tables and progress in colours, where somebody looks at a terminal.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write as _};

use crate::env::{self, Get};

/// What a text is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    /// Something has come to its good end.
    Good,
    /// It goes on, or waits for somebody.
    Busy,
    Bad,
    /// Less than the rest.
    Faint,
    Title,
}

impl Tone {
    /// Select Graphic Rendition. Source: ECMA-48.
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "\x1b[32m",
            Self::Busy => "\x1b[33m",
            Self::Bad => "\x1b[31m",
            Self::Faint => "\x1b[2m",
            Self::Title => "\x1b[1m",
        }
    }
}

/// Whether and how to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    colours: bool,
    /// Lines can be written over.
    redraws: bool,
}

impl Paint {
    pub const NONE: Self = Self { colours: false, redraws: false };

    /// For what is written to a stream: plain where that is no terminal.
    pub fn of(stream: &impl IsTerminal, get: Get<'_>) -> Self {
        let able = stream.is_terminal() && env::text(get, env::TERM).is_none_or(|term| term != "dumb");
        Self { colours: able && env::text(get, env::NO_COLOR).is_none(), redraws: able }
    }

    pub fn text(self, tone: Tone, text: &str) -> String {
        match tone.code() {
            code if self.colours && !code.is_empty() => format!("{code}{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

/// A cell of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    pub text: String,
    pub tone: Tone,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), tone: Tone::Plain }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, tone: Tone::Plain }
    }
}

/// Rows below a header, in columns as wide as their widest cell. Without rows: nothing.
pub fn table(header: &[&str], rows: &[Vec<Cell>], paint: Paint) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let header: Vec<Cell> = header.iter().map(|text| Cell { text: (*text).to_owned(), tone: Tone::Faint }).collect();
    let all = || std::iter::once(&header).chain(rows);
    let mut out = String::new();
    for row in all() {
        // Blanks are put only before what follows, so that no line ends in some.
        let mut blanks = 0;
        for (column, cell) in row.iter().enumerate() {
            let widest = all().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count()).max();
            if !cell.text.is_empty() {
                out.extend(std::iter::repeat_n(' ', blanks));
                blanks = 0;
                out.push_str(&paint.text(cell.tone, &cell.text));
            }
            blanks += widest.unwrap_or(0) - cell.text.chars().count() + 2;
        }
        out.push('\n');
    }
    out
}

/// What several things come to, on standard error: redrawn on a terminal, else a line for each change.
#[derive(Debug)]
pub struct Board {
    paint: Paint,
    rows: Vec<(String, Cell)>,
    at: HashMap<String, usize>,
    drawn: usize,
}

impl Board {
    pub fn stderr() -> Self {
        Self { paint: Paint::of(&io::stderr(), &env::process), rows: Vec::new(), at: HashMap::new(), drawn: 0 }
    }

    /// Says what one thing is now. Nothing is written where it was that already.
    pub fn say(&mut self, what: &str, tone: Tone, text: &str) {
        let cell = Cell { text: text.to_owned(), tone };
        let next = self.rows.len();
        let at = *self.at.entry(what.to_owned()).or_insert(next);
        if at == next {
            self.rows.push((what.to_owned(), Cell::default()));
        }
        if self.rows[at].1 == cell {
            return;
        }
        self.rows[at].1 = cell;
        let text =
            if self.paint.redraws { self.redrawn() } else { format!("{what}: {}\n", self.paint.text(tone, text)) };
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Whether lines can be written over, so that what changes all the time may be told.
    pub fn is_live(&self) -> bool {
        self.paint.redraws
    }

    /// Ends the part that is redrawn; what is written from now on stands below it.
    pub fn done(&mut self) {
        self.drawn = 0;
        self.rows.clear();
        self.at.clear();
    }

    fn redrawn(&mut self) -> String {
        let mut out = String::new();
        if self.drawn > 0 {
            out.push_str(&format!("\x1b[{}A", self.drawn));
        }
        let rows: Vec<Vec<Cell>> =
            self.rows.iter().map(|(what, cell)| vec![what.as_str().into(), cell.clone()]).collect();
        let text = table(&["", ""], &rows, self.paint);
        // No line is broken, or the next redraw would begin at the wrong one.
        out.push_str("\x1b[?7l");
        for line in text.lines().skip(1) {
            out.push_str("\x1b[2K");
            out.push_str(line);
            out.push('\n');
        }
        out.push_str("\x1b[?7h");
        self.drawn = self.rows.len();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fit_their_widest_cell() {
        let good = Cell { text: "ok".into(), tone: Tone::Good };
        let rows = [vec!["a".into(), good.clone(), "x".into()], vec!["longer".into(), good, "".into()]];
        assert_eq!(table(&["N", "STATUS", ""], &rows, Paint::NONE), "N       STATUS\na       ok      x\nlonger  ok\n");
        let coloured = Paint { colours: true, redraws: false };
        assert!(table(&["N", "STATUS", ""], &rows, coloured).contains("a       \x1b[32mok\x1b[0m      x\n"));
        assert_eq!(table(&["N"], &[], coloured), "");
    }

    #[test]
    fn a_redraw_starts_at_the_first_line_again() {
        let mut board = Board { paint: Paint { colours: false, redraws: true }, ..Board::stderr() };
        board.rows = vec![("a".into(), "1".into()), ("bb".into(), "2".into())];
        let first = board.redrawn();
        assert!(!first.contains("\x1b[2A") && first.contains("\x1b[2Ka   1\n"), "{first:?}");
        assert!(board.redrawn().starts_with("\x1b[2A"));
    }
}
