//! Where things are: throw-away folders, and the archives to load.

use crate::BenchError;
use std::path::{Path, PathBuf};

/// The variable that names the folder of archives.
pub const CORPUS: &str = "POSTLODE_CORPUS";

/// The archives of real mail that the load figure is about.
const REAL: [&str; 3] = ["lists-dev-0.pst", "lists-dev-1.pst", "lists-dev-2.pst"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A new folder that is removed with the value. It is below `within`, else the target folder.
///
/// # Errors
/// Where it cannot be made.
pub fn throw_away(within: Option<&Path>) -> Result<tempfile::TempDir, BenchError> {
    let parent = match within {
        Some(folder) => folder.to_owned(),
        None => std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root().join("target"), PathBuf::from)
            .join("bench"),
    };
    std::fs::create_dir_all(&parent).map_err(BenchError::io(parent.display().to_string()))?;
    tempfile::tempdir_in(&parent).map_err(BenchError::io(parent.display().to_string()))
}

/// The three archives of real mail, where all of them are there.
#[must_use]
pub fn real_archives() -> Option<Vec<PathBuf>> {
    let corpus = std::env::var_os(CORPUS).map_or_else(|| root().join("../shared/corpus"), PathBuf::from);
    let find = |name: &&str| {
        let there =
            [corpus.join("pst").join(name), corpus.join(name)].into_iter().find(|path| path.is_file())?;
        there.canonicalize().ok()
    };
    REAL.iter().map(find).collect()
}

/// Bytes of all files in a folder, however deep.
///
/// # Errors
/// Where it cannot be read.
pub fn bytes_in(folder: &Path) -> Result<u64, BenchError> {
    let told = || folder.display().to_string();
    let mut sum = 0u64;
    for entry in std::fs::read_dir(folder).map_err(BenchError::io(told()))? {
        let entry = entry.map_err(BenchError::io(told()))?;
        let meta = entry.metadata().map_err(BenchError::io(told()))?;
        sum = sum.saturating_add(if meta.is_dir() { bytes_in(&entry.path())? } else { meta.len() });
    }
    Ok(sum)
}
