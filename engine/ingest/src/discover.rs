//! Which archives a request means: files as they are named, folders searched to the bottom.
//!
//! What always holds: a path that was named comes out as an archive or as a refusal with its reason, never as
//! nothing; a search of a folder does not leave it by a symbolic link, and says which links it did not follow.

use std::collections::HashSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Folders inside folders that are searched.
const MAX_DEPTH: usize = 256;
/// The first bytes of every PST and OST.
const MAGIC: &[u8; 4] = b"!BDN";

/// Something named by a request, or found in a folder named by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidate {
    /// A file that is an archive by its name or its first bytes.
    Archive(PathBuf),
    /// Something that cannot be loaded.
    Refused(Refusal),
}

/// What is not loaded, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The path.
    pub path: PathBuf,
    /// Failure code, as in reports.
    pub code: &'static str,
    /// The reason, and what to do where there is something.
    pub reason: String,
}

/// Opens a file for reading, without waiting where it is a pipe after all.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// Everything that `paths` name, in their order, folders in the order of names. A file named twice comes once.
#[must_use]
pub fn discover(paths: &[PathBuf]) -> Vec<Candidate> {
    let mut search = Search { found: Vec::new(), seen: HashSet::new() };
    for path in paths {
        search.named(path);
    }
    search.found
}

struct Search {
    found: Vec<Candidate>,
    /// Device and inode of what was found already.
    seen: HashSet<(u64, u64)>,
}

impl Search {
    fn refuse(&mut self, path: &Path, code: &'static str, reason: impl Into<String>) {
        let refusal = Refusal { path: path.to_owned(), code, reason: reason.into() };
        self.found.push(Candidate::Refused(refusal));
    }

    fn archive(&mut self, path: &Path, metadata: &Metadata) {
        if self.seen.insert((metadata.dev(), metadata.ino())) {
            self.found.push(Candidate::Archive(path.to_owned()));
        }
    }

    /// A path that the request names.
    fn named(&mut self, path: &Path) {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => return self.refuse(path, "io", unreadable(&error)),
        };
        if metadata.is_dir() {
            return self.folder(path);
        }
        if !metadata.is_file() {
            return self.refuse(path, "unsupported", "it is neither a file nor a folder");
        }
        match begins_as_archive(path) {
            Err(error) => self.refuse(path, "io", unreadable(&error)),
            Ok(true) => self.archive(path, &metadata),
            // Its name says that it should be one: opening it will tell what is wrong.
            Ok(false) if named_as_archive(path) => self.archive(path, &metadata),
            Ok(false) if metadata.len() == 0 => self.refuse(path, "refused", "the file is empty"),
            Ok(false) => {
                self.refuse(path, "unsupported", "it is no PST or OST archive, which is what can be loaded")
            }
        }
    }

    fn folder(&mut self, root: &Path) {
        let inside = match fs::canonicalize(root) {
            Ok(inside) => inside,
            Err(error) => return self.refuse(root, "io", unreadable(&error)),
        };
        // Folders still to be read, with their depth; the one to read next is the last.
        let mut folders = vec![(root.to_owned(), 0usize)];
        while let Some((folder, depth)) = folders.pop() {
            let mut entries = match fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
                Ok(entries) => entries,
                Err(error) => {
                    self.refuse(&folder, "io", unreadable(&error));
                    continue;
                }
            };
            entries.sort_by_key(fs::DirEntry::file_name);
            let mut below = Vec::new();
            for entry in entries {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() && depth >= MAX_DEPTH => {
                        self.refuse(&path, "unsupported", format!("it is deeper than {MAX_DEPTH} folders"));
                    }
                    Ok(kind) if kind.is_dir() => below.push((path, depth.saturating_add(1))),
                    Ok(kind) if kind.is_symlink() => self.link(&path, &inside),
                    Ok(kind) if kind.is_file() => self.entry(&path),
                    // Sockets, pipes and devices hold no archive.
                    Ok(_) => {}
                    Err(error) => self.refuse(&path, "io", unreadable(&error)),
                }
            }
            folders.extend(below.into_iter().rev());
        }
    }

    /// A file in a folder: an archive, or nothing to speak of.
    fn entry(&mut self, path: &Path) {
        let is_archive = match begins_as_archive(path) {
            Ok(begins) => begins || named_as_archive(path),
            Err(error) if named_as_archive(path) => return self.refuse(path, "io", unreadable(&error)),
            Err(_) => false,
        };
        if is_archive {
            match fs::symlink_metadata(path) {
                Ok(metadata) => self.archive(path, &metadata),
                Err(error) => self.refuse(path, "io", unreadable(&error)),
            }
        }
    }

    /// A symbolic link in a folder. One that stays inside leads to what is found anyway.
    fn link(&mut self, path: &Path, inside: &Path) {
        match fs::canonicalize(path) {
            Ok(target) if target.starts_with(inside) => {}
            Ok(target) if target.is_dir() || named_as_archive(path) || named_as_archive(&target) => {
                let reason = format!(
                    "it is a link that leads out of the folder: load {} by its name",
                    target.display()
                );
                self.refuse(path, "unsupported", reason);
            }
            Err(error) if named_as_archive(path) => self.refuse(path, "io", unreadable(&error)),
            _ => {}
        }
    }
}

