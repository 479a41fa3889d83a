//! All files of a file system, found once.

use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use unik_sched::yield_now;

use super::inode::{Inode, Version};
use super::{Ext4Error, FileSystem, ROOT};
use crate::archive::{ENTRY_LIMIT, PATH_LIMIT};

/// The most bytes of directories that are looked at.
const DIRECTORY_LIMIT: u64 = 64 << 20;

/// The files of a file system, in the order in which they were found. Links, devices and the like are left out, as in an archive.
pub struct Tree {
    system: FileSystem,
    nodes: Vec<Node>,
    /// The paths of all nodes, one behind the other.
    paths: String,
    special: usize,
    misnamed: usize,
}

/// What is known of a file.
#[derive(Clone, Copy)]
pub struct Node {
    path: (usize, usize),
    length: u64,
    modified: i64,
    version: Version,
}

impl Node {
    /// Bytes of its contents.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// When its contents were changed, in seconds since the Unix epoch.
    pub fn modified(&self) -> i64 {
        self.modified
    }

    /// What tells this state of the file from others: its inode and generation, its length, and in nanoseconds when its contents
    /// and its inode were changed.
    pub fn version(&self) -> [u64; 4] {
        self.version
    }

    pub(super) fn inode(&self) -> u32 {
        let [inode, ..] = self.version;
        (inode >> 32) as u32
    }
}

impl Tree {
    /// The file system.
    pub fn system(&self) -> &FileSystem {
        &self.system
    }

    /// What is known of each file.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The path of a node of this tree, without a leading slash.
    pub fn path(&self, node: &Node) -> &str {
        let (start, end) = node.path;
        self.paths.get(start..end).unwrap_or_default()
    }

    /// What was left out since it is neither a file nor a directory.
    pub fn special(&self) -> usize {
        self.special
    }

    /// What was left out since its name is not UTF-8 or has a character that cannot be in one.
    pub fn misnamed(&self) -> usize {
        self.misnamed
    }

    /// Walks through all directories.
    pub(super) async fn read(system: &FileSystem) -> Result<Self, Ext4Error> {
        let (nodes, paths) = (Vec::new(), String::new());
        let mut walk = Walk {
            tree: Self { system: system.clone(), nodes, paths, special: 0, misnamed: 0 },
            folders: Vec::new(),
            prefix: String::new(),
            entries: 0,
            bytes: 0,
        };
        let root = Inode::read(system, ROOT).await?;
        if !root.is_directory() {
            return Err(Ext4Error::Inode(ROOT));
        }
        walk.visit(&root).await?;
        while let Some((folder, path)) = walk.folders.pop() {
            walk.prefix = path;
            let folder = Inode::read(system, folder).await?;
            walk.visit(&folder).await?;
        }
        Ok(walk.tree)
    }
}

/// A tree that is being walked through.
struct Walk {
    tree: Tree,
    /// Directories that are to be visited, with their paths.
    folders: Vec<(u32, String)>,
    /// The path of the directory that is being visited, with a slash behind it.
    prefix: String,
    entries: usize,
    bytes: u64,
}

impl Walk {
    /// Takes in all entries of a directory.
    async fn visit(&mut self, folder: &Inode) -> Result<(), Ext4Error> {
        let system = self.tree.system.clone();
        let block = system.superblock.block;
        self.bytes = self.bytes.saturating_add(folder.length);
        if self.bytes > DIRECTORY_LIMIT {
            return Err(Ext4Error::TooMany);
        }
        if !folder.is_plain() {
            return Err(Ext4Error::Form(folder.number));
        }
        if !folder.length.is_multiple_of(block) {
            return Err(Ext4Error::Directory(folder.number));
        }
        for index in 0..folder.length / block {
            let mut entries = system.entries(folder, index).await?;
            while let Some(entry) = entries.next().await? {
                if matches!(entry.name(), b"." | b"..") {
                    continue;
                }
                self.entries += 1;
                if self.entries > ENTRY_LIMIT {
                    return Err(Ext4Error::TooMany);
                }
                let inode = Inode::read(&system, entry.inode).await?;
                self.take(&inode, entry.name())?;
            }
            // What is in the cache already is no reason to keep others waiting.
            yield_now().await;
        }
        Ok(())
    }

    /// Takes in what a directory calls `name`.
    fn take(&mut self, inode: &Inode, name: &[u8]) -> Result<(), Ext4Error> {
        let name = str::from_utf8(name).ok().filter(|name| !name.contains(['/', '\0']));
        let Some(name) = name else {
            self.tree.misnamed += 1;
            return Ok(());
        };
        if self.prefix.len() + name.len() >= PATH_LIMIT {
            return Err(Ext4Error::LongPath);
        }
        let push = |path: &mut String, end: &str| {
            path.try_reserve(self.prefix.len() + name.len() + end.len()).map_err(|_| Ext4Error::NoMemory)?;
            [&self.prefix, name, end].into_iter().for_each(|part| path.push_str(part));
            Ok::<_, Ext4Error>(())
        };
        if inode.is_directory() {
            let mut path = String::new();
            push(&mut path, "/")?;
            self.folders.try_reserve(1).map_err(|_| Ext4Error::NoMemory)?;
            self.folders.push((inode.number, path));
        } else if !inode.is_regular() {
            self.tree.special += 1;
        } else if !inode.is_plain() {
            return Err(Ext4Error::Form(inode.number));
        } else {
            let start = self.tree.paths.len();
            push(&mut self.tree.paths, "")?;
            let path = (start, self.tree.paths.len());
            self.tree.nodes.try_reserve(1).map_err(|_| Ext4Error::NoMemory)?;
            let (length, modified, version) = (inode.length, inode.modified, inode.version());
            self.tree.nodes.push(Node { path, length, modified, version });
        }
        Ok(())
    }
}
