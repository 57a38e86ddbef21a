//! Wrong usage and bad input: one clear line, the right exit code, and nothing that was stored is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_tests::{Scene, number};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn archives_that_cannot_be_read_are_refused_by_name() {
    let scene = Scene::new();
    let (good, made) = scene.archive("good.pst", 40, 17);
    let whole = fs::read(&good).unwrap();
    fs::write(scene.path("empty.pst"), "").unwrap();
    fs::write(scene.path("text.pst"), "no archive at all, however long this text is made to be").unwrap();
    fs::write(scene.path("cut.pst"), &whole[..whole.len() / 3]).unwrap();
    fs::write(scene.path("locked.pst"), &whole).unwrap();
    fs::set_permissions(scene.path("locked.pst"), fs::Permissions::from_mode(0o000)).unwrap();
    let names = ["empty.pst", "text.pst", "cut.pst", "none.pst", "locked.pst", "good.pst"];
    let paths: Vec<String> = names.iter().map(|name| scene.path(name).display().to_string()).collect();
    let mut arguments = vec!["load", "--json"];
    arguments.extend(paths.iter().map(String::as_str));
    let ended = scene.run(&arguments).code(1);
    let report = ended.json();
    // Root reads everything, so that file may have been loaded; then it holds what the good one holds.
    assert!(number(&report, "stored") >= made.items - number(&report, "duplicate"));
    for name in ["empty.pst", "text.pst", "none.pst"] {
        let archives = report["archives"].as_array().unwrap();
        let archive = archives.iter().find(|a| a["path"].as_str().unwrap().ends_with(name)).unwrap();
        assert!(archive["refused"].is_string(), "{archive}");
        assert_eq!(number(archive, "found"), 0);
        assert!(ended.err.contains(name), "{}", ended.err);
    }
    assert!(ended.err.contains("cut short"), "{}", ended.err);
}

#[test]
fn wrong_usage_exits_with_2_and_a_line() {
    let scene = Scene::new();
    let free = scene.path("out.jsonl").display().to_string();
    fs::write(scene.path("taken.jsonl"), "mine").unwrap();
    let taken = scene.path("taken.jsonl").display().to_string();
    let wrong: [&[&str]; 10] = [
        &["load"],
        &["search", "from:"],
        &["search", "a", "--tz", "Mars/Olympus"],
        &["show", "1234"],
        &["export", "--format", "docx", "--out", &free],
        &["export", "--format", "mbox", "--out", "-"],
        &["export", "--format", "jsonl", "--out", &taken],
        &["serve", "--listen", "0.0.0.0:0"],
        &["stats", "--config", "/no/such/file.toml"],
        &["stats", "--data", ""],
    ];
    for arguments in wrong {
        let ended = scene.run(arguments).code(2);
        assert!(!ended.err.is_empty() && ended.out.is_empty(), "{arguments:?}: {ended:?}");
    }
    assert_eq!(fs::read_to_string(scene.path("taken.jsonl")).unwrap(), "mine");
    let unknown = scene.run(&["show", &"0".repeat(32)]).code(1);
    assert_eq!(unknown.err.lines().count(), 1, "{}", unknown.err);
}

#[test]
fn an_empty_or_missing_folder_is_an_empty_store() {
    let scene = Scene::new();
    for prepared in [false, true] {
        if prepared {
            fs::create_dir(scene.data()).unwrap();
        }
        assert!(scene.run(&["search", "--json", "anything"]).code(0).out.is_empty());
        assert_eq!(number(&scene.run(&["stats", "--json"]).code(0).json(), "emails"), 0);
        drop(scene.run(&["segment", "verify"]).code(0));
        assert!(scene.run(&["export", "--format", "jsonl", "--out", "-"]).code(0).out.is_empty());
        assert_eq!(scene.data().exists(), prepared, "reading changes nothing");
    }
}

#[test]
fn a_store_of_a_newer_format_is_left_alone() {
    let scene = Scene::new();
    let (archive, _) = scene.archive("a.pst", 30, 18);
    drop(scene.run(&["load", archive.to_str().unwrap()]).code(0));
    // The newest manifest says that it is of a version to come. Its checksum no longer holds then, which is as good
    // a reason to refuse; what counts is that nothing is changed and the file is named.
    let manifests = scene.data().join("manifest");
    let newest = fs::read_dir(&manifests).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    bytes[8] = 0xee;
    fs::set_permissions(&newest, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&newest, &bytes).unwrap();
    for arguments in [&["search", "a"][..], &["load", archive.to_str().unwrap()], &["segment", "verify"]] {
        let ended = scene.run(arguments).code(3);
        assert!(ended.err.contains("manifest") || ended.out.contains("manifest"), "{arguments:?}: {ended:?}");
    }
    assert_eq!(fs::read(&newest).unwrap(), bytes);
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let scene = Scene::new();
    let (archive, _) = scene.archive("a.pst", 300, 19);
    drop(scene.run(&["load", archive.to_str().unwrap()]).code(0));
    let mut export = scene.command(&["export", "--format", "jsonl", "--out", "-"]);
    let mut export =
        export.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(export.stdout.take());
    let output = export.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
