//! The command line of an application that runs as a process.
//!
//! It mirrors what the tool takes for a virtual machine: options begin with `--`, all other words are the configuration,
//! `key=value`, as it stands on the command line of a kernel.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// The most network cards of one process.
pub const NETWORK_LIMIT: usize = 8;

/// The most disks of one process.
pub const DISK_LIMIT: usize = 8;

/// What may stand on the command line.
pub const USAGE: &str = "\
options: --net tap:NAME | link:PATH | none   a network card, may come several times
         --disk FILE[,ro]                    a disk, may come several times; ro: it is only read
         --data ARCHIVE                      the files, as a cpio archive in the newc format
         --monitor PATH                      the inspection channel, as a Unix socket
         KEY=VALUE ...                       the configuration, such as net0.ip=10.0.2.15/24";

/// The command line, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// The network cards in order: the first is `net0`.
    pub networks: Vec<Network>,
    /// The disks in order: the first is `disk0`.
    pub disks: Vec<DiskFile>,
    /// The archive of files.
    pub data: Option<PathBuf>,
    /// The path of the inspection channel.
    pub monitor: Option<PathBuf>,
    /// The words of the configuration, without quotes.
    pub words: Vec<String>,
}

/// One disk: [`FileDisk`](crate::FileDisk).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFile {
    /// Its file.
    pub path: PathBuf,
    /// It is only read.
    pub is_read_only: bool,
}

/// One network card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// The tap interface of this name: [`Tap`](crate::Tap).
    Tap(String),
    /// A cable through the Unix socket at this path: [`Link`](crate::Link).
    Link(PathBuf),
}

impl Arguments {
    /// Takes apart the arguments that follow the name of the program.
    ///
    /// # Errors
    /// [`ArgumentError`] for the first argument that cannot be understood. `--help` is one, since it asks for the text
    /// that [`ArgumentError::Help`] displays.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, ArgumentError> {
        let mut parsed = Self::default();
        let mut without_network = false;
        let mut arguments = arguments.into_iter().map(text);
        while let Some(argument) = arguments.next().transpose()? {
            let (option, attached) = match argument.split_once('=') {
                Some((option, value)) if option.starts_with('-') => (option, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            let mut value = |option| match attached.clone() {
                Some(value) => Ok(value),
                None => arguments.next().unwrap_or(Err(ArgumentError::NoValue(option))),
            };
            match option {
                "--help" | "-h" => return Err(ArgumentError::Help),
                "--net" => match network(value("--net")?)? {
                    Some(network) => parsed.networks.push(network),
                    None => without_network = true,
                },
                "--disk" => parsed.disks.push(disk(value("--disk")?)?),
                "--data" => {
                    let path = value("--data")?;
                    if parsed.data.replace(path.into()).is_some() {
                        return Err(ArgumentError::Twice("--data"));
                    }
                }
                "--monitor" => {
                    let path = value("--monitor")?;
                    if parsed.monitor.replace(path.into()).is_some() {
                        return Err(ArgumentError::Twice("--monitor"));
                    }
                }
                _ if option.starts_with('-') => return Err(ArgumentError::UnknownOption(option.to_owned())),
                _ => parsed.words.push(word(argument)?),
            }
        }
        if parsed.networks.len() > NETWORK_LIMIT {
            return Err(ArgumentError::TooManyNetworks);
        }
        if parsed.disks.len() > DISK_LIMIT {
            return Err(ArgumentError::TooManyDisks);
        }
        if without_network && !parsed.networks.is_empty() {
            return Err(ArgumentError::NetworkAndNone);
        }
        Ok(parsed)
    }

    /// The configuration as the command line of a kernel: words separated by spaces, those with white space in quotes.
    pub fn command_line(&self) -> String {
        let quoted = |word: &String| {
            if word.contains(char::is_whitespace) { format!("\"{word}\"") } else { word.clone() }
        };
        self.words.iter().map(quoted).collect::<Vec<_>>().join(" ")
    }
}

fn text(argument: OsString) -> Result<String, ArgumentError> {
    argument.into_string().map_err(|raw| ArgumentError::NotText(raw.to_string_lossy().into_owned()))
}

fn network(value: String) -> Result<Option<Network>, ArgumentError> {
    match value.split_once(':') {
        None if value == "none" => Ok(None),
        Some(("tap", name)) if !name.is_empty() => Ok(Some(Network::Tap(name.to_owned()))),
        Some(("link", path)) if !path.is_empty() => Ok(Some(Network::Link(path.into()))),
        _ => Err(ArgumentError::BadNetwork(value)),
    }
}

fn disk(value: String) -> Result<DiskFile, ArgumentError> {
    let (path, is_read_only) = match value.strip_suffix(",ro") {
        Some(path) => (path, true),
        None => (value.as_str(), false),
    };
    if path.is_empty() {
        return Err(ArgumentError::BadDisk(value));
    }
    Ok(DiskFile { path: path.into(), is_read_only })
}

fn word(argument: String) -> Result<String, ArgumentError> {
    let has_key = argument
        .split_once('=')
        .is_some_and(|(key, _)| !key.is_empty() && !key.contains(char::is_whitespace));
    if !has_key {
        return Err(ArgumentError::BadWord(argument));
    }
    // A command line knows no way to write a quote inside of a word.
    if argument.contains('"') { Err(ArgumentError::QuoteInWord(argument)) } else { Ok(argument) }
}

/// Why a command line cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgumentError {
    /// `--help` was asked for: display this on standard output, it is [`USAGE`].
    Help,
    /// There is no such option.
    UnknownOption(String),
    /// The option is the last word, but needs a value.
    NoValue(&'static str),
    /// The option may come once only.
    Twice(&'static str),
    /// No kind of network card.
    BadNetwork(String),
    /// More than [`NETWORK_LIMIT`] network cards.
    TooManyNetworks,
    /// No name of a file.
    BadDisk(String),
    /// More than [`DISK_LIMIT`] disks.
    TooManyDisks,
    /// `--net none` beside a network card.
    NetworkAndNone,
    /// Neither an option nor `key=value`.
    BadWord(String),
    /// A word of the configuration contains a double quote.
    QuoteInWord(String),
    /// The argument is not UTF-8; here with replacement characters.
    NotText(String),
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Help => formatter.write_str(USAGE),
            Self::UnknownOption(option) => write!(formatter, "there is no option {option} (see --help)"),
            Self::NoValue(option) => write!(formatter, "{option} needs a value behind it (see --help)"),
            Self::Twice(option) => write!(formatter, "{option} may be given only once"),
            Self::BadNetwork(value) => {
                write!(formatter, "--net {value}: a network is tap:NAME, link:PATH or none")
            }
            Self::TooManyNetworks => write!(formatter, "a process has at most {NETWORK_LIMIT} network cards"),
            Self::BadDisk(value) => write!(formatter, "--disk {value}: a disk is FILE or FILE,ro"),
            Self::TooManyDisks => write!(formatter, "a process has at most {DISK_LIMIT} disks"),
            Self::NetworkAndNone => formatter.write_str("--net none contradicts the other --net"),
            Self::BadWord(word) => {
                write!(formatter, "{word:?} is neither an option nor a word key=value of the configuration")
            }
            Self::QuoteInWord(word) => {
                write!(formatter, "{word}: a word of the configuration has no double quotes")
            }
            Self::NotText(argument) => write!(formatter, "the argument {argument} is not UTF-8"),
        }
    }
}

