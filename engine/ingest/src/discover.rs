//! Which archives a request means: files as they are named, folders searched to the bottom.
//!
//! What always holds: a path that was named comes out as an archive or as a refusal with its reason, never as
//! nothing; a search of a folder does not leave it by a symbolic link, and says which links it did not follow.

use postlode_mail::rfc::{Kind, kind_of};
use std::collections::HashSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Folders inside folders that are searched.
const MAX_DEPTH: usize = 256;
/// The first bytes of every PST and OST.
const MAGIC: &[u8; 4] = b"!BDN";
/// First bytes of a file that are looked at.
const LOOKED_AT: u64 = 8 << 10;
/// Endings of mail files that cannot be loaded, and what to do with each.
const OTHERS: [(&str, &str); 7] = [
    ("msg", "a message saved by Outlook: save it as .eml, or move it into a PST"),
    ("dbx", "a folder of Outlook Express: export it as .eml files"),
    ("nsf", "a database of Notes: export it as .eml files"),
    ("edb", "a database of Exchange: export its mailboxes as PST files"),
    ("olm", "an archive of Outlook for Mac: export it as .mbox or .eml files"),
    ("emlx", "a message of Apple Mail: export its mailbox as .mbox"),
    ("tnef", "a container of Outlook: load the message it came with"),
];

/// Something named by a request, or found in a folder named by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidate {
    /// A file that is an archive by its name or its first bytes.
    Archive(Found),
    /// Something that cannot be loaded.
    Refused(Refusal),
}

/// An archive that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path.
    pub path: PathBuf,
    /// What it looks like.
    pub kind: FileKind,
    /// For mail in files: the folder it is in, below the folder that was named, from a `/` on; a mailbox is a folder
    /// itself.
    pub folder: String,
}

