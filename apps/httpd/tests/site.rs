//! What a site's configuration does: hosts, redirects, fields, lists of folders, and a page for what is not there.

mod common;

use common::{Response, ask, get, server_of};
use unik_httpd::Server;

/// A server of `files` with this configuration.
fn server(configuration: &'static str, files: &[(&'static str, &'static [u8])]) -> Server<'static> {
    server_of(&[&[("httpd.toml", configuration.as_bytes())], files].concat())
}

/// The response of a host.
#[track_caller]
fn from(server: &Server<'_>, host: &str, target: &str) -> Response {
    ask(server, &format!("GET {target} HTTP/1.1\nHost: {host}"))
}

const HOSTS: &str = "
[[host]]
names = ['example.org', 'www.Example.org']
root = '/org'

[[host]]
names = ['*.example.org', '[2001:db8::1]']
root = '/org/others'

[[host]]
names = ['*.a.example.org', '192.0.2.1']
root = '/a/'
";

const FILES: &[(&str, &[u8])] = &[
    ("404.html", b"default: missing"),
    ("a/index.html", b"a"),
    ("index.html", b"default"),
    ("org/404.html", b"org: missing"),
    ("org/index.html", b"org"),
    ("org/others/index.html", b"others"),
    ("org/style.css", b"css"),
    ("org/style.css.gz", b"gzipped"),
    ("zoo/index.html", b"zoo"),
];

#[test]
fn each_host_has_its_folder() {
    let server = server(HOSTS, FILES);
    for (host, target, text) in [
        ("example.org", "/", "org"),
        ("EXAMPLE.org:8080", "/", "org"),
        ("example.org.", "/", "org"),
        ("example.org.:80", "/", "org"),
        ("www.example.org", "/index.html", "org"),
        ("b.example.org", "/", "others"),
        ("c.b.example.org", "/", "others"),
        ("[2001:db8::1]", "/", "others"),
        ("[2001:DB8::1]:80", "/", "others"),
        ("b.a.example.org", "/", "a"),
        ("192.0.2.1:80", "/", "a"),
        // A star stands for something.
        ("a.example.org", "/", "others"),
        (".example.org", "/", "default"),
        ("example.com", "/", "default"),
        ("badexample.org", "/", "default"),
        ("example.org..", "/", "default"),
        ("localhost", "/zoo/", "zoo"),
    ] {
        let response = from(&server, host, target);
        assert_eq!((response.code, response.text()), (200, text), "{host}");
    }
    // The authority of a target goes before the field (RFC 9112, 3.2.2).
    assert_eq!(from(&server, "localhost", "http://example.org/").text(), "org");
    let long = format!("{}.example.org", "a.".repeat(200));
    assert_eq!(from(&server, &long, "/").text(), "default");
    assert_eq!(ask(&server, "GET / HTTP/1.0").text(), "default");
}

#[test]
fn no_host_sees_the_files_of_another() {
    let server = server(HOSTS, FILES);
    for (host, target, text) in [
        ("example.org", "/missing", "org: missing"),
        ("example.org", "/others/", "org: missing"),
        ("example.org", "/../index.html", "400 Bad Request\n"),
        ("localhost", "/org/", "default: missing"),
        ("localhost", "/a/index.html", "default: missing"),
        ("b.example.org", "/style.css", "404 Not Found\n"),
    ] {
        let response = from(&server, host, target);
        assert_eq!((response.code >= 400, response.text()), (true, text), "{host}{target}");
    }
    let compressed = ask(&server, "GET /style.css HTTP/1.1\nHost: example.org\nAccept-Encoding: gzip");
    assert_eq!((compressed.text(), compressed.field("Content-Encoding")), ("gzipped", Some("gzip")));
}

#[test]
fn unknown_hosts_are_refused_where_the_site_says_so() {
    let server = server("unknown-hosts = 'refuse'\n[[host]]\nnames = ['a']\nroot='/a'", FILES);
    assert_eq!(from(&server, "a", "/").text(), "a");
    for lines in ["GET / HTTP/1.1\nHost: b", "HEAD / HTTP/1.1\nHost: b", "GET / HTTP/1.0"] {
        assert_eq!(ask(&server, lines).code, 421, "{lines}");
    }
    assert_eq!(from(&server, "192.0.2.9", "/healthz").code, 200);
}

#[test]
fn redirects_lead_to_paths_and_to_other_sites() {
    let server = server(
        "
[[redirect]]
path = '/old page'
to = '/new'
[[redirect]]
path = '/query'
to = '/new?x=1'
status = 302
[[redirect]]
below = '/docs/'
to = 'https://docs.example.org/v1/'
status = 308
[[redirect]]
path = '/docs/never'
to = '/never'
[[host]]
names = ['www.example.org']
[[host.redirect]]
below = '/'
to = 'https://example.org/'
status = 307
",
        &[("docs/index.html", b""), ("index.html", b""), ("query/a", b"")],
    );
    for (host, target, code, location) in [
        ("a", "/old%20page", 301, "/new"),
        ("a", "//old%20page?a=b", 301, "/new?a=b"),
        ("a", "/query?a=b", 302, "/new?x=1"),
        ("a", "/docs/", 308, "https://docs.example.org/v1/"),
        ("a", "/docs", 308, "https://docs.example.org/v1/"),
        ("a", "/docs/never", 308, "https://docs.example.org/v1/never"),
        ("a", "/docs/a%0d%0ab/%c3%a4?q", 308, "https://docs.example.org/v1/a%0D%0Ab/%C3%A4?q"),
        ("www.example.org", "/", 307, "https://example.org/"),
        ("www.example.org", "/a?b", 307, "https://example.org/a?b"),
        // What is said for all comes first where it stands first.
        ("www.example.org", "/query", 302, "/new?x=1"),
    ] {
        let response = from(&server, host, target);
        assert_eq!((response.code, response.field("Location")), (code, Some(location)), "{host}{target}");
    }
    for target in ["/", "/docsify", "/query/a"] {
        assert_eq!(from(&server, "a", target).field("Location"), None, "{target}");
    }
    assert_eq!(from(&server, "a", "/query/a").code, 200);
    assert_eq!(ask(&server, "POST /docs/ HTTP/1.1\nHost: a\nContent-Length: 0").code, 405);
}

const FIELDS: &str = "
[[header]]
below = '/'
always = true
set = { Strict-Transport-Security = 'max-age=1', Cache-Control = 'no-cache' }
[[header]]
ending = '.css'
set = { cache-control = 'max-age=5' }
[[header]]
path = '/fonts/a'
set = { Access-Control-Allow-Origin = '*', Access-Control-Allow-Methods = 'GET', content-type = 'font/x' }
[[host]]
names = ['b']
root = '/b'
[[host.header]]
set = { X-Host = 'b' }
";

#[test]
fn fields_are_those_of_the_rules_and_the_last_one_counts() {
    let files: &[(&str, &[u8])] = &[
        ("a.css", b"css"),
        ("a.css.br", b"br"),
        ("b/a.css", b"b"),
        ("fonts/a", b"font"),
        ("sub/index.html", b""),
    ];
    let server = server(FIELDS, files);
    let long = Some("max-age=1");
    let page = from(&server, "a", "/sub/");
    assert_eq!(
        (page.field("Strict-Transport-Security"), page.field("Cache-Control")),
        (long, Some("no-cache"))
    );
    let style = from(&server, "a", "/a.css");
    assert_eq!((style.field("cache-control"), style.field("Cache-Control")), (Some("max-age=5"), None));
    assert_eq!((style.field("X-Host"), from(&server, "b", "/a.css").field("X-Host")), (None, Some("b")));
    let tag = style.field("ETag").expect("a tag");
    for (fields, code) in [
        (format!("If-None-Match: {tag}"), 304),
        ("Range: bytes=0-1".to_owned(), 206),
        ("Range: bytes=0-0,2-2".to_owned(), 206),
        ("Accept-Encoding: br".to_owned(), 200),
    ] {
        let response = get(&server, "/a.css", &fields);
        assert_eq!((response.code, response.field("cache-control")), (code, Some("max-age=5")), "{fields}");
    }
    let font = from(&server, "a", "/fonts/a");
    assert_eq!((font.field("Content-Type"), font.field("content-type")), (None, Some("font/x")));
    // Errors have those that are for all responses; redirects have all.
    let missing = from(&server, "a", "/missing.css");
    assert_eq!((missing.code, missing.field("Strict-Transport-Security")), (404, long));
    assert_eq!((missing.field("cache-control"), missing.field("Cache-Control")), (None, Some("no-cache")));
    assert_eq!(get(&server, "/a.css", "If-Match: \"x\"").field("Strict-Transport-Security"), long);
    assert_eq!(from(&server, "a", "/sub").field("Strict-Transport-Security"), long);
}

#[test]
fn browsers_hear_in_advance_what_other_sites_may_do() {
    let server = server(FIELDS, &[("fonts/a", b"font"), ("b/a", b"")]);
    let preflight = |target: &str| {
        let fields = "Origin: https://c.example\nAccess-Control-Request-Method: GET";
        ask(&server, &format!("OPTIONS {target} HTTP/1.1\nHost: a\n{fields}"))
    };
    let font = preflight("/fonts/a");
    assert_eq!((font.code, font.field("Allow")), (204, Some("GET, HEAD, OPTIONS")));
    assert_eq!(font.field("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(font.field("Access-Control-Allow-Methods"), Some("GET"));
    let other = preflight("/other");
    assert_eq!((other.code, other.field("Access-Control-Allow-Origin")), (204, None));
    assert_eq!(preflight("*").code, 204);
}

#[test]
fn a_page_is_sent_for_what_is_not_there() {
    let files: &[(&str, &[u8])] =
        &[("404.html", b"missing"), ("app.html", b"app"), ("b/x", b""), ("dir/index.html", b"")];
    let server = server("fallback = '/app.html'\n[[host]]\nnames = ['b']\nroot = '/b'", files);
    for target in ["/", "/a/b/c", "/missing.js", "/dir/x"] {
        let response = from(&server, "a", target);
        assert_eq!((response.code, response.text()), (200, "app"), "{target}");
    }
    assert_eq!(from(&server, "a", "/dir").code, 301);
    assert_eq!(from(&server, "a", "/..").code, 400);
    assert_eq!(from(&server, "a", "/healthz").text(), "200 OK\n");
    assert_eq!(from(&server, "b", "/missing").code, 404);
    let tag = from(&server, "a", "/x").field("ETag").expect("a tag").to_owned();
    assert_eq!(get(&server, "/y", &format!("If-None-Match: {tag}")).code, 304);
}

#[test]
fn folders_are_listed_where_the_site_says_so() {
    let files: &[(&str, &[u8])] = &[
        (".hidden", b""),
        ("a/b-c", b"12345"),
        ("a/b/1", b""),
        ("a/b/2", b""),
        ("a/<img src=x onerror=\"x\">&", b""),
        ("a/javascript:x", b""),
        ("a/z", b""),
        ("page/index.html", b"page"),
    ];
    let listing = server("listing = true", files);
    let root = get(&listing, "/", "");
    assert_eq!((root.code, root.field("Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(
        root.text(),
        "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>/</title>\n<h1>/</h1>\n<ul>\n<li><a href=\"a/\">a/</a> \n<li><a \
         href=\"page/\">page/</a> \n</ul>\n"
    );
    let folder = get(&listing, "/a/", "");
    let items: Vec<_> = folder.text().lines().filter_map(|line| line.strip_prefix("<li>")).collect();
    assert_eq!(
        items,
        [
            "<a href=\"../\">../</a>",
            "<a href=\"%3Cimg%20src%3Dx%20onerror%3D%22x%22%3E%26\">&lt;img src=x onerror=&quot;x&quot;&gt;&amp;</a> 0",
            "<a href=\"b-c\">b-c</a> 5",
            "<a href=\"b/\">b/</a> ",
            "<a href=\"javascript%3Ax\">javascript:x</a> 0",
            "<a href=\"z\">z</a> 0",
        ]
    );
    assert_eq!(get(&listing, "/a", "").field("Location"), Some("/a/"));
    assert_eq!(get(&listing, "/a/b", "").field("Location"), Some("/a/b/"));
    assert_eq!(get(&listing, "/page/", "").text(), "page");
    for target in ["/a/b/3/", "/c/", "/a/b-", "/a/b/1/", "/b"] {
        assert_eq!(get(&listing, target, "").code, 404, "{target}");
    }
    let head = ask(&listing, "HEAD /a/ HTTP/1.1\nHost: a");
    assert_eq!(head.field("Content-Length"), Some(folder.contents.len().to_string().as_str()));
    assert_eq!(get(&server("", files), "/a/", "").code, 404);
}

#[test]
fn a_list_of_a_folder_ends_somewhere() {
    let paths: Vec<String> = (0..1500).map(|number| format!("f{number:04}/x")).collect();
    let mut files: Vec<(&'static str, &'static [u8])> = vec![("httpd.toml", b"listing = true")];
    files.extend(paths.into_iter().map(|path| (&*path.leak(), &b""[..])));
    let listed = get(&server_of(&files), "/", "");
    let items = listed.text().lines().filter(|line| line.starts_with("<li>")).count();
    assert_eq!((items, listed.text().contains("<li>and more\n")), (1001, true));
}

#[test]
fn what_begins_with_a_dot_is_not_served() {
    let server = server(
        "listing = true",
        &[
            (".well-known/security.txt", b"well"),
            (".git/config", b"secret"),
            ("a/.well-known/x", b"secret"),
            ("a/.b", b"secret"),
            ("a/b", b""),
            ("a/httpd.toml", b"another"),
        ],
    );
    assert_eq!(get(&server, "/.well-known/security.txt", "").text(), "well");
    assert_eq!(get(&server, "/a/httpd.toml", "").text(), "another");
    for target in
        ["/httpd.toml", "/%68ttpd.toml", "/.git/config", "/.git/", "/a/.b", "/a/.well-known/x", "/a/%2eb"]
    {
        assert_eq!(get(&server, target, "").code, 404, "{target}");
    }
    assert_eq!(server.files(), 3);
}

#[test]
fn the_folder_of_a_host_has_secrets_and_a_well_known_folder_too() {
    let files: &[(&str, &[u8])] = &[
        (".httpd/forms/org/tls/key.pem.br", b"secret"),
        ("org/.well-known/security.txt", b"well"),
        ("org/.well-known/.x", b"secret"),
        ("org/a/tls/b", b"open"),
        ("org/.git/config", b"secret"),
        ("org/tls/key.pem", b"secret"),
        ("tls/key.pem", b"secret"),
    ];
    let server = server("[[host]]\nnames = ['a']\nroot = '/org'\nlisting = true", files);
    assert_eq!(from(&server, "a", "/.well-known/security.txt").text(), "well");
    assert_eq!(from(&server, "a", "/a/tls/b").text(), "open");
    for target in ["/tls/key.pem", "/tls/", "/.git/config", "/.well-known/.x", "/tls/key.pem.br"] {
        assert_eq!(from(&server, "a", target).code, 404, "{target}");
    }
    for target in ["/tls/key.pem", "/org/tls/key.pem", "/org/.well-known/security.txt"] {
        assert_eq!(from(&server, "b", target).code, 404, "{target}");
    }
    assert_eq!(server.files(), 2);
    for root in ["/tls", "/.sites/org", "/.httpd/forms"] {
        let text = format!("root = '{root}'");
        let files = [("httpd.toml", text.as_bytes()), (".sites/org/a", b"a"), ("tls/a", b"a")];
        let mut files =
            files.iter().map(|&(path, contents)| unik_httpd::File { path, contents, modified: None });
        assert!(Server::load(&mut files, unik_httpd::Settings::default()).is_err(), "{root}");
    }
}

#[test]
fn a_redirect_leads_to_no_host_that_a_client_makes_up() {
    // What is behind `below` would become a part of the name, or of the port.
    for to in ["https://example.org", "http://example.org:8080", "https://example.org.."] {
        let text = format!("[[redirect]]\nbelow = '/docs/'\nto = '{to}'");
        let error = unik_httpd::Configuration::parse(text.as_bytes()).expect_err(to).to_string();
        assert_eq!(
            error,
            format!("httpd.toml:3: '{to}': expected a slash behind the host, where more is put")
        );
        let text = format!("[[redirect]]\nto = '{to}'\nbelow = '/docs/'");
        assert!(unik_httpd::Configuration::parse(text.as_bytes()).is_err(), "{to}");
    }
    let server = server(
        "[[redirect]]\npath = '/a'\nto = 'https://example.org'\n[[redirect]]\npath = '/b'\nto = '/c#d'\n\
         [[redirect]]\nbelow = '/d/'\nto = 'https://example.org?'",
        &[("x", b"")],
    );
    assert_eq!(from(&server, "a", "/a").field("Location"), Some("https://example.org"));
    // A query behind a fragment would be none (RFC 3986, 3.5).
    assert_eq!(from(&server, "a", "/b?x").field("Location"), Some("/c#d"));
    assert_eq!(
        from(&server, "a", "/d/@evil.example").field("Location"),
        Some("https://example.org?@evil.example")
    );
}