fn unreadable(error: &io::Error) -> String {
    format!("cannot read it: {error}")
}

fn named_as_archive(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_ascii_lowercase());
    extension.is_some_and(|e| e == "pst" || e == "ost")
}

fn begins_as_archive(path: &Path) -> io::Result<bool> {
    let mut start = Vec::with_capacity(MAGIC.len());
    open(path)?.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start == MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(found: &[Candidate]) -> Vec<String> {
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        found
            .iter()
            .map(|c| match c {
                Candidate::Archive(path) => name(path),
                Candidate::Refused(refusal) => format!("{}: {}", name(&refusal.path), refusal.code),
            })
            .collect()
    }

    #[test]
    fn folders_are_searched_by_name_and_by_first_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("b/c")).unwrap();
        fs::write(at("b/c/deep.OST"), "x").unwrap();
        fs::write(at("b/no-name"), "!BDN and so on").unwrap();
        fs::write(at("a.pst"), "").unwrap();
        fs::write(at("picture.jpg"), "no").unwrap();
        assert_eq!(names(&discover(&[dir.path().to_owned()])), ["a.pst", "no-name", "deep.OST"]);
        // Named twice, and once more by its folder: it is one archive.
        assert_eq!(names(&discover(&[at("a.pst"), at("a.pst"), dir.path().to_owned()])).len(), 3);
    }

    #[test]
    fn what_is_named_is_never_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("mail.txt"), "hello").unwrap();
        fs::write(at("empty"), "").unwrap();
        let named = [at("none.pst"), at("mail.txt"), at("empty"), PathBuf::from("/dev/null")];
        let expected = ["none.pst: io", "mail.txt: unsupported", "empty: refused", "null: unsupported"];
        assert_eq!(names(&discover(&named)), expected);
    }

    #[test]
    fn links_are_not_followed_out_and_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("far.pst"), "x").unwrap();
        fs::write(dir.path().join("near.pst"), "x").unwrap();
        let link = |to: &Path, name: &str| symlink(to, dir.path().join(name)).unwrap();
        link(&outside.path().join("far.pst"), "1-far.pst");
        link(outside.path(), "2-folder");
        link(&dir.path().join("near.pst"), "3-near.pst");
        link(dir.path(), "4-loop");
        link(Path::new("/nowhere"), "5-broken.pst");
        link(Path::new("/nowhere"), "6-broken");
        let found = names(&discover(&[dir.path().to_owned()]));
        assert_eq!(
            found,
            ["1-far.pst: unsupported", "2-folder: unsupported", "5-broken.pst: io", "near.pst"]
        );
        // A link that is named itself is followed: somebody said so.
        assert_eq!(names(&discover(&[dir.path().join("1-far.pst")])), ["1-far.pst"]);
    }
}
