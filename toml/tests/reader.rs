//! The reader: what it takes, what it refuses, and that TOML agrees.

mod checks;

use unik_toml::{Line, Mistake, Reader, line_at};

/// Something of everything.
const FULL: &str = "# The example of a comment: ä\n\
    open = true\n\
    'the name' = 'a\\t'\n\
    \n\
    [ door ] # of wood\r\n\
    \theight = 200\n\
    colours = [ 'red', \"blue\", # more\n\
        'green',\n\
    ]\n\
    [[visit]]\n\
    who = { first = 'A', \"last\" = \"\" }\n";

fn refused(text: &str) -> (usize, &'static str) {
    let mut reader = Reader::new(text);
    let mut read = || {
        while let (_, Line::Key(_)) = reader.line()? {
            match reader.peek() {
                Some(b't' | b'f' | b'y') => _ = reader.flag()?,
                Some(b'[') => reader.list([b'[', b']'], &mut |reader| reader.text().map(|_| ()))?,
                _ => _ = reader.text()?,
            }
            reader.end()?;
        }
        Ok(())
    };
    let mistake: Mistake = read().expect_err(text);
    (mistake.at, mistake.expected)
}

#[test]
fn lines_come_one_after_the_other() -> Result<(), Mistake> {
    let mut reader = Reader::new("a = 'b'\n\n[c]\n[[d.e]]\nf = [1, 2]\ng = false");
    assert_eq!(reader.line()?, (0, Line::Key("a")));
    assert_eq!(reader.at(), 4);
    assert_eq!(reader.text()?, "b");
    reader.end()?;
    assert_eq!(reader.line()?, (10, Line::Table("c")));
    assert_eq!(reader.line()?, (15, Line::Element("d.e")));
    assert_eq!(reader.line()?, (21, Line::Key("f")));
    let mut sum = 0;
    reader.list([b'[', b']'], &mut |reader| {
        sum += reader.word().parse::<u32>().map_err(|_| Mistake { at: 0, expected: "expected a number" })?;
        Ok(())
    })?;
    assert_eq!(sum, 3);
    reader.end()?;
    assert_eq!(reader.line()?, (32, Line::Key("g")));
    assert!(!reader.flag()?);
    assert_eq!(reader.line()?, (41, Line::End));
    assert_eq!(reader.line()?, (41, Line::End));
    Ok(())
}

#[test]
fn a_mistake_stands_where_it_was_made() {
    for (text, at, sentence) in [
        ("a", 1, "expected a key, = and a value"),
        ("= 1", 0, "expected a key, = and a value"),
        ("[a", 2, "expected the name of a table in brackets"),
        ("[[a]\n", 4, "expected the name of a table in brackets"),
        ("[]", 1, "expected the name of a table in brackets"),
        ("[a] b", 4, "expected the end of the line"),
        ("a = 1", 4, "expected text in quotes"),
        ("a = yes", 4, "expected true or false"),
        ("a = 'b", 4, "expected text that ends with its quote, in the same line"),
        ("a = \"\"\"b\"\"\"", 4, "expected text that ends with its quote, in the same line"),
        (
            "a = \"\\u0041\"",
            4,
            "expected text without escapes: in single quotes, \\ is a character like others",
        ),
        ("a = 'b' 'c'", 8, "expected the end of the line"),
        ("a = ['b' 'c']", 9, "expected a comma, or the bracket that closes this"),
        ("a = ['b',\n", 10, "expected text in quotes"),
        ("\n\u{1}", 1, "expected no control character"),
        ("# \u{7f}", 2, "expected no control character"),
        ("a = 'b'\r", 7, "expected the end of the line"),
    ] {
        checks::reader(text.as_bytes());
        assert_eq!(refused(text), (at, sentence), "{text:?}");
    }
}

#[test]
fn a_list_is_asked_for_by_its_brackets() {
    let ask =
        |brackets| Reader::new("'a'").list(brackets, &mut |_| Ok(())).map_err(|mistake| mistake.expected);
    assert_eq!(ask([b'[', b']']), Err("expected a list: [..]"));
    assert_eq!(ask([b'{', b'}']), Err("expected a table: {..}"));
}

#[test]
fn lines_are_counted_from_one() {
    let file = b"a\nb\r\n\nc";
    let lines: Vec<_> = (0..=file.len() + 1).map(|at| line_at(file, at)).collect();
    assert_eq!(lines, [1, 1, 2, 2, 2, 3, 4, 4, 4]);
}

#[test]
fn whatever_is_taken_is_toml() {
    // Every piece of the full example left out, and every byte of it changed.
    assert!(checks::reader(FULL.as_bytes()));
    let bytes = FULL.as_bytes();
    for at in 0..bytes.len() {
        checks::reader(&bytes[..at]);
        checks::reader(&bytes[at..]);
        for byte in *b"\0\n\r\t #'\"=[]{},.a1\\\x7f" {
            let mut changed = bytes.to_vec();
            changed[at] = byte;
            checks::reader(&changed);
            changed.insert(at, b"=[\n\"'"[at % 5]);
            checks::reader(&changed);
        }
    }
}

#[test]
fn the_corpus_does_no_harm() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/toml");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).expect("the corpus is there") {
        let path = entry.expect("a file").path();
        println!("{}", path.display());
        checks::reader(&std::fs::read(path).expect("readable"));
        count += 1;
    }
    assert!(count > 0);
}
