//! What a job writes: kept within a limit, a line with its time, and read from any place.

use std::collections::VecDeque;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use standin_core::Clock;

use super::mask::Mask;
use super::{LAST_LINES, Line, Output};

/// Longer lines are broken.
const LINE_BYTES_MAX: usize = 16 << 10;
/// Of the last lines that an end carries.
const LAST_LINE_CHARS: usize = 500;
/// What one look reads.
const LOOK_BYTES_MAX: u64 = 256 << 10;

/// Writes output: its beginning at once, and of what is too much the end, when it has come.
pub(super) struct Writer {
    file: BufWriter<std::fs::File>,
    mask: Mask,
    clock: Clock,
    /// What is read of a line that has not ended.
    pending: Vec<u8>,
    /// What there is still room for at the beginning.
    head_left: u64,
    tail: VecDeque<String>,
    tail_bytes: u64,
    tail_bytes_max: u64,
    cut: bool,
    left_out: (u64, u64),
    last: VecDeque<String>,
}

impl Writer {
    pub(super) fn new(file: std::fs::File, mask: Mask, bytes_max: u64) -> Self {
        Self {
            file: BufWriter::new(file),
            mask,
            clock: Clock::real(),
            pending: Vec::new(),
            head_left: bytes_max / 2,
            tail: VecDeque::new(),
            tail_bytes: 0,
            tail_bytes_max: bytes_max / 2,
            cut: false,
            left_out: (0, 0),
            last: VecDeque::new(),
        }
    }

    /// Takes what was written; lines that have ended can be read from then on.
    pub(super) fn take(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = LINE_BYTES_MAX - self.pending.len();
            match rest.iter().take(room).position(|byte| *byte == b'\n') {
                Some(end) => {
                    self.pending.extend_from_slice(&rest[..end]);
                    rest = &rest[end + 1..];
                    self.end_line()?;
                }
                None => {
                    let (now, later) = rest.split_at(room.min(rest.len()));
                    self.pending.extend_from_slice(now);
                    rest = later;
                    if self.pending.len() == LINE_BYTES_MAX {
                        self.end_line()?;
                    }
                }
            }
        }
        self.file.flush()
    }

    fn end_line(&mut self) -> std::io::Result<()> {
        let bytes = std::mem::take(&mut self.pending);
        let text = String::from_utf8_lossy(&bytes);
        let text = self.mask.hide(text.trim_end_matches('\r'));
        self.last.push_back(text.chars().take(LAST_LINE_CHARS).collect());
        if self.last.len() > LAST_LINES {
            self.last.pop_front();
        }
        self.keep(&text)
    }

    fn keep(&mut self, text: &str) -> std::io::Result<()> {
        let entry = format!("{} {text}\n", self.clock.now().as_millis());
        let bytes = entry.len() as u64;
        if !self.cut && bytes <= self.head_left {
            self.head_left -= bytes;
            return self.file.write_all(entry.as_bytes());
        }
        if !self.cut {
            self.cut = true;
            self.note("[the output is above its limit: from here on, only its end is kept]")?;
        }
        self.tail.push_back(entry);
        self.tail_bytes += bytes;
        while self.tail_bytes > self.tail_bytes_max
            && let Some(entry) = self.tail.pop_front()
        {
            self.tail_bytes -= entry.len() as u64;
            self.left_out = (self.left_out.0 + 1, self.left_out.1 + entry.len() as u64);
        }
        Ok(())
    }

    fn note(&mut self, text: &str) -> std::io::Result<()> {
        let now = self.clock.now().as_millis();
        writeln!(self.file, "{now} {text}")
    }

    /// Writes the end, and gives the last lines.
    pub(super) fn finish(mut self) -> std::io::Result<Vec<String>> {
        if !self.pending.is_empty() {
            self.end_line()?;
        }
        let (lines, bytes) = self.left_out;
        if lines > 0 {
            self.note(&format!("[{lines} lines, {bytes} bytes are left out here]"))?;
        }
        for entry in std::mem::take(&mut self.tail) {
            self.file.write_all(entry.as_bytes())?;
        }
        self.file.flush()?;
        Ok(self.last.into())
    }
}

/// Reads the lines that have ended behind a place. A file that is not there has none.
pub(super) fn read(path: &Path, from: u64) -> std::io::Result<Output> {
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Output { next: from, ..Output::default() });
        }
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(LOOK_BYTES_MAX).read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let now = Clock::real().now().as_millis();
    let line = |line: &str| {
        let (time, text) = line.split_once(' ').unwrap_or(("", line));
        let age_ms = time.parse::<i64>().map_or(0, |time| (now - time).max(0));
        Line { text: text.to_owned(), age_ms }
    };
    let text = String::from_utf8_lossy(&bytes[..whole]);
    let next = from + whole as u64;
    let more = bytes.len() as u64 == LOOK_BYTES_MAX;
    Ok(Output { lines: text.lines().map(line).collect(), next, more })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of an output that was written in pieces, and the last lines.
    fn check(name: &str, bytes_max: u64, pieces: &[&[u8]]) -> (Vec<String>, Vec<String>) {
        let path = std::env::temp_dir().join(format!("standin-host-{}-output-{name}", std::process::id()));
        let file = std::fs::File::create(&path).expect("a file of our own");
        let secrets = ["swordfish".to_owned()];
        let mut writer = Writer::new(file, Mask::new(&secrets), bytes_max);
        pieces.iter().for_each(|piece| writer.take(piece).expect("it writes"));
        let last = writer.finish().expect("it writes");
        let (mut lines, mut next) = (Vec::new(), 0);
        loop {
            let output = read(&path, next).expect("it is there");
            assert!(output.lines.iter().all(|line| line.age_ms < 60_000));
            lines.extend(output.lines.into_iter().map(|line| line.text));
            next = output.next;
            if !output.more {
                break;
            }
        }
        assert_eq!(read(&path, next).expect("it is there").lines, []);
        std::fs::remove_file(path).expect("it is ours");
        (lines, last)
    }

    #[test]
    fn lines_are_kept_as_they_come() {
        let (lines, last) = check("lines", 1000, &[b"a", b"b\r\n\nthe swordfish\xff\n", b"no end"]);
        assert_eq!(lines, ["ab", "", "the ***\u{fffd}", "no end"]);
        assert_eq!(last, lines);
    }

    #[test]
    fn of_too_much_the_beginning_and_the_end_are_kept() {
        let text: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
        let (lines, last) = check("flood", 1000, &[text.as_bytes()]);
        assert_eq!((&*lines[0], &*lines[1]), ("line 0", "line 1"));
        assert_eq!(lines.last().map(String::as_str), Some("line 9999"));
        assert!(lines.len() < 60, "{}", lines.len());
        assert!(lines.iter().any(|line| line.contains("above its limit")), "{lines:?}");
        assert!(lines.iter().any(|line| line.ends_with("bytes are left out here]")), "{lines:?}");
        assert_eq!((last.len(), &*last[19]), (LAST_LINES, "line 9999"));
    }

    #[test]
    fn long_lines_are_broken_and_looks_are_bounded() {
        let (lines, _) = check("long", 10 << 20, &[&vec![b'x'; 1 << 20]]);
        assert_eq!((lines.len(), lines[0].len()), (64, LINE_BYTES_MAX));
    }
}
