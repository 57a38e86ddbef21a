//! Files that say whose mail is where: CSV, a path and a custodian a line.
//!
//! What always holds: a line that is not understood is an error with its number; none is passed over.

use crate::error::Failure;
use postlode_ingest::CustodianPath;
use std::path::Path;

/// Largest file that is read.
const MAX_BYTES: u64 = 64 << 20;

/// Reads such a file. Paths are taken from the folder that the file is in. A first line `path,custodian` is a title.
///
/// # Errors
/// [`Failure::Usage`] that says which file and which line.
pub fn read(path: &Path) -> Result<Vec<CustodianPath>, Failure> {
    let failed = |reason: String| Failure::Usage(format!("custodians file {}: {reason}", path.display()));
    let path = std::path::absolute(path).map_err(|error| failed(error.to_string()))?;
    let metadata = std::fs::metadata(&path).map_err(|error| failed(error.to_string()))?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(failed("it is no file of paths and custodians".to_owned()));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut lines = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_path(&path)
        .map_err(|error| failed(error.to_string()))?;
    let mut all = Vec::new();
    for (number, line) in (1u64..).zip(lines.records()) {
        let line = line.map_err(|error| failed(error.to_string()))?;
        let at = line.position().map_or(number, csv::Position::line);
        match (line.get(0), line.get(1), line.len()) {
            (Some("path"), Some("custodian"), 2) if number == 1 => {}
            (Some(file), Some(custodian), 2) if !file.is_empty() && !custodian.is_empty() => {
                all.push(CustodianPath { path: folder.join(file), custodian: custodian.to_owned() });
            }
            _ => return Err(failed(format!("line {at}: it must be a path, a comma and a custodian"))),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<(String, String)>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("who.csv");
        std::fs::write(&path, text).unwrap();
        let short = |named: CustodianPath| {
            let path = named.path.strip_prefix(dir.path()).unwrap_or(&named.path);
            (path.display().to_string(), named.custodian)
        };
        match read(&path) {
            Ok(all) => Ok(all.into_iter().map(short).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn lines_are_paths_and_custodians() {
        let text = "path,custodian\n# a note\n\"a, b.pst\",\"Ann \"\"A\"\" Lee\"\n/mail/bob,Bob\n";
        let expected = [("a, b.pst", "Ann \"A\" Lee"), ("/mail/bob", "Bob")];
        assert_eq!(read_text(text).unwrap(), expected.map(|(p, c)| (p.to_owned(), c.to_owned())));
        for (text, line) in [("a.pst", "line 1"), ("a,b\nc,\n", "line 2"), ("a,b,c", "line 1")] {
            let error = read_text(text).unwrap_err();
            assert!(error.contains(line) && error.contains("who.csv"), "{error}");
        }
    }
}
