//! The index that packing makes: a server that has one does what it would do without.

#[path = "checks/index.rs"]
mod checks;
#[path = "common/corpus.rs"]
mod corpus;

use checks::{FILES, responses, server};
use corpus::corpus;
use unik_httpd::{File, INDEX, Server, Settings};

/// The index of the small site.
fn made() -> Vec<u8> {
    server(b"").index().expect("there is memory")
}

#[test]
fn responses_are_the_same_with_an_index_and_without() {
    let index = made();
    let (with, without) = (server(&index), server(b""));
    assert_eq!(responses(&with), responses(&without));
    let first = String::from_utf8(responses(&with).remove(0)).expect("text");
    assert!(first.contains("Content-Encoding: br\r\n") && first.contains("X-A: b\r\n"), "{first}");
    assert!(first.ends_with("\r\n\r\nbrotli"), "{first}");
    assert_eq!((with.files(), with.index()), (4, Some(index.clone())));
}

/// What the response to a request of a style sheet has as its tag, where the index says `AAAA` at the end of each tag.
fn tag(files: &[(&'static str, &'static [u8])]) -> bool {
    let mut index = made();
    // A sign that the index was believed: nobody but its maker knows.
    for at in 0..index.len() - 6 {
        if index[at..].starts_with(b"\"\r\n\r\n") {
            index[at - 4..at].copy_from_slice(b"AAAA");
        }
    }
    let index: &'static [u8] = index.leak();
    let mut files = files.iter().copied().chain([(INDEX, index)]).map(|(path, contents)| File {
        path,
        contents,
        modified: None,
    });
    let server = Server::load(&mut files, Settings::default()).expect("the files are good");
    responses(&server).iter().any(|response| response.windows(5).any(|window| window == b"AAAA\""))
}

#[test]
fn an_index_of_other_files_is_not_believed() {
    assert!(tag(&FILES));
    let changed = |number: usize, file: (&'static str, &'static [u8])| {
        let mut files = FILES;
        files[number] = file;
        files
    };
    assert!(!tag(&changed(3, ("a/style.css", b"longer"))), "another length");
    assert!(!tag(&changed(3, ("a/style.html", b"style"))), "another path");
    assert!(!tag(&changed(0, (".httpd/forms/a/style.css.br", b"shorter"))), "another length of a form");
    assert!(
        !tag(&changed(5, ("httpd.toml", b"[[host]]\nnames = ['a']\nroot = '/a'"))),
        "another configuration"
    );
    assert!(!tag(&FILES[1..]), "a form less");
    assert!(!tag(&[&FILES[..], &[("b", b"")]].concat()), "a file more");
}

#[test]
fn every_prefix_and_every_changed_byte_of_an_index_does_no_harm() {
    let index = made();
    for at in 0..index.len() {
        checks::index(&index[..at]);
        for byte in [0, 1, 0xff, b'\r', index[at].wrapping_add(1)] {
            let mut changed = index.clone();
            changed[at] = byte;
            checks::index(&changed);
        }
    }
}

#[test]
fn the_corpus_of_indexes_does_no_harm() {
    for (name, bytes) in corpus("http_index") {
        println!("{name}");
        checks::index(&bytes);
    }
}

#[test]
fn the_corpus_has_the_index_of_this_site() {
    let known = corpus("http_index").into_iter().find(|(name, _)| name == "whole").expect("it is there").1;
    assert!(
        known == made(),
        "the layout changed: write the index of the small site to fuzz/corpus/http_index/whole"
    );
}

#[test]
fn an_index_needs_no_order_of_the_files() {
    let index: &'static [u8] = made().leak();
    let mut files = FILES.iter().rev().copied().chain([(INDEX, index)]);
    let mut files = files.by_ref().map(|(path, contents)| File { path, contents, modified: None });
    let reversed = Server::load(&mut files, Settings::default()).expect("the files are good");
    assert_eq!(responses(&reversed), responses(&server(b"")));
}
