//! What the tests share: a made archive with its truth, and other people's readers.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use pstgen::{Options, Summary};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// An archive in a folder of its own.
pub struct Made {
    pub scratch: tempfile::TempDir,
    pub pst: PathBuf,
    pub truth: Vec<Value>,
    pub summary: Summary,
    pub ansi: bool,
}

/// Makes an archive and reads its truth.
pub fn make(adjust: impl FnOnce(&mut Options)) -> Made {
    let scratch = tempfile::tempdir().unwrap();
    let pst = scratch.path().join("made.pst");
    let truth = scratch.path().join("made.jsonl");
    let mut options = Options::new(&pst, 500);
    options.truth = Some(truth.clone());
    adjust(&mut options);
    let summary = pstgen::generate(&options).unwrap();
    let truth = lines(&truth);
    assert_eq!(summary.items, truth.len() as u64);
    assert_eq!(summary.bytes, std::fs::metadata(&pst).unwrap().len());
    Made { scratch, pst, truth, summary, ansi: options.ansi }
}

/// The JSON objects in a file.
pub fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs a program of the Debian package `package` and gives what it printed.
pub fn run(package: &str, program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            let (out, err) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{program} failed: {out}{err}");
            out.into_owned()
        }
        Err(error) => panic!("cannot run {program}: {error}; this test needs the Debian package {package}"),
    }
}

/// Exports an archive by pffexport; gives the folder it went to.
pub fn pffexport(made: &Made) -> PathBuf {
    let target = made.scratch.path().join("made");
    let arguments = ["-q", "-f", "all", "-t", target.to_str().unwrap(), made.pst.to_str().unwrap()];
    run("pff-tools", "pffexport", &arguments);
    made.scratch.path().join("made.export")
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The entries of a folder by name; nothing when there is no such folder.
pub fn entries(folder: &Path) -> BTreeMap<String, PathBuf> {
    let Ok(list) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    list.map(|entry| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), path)
    })
    .collect()
}

/// `text` as libpff before 2021 shows it: it takes the second half of a surrogate pair from the wrong end of
/// its range, so that characters beyond U+FFFF come out 0x3FF too low.
pub fn as_old_libpff(text: &str) -> String {
    text.chars()
        .map(|c| match u32::from(c) {
            code @ 0x1_0000.. => char::from_u32(code - 0x3FF).unwrap(),
            _ => c,
        })
        .collect()
}

/// Whether `shown` is `text`, or what an old libpff makes of it.
pub fn same_text(shown: &str, text: &str) -> bool {
    shown == text || shown == as_old_libpff(text)
}
