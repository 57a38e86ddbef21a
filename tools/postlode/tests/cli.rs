//! The program's manners: help, exit codes, what goes to stdout and what to stderr.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use std::path::Path;
use std::process::{Command, Output};

fn postlode(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postlode"));
    command.args(arguments).env("POSTLODE_DATA", data).env_remove("POSTLODE_CONFIG").env("HOME", data);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_and_version_go_to_stdout() {
    let dir = tempfile::tempdir().unwrap();
    let help = postlode(dir.path(), &["--help"]);
    assert!(help.status.success() && help.stderr.is_empty());
    for command in ["load", "search", "show", "export", "stats", "serve", "segment"] {
        assert!(text(&help.stdout).contains(command), "{command}");
        assert!(postlode(dir.path(), &[command, "--help"]).status.success(), "{command}");
    }
    let version = text(&postlode(dir.path(), &["--version"]).stdout);
    assert!(version.starts_with("postlode "), "{version}");
}

#[test]
fn wrong_usage_is_told_on_stderr() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [&["guess"][..], &["load"], &["search"], &["export", "--format", "doc", "--out", "a"]] {
        let output = postlode(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    let doc = text(&postlode(dir.path(), &["export", "--format", "doc", "--out", "a"]).stderr);
    assert!(doc.contains("eml, mbox, jsonl, csv, pst"), "names what can be written: {doc}");
}

#[test]
fn the_environment_comes_before_the_file_and_the_flag_before_both() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let config = at("postlode.toml");
    std::fs::write(&config, format!("data = '{}'\n", at("from-file"))).unwrap();
    // compact opens the store for writing, so it makes the folder that it was told.
    let made = |name: &str| Path::new(&at(name)).exists();
    let run = |environment: Option<&str>, flag: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postlode"));
        command.args(["segment", "compact", "--config", &config]).env_remove("POSTLODE_DATA");
        if let Some(data) = environment {
            command.env("POSTLODE_DATA", at(data));
        }
        if let Some(data) = flag {
            command.args(["--data", &at(data)]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    run(None, None);
    assert!(made("from-file"));
    run(Some("from-environment"), None);
    assert!(made("from-environment"));
    run(Some("not-this"), Some("from-flag"));
    assert!(made("from-flag") && !made("not-this"));
}

#[test]
fn a_load_tells_people_in_a_table_and_machines_in_json() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let archive = dir.path().join("a.pst");
    let made = pstgen::generate(&pstgen::Options::new(&archive, 60)).unwrap();
    let archive = archive.display().to_string();
    let json = postlode(&data, &["load", "--json", "-v", &archive]);
    assert_eq!(json.status.code(), Some(0), "{}", text(&json.stderr));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["found"].as_u64(), Some(made.items));
    assert!(text(&json.stderr).contains("archive done"), "-v logs to stderr");
    let people = text(&postlode(&data, &["load", &archive]).stdout);
    assert!(people.contains("duplicate") && people.contains(&archive), "{people}");
    assert!(!people.contains('\x1b'), "no colours where there is no terminal");
    // A hit a line, and each line JSON.
    let hits = text(&postlode(&data, &["search", "--json", "", "--limit", "7"]).stdout);
    assert_eq!(hits.lines().count(), 7);
    for hit in hits.lines() {
        let hit: serde_json::Value = serde_json::from_str(hit).unwrap();
        let id = hit["id"].as_str().unwrap();
        let body = postlode(&data, &["show", id, "--body"]);
        assert_eq!(body.status.code(), Some(0));
        let eml = text(&postlode(&data, &["show", id, "--eml"]).stdout);
        assert!(eml.to_lowercase().contains("mime-version"), "{eml}");
    }
    // An attachment's bytes come whole.
    let with = text(&postlode(&data, &["search", "--json", "has:attachment", "--limit", "50"]).stdout);
    let with_hash = |hit: &serde_json::Value| {
        let attachment = hit["attachments"].as_array()?.iter().find(|a| a["sha256"].is_string())?;
        Some((hit["id"].as_str()?.to_owned(), attachment["n"].as_u64()?, attachment["size"].as_u64()?))
    };
    let found = with.lines().find_map(|hit| with_hash(&serde_json::from_str(hit).unwrap()));
    if let Some((id, n, size)) = found {
        let bytes = postlode(&data, &["show", &id, "--attachment", &n.to_string()]).stdout;
        assert_eq!(bytes.len() as u64, size);
    }
}

#[test]
fn mail_is_tagged_held_and_released_and_searches_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let archive = dir.path().join("a.pst");
    pstgen::generate(&pstgen::Options::new(&archive, 60)).unwrap();
    let run = |arguments: &[&str], code: i32| {
        let output = postlode(&data, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        let lines = text(&output.stdout);
        let json = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        if arguments.contains(&"--json") { lines.lines().map(json).collect::<Vec<_>>() } else { vec![] }
    };
    run(&["load", &archive.display().to_string()], 0);
    let all = run(&["search", "", "--json", "--limit", "1000"], 0).len() as u64;
    let done = &run(&["update", "", "--all", "--tag", "hot", "--note", "all of it", "--json"], 0)[0];
    assert_eq!((done["found"].as_u64(), done["changed"].as_u64()), (Some(all), Some(all)));
    let hits = run(&["search", "tag:HOT", "--json", "--limit", "1000"], 0);
    assert_eq!((hits.len() as u64, &hits[0]["tags"]), (all, &serde_json::json!(["hot"])));
    let one = format!("id:{}", hits[0]["id"].as_str().unwrap());
    run(&["update", &one, "--untag", "hot"], 0);
    assert_eq!(run(&["search", "tag:hot", "--json", "--limit", "1000"], 0).len() as u64, all - 1);
    run(&["update", &one], 2);
    run(&["update", "", "--tag", "x"], 2);
    run(&["update", &one, "--hold", "case"], 2);
    run(&["hold", "add", "case", "--reason", "a letter", "--query", "tag:hot"], 0);
    let holds = run(&["hold", "list", "--json"], 0);
    assert_eq!((&holds[0]["name"], holds[0]["emails"].as_u64()), (&"case".into(), Some(all - 1)));
    assert_eq!(run(&["hold", "release", "case", "--json"], 0)[0]["released"].as_u64(), Some(all - 1));
    run(&["hold", "release", "case"], 1);
    run(&["search", "tag:hot", "--sort", "date", "--save", "hot ones"], 0);
    let saved = run(&["saved", "list", "--json"], 0);
    assert_eq!((&saved[0]["name"], &saved[0]["search"]["q"]), (&"hot ones".into(), &"tag:hot".into()));
    assert_eq!(run(&["search", "--saved", "hot ones", "--json", "--limit", "7"], 0).len(), 7);
    run(&["saved", "remove", "hot ones"], 0);
    run(&["search", "--saved", "hot ones"], 1);
}
