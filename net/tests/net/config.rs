//! The words of the configuration, and the sentences about wrong ones.

use unik_net::{Config, ConfigError, Limits};

fn parse(words: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::parse("net0", &mut |key| words.iter().find(|word| word.0 == key).map(|word| word.1))
}

fn sentence(words: &[(&str, &str)]) -> String {
    parse(words).err().expect("the words are wrong").to_string()
}

#[test]
fn without_an_address_dhcp_is_used() {
    let config = parse(&[]).unwrap();
    assert_eq!((config.address(), config.gateway(), config.nat()), (None, None, false));
}

#[test]
fn a_fixed_address_with_gateway_and_nat_is_read() {
    let words = [("net0.ip", "192.168.7.20/16"), ("net0.gateway", "192.168.0.1"), ("net0.nat", "1")];
    let config = parse(&words).unwrap();
    assert_eq!(config.address(), Some(([192, 168, 7, 20].into(), 16)));
    assert_eq!(config.gateway(), Some([192, 168, 0, 1].into()));
    assert!(config.nat());
}

#[test]
fn only_words_with_the_own_prefix_are_asked_for() {
    let mut asked = Vec::new();
    let config = Config::parse("net1", &mut |key| {
        asked.push(key.to_string());
        None
    });
    assert!(config.is_ok());
    assert_eq!(asked, ["net1.ip", "net1.gateway", "net1.ip6", "net1.gateway6", "net1.route", "net1.nat"]);
}

#[test]
fn a_wrong_address_is_named_with_what_was_expected() {
    for wrong in [
        "10.0.2.999/24",
        "10.0.2.15",
        "10.0.2.15/33",
        "10.0.2/24",
        "10.0.2.15.1/24",
        "",
        "/",
        "10.0.2.15/",
        "a.b.c.d/8",
        "010.0.2.15/24",
        "10.0.2.15/024",
        "-1.0.0.1/8",
        "10.0.2.15 /24",
        "224.0.0.1/24",
        "0.0.0.0/0",
        "127.0.0.1/8",
        "255.255.255.255/32",
        "10.0.2.15/24/24",
        "1.2.3.4/٣",
    ] {
        assert_eq!(
            sentence(&[("net0.ip", wrong)]),
            format!(
                "net0.ip={wrong}: expected an IPv4 address with a prefix length, like 10.0.2.15/24, or off"
            )
        );
    }
}

#[test]
fn a_gateway_must_be_another_host_of_the_network() {
    for wrong in ["10.0.3.2", "10.0.2.15"] {
        assert_eq!(
            sentence(&[("net0.ip", "10.0.2.15/24"), ("net0.gateway", wrong)]),
            format!("net0.gateway={wrong}: expected an address of another host in the network of ip=")
        );
    }
    assert_eq!(
        sentence(&[("net0.ip", "10.0.2.15/24"), ("net0.gateway", "10.0.2.2/24")]),
        "net0.gateway=10.0.2.2/24: expected an IPv4 address, like 10.0.2.2"
    );
    assert_eq!(
        sentence(&[("net0.gateway", "10.0.2.2")]),
        "net0.gateway=10.0.2.2: expected a gateway only together with a fixed address (ip=)"
    );
}

#[test]
fn nat_is_yes_or_no() {
    assert_eq!(sentence(&[("net0.nat", "yes")]), "net0.nat=yes: expected 0 or 1");
}

#[test]
fn prefixes_of_all_lengths_are_taken() {
    for prefix in 0..=32 {
        assert!(parse(&[("net0.ip", &format!("10.0.2.15/{prefix}"))]).is_ok());
    }
    let everywhere = Config::fixed([10, 0, 2, 15].into(), 0).unwrap();
    assert!(everywhere.with_gateway([99, 0, 0, 1].into()).is_some());
    let alone = Config::fixed([10, 0, 2, 15].into(), 32).unwrap();
    assert!(alone.with_gateway([10, 0, 2, 2].into()).is_none());
}

#[test]
fn little_memory_makes_buffers_smaller_and_then_connections_fewer() {
    let within = |bytes: usize| {
        let limits = Limits::within(bytes);
        assert_eq!(limits.tcp_receive, limits.tcp_transmit);
        let fitting = limits.tcp_bytes / (limits.tcp_receive + limits.tcp_transmit + 1024);
        assert!(limits.tcp_bytes <= bytes || fitting == 1, "{} of {bytes} bytes", limits.tcp_bytes);
        assert!(limits.half_open >= 1 && limits.half_open <= fitting.div_ceil(4).max(1));
        (fitting, limits.tcp_receive)
    };
    assert_eq!(within(64 * 33 * 1024), (64, 16_384));
    assert_eq!(within(64 * 33 * 1024 - 1), (124, 8_192));
    assert_eq!(within(1 << 19), (56, 4_096));
    assert_eq!(within(100_000), (10, 4_096));
    assert_eq!(within(0), (1, 4_096));
    assert_eq!(within(usize::MAX).1, 16_384);
    assert_eq!(Limits::within(usize::MAX).half_open, Limits::default().half_open);
}
