//! What holds for any `httpd.toml`: shared by the tests and the fuzz target.
#![allow(dead_code, reason = "each user takes its part")]

use unik_httpd::Configuration;

/// Reads `file`: what is taken is TOML, and what is refused has a sentence with a line that is there.
pub(crate) fn configuration(file: &[u8]) {
    match Configuration::parse(file) {
        Ok(_) => {
            let text = core::str::from_utf8(file).expect("only text is taken");
            // An independent opinion on the syntax: whatever is taken here means something there.
            if let Err(error) = text.parse::<toml::Table>() {
                panic!("taken, and no TOML: {error}\n{text}");
            }
        }
        Err(error) => {
            let sentence = error.to_string();
            let rest = sentence.strip_prefix("httpd.toml:").expect("the name of the file");
            let (line, rest) = rest.split_once(": '").expect("a line");
            let lines = file.iter().filter(|&&byte| byte == b'\n').count() + 1;
            assert!((1..=lines).contains(&line.parse().expect("a number")), "{sentence}");
            assert!(rest.contains("': "), "{sentence}");
            assert!(!sentence.bytes().any(|byte| byte.is_ascii_control()), "{sentence:?}");
        }
    }
}
