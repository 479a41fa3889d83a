//! Which host a file belongs to, and which files belong to none.

use super::{LoadError, Site};
use crate::configuration::Configuration;

/// Where compressed forms lie that were made when the files were packed, each under the path of its file and its own ending.
pub const FORMS: &str = ".httpd/forms/";
/// Where certificates and keys are: nothing below it is ever served, with TLS or without it.
pub(crate) const SECRETS: &str = "tls/";
/// The one folder with a dot in front that is for everybody (RFC 8615).
const WELL_KNOWN: &str = ".well-known/";

impl<'a> Site<'a> {
    /// Gives each file to its host, and orders them.
    ///
    /// # Errors
    /// What the configuration asks for is not among the files.
    #[inline(never)]
    pub(super) fn assign(&mut self) -> Result<(), LoadError<'a>> {
        let Self { configuration, resources, .. } = self;
        resources.retain_mut(|resource| match place(configuration, resource.file.path) {
            Some((place, path)) => {
                (resource.place, resource.file.path) = (place, path);
                true
            }
            None => false,
        });
        // An archive of ours is in order, unless there are several hosts.
        if !resources.is_sorted_by(|one, next| (one.place, one.file.path) <= (next.place, next.file.path)) {
            resources.sort_unstable_by(|one, other| {
                (one.place, one.file.path).cmp(&(other.place, other.file.path))
            });
        }
        let hosts = self.configuration.hosts.len();
        self.count = self.at(hosts).0;
        for number in 0..hosts {
            let range = self.at(number);
            let Some(host) = self.configuration.hosts.get_mut(number) else { break };
            host.resources = range;
            let host = *host;
            let mistake =
                if range.0 == range.1 && host.root.is_some_and(|root| number > 0 || !root.is_empty()) {
                    Some((host.root_at, "expected a folder that has files which can be served"))
                } else if host.fallback.is_some() && self.fallback(&host).is_none() {
                    Some((host.fallback_at, "expected a file of this host that can be served"))
                } else {
                    None
                };
            if let Some((at, expected)) = mistake {
                return Err(LoadError::Configuration(self.configuration.mistake(at, expected)));
            }
        }
        Ok(())
    }

    /// The resources of a place.
    pub(super) fn at(&self, place: usize) -> (usize, usize) {
        let start = self.resources.partition_point(|resource| resource.place < place);
        let rest = self.resources.get(start..).unwrap_or_default();
        (start, start + rest.partition_point(|resource| resource.place == place))
    }
}

/// The place of a file, and its path there: that of the host whose folder is nearest. `None` where nobody can ask for it.
fn place<'a>(configuration: &Configuration<'_>, path: &'a str) -> Option<(usize, &'a str)> {
    let (path, is_form) = match path.strip_prefix(FORMS) {
        Some(path) => (path, true),
        None => (path, false),
    };
    let mut best: Option<(usize, &str)> = None;
    for (number, host) in configuration.hosts.iter().enumerate() {
        let inner = match host.root {
            Some("") => Some(path),
            Some(root) => path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')),
            None => None,
        };
        // The longer the folder, the shorter what is behind it.
        if let Some(inner) = inner
            && best.is_none_or(|(_, other)| inner.len() < other.len())
        {
            best = Some((number, inner));
        }
    }
    let (number, inner) = best?;
    // The folder of a host is a tree of its own: it may have what is well known, and keeps its secrets.
    let folder = path.get(..path.len() - inner.len())?;
    if is_hidden(folder) || is_hidden(inner) {
        return None;
    }
    Some((if is_form { number + configuration.hosts.len() } else { number }, inner))
}

/// Whether nobody can ask for the file at `path`: it is a secret, or it, or a folder on the way to it, begins with a dot.
pub fn is_hidden(path: &str) -> bool {
    if path.starts_with(SECRETS) {
        return true;
    }
    let mut before = b'/';
    for byte in path.strip_prefix(WELL_KNOWN).unwrap_or(path).bytes() {
        if before == b'/' && byte == b'.' {
            return true;
        }
        before = byte;
    }
    false
}
