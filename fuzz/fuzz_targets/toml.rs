//! Any bytes at all, read as TOML, as `httpd.toml` and as `vswitch.toml`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unik_vswitch::{Settings, apply};

#[path = "../../apps/httpd/tests/checks/configuration.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod httpd;
#[path = "../../toml/tests/checks/mod.rs"]
mod reader;

fuzz_target!(|file: &[u8]| {
    reader::reader(file);
    httpd::configuration(file);
    let mut settings = Settings::try_new(3).expect("there is memory");
    if apply(&mut settings, file).is_ok() {
        let text = core::str::from_utf8(file).expect("only text is taken");
        assert!(text.parse::<toml::Table>().is_ok(), "taken, and no TOML: {text}");
    }
});
