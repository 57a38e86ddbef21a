//! A backup taken while the store is served and loaded, and what is made of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_tests::{Ended, Scene, number};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Runs a command on another store than the scene's.
fn on(scene: &Scene, data: &Path, arguments: &[&str]) -> Ended {
    let all: Vec<&str> = arguments.iter().copied().chain(["--data", data.to_str().unwrap()]).collect();
    scene.run(&all)
}

fn ids(ended: &Ended) -> BTreeSet<String> {
    ended.lines().iter().map(|hit| hit["id"].as_str().unwrap().to_owned()).collect()
}

fn inodes(data: &Path) -> BTreeSet<u64> {
    fs::read_dir(data.join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().ino())
        .collect()
}

#[test]
fn a_backup_beside_a_load_is_a_store_and_gives_one_back() {
    let scene = Scene::new();
    let (first, _) = scene.archive("a.pst", 1_500, 31);
    let (second, _) = scene.archive("b.pst", 6_000, 32);
    let server = scene.serve();
    drop(scene.run(&["load", first.to_str().unwrap()]).code(0));
    let before = ids(&scene.run(&["search", "--json", "", "--limit", "10000"]).code(0));
    let mut load = scene.start(&["load", second.to_str().unwrap()]);
    let backup = scene.path("backup");
    let told = scene.run(&["backup", "--json", backup.to_str().unwrap()]).code(0).json();
    drop(load.wait().code(0));
    let emails = number(&told, "emails");
    assert!(emails >= before.len() as u64, "{told}");
    // Segments never change, so a second name is as good as a copy, where both are on one disk.
    assert_eq!(number(&told, "linked"), number(&told, "files") - 1);
    drop(on(&scene, &backup, &["segment", "verify"]).code(0));
    let kept = ids(&on(&scene, &backup, &["search", "--json", "", "--limit", "10000"]).code(0));
    assert_eq!(kept.len() as u64, emails);
    assert!(kept.is_superset(&before), "something that was acknowledged before is not in the backup");
    drop(server.json("/v1/search?q=&limit=1"));

    let restored = scene.path("restored");
    let told = on(&scene, &restored, &["restore", "--json", backup.to_str().unwrap()]).code(0).json();
    assert_eq!(number(&told, "emails"), emails);
    assert!(inodes(&restored).is_disjoint(&inodes(&backup)), "damage to one must not be damage to both");
    // It is a store like any other: the rest can be loaded into it.
    drop(on(&scene, &restored, &["load", second.to_str().unwrap()]).code(0));
    let all = ids(&scene.run(&["search", "--json", "", "--limit", "10000"]).code(0));
    assert_eq!(ids(&on(&scene, &restored, &["search", "--json", "", "--limit", "10000"]).code(0)), all);
    drop(on(&scene, &restored, &["segment", "verify"]).code(0));
    let again = ids(&on(&scene, &backup, &["search", "--json", "", "--limit", "10000"]).code(0));
    assert_eq!(again, kept, "a backup stays what it is");
}

#[test]
fn without_a_server_what_is_in_the_log_is_in_the_backup() {
    let scene = Scene::new();
    let (archive, made) = scene.archive("a.pst", 900, 33);
    let mut server = scene.serve();
    drop(scene.run(&["load", archive.to_str().unwrap()]).code(0));
    let all = ids(&scene.run(&["search", "--json", "", "--limit", "10000"]).code(0));
    server.running.signal(rustix::process::Signal::KILL);
    drop(server.running.wait());
    let backup = scene.path("backup");
    drop(scene.run(&["backup", "--copy", backup.to_str().unwrap()]).code(0));
    assert_eq!(ids(&on(&scene, &backup, &["search", "--json", "", "--limit", "10000"]).code(0)), all);
    assert!(all.len() as u64 >= made.items / 2 && inodes(&backup).is_disjoint(&inodes(&scene.data())));
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    let scene = Scene::new();
    let (archive, _) = scene.archive("a.pst", 300, 34);
    drop(scene.run(&["load", archive.to_str().unwrap()]).code(0));
    let taken = scene.path("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("letter"), "mine").unwrap();
    let refused = scene.run(&["backup", taken.to_str().unwrap()]).code(2);
    assert!(refused.err.contains("is not empty"), "{}", refused.err);
    assert_eq!(fs::read_dir(&taken).unwrap().count(), 1);
    let nothing = on(&scene, &scene.path("new"), &["restore", taken.to_str().unwrap()]).code(3);
    assert!(nothing.err.contains("no backup"), "{}", nothing.err);

    let backup = scene.path("backup");
    drop(scene.run(&["backup", "--copy", backup.to_str().unwrap()]).code(0));
    // Not over a store that is there.
    let refused = scene.run(&["restore", backup.to_str().unwrap()]).code(2);
    assert!(refused.err.contains("is not empty"), "{}", refused.err);
    // A flipped bit is found before anything is accepted.
    let damaged = fs::read_dir(backup.join("segments")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&damaged).unwrap();
    let mut bytes = whole.clone();
    let at = bytes.len() / 2;
    bytes[at] ^= 4;
    fs::write(&damaged, &bytes).unwrap();
    let restored = scene.path("restored");
    let refused = on(&scene, &restored, &["restore", backup.to_str().unwrap()]).code(3);
    let name = damaged.file_stem().unwrap().to_str().unwrap();
    assert!(refused.err.contains(name), "{}", refused.err);
    assert!(!restored.exists(), "what was not accepted is gone");
    fs::write(&damaged, &whole).unwrap();
    drop(on(&scene, &restored, &["restore", backup.to_str().unwrap()]).code(0));
    drop(on(&scene, &restored, &["segment", "verify"]).code(0));
}
