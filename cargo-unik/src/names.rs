//! Names of functions as a person would say them.
//!
//! What `async` and closures compile to has no name in the source: the compiler numbers it inside the function where it
//! stands, and all of it is called a closure in symbols. Only the line tables know what it was.

/// What the compiler calls what has no name, in symbols and in line tables, and what it is.
const NAMELESS: [(&str, &str); 5] = [
    ("{async_fn", "async fn"),
    ("{async_block", "async block"),
    ("{async_closure", "async closure"),
    ("{closure", "closure"),
    ("{{closure", "closure"),
];
/// What `#[unik::main]` wraps `main` into.
const WRAPPER: &str = "::__unik_application";

/// The name of a function, from its path in symbols and, where there is one, its name in the line tables.
pub(crate) fn readable(path: &str, name: Option<&str>) -> String {
    let (rest, own) = match path.rsplit_once("::") {
        Some((rest, last)) if last.ends_with('}') => (rest, Some(last)),
        None if path.ends_with('}') => ("", Some(path)),
        _ => (path, None),
    };
    let rest =
        without_nameless(rest).replace(&[WRAPPER, "::main"].concat(), "::main").replace(WRAPPER, "::main");
    let Some(own) = own else { return rest };
    let kind_of =
        |word: &str| NAMELESS.iter().find(|(prefix, _)| word.starts_with(prefix)).map(|(_, kind)| *kind);
    match name.and_then(kind_of).or(kind_of(own)) {
        Some(kind) if rest.is_empty() => kind.to_owned(),
        Some(kind @ "async fn") => format!("{kind} {rest}"),
        Some(kind) => format!("{kind} in {rest}"),
        None => format!("{rest}::{own}"),
    }
}

/// A path without its parts that have no name.
fn without_nameless(path: &str) -> String {
    let mut parts = path.split("::{");
    let mut named = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('}') {
            Some((nameless, rest))
                if NAMELESS.iter().any(|(prefix, _)| nameless.starts_with(&prefix[1..])) =>
            {
                named += rest.strip_prefix('}').unwrap_or(rest);
            }
            _ => {
                named += "::{";
                named += part;
            }
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tables_tell_async_code_from_closures() {
        let path = "unik_dns::service::serve::{closure#0}";
        assert_eq!(readable(path, Some("{async_fn#0}")), "async fn unik_dns::service::serve");
        assert_eq!(readable(path, Some("{async_block#0}")), "async block in unik_dns::service::serve");
        assert_eq!(readable(path, Some("{closure#0}")), "closure in unik_dns::service::serve");
        assert_eq!(readable(path, None), "closure in unik_dns::service::serve");
        assert_eq!(readable("unik_dns::serve::{{closure}}", None), "closure in unik_dns::serve");
    }

    #[test]
    fn what_is_inlined_has_no_path() {
        assert_eq!(readable("{async_fn#0}", None), "async fn");
        assert_eq!(readable("check", None), "check");
    }

    #[test]
    fn main_is_main() {
        let block = "sensor::__unik_application::{closure#0}::main::{closure#0}::{closure#0}";
        assert_eq!(readable(block, Some("{async_block#0}")), "async block in sensor::main");
        let main = "sensor::__unik_application::{closure#0}::main::{closure#0}";
        assert_eq!(readable(main, Some("{async_fn#0}")), "async fn sensor::main");
        let run = "unik::run::<sensor::__unik_application::{async_fn_env#0}, fn(unik::System)>";
        assert_eq!(readable(run, None), "unik::run::<sensor::main, fn(unik::System)>");
    }

    #[test]
    fn other_names_stay_as_they_are() {
        for name in
            ["<unik_sched::task::Task>::poll", "long_mode", "a::{impl#0}::b", "a::{shim:vtable#0}", "?"]
        {
            assert_eq!(readable(name, None), name);
        }
    }
}
