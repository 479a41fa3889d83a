//! The file `httpd.toml`: what it may say, and what is said of mistakes in it.

#[path = "checks/configuration.rs"]
mod checks;
#[path = "common/corpus.rs"]
mod corpus;

use corpus::corpus;
use unik_httpd::{Configuration, File, LoadError, Server, Settings};

/// Something of everything.
const FULL: &str = r#"# The example of a comment: ä
root = "/"   # the whole tree
fallback = '/app.html'
listing = true
unknown-hosts = "refuse"
compress = ["br", 'gzip', ]

[[redirect]]
path = "/old page"
to = "/new?x=1"

[[redirect]]
below = "/docs/"
to = "https://docs.example.org/"
status = 308

[[ header ]]
below = "/"
always = true
set = { Strict-Transport-Security = "max-age=63072000", "Content-Security-Policy" = "default-src 'self'" }

[[header]]
ending = ".css"
set = {
    Cache-Control = 'public, max-age=31536000, immutable', # a year
}

[[host]]
names = [
    "example.org", # with and without
    "*.example.org",
    "[2001:db8::1]",
]
root = "/example.org/"
listing = false

[[host.redirect]]
path = "/"
to = "/start"
status = 302

[[host.header]]
set = { X-Host = "" }
"#;

/// What is said of a file.
#[track_caller]
fn said(file: &str) -> String {
    checks::configuration(file.as_bytes());
    Configuration::parse(file.as_bytes()).map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn all_that_there_is_can_be_said() {
    assert_eq!(said(FULL), "");
    assert_eq!(said(&FULL.replace('\n', "\r\n")), "");
    assert_eq!(said(FULL.trim_end()), "");
    assert_eq!(said(""), "");
    assert_eq!(said("\n\n# nothing\n\t \n"), "");
}

#[test]
fn a_mistake_is_one_sentence_with_file_line_and_word() {
    for (file, sentence) in [
        ("fallbak = '/a'", "1: 'fallbak': expected root, fallback, listing, unknown-hosts or compress"),
        ("\n\nlisting = yes", "3: 'yes': expected true or false"),
        ("listing = true\nlisting = false", "2: 'listing': expected each key once in a table"),
        ("listing = true false", "1: 'false': expected the end of the line"),
        ("listing: true", "1: ':': expected a key, = and a value"),
        ("root = \"a\"", "1: 'a': expected a path that begins with a slash"),
        ("root = /a", "1: '/a': expected text in quotes"),
        ("root = '/a", "1: '/a': expected text that ends with its quote, in the same line"),
        ("root = '''/a'''", "1: '': expected text that ends with its quote, in the same line"),
        (
            "root = \"/\\u0041\"",
            "1: '/\\u0041': expected text without escapes: in single quotes, \\ is a character like others",
        ),
        ("unknown-hosts = 'drop'", "1: 'drop': expected \"serve\" or \"refuse\""),
        ("compress = true", "1: 'true': expected a list: [..]"),
        ("compress = ['br' 'gzip']", "1: 'gzip': expected a comma, or the bracket that closes this"),
        ("compress = ['br',\n 'deflate']", "2: 'deflate': expected br, gzip or zstd"),
        ("compress = ['br',", "1: '': expected text in quotes"),
        ("[host]", "1: 'host': expected [[host]], [[redirect]] or [[header]]: each is one of a list"),
        ("[[hosts]]", "1: 'hosts': expected host, redirect, header, host.redirect or host.header"),
        ("[[host]\n", "1: '': expected the name of a table in brackets"),
        ("[[host.header]]\nset = {}", "1: 'host.header': expected a [[host]] in front of this"),
        ("[[host]]\n[[header]]", "1: 'host': expected names = [..] in this table"),
        ("[[host]]\nnames = ['a', 'A']", "2: 'A': expected each name once"),
        (
            "[[host]]\nnames = ['a:80']",
            "2: 'a:80': expected the name of a host without a port, such as example.org or *.example.org",
        ),
        ("[[host]]\nto = '/'", "2: 'to': expected names, root, fallback or listing"),
        ("[[redirect]]\npath = '/a'\n", "1: 'redirect': expected to = in this table"),
        ("[[redirect]]\nto = '/a'\n", "1: 'redirect': expected path = or below = in this table"),
        ("[[redirect]]\npath = '/a'\nbelow = '/b/'", "3: 'below': expected one of path, below and ending"),
        ("[[redirect]]\nbelow = '/b'", "2: '/b': expected a folder, which ends with a slash"),
        ("[[redirect]]\nending = '.b'", "2: 'ending': expected path, below, to or status"),
        ("[[redirect]]\nstatus = 303", "2: '303': expected 301, 302, 307 or 308"),
        (
            "[[redirect]]\nto = 'ftp://a'",
            "2: 'ftp://a': expected a path that begins with a slash, or a URL with http:// or https://, in visible characters of ASCII",
        ),
        ("[[header]]\nstatus = 303", "2: 'status': expected path, below, ending, set or always"),
        ("[[header]]\npath = '/'", "1: 'header': expected set = {..} in this table"),
        ("[[header]]\nset = []", "2: '[': expected a table: {..}"),
        ("[[header]]\nset = { 'a b' = '' }", "2: 'a b': expected the name of a field"),
        (
            "[[header]]\nset = { eTag = '' }",
            "2: 'eTag': expected a field that the server does not write itself",
        ),
        ("[[header]]\nset = { a = '', A = '' }", "2: 'A': expected each field once in a table"),
        (
            "[[header]]\nset = { a = 'ä' }",
            "2: 'ä': expected visible characters of ASCII, and spaces between them",
        ),
        ("listing = true\n\u{1}", "2: '': expected no control character"),
        ("# \u{7f}", "1: '': expected no control character"),
    ] {
        assert_eq!(said(file), format!("httpd.toml:{sentence}"), "{file}");
    }
    let error = Configuration::parse(b"# a\n\xff").unwrap_err();
    assert_eq!(error.to_string(), "httpd.toml:2: '': expected UTF-8 here");
}

#[test]
fn everything_has_a_limit() {
    let hosts: String = (0..65).map(|number| format!("[[host]]\nnames = ['a{number}']\n")).collect();
    let names: String = (0..300).map(|number| format!("'a{number}', ")).collect();
    let fields: String = (0..300).map(|number| format!("a{number} = '', ")).collect();
    for file in [
        hosts,
        format!("[[host]]\nnames = [{names}]"),
        "[[redirect]]\npath = '/'\nto = '/'\n".repeat(1001),
        "[[header]]\nset = {}\n".repeat(65),
        format!("[[header]]\nset = {{ {fields} }}"),
    ] {
        assert!(said(&file).ends_with("expected fewer: this is one more than the limit"), "{}", said(&file));
    }
    assert_eq!(said(&"[[redirect]]\npath = '/'\nto = '/'\n".repeat(1000)), "");
}

#[test]
fn whatever_is_taken_is_toml() {
    // Every piece of the full example left out, and every byte of it changed.
    let bytes = FULL.as_bytes();
    for at in 0..bytes.len() {
        checks::configuration(&bytes[..at]);
        for byte in *b"\0\n\r\t #'\"=[]{},.a\\\x7f" {
            let mut changed = bytes.to_vec();
            changed[at] = byte;
            checks::configuration(&changed);
            changed.insert(at, b"=[\n\"'"[at % 5]);
            checks::configuration(&changed);
        }
    }
}

#[test]
fn the_corpus_of_configurations_does_no_harm() {
    for (name, bytes) in corpus("toml") {
        println!("{name}");
        checks::configuration(&bytes);
    }
}

/// What is said where files do not fit their configuration.
#[track_caller]
fn misfit(files: &[(&'static str, &'static str)]) -> String {
    let mut files =
        files.iter().map(|&(path, contents)| File { path, contents: contents.as_bytes(), modified: None });
    match Server::load(&mut files, Settings::default()) {
        Ok(_) => String::new(),
        Err(LoadError::Configuration(error)) => error.to_string(),
        Err(LoadError::NoMemory) => panic!("there is memory"),
    }
}

#[test]
fn what_the_configuration_names_is_among_the_files() {
    let page = ("index.html", "page");
    assert_eq!(misfit(&[page, ("httpd.toml", "fallback = '/index.html'")]), "");
    assert_eq!(
        misfit(&[page, ("httpd.toml", "listing = true\nfallback = '/app.html' # it is gone")]),
        "httpd.toml:2: '/app.html': expected a file of this host that can be served"
    );
    assert_eq!(
        misfit(&[page, ("httpd.toml", "fallback = '/httpd.toml'")]),
        "httpd.toml:1: '/httpd.toml': expected a file of this host that can be served"
    );
    assert_eq!(
        misfit(&[page, (".a/b", ""), ("httpd.toml", "[[host]]\nnames = ['a']\nroot = '/.a'")]),
        "httpd.toml:3: '/.a': expected a folder that has files which can be served"
    );
    assert_eq!(
        misfit(&[page, ("httpd.toml", "root = '/nothing'")]),
        "httpd.toml:1: '/nothing': expected a folder that has files which can be served"
    );
}
