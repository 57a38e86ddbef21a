//! The program's exit codes and messages.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

use std::path::Path;
use std::process::{Command, Output};

fn pstgen(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pstgen")).current_dir(folder).args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn success_is_0_and_says_what_was_made() {
    let scratch = tempfile::tempdir().unwrap();
    let output = pstgen(scratch.path(), &["a.pst", "--messages", "20", "--seed", "2", "--truth", "a.jsonl"]);
    assert_eq!(code(&output), 0);
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("a.pst: 20 items in 30 folders, "));
    assert!(scratch.path().join("a.pst").exists() && scratch.path().join("a.jsonl").exists());
}

#[test]
fn usage_is_2() {
    let scratch = tempfile::tempdir().unwrap();
    for arguments in [
        &[][..],
        &["a.pst", "--messages", "many"],
        &["a.pst", "--attachments", "1.5"],
        &["a.pst", "--attachments", "NaN"],
        &["a.pst", "--ansi", "yes"],
        &["a.pst", "--from", "m.jsonl", "--attachments", "0.5"],
    ] {
        assert_eq!(code(&pstgen(scratch.path(), arguments)), 2, "{arguments:?}");
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn failure_is_1_with_one_line_that_says_what_to_do() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("there.pst"), "old").unwrap();
    for (arguments, named, cure) in [
        (&["there.pst"][..], "there.pst", "--force"),
        (&["none/a.pst"], "none/a.pst", "check that its folder exists"),
        (&["a.pst", "--from", "none.jsonl"], "none.jsonl", "give a readable JSONL file"),
    ] {
        let output = pstgen(scratch.path(), arguments);
        assert_eq!(code(&output), 1, "{arguments:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(message.contains(named) && message.contains(cure), "{message}");
    }
    assert_eq!(std::fs::read(scratch.path().join("there.pst")).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1);
    assert_eq!(code(&pstgen(scratch.path(), &["there.pst", "--messages", "1", "--force"])), 0);
    assert!(std::fs::read(scratch.path().join("there.pst")).unwrap().starts_with(b"!BDN"));
}
