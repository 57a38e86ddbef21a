//! `export`: what a query finds, as a file.
//!
//! What always holds: a file appears under its name only when it is whole, and replaces nothing.

use super::tell_partial;
use crate::arguments::{Export, Format};
use crate::error::{Failure, LOST};
use crate::output::Console;
use crate::session::Session;
use crate::settings::Settings;
use crate::sizes;
use postlode_query::Partial;
use postlode_server::lines::Line;
use postlode_server::target;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Exports.
pub async fn run(export: Export, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let Format::Jsonl = export.format;
    let mut out = if export.out == Path::new("-") {
        Out::Stdout
    } else {
        Out::File(Box::new(Target::create(&export.out)?))
    };
    let session = Session::read(settings).await?;
    let written = write(&export, &session, &mut out, console).await;
    let closed = session.close().await;
    let (count, partial) = written?;
    closed?;
    match out {
        Out::Stdout => console.flush()?,
        Out::File(file) => {
            file.keep()?;
            let text = format!("{} emails in {}", sizes::number(count), export.out.display());
            if console.json {
                console
                    .json(&serde_json::json!({ "out": export.out.display().to_string(), "emails": count }))?;
            } else {
                console.line(&text)?;
            }
            console.flush()?;
        }
    }
    Ok(if tell_partial(partial.as_ref(), console) { LOST } else { 0 })
}

async fn write(
    export: &Export,
    session: &Session,
    out: &mut Out,
    console: &Console,
) -> Result<(u64, Option<Partial>), Failure> {
    let mut parameters = vec![("q", export.query.as_str())];
    parameters.extend(export.tz.as_deref().map(|tz| ("tz", tz)));
    let mut lines = session.client.get(&target("/local/export", &parameters)).await?.ok().await?.lines();
    while let Some(line) = lines.next().await? {
        match line {
            Line::Item(item) => {
                out.bytes(&item, console)?;
                out.bytes(b"\n", console)?;
            }
            Line::End(end) => return Ok((end.count, end.partial)),
        }
    }
    Err(Failure::Done("the export ended early: nothing was kept, try again".to_owned()))
}

enum Out {
    Stdout,
    File(Box<Target>),
}

impl Out {
    fn bytes(&mut self, bytes: &[u8], console: &Console) -> Result<(), Failure> {
        match self {
            Self::Stdout => console.bytes(bytes),
            Self::File(target) => {
                target.file.write_all(bytes).map_err(|error| target.failed("write", &error))
            }
        }
    }
}

/// A file on its way: under another name beside its own until it is whole. Removed if it never is.
struct Target {
    path: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
    kept: bool,
}

impl Target {
    fn create(path: &Path) -> Result<Self, Failure> {
        if path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(
            path.file_name()
                .ok_or_else(|| Failure::Usage(format!("{} is no name for a file", path.display())))?,
        );
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(|error| Failure::Done(format!("cannot write {}: {error}", temporary.display())))?;
        Ok(Self {
            path: path.to_owned(),
            temporary,
            file: BufWriter::with_capacity(1 << 20, file),
            kept: false,
        })
    }

    fn failed(&self, what: &str, error: &std::io::Error) -> Failure {
        Failure::Done(format!("cannot {what} {}: {error}; nothing was kept", self.path.display()))
    }

    /// Gives it its name.
    fn keep(mut self) -> Result<(), Failure> {
        self.file.flush().map_err(|error| self.failed("write", &error))?;
        self.file.get_ref().sync_all().map_err(|error| self.failed("write", &error))?;
        match renameat_with(CWD, &self.temporary, CWD, &self.path, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(exists(&self.path)),
            // A file system without such a rename; a hard link refuses an existing name too.
            Err(Errno::INVAL | Errno::NOSYS) => {
                std::fs::hard_link(&self.temporary, &self.path)
                    .map_err(|error| self.failed("name", &error))?;
                return Ok(());
            }
            Err(error) => return Err(self.failed("name", &error.into())),
        }
        self.kept = true;
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.kept {
            // It may be gone already; and nobody could be told more than was said.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

fn exists(path: &Path) -> Failure {
    Failure::Usage(format!("{} is there already: choose another name, or remove it", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        let list = || std::fs::read_dir(dir.path()).unwrap().count();
        drop(Target::create(&path).unwrap());
        assert_eq!(list(), 0);
        let mut target = Target::create(&path).unwrap();
        target.file.write_all(b"x\n").unwrap();
        assert!(!path.exists());
        target.keep().unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), list()), (b"x\n".to_vec(), 1));
        assert_eq!(Target::create(&path).err().unwrap().exit_code(), 2);
        // Somebody else was faster.
        std::fs::remove_file(&path).unwrap();
        let target = Target::create(&path).unwrap();
        std::fs::write(&path, "other").unwrap();
        assert!(target.keep().is_err());
        assert_eq!((std::fs::read(&path).unwrap(), list()), (b"other".to_vec(), 1));
    }
}
