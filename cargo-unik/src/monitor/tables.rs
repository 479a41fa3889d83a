//! How answers look: aligned tables, spans of time and amounts for people, and text of the guest that is fit to be printed.

use std::fmt::Write as _;

use serde_json::Value;

use crate::size::grouped;

/// The widest column that others stand behind in line. A wider cell moves what is behind it in its own row.
const WIDEST: usize = 120;

/// A table of text whose columns are as wide as what stands in them.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings. Columns whose heading begins with a blank are of numbers, and stand to the right.
    pub fn new(headings: &[&str]) -> Table {
        Table::of(headings.iter().map(|heading| (*heading).to_owned()).collect())
    }

    /// The same with headings of somebody else.
    pub fn of(headings: Vec<String>) -> Table {
        Table { rows: vec![headings] }
    }

    /// Adds a row.
    pub fn row<const COLUMNS: usize>(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells.into());
    }

    /// Adds a row of any length.
    pub fn cells(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Sorts the rows by their text, column by column.
    pub fn sort(&mut self) {
        self.rows[1..].sort();
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let headings = &self.rows[0];
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let is_right = |column: usize| headings.get(column).is_some_and(|heading| heading.starts_with(' '));
        let right: Vec<bool> = (0..columns).map(is_right).collect();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.trim_start().chars().count()).max().unwrap_or(0).min(WIDEST)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), right) in row.iter().zip(&widths).zip(&right) {
                let cell = cell.trim_start();
                if *right {
                    let _ = write!(line, "{cell:>width$}  ");
                } else {
                    let _ = write!(line, "{cell:<width$}  ");
                }
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A span of time in nanoseconds, with three or four digits that count: `850 ns`, `12.3 us`, `4.567 s`, `3 h 04 m`.
pub fn duration(nanoseconds: u64) -> String {
    let fraction = |unit: u64, name: &str| {
        let thousandths = nanoseconds / (unit / 1000);
        let (whole, rest) = (thousandths / 1000, thousandths % 1000);
        match whole {
            0..10 => format!("{whole}.{rest:03} {name}"),
            10..100 => format!("{whole}.{:02} {name}", rest / 10),
            _ => format!("{whole}.{} {name}", rest / 100),
        }
    };
    let seconds = nanoseconds / 1_000_000_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..1_000_000 => fraction(1_000, "us"),
        1_000_000..1_000_000_000 => fraction(1_000_000, "ms"),
        _ if minutes == 0 => fraction(1_000_000_000, "s"),
        _ if hours == 0 => format!("{minutes} m {:02} s", seconds % 60),
        _ if days == 0 => format!("{hours} h {:02} m", minutes % 60),
        _ => format!("{days} d {:02} h", hours % 24),
    }
}

/// An amount of memory: `12,288 bytes`, `1.5 MiB (1,572,864 bytes)`.
pub fn amount(bytes: u64) -> String {
    let exact = format!("{} bytes", grouped(bytes));
    let tenths = |unit: u64| {
        let tenths = u128::from(bytes) * 10 / u128::from(unit);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..0x10_0000 => exact,
        0x10_0000..0x4000_0000 => format!("{} MiB ({exact})", tenths(1 << 20)),
        _ => format!("{} GiB ({exact})", tenths(1 << 30)),
    }
}

/// Text of the guest with everything escaped that could move a terminal's cursor, change its state or the order of letters.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        // Unicode 16, 23.2: controls of direction, joiners, and separators of lines and paragraphs.
        let hidden = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if letter.is_control() || hidden || letter == '\\' {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// A value in one line of ASCII: what stands outside of it, which JSON has in strings alone, is escaped.
pub fn json(value: &Value) -> String {
    let mut line = String::new();
    for letter in value.to_string().chars() {
        if matches!(letter, ' '..='~') {
            line.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_numbers_stand_right() {
        let mut table = Table::new(&["NAME", " VALUE"]);
        table.row(["net0.tx_frames".to_owned(), "7".to_owned()]);
        table.row(["a".to_owned(), "1234567".to_owned()]);
        assert_eq!(
            table.to_string(),
            "NAME              VALUE\nnet0.tx_frames        7\na               1234567\n"
        );
    }

    #[test]
    fn rows_of_any_length_stand_in_columns_and_a_cell_that_is_too_wide_moves_its_own_row_alone() {
        let mut table = Table::of(vec!["NAME".to_owned(), " VALUE".to_owned()]);
        let long = "x".repeat(WIDEST + 1);
        for cells in [&["a"][..], &["b", "1", "more"], &["c", "22", "and more", "still"], &[&long, "3"]] {
            table.cells(cells.iter().map(|cell| (*cell).to_owned()).collect());
        }
        let (name, gap) = ("NAME".len(), " ".repeat(WIDEST - 1));
        assert_eq!(
            table.to_string(),
            format!(
                "NAME{}  VALUE\na\nb{gap}      1  more\nc{gap}     22  and more  still\n{long}      3\n",
                " ".repeat(WIDEST - name)
            )
        );
    }

    #[test]
    fn spans_of_time_have_the_unit_that_fits() {
        for (nanoseconds, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.000 us"),
            (12_345, "12.34 us"),
            (850_000, "850.0 us"),
            (4_567_890, "4.567 ms"),
            (59_999_999_999, "59.99 s"),
            (312_000_000_000, "5 m 12 s"),
            (11_045_000_000_000, "3 h 04 m"),
            (u64::MAX, "213503 d 23 h"),
        ] {
            assert_eq!(duration(nanoseconds), text);
        }
    }

    #[test]
    fn amounts_are_exact_and_rounded_where_they_are_large() {
        assert_eq!(amount(12_288), "12,288 bytes");
        assert_eq!(amount(3 << 19), "1.5 MiB (1,572,864 bytes)");
        assert!(amount(u64::MAX).starts_with("17179869183.9 GiB ("));
    }

    #[test]
    fn a_guest_cannot_speak_to_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\r\n\u{9b}c\u{202e}d\\"), r"a\u{1b}[2Jb\r\n\u{9b}c\u{202e}d\\");
        assert_eq!(printable("größe"), "größe");
        let line = json(&json!({ "text": "\x1b\u{9b}\u{7f}ö\u{1f600}\"" }));
        assert_eq!(line, r#"{"text":"\u001b\u009b\u007f\u00f6\ud83d\ude00\""}"#);
        let back: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["text"], "\x1b\u{9b}\u{7f}ö\u{1f600}\"");
    }
}