impl std::error::Error for ArgumentError {}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn parse(line: &[&str]) -> Result<Arguments, ArgumentError> {
        Arguments::parse(line.iter().map(Into::into))
    }

    fn sentence(line: &[&str]) -> String {
        parse(line).unwrap_err().to_string()
    }

    #[test]
    fn nothing_is_no_network_no_data_and_no_configuration() {
        assert_eq!(parse(&[]).unwrap(), Arguments::default());
        assert_eq!(parse(&["--net", "none"]).unwrap(), Arguments::default());
    }

    #[test]
    fn options_and_words_mix_and_keep_their_order() {
        let arguments = parse(&[
            "log=debug",
            "--net",
            "tap:t0",
            "--data=a=b.cpio",
            "--net=link:/run/x:y",
            "net0.ip=10.0.0.1/24",
        ]);
        let arguments = arguments.unwrap();
        assert_eq!(arguments.networks, [Network::Tap("t0".into()), Network::Link("/run/x:y".into())]);
        assert_eq!(arguments.data, Some("a=b.cpio".into()));
        assert_eq!(arguments.command_line(), "log=debug net0.ip=10.0.0.1/24");
    }

    #[test]
    fn disks_keep_their_order_and_some_are_only_read() {
        let arguments = parse(&["--disk", "a.img", "--disk=/b=c,d.img,ro"]).unwrap();
        let disk = |path: &str, is_read_only| DiskFile { path: path.into(), is_read_only };
        assert_eq!(arguments.disks, [disk("a.img", false), disk("/b=c,d.img", true)]);
    }

    #[test]
    fn words_with_white_space_are_quoted_on_the_command_line() {
        let arguments = parse(&["hostname=my box", "motd=", "x=a=b"]).unwrap();
        assert_eq!(arguments.command_line(), "\"hostname=my box\" motd= x=a=b");
    }

    #[test]
    fn bad_input_is_one_sentence() {
        assert_eq!(sentence(&["--nets", "none"]), "there is no option --nets (see --help)");
        assert_eq!(sentence(&["-x=y"]), "there is no option -x (see --help)");
        assert_eq!(sentence(&["--net"]), "--net needs a value behind it (see --help)");
        assert_eq!(sentence(&["--net", "user"]), "--net user: a network is tap:NAME, link:PATH or none");
        assert_eq!(sentence(&["--net", "tap:"]), "--net tap:: a network is tap:NAME, link:PATH or none");
        assert_eq!(sentence(&["--net", "none", "--net", "tap:a"]), "--net none contradicts the other --net");
        assert_eq!(sentence(&["--disk", ",ro"]), "--disk ,ro: a disk is FILE or FILE,ro");
        assert_eq!(sentence(&["--disk", "a"].repeat(9)), "a process has at most 8 disks");
        assert_eq!(sentence(&["--data", "a", "--data", "b"]), "--data may be given only once");
        assert_eq!(
            sentence(&["debug"]),
            "\"debug\" is neither an option nor a word key=value of the configuration"
        );
        assert_eq!(
            sentence(&["=x"]),
            "\"=x\" is neither an option nor a word key=value of the configuration"
        );
        assert_eq!(sentence(&["a=\"b\""]), "a=\"b\": a word of the configuration has no double quotes");
        assert_eq!(sentence(&["--net", "tap:a"].repeat(9)), "a process has at most 8 network cards");
        assert_eq!(sentence(&["log=debug", "--help"]), USAGE);
    }

    #[test]
    fn an_argument_that_is_not_utf_8_is_refused() {
        let error = Arguments::parse([OsString::from_vec(b"key=\xff".to_vec())]).unwrap_err();
        assert_eq!(error.to_string(), "the argument key=\u{fffd} is not UTF-8");
    }
}