/// What a file looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A PST or OST.
    Pst,
    /// Mail as it is sent, see [`rfc`](postlode_mail::rfc).
    Mail(Kind),
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

    fn archive(&mut self, path: &Path, metadata: &Metadata, kind: FileKind, below: &str) {
        if self.seen.insert((metadata.dev(), metadata.ino())) {
            let folder = match kind {
                FileKind::Pst => String::new(),
                FileKind::Mail(Kind::Eml) if below.is_empty() => "/".to_owned(),
                FileKind::Mail(Kind::Eml) => below.to_owned(),
                FileKind::Mail(Kind::Mbox) => format!("{below}/{}", mailbox_name(path)),
            };
            self.found.push(Candidate::Archive(Found { path: path.to_owned(), kind, folder }));
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
        match look(path) {
            Err(error) => self.refuse(path, "io", unreadable(&error)),
            Ok(Look::Archive(kind)) => self.archive(path, &metadata, kind, ""),
            Ok(Look::Refused(code, reason)) => self.refuse(path, code, reason),
            Ok(Look::Nothing) if metadata.len() == 0 => self.refuse(path, "refused", "the file is empty"),
            Ok(Look::Nothing) => {
                let reason = "it is no PST, OST, .eml or .mbox file, which is what can be loaded";
                self.refuse(path, "unsupported", reason);
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
                    Ok(kind) if kind.is_file() => self.entry(&path, &below_root(root, &folder)),
                    // Sockets, pipes and devices hold no archive.
                    Ok(_) => {}
                    Err(error) => self.refuse(&path, "io", unreadable(&error)),
                }
            }
            folders.extend(below.into_iter().rev());
        }
    }

    /// A file in a folder: an archive, or nothing to speak of.
    fn entry(&mut self, path: &Path, below: &str) {
        match look(path) {
            Ok(Look::Archive(kind)) => match fs::symlink_metadata(path) {
                Ok(metadata) => self.archive(path, &metadata, kind, below),
                Err(error) => self.refuse(path, "io", unreadable(&error)),
            },
            Ok(Look::Refused(code, reason)) => self.refuse(path, code, reason),
            // It may be mail: who can tell.
            Err(error) => self.refuse(path, "io", unreadable(&error)),
            Ok(Look::Nothing) => {}
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

fn ending(path: &Path) -> Option<String> {
    path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase())
}

fn named_as_archive(path: &Path) -> bool {
    ending(path).is_some_and(|e| ["pst", "ost", "eml", "mbox", "mbx"].contains(&e.as_str()))
}

/// What a file is, by its name and its first bytes.
enum Look {
    Archive(FileKind),
    /// Mail by its name that cannot be loaded: failure code and reason.
    Refused(&'static str, String),
    Nothing,
}

fn look(path: &Path) -> io::Result<Look> {
    let ending = ending(path);
    let named = |name: &str| ending.as_deref() == Some(name);
    let mut start = Vec::new();
    open(path)?.take(LOOKED_AT).read_to_end(&mut start)?;
    // What is named as an archive is taken for one: opening it will tell what is wrong.
    if start.starts_with(MAGIC) || named("pst") || named("ost") {
        return Ok(Look::Archive(FileKind::Pst));
    }
    if let Some(kind) = kind_of(&start, ending.as_deref()) {
        return Ok(Look::Archive(FileKind::Mail(kind)));
    }
    if named_as_archive(path) {
        let reason = if start.is_empty() { "the file is empty" } else { "there is no mail in it" };
        return Ok(Look::Refused("refused", reason.to_owned()));
    }
    let other = OTHERS.iter().find(|(name, _)| named(name));
    Ok(other.map_or(Look::Nothing, |(_, what)| Look::Refused("unsupported", format!("it is {what}"))))
}

/// A folder's path below the one that was named: empty for that one itself, else from a `/` on.
fn below_root(root: &Path, folder: &Path) -> String {
    let below = folder.strip_prefix(root).unwrap_or(Path::new(""));
    let names = below.components().map(|part| part.as_os_str().to_string_lossy());
    names.fold(String::new(), |path, name| path + "/" + &name)
}

/// The name of a mailbox: that of its file, without an ending that only says what it is.
fn mailbox_name(path: &Path) -> String {
    let known = ending(path).is_some_and(|e| e == "mbox" || e == "mbx");
    let name = if known { path.file_stem() } else { path.file_name() };
    name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
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
                Candidate::Archive(found) => name(&found.path),
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

    #[test]
    fn mail_in_files_has_the_folder_it_is_in() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let mail = "From: a@b.c\nTo: d@e.f\nMessage-ID: <1@b.c>\nSubject: s\n\ntext\n";
        fs::create_dir_all(at("Inbox/cur")).unwrap();
        fs::write(at("top.eml"), mail).unwrap();
        fs::write(at("Inbox/cur/1700000000.M1.host:2,S"), mail).unwrap();
        fs::write(at("Inbox/Sent.mbox"), format!("From a@b.c Thu Jan  1 00:00:00 1970\n{mail}")).unwrap();
        fs::write(at("Inbox/notes.txt"), "Subject: not a mail\n\ntext\n").unwrap();
        fs::write(at("Inbox/z.eml"), [0u8, 1, 2]).unwrap();
        fs::write(at("Inbox/z.msg"), [0xd0u8, 0xcf, 0x11, 0xe0]).unwrap();
        let found = discover(&[dir.path().to_owned()]);
        let told: Vec<String> = found
            .iter()
            .map(|c| match c {
                Candidate::Archive(found) => format!("{:?} {}", found.kind, found.folder),
                Candidate::Refused(refusal) => refusal.code.to_owned(),
            })
            .collect();
        let expected =
            ["Mail(Eml) /", "Mail(Mbox) /Inbox/Sent", "refused", "unsupported", "Mail(Eml) /Inbox/cur"];
        assert_eq!(told, expected);
        let Candidate::Archive(found) = &discover(&[at("Inbox/Sent.mbox")])[0] else { panic!("refused") };
        assert_eq!(found.folder, "/Sent", "named itself, it is in no folder");
    }
}
