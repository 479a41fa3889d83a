//! Types of contents by the ending of a file's name.

/// What has no other type (RFC 2046, 4.5.1).
const OTHER: &str = "application/octet-stream";

/// Types, each behind the endings that tell it. One text, which is searched when a tree is loaded: a table would take three
/// times as much.
const TYPES: &str = "\
html htm text/html
css text/css
js mjs text/javascript
json map application/json
txt log text/plain
md text/markdown
csv text/csv
xml text/xml
vtt text/vtt
ics text/calendar
svg image/svg+xml
png image/png
jpg jpeg image/jpeg
gif image/gif
webp image/webp
avif image/avif
ico image/x-icon
bmp image/bmp
tif tiff image/tiff
woff font/woff
woff2 font/woff2
ttf font/ttf
otf font/otf
mp4 m4v video/mp4
webm video/webm
mov video/quicktime
mp3 audio/mpeg
m4a audio/mp4
ogg oga opus audio/ogg
ogv video/ogg
wav audio/wav
flac audio/flac
wasm application/wasm
pdf application/pdf
webmanifest application/manifest+json
jsonld application/ld+json
atom application/atom+xml
rss application/rss+xml
xhtml application/xhtml+xml
rtf application/rtf
epub application/epub+zip
zip application/zip
gz application/gzip
br application/x-brotli
zst application/zstd
tar application/x-tar
7z application/x-7z-compressed
";

/// The type of the file at `path`.
pub(crate) fn media_type(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or_default();
    // A name that begins with its only dot has no ending.
    let Some((_, ending)) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) else { return OTHER };
    let is_it = |line: &&str| {
        let mut words = line.split(' ');
        words.next_back();
        words.any(|known| known.eq_ignore_ascii_case(ending))
    };
    TYPES.lines().find(is_it).and_then(|line| line.rsplit(' ').next()).unwrap_or(OTHER)
}

/// Whether the contents of the file at `path` are of a type that gets shorter when they are compressed: text, by whatever name, and what
/// is stored as it is used.
pub fn compresses(path: &str) -> bool {
    const OTHERS: [&str; 7] = [
        "application/json",
        "application/rtf",
        "application/wasm",
        "font/otf",
        "font/ttf",
        "image/bmp",
        "image/x-icon",
    ];
    let media_type = media_type(path);
    let is_text = is_text(media_type) || ["+xml", "+json"].iter().any(|end| media_type.ends_with(end));
    is_text || OTHERS.contains(&media_type)
}

/// Whether a type has a character set to be told (RFC 2046, 4.1.2).
pub(crate) fn is_text(media_type: &str) -> bool {
    media_type.starts_with("text/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_of_the_name_tells_the_type() {
        for (path, expected) in [
            ("index.html", "text/html"),
            ("a/b.c/STYLE.CSS", "text/css"),
            ("a.tar.gz", "application/gzip"),
            ("a.woff2", "font/woff2"),
            ("a.7z", "application/x-7z-compressed"),
            ("README", OTHER),
            ("a.html/README", OTHER),
            (".html", OTHER),
            ("a.", OTHER),
            ("a.text/html", OTHER),
            ("a.unknown", OTHER),
        ] {
            assert_eq!(media_type(path), expected, "{path}");
        }
    }

    #[test]
    fn each_line_has_endings_and_a_type_and_no_ending_comes_twice() {
        let mut endings = std::vec::Vec::new();
        for line in TYPES.lines() {
            let (known, media_type) = line.rsplit_once(' ').expect("endings and a type");
            assert_eq!(media_type.split('/').count(), 2, "{line}");
            endings.extend(known.split(' '));
        }
        let count = endings.len();
        endings.sort_unstable();
        endings.dedup();
        assert_eq!(endings.len(), count);
    }
}
