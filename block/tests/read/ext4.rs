//! File systems as mke2fs makes them, against another reader of the same, and damaged ones.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use ext4_view::Ext4;
use unik_block::ext4::{Ext4Error, FileSystem, Node, Tree};
use unik_block::{DiskError, Volume};
use unik_testkit::Random;

use crate::world::{World, holding, pattern};

/// A folder of this test, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("unik-ext4-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("tree")).unwrap();
        Self(path)
    }

    fn tree(&self) -> PathBuf {
        self.0.join("tree")
    }

    /// A file system of the tree, made with these options.
    fn image(&self, options: &str, size: &str) -> Vec<u8> {
        let (image, tree) = (self.0.join("image"), self.tree());
        let _ = fs::remove_file(&image);
        let mut command = Command::new("mke2fs");
        command
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .args(["-q", "-F"])
            .args(options.split_whitespace());
        let output = command.arg("-d").args([&tree, &image]).arg(size).output().expect("e2fsprogs are there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(&image).unwrap()
    }

    /// Lets debugfs work on the image.
    fn debugfs(&self, commands: &str) -> Vec<u8> {
        let image = self.0.join("image");
        for command in commands.lines() {
            let mut debugfs = Command::new("debugfs");
            debugfs.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
            let output = debugfs.args(["-w", "-R", command]).arg(&image).output().unwrap();
            assert!(output.status.success(), "{command}");
        }
        fs::read(&image).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A site with all that is out of the ordinary.
fn site() -> Folder {
    let folder = Folder::new();
    let tree = folder.tree();
    let put = |path: &str, bytes: &[u8]| {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    put("index.html", b"<p>Hello");
    put("empty", b"");
    put("a/b/c/d/deep.txt", &pattern(1, 5000));
    put("größe/ä.html", &pattern(2, 4096));
    put("large.bin", &pattern(3, 3 << 20));
    for index in 0..600 {
        put(&format!("many/file-with-a-rather-long-name-{index:04}.txt"), format!("{index}").as_bytes());
    }
    // Every second page is a hole: more extents than the inode has room for.
    let mut sparse = vec![0; 2 << 20];
    for (index, page) in sparse.chunks_mut(8192).enumerate() {
        page[..4096].copy_from_slice(&pattern(100 + index as u64, 4096));
    }
    put("sparse.bin", b"");
    let file = fs::OpenOptions::new().write(true).open(tree.join("sparse.bin")).unwrap();
    for (index, page) in sparse.chunks(8192).enumerate() {
        file.write_all_at(&page[..4096], index as u64 * 8192).unwrap();
    }
    file.set_len(sparse.len() as u64).unwrap();
    std::os::unix::fs::symlink("index.html", tree.join("link")).unwrap();
    folder
}

fn open(world: &mut World, start: u64) -> Result<Tree, Ext4Error> {
    let sectors = world.cache.disk_length() / 512 - start;
    let volume = Volume::part(&world.cache, start, sectors).unwrap();
    world.run(async { FileSystem::open(volume).await?.tree().await })
}

/// Contents of a file from `from` to before `to`.
async fn read(tree: &Tree, node: &Node, from: u64, to: u64) -> Result<Vec<u8>, Ext4Error> {
    let mut file = tree.system().file(node).await?;
    let mut all = Vec::new();
    while from + (all.len() as u64) < to {
        let contents = file.contents(from + all.len() as u64, to).await?;
        if contents.is_empty() {
            break;
        }
        all.extend_from_slice(&contents);
    }
    Ok(all)
}

/// All that is in a file system, by path.
async fn everything(tree: &Tree) -> Result<BTreeMap<String, Vec<u8>>, Ext4Error> {
    let mut all = BTreeMap::new();
    for node in tree.nodes() {
        let contents = read(tree, node, 0, u64::MAX).await?;
        assert_eq!(contents.len() as u64, node.length());
        assert!(all.insert(tree.path(node).to_owned(), contents).is_none());
    }
    Ok(all)
}

/// The same, as the other reader sees it, and when each was modified.
fn opinion(image: &[u8]) -> BTreeMap<String, (Vec<u8>, i64)> {
    let system = Ext4::load(Box::new(image.to_vec())).unwrap();
    let (mut all, mut folders) = (BTreeMap::new(), vec![String::from("/")]);
    while let Some(folder) = folders.pop() {
        for entry in system.read_dir(folder.as_str()).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().as_str().unwrap().to_owned();
            let path = format!("{folder}{name}");
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() && !matches!(name.as_str(), "." | "..") {
                folders.push(path + "/");
            } else if metadata.file_type().is_regular_file() {
                let contents = system.read(path.as_str()).unwrap();
                all.insert(path[1..].to_owned(), (contents, metadata.modified().seconds()));
            }
        }
    }
    all
}

fn agree(image: &[u8], what: &str) {
    let mut world = holding(image, 64);
    let tree = open(&mut world, 0).unwrap_or_else(|error| panic!("{what}: {error}"));
    let seen = world.run(everything(&tree)).unwrap();
    let other = opinion(image);
    assert_eq!(seen.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{what}");
    for (path, contents) in &seen {
        assert!(*contents == other[path].0, "{what}: {path}");
    }
    for node in tree.nodes() {
        assert_eq!(node.modified(), other[tree.path(node)].1, "{what}");
    }
    assert!(seen.len() > 600);
    assert_eq!((tree.special(), tree.misnamed()), (1, 0), "{what}");
}

#[test]
fn every_kind_of_file_system_is_read_as_the_other_reader_reads_it() {
    let folder = site();
    for options in [
        "-t ext4",
        "-t ext4 -b 1024",
        "-t ext4 -b 2048 -I 128 -O ^metadata_csum",
        "-t ext4 -b 65536",
        "-t ext4 -O ^metadata_csum",
        "-t ext4 -O ^64bit,^flex_bg",
        "-t ext4 -O metadata_csum_seed",
        "-t ext4 -O ^has_journal,^dir_index",
        "-t ext4 -b 1024 -g 1024",
        "-t ext4 -O bigalloc -C 16384",
        "-t ext3",
        "-t ext2 -b 1024",
    ] {
        agree(&folder.image(options, "64M"), options);
    }
}

#[test]
fn small_inodes_have_half_a_checksum() {
    let folder = site();
    let mut world = holding(&folder.image("-t ext4 -I 128", "32M"), 64);
    let tree = open(&mut world, 0).unwrap();
    assert_eq!(world.run(everything(&tree)).unwrap()["large.bin"], pattern(3, 3 << 20));
}

#[test]
fn an_indexed_directory_is_read_in_full() {
    let folder = site();
    folder.image("-t ext4 -b 1024", "32M");
    // As e2fsck -D makes it; mke2fs itself makes no index.
    let image = folder.0.join("image");
    let mut e2fsck = Command::new("e2fsck");
    e2fsck.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").args(["-f", "-y", "-D"]).arg(&image);
    e2fsck.output().unwrap();
    agree(&fs::read(&image).unwrap(), "with an index");
}

#[test]
fn a_position_is_found_without_what_stands_before_it() {
    let folder = site();
    let mut world = holding(&folder.image("-t ext4 -b 1024", "32M"), 64);
    let tree = open(&mut world, 0).unwrap();
    for (path, seed) in [("large.bin", 3), ("sparse.bin", 0)] {
        let node = *tree.nodes().iter().find(|node| tree.path(node) == path).unwrap();
        let whole = if seed > 0 {
            pattern(seed, 3 << 20)
        } else {
            world.run(read(&tree, &node, 0, u64::MAX)).unwrap()
        };
        let before = world.count("sectors_read");
        for (from, to) in [(0, 1), (1_999_999, 2_000_001), (whole.len() - 1, whole.len()), (4095, 4097)] {
            let part = world.run(read(&tree, &node, from as u64, to as u64)).unwrap();
            assert!(part == whole[from..to], "{path} {from}");
        }
        assert!(world.count("sectors_read") - before < 400, "{}", world.count("sectors_read") - before);
        assert!(world.run(read(&tree, &node, node.length(), u64::MAX)).unwrap().is_empty());
    }
}

#[test]
fn it_may_begin_anywhere_on_the_disk() {
    let folder = site();
    let image = folder.image("-t ext4", "32M");
    // As old tools put the first partition, so that no block of it is a page.
    let disk = [vec![0x5a; 63 * 512], image.clone()].concat();
    let mut world = holding(&disk, 64);
    let tree = open(&mut world, 63).unwrap();
    let seen = world.run(everything(&tree)).unwrap();
    assert!(seen.len() > 600 && seen["large.bin"] == pattern(3, 3 << 20));
}

#[test]
fn what_is_not_written_yet_is_zeroes() {
    let folder = site();
    folder.image("-t ext4", "32M");
    let image = folder.debugfs("fallocate /index.html 0 9\nset_inode_field /index.html size 40000");
    let mut world = holding(&image, 64);
    let tree = open(&mut world, 0).unwrap();
    let node = *tree.nodes().iter().find(|node| tree.path(node) == "index.html").unwrap();
    let contents = world.run(read(&tree, &node, 0, u64::MAX)).unwrap();
    assert!(contents.starts_with(b"<p>Hello\0") && contents.len() == 40000);
    assert!(contents[8..].iter().all(|&byte| byte == 0));
}

#[test]
fn what_cannot_be_read_is_said_in_a_sentence() {
    let folder = site();
    let good = folder.image("-t ext4", "32M");
    let refused = |image: &[u8]| {
        let mut world = holding(image, 64);
        open(&mut world, 0).err().map(|error| error.to_string()).unwrap()
    };
    let sentence = refused(&vec![0; 1 << 20]);
    assert_eq!(sentence, "there is no ext4 file system on it: make one with mkfs.ext4 -d DIR FILE SIZE");
    assert_eq!(refused(&[0; 512]), sentence);
    assert_eq!(refused(&good[..16 << 20]), "its ext4 file system is longer than the disk or partition");
    let mut damaged = good.clone();
    damaged[1024 + 0x28] ^= 1;
    assert_eq!(refused(&damaged), "the superblock of its ext4 file system is damaged");
    assert_eq!(
        refused(&folder.image("-t ext4 -O inline_data", "32M")),
        "its ext4 file system has the feature inline_data, which is not known here: make it with mkfs.ext4 -O ^FEATURE"
    );
    folder.image("-t ext4", "32M");
    assert_eq!(
        refused(&folder.debugfs("feature needs_recovery")),
        "its ext4 file system was not unmounted, and its journal has to be played back: run e2fsck -p"
    );
    let mut world = holding(&good, 64);
    world.model.spoil(2..3, 1);
    let error = open(&mut world, 0).err();
    assert_eq!(error, Some(Ext4Error::Disk(DiskError::Read(0))));
}

#[test]
fn a_page_that_cannot_be_read_ends_the_file_that_needs_it() {
    let folder = site();
    let image = folder.image("-t ext4 -b 4096", "32M");
    let large = pattern(3, 3 << 20);
    let place = image.chunks(4096).position(|page| *page == large[1 << 20..][..4096]).unwrap() as u64;
    let mut world = holding(&image, 64);
    let tree = open(&mut world, 0).unwrap();
    world.model.spoil(place * 8 + 3..place * 8 + 4, 1);
    let node = *tree.nodes().iter().find(|node| tree.path(node) == "large.bin").unwrap();
    let error = world.run(read(&tree, &node, 0, u64::MAX)).err();
    assert_eq!(error, Some(Ext4Error::Disk(DiskError::Read(place * 8))));
    assert_eq!(world.run(read(&tree, &node, 2 << 20, u64::MAX)).unwrap().len(), 1 << 20);
}

/// Where tables of the file system are: what is not a file's contents.
fn tables(image: &[u8]) -> Vec<usize> {
    let is_table = |page: &[u8]| page.iter().any(|&byte| byte != 0);
    let pages = image.chunks(1024).enumerate().filter(|(_, page)| is_table(page));
    pages.map(|(index, _)| index * 1024).collect()
}

#[test]
fn damaged_file_systems_end_in_an_answer() {
    let folder = Folder::new();
    let tree = folder.tree();
    fs::create_dir_all(tree.join("one/two")).unwrap();
    fs::write(tree.join("index.html"), "<p>Hello").unwrap();
    fs::write(tree.join("one/two/page"), pattern(1, 9000)).unwrap();
    let file = fs::File::create(tree.join("sparse")).unwrap();
    for index in 0..12 {
        file.write_all_at(&[index; 1024], u64::from(index) * 4096).unwrap();
    }
    let mut random = Random::new(0x28);
    let (mut right, mut refused) = (0, 0);
    for options in
        ["-t ext4 -O ^metadata_csum -b 1024 -N 64", "-t ext4 -b 1024 -N 64", "-t ext2 -b 1024 -N 64"]
    {
        let good = folder.image(options, "512K");
        let tables = tables(&good);
        for round in 0..500 {
            let mut image = good.clone();
            for _ in 0..=random.below(3) {
                let place = tables[random.below(tables.len())] + random.below(1024);
                image[place] = match random.below(3) {
                    0 => image[place] ^ 1 << random.below(8),
                    1 => 0xff,
                    _ => random.below(256) as u8,
                };
            }
            let mut world = holding(&image, 16);
            let volume = Volume::whole(&world.cache);
            let result = world.run(async {
                let tree = FileSystem::open(volume).await?.tree().await?;
                let mut sum = 0;
                for node in tree.nodes() {
                    // What is damaged may be as long as it likes.
                    for from in [0, 40_000, node.length() / 2, node.length().saturating_sub(10)] {
                        sum += read(&tree, node, from, from.saturating_add(60_000)).await?.len();
                    }
                }
                Ok::<_, Ext4Error>(sum)
            });
            match result {
                Ok(_) => right += 1,
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().len() > 20);
                }
            }
            assert!(world.count("reads") < 3000, "{options}, round {round}: {} reads", world.count("reads"));
        }
    }
    assert!(right > 100 && refused > 100, "{right} {refused}");
}

#[test]
fn the_corpus_of_disks_and_its_mutations_do_no_harm() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/ext4");
    let mut random = Random::new(4);
    for file in fs::read_dir(folder).expect("there is a corpus") {
        let seed = fs::read(file.expect("a file").path()).expect("it can be read");
        for round in 0..100 {
            let mut disk = if round == 0 { seed.clone() } else { random.spoilt(&seed) };
            disk.truncate(disk.len() / 512 * 512);
            let mut world = holding(&disk, 16);
            let tree = open(&mut world, 0);
            assert!(round > 0 || tree.is_ok());
            let Ok(tree) = tree else { continue };
            for node in tree.nodes() {
                // What is damaged is an error, or as long as it says.
                let _ = world.run(read(&tree, node, node.length() / 2, node.length() / 2 + 50_000));
            }
        }
    }
}

#[test]
fn a_directory_that_is_in_itself_is_not_followed_for_ever() {
    let folder = Folder::new();
    fs::create_dir_all(folder.tree().join("one/two")).unwrap();
    fs::write(folder.tree().join("one/page"), "x").unwrap();
    folder.image("-t ext4 -O ^metadata_csum", "4M");
    let image = folder.debugfs("link /one /one/two/three");
    let mut world = holding(&image, 16);
    let error = open(&mut world, 0).err();
    assert!(matches!(error, Some(Ext4Error::LongPath | Ext4Error::TooMany)), "{error:?}");
}
