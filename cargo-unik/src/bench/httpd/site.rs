//! The sites that are served: one of two files, which both sides have, and one of many for the soak. The same seed makes the same site.

use crate::bench::net::random::Random;

/// Octets of the page: as many as the one has that nginx comes with.
pub(super) const PAGE: usize = 612;
/// Octets of the file, which `bench/peers/linux/build` puts into the guest under the same name.
pub(super) const LARGE: usize = 1 << 20;
pub(super) const LARGE_NAME: &str = "1m";

/// Files by their paths, under a name that no other site has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) name: &'static str,
    pub(super) files: Vec<(String, Vec<u8>)>,
}

/// What both sides serve.
pub(super) fn of_both() -> Site {
    let mut site = of_page();
    site.files.push((LARGE_NAME.to_owned(), vec![b'a'; LARGE]));
    Site { name: "both", ..site }
}

/// The page alone.
pub(super) fn of_page() -> Site {
    Site { name: "page", files: vec![("index.html".to_owned(), vec![b'x'; PAGE])] }
}

/// Pages and pictures of many lengths, from none to more than what a connection sends ahead.
pub(super) fn of_soak() -> Site {
    let mut random = Random::new(11);
    let mut files: Vec<_> = (0..64)
        .map(|number: u32| {
            let half = (1_u64 << (number % 18)) / 2;
            let length = (half + random.next() % half.max(1)) as usize;
            (format!("folder{}/page{number}.html", number % 4), octets(&mut random, length))
        })
        .collect();
    files.push(("index.html".to_owned(), octets(&mut random, PAGE)));
    files.push(("404.html".to_owned(), octets(&mut random, 300)));
    Site { name: "soak", files }
}

fn octets(random: &mut Random, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.next() as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soak_has_files_of_all_lengths_and_each_time_the_same() {
        let site = of_soak();
        assert_eq!(site, of_soak());
        let lengths = || site.files.iter().map(|(_, contents)| contents.len());
        assert!(lengths().any(|length| length == 0) && lengths().any(|length| length > 64 * 1024));
    }
}
