//! `vswitch.toml`: what it sets, and how mistakes are named.

use unik_vswitch::{Mode, Settings, apply};

fn read(text: &str) -> Result<Settings, String> {
    let mut settings = Settings::try_new(3).expect("there is memory");
    apply(&mut settings, text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(settings)
}

const WHOLE: &str = "# A switch\n\
    [switch]\n\
    table = 1000 # addresses\n\
    rstp = true\n\
    static = [\"1/02:00:00:00:00:01/2\", '1/02:00:00:00:00:02/3']\r\n\
    \n\
    [port1]\n\
    vlan = 10\n\
    [ port2 ]\n\
    \ttrunk = [ 10, \"20-29\", ]\n\
    tag = \"88a8\"\n\
    edge=\"auto\"";

#[test]
fn a_file_sets_what_words_set() {
    let settings = read(WHOLE).expect("it is right");
    assert_eq!((settings.table, settings.has_rstp, settings.statics.len()), (1000, true, 2));
    assert_eq!((settings.ports[0].mode, settings.ports[0].vlan), (Mode::Access, 10));
    assert_eq!(settings.ports[1].trunk, [(10, 10), (20, 29)]);
    assert_eq!(read(""), Ok(Settings::try_new(3).expect("there is memory")));
}

#[test]
fn a_mistake_is_named_by_its_line_and_its_word() {
    for (text, sentence) in [
        ("[port1]\nvlan = 5000", "vswitch.toml:2: port1.vlan= needs a VLAN from 1 to 4094"),
        ("[port9]", "vswitch.toml:1: there is no table 'port9'"),
        ("[ports]", "vswitch.toml:1: there is no table 'ports'"),
        ("\n[switch]\nspeed = 1", "vswitch.toml:3: there is no key 'speed'"),
        (
            "[port4]\nvlan = 1",
            "vswitch.toml:2: port4.vlan= needs a port that is there: give the machine one more --net for each",
        ),
        ("vlan = 1", "vswitch.toml:1: expected a table, such as [switch] or [port1]"),
        ("[port1]\nvlan", "vswitch.toml:2: expected a key, = and a value"),
        ("[port1]\nvlan = 1 2", "vswitch.toml:2: expected the end of the line"),
        ("[port1]\nvlan = 1\nvlan = 2", "vswitch.toml:3: expected each key of a table once"),
        ("[port1]\n[switch]\n[port1]", "vswitch.toml:3: expected each table once"),
        ("[[port1]]", "vswitch.toml:1: expected a table in single brackets, such as [switch] or [port1]"),
        ("[port1", "vswitch.toml:1: expected the name of a table in brackets"),
        ("[port1]\ntag = \"88a8", "vswitch.toml:2: expected text that ends with its quote, in the same line"),
        (
            "[port1]\ntag = \"88\\u00618\"",
            "vswitch.toml:2: expected text without escapes: in single quotes, \\ is a character like others",
        ),
        (
            "[port1]\ntag = 88a8",
            "vswitch.toml:2: expected a text in quotation marks, a number, true, false or an array of these",
        ),
        (
            "[port1]\nvlan = 010",
            "vswitch.toml:2: expected a text in quotation marks, a number, true, false or an array of these",
        ),
        ("[port1]\ntrunk = [1 2]", "vswitch.toml:2: expected a comma, or the bracket that closes this"),
        (
            "[port1]\ntrunk = [1,",
            "vswitch.toml:2: expected a text in quotation marks, a number, true, false or an array of these",
        ),
    ] {
        assert_eq!(read(text).expect_err(text), sentence);
    }
    let mut settings = Settings::try_new(1).expect("there is memory");
    let error = apply(&mut settings, b"[switch]\n\xff").expect_err("it is no text");
    assert_eq!(error.to_string(), "vswitch.toml:2: expected UTF-8");
}

#[test]
fn what_is_read_is_toml() {
    // What passes here passes there: nobody learns a language that is one only here.
    let table: toml::Table = WHOLE.parse().expect("it is TOML");
    assert_eq!(table["switch"]["table"].as_integer(), Some(1000));
    assert_eq!(table["port2"]["trunk"].as_array().map(Vec::len), Some(2));
}

#[test]
fn no_file_makes_it_panic() {
    let mut state = 3u64;
    for _ in 0..20_000 {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for _ in 0..3 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = state as usize % bytes.len();
            bytes[at] = (state >> 40) as u8;
        }
        let mut settings = Settings::try_new(3).expect("there is memory");
        let ours = apply(&mut settings, &bytes);
        if let (Ok(()), Ok(text)) = (ours, core::str::from_utf8(&bytes)) {
            assert!(text.parse::<toml::Table>().is_ok(), "{text}");
        }
    }
}
