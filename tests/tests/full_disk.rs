//! The program on a disk that fills up: a clear line, nothing lost, and the load ends once there is room again.
//!
//! The disk is a small tmpfs in a mount namespace of its own, which root may make, or anybody where the system allows
//! user namespaces. Elsewhere `POSTLODE_TESTS_WITHOUT_MOUNTS=1` says that this test is to be left out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by a panic"
)]

use postlode_tests::{Scene, number};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A process that holds a mount namespace, in which a small disk lies at a folder.
struct SmallDisk {
    holder: Child,
    enter: Vec<String>,
}

impl SmallDisk {
    /// Mounts a disk of so many MiB at a folder. An error says what the system said.
    fn new(at: &Path, mebibytes: u32) -> Result<Self, String> {
        std::fs::create_dir_all(at).unwrap();
        let mut reasons = String::new();
        for (user, flags) in [(false, &["--mount"][..]), (true, &["--user", "--map-root-user", "--mount"])] {
            let script =
                format!(r#"mount -t tmpfs -o size={mebibytes}m small "$0" && echo ready && exec cat"#);
            let mut holder = Command::new("unshare")
                .args(flags)
                .args(["sh", "-c", &script])
                .arg(at)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .map_err(|error| format!("unshare: {error}"))?;
            let mut said = String::new();
            BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
            if said.trim() == "ready" {
                let mut enter = vec!["nsenter".to_owned(), "--mount".to_owned()];
                if user {
                    enter.extend(["--user".to_owned(), "--preserve-credentials".to_owned()]);
                }
                enter.extend(["--target".to_owned(), holder.id().to_string()]);
                return Ok(Self { holder, enter });
            }
            let output = holder.wait_with_output().unwrap();
            reasons.push_str(&String::from_utf8_lossy(&output.stderr));
        }
        Err(reasons)
    }

    /// Gives the disk another size.
    fn resize(&self, at: &Path, mebibytes: u32) {
        let (program, arguments) = self.enter.split_first().unwrap();
        let size = format!("remount,size={mebibytes}m");
        let status =
            Command::new(program).args(arguments).args(["mount", "-o", &size]).arg(at).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The disk goes with its namespace, and that with its last process.
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    let mut scene = Scene::new();
    let disk = match SmallDisk::new(&scene.data(), 14) {
        Ok(disk) => disk,
        Err(reason) if std::env::var_os("POSTLODE_TESTS_WITHOUT_MOUNTS").is_some() => {
            eprintln!("not run, as POSTLODE_TESTS_WITHOUT_MOUNTS asks: {reason}");
            return;
        }
        Err(reason) => panic!(
            "no small disk can be made here: {reason}\nRun as root, or leave this test out by \
             POSTLODE_TESTS_WITHOUT_MOUNTS=1"
        ),
    };
    scene.run_within(disk.enter.clone());
    let (archive, made) = scene.archive("a.pst", 4000, 41);
    let archive = archive.to_str().unwrap();

    let ended = scene.run(&["load", "--json", archive]).code(3);
    let lines: Vec<&str> = ended.err.lines().filter(|line| line.contains("the disk is full")).collect();
    assert_eq!(lines.len(), 1, "{}", ended.err);
    assert!(lines[0].contains(scene.data().to_str().unwrap()), "no path: {}", lines[0]);
    assert!(lines[0].contains("free some space"), "no advice: {}", lines[0]);

    // What was acknowledged is there: each of its places is counted, and every byte of it holds.
    drop(scene.run(&["segment", "verify"]).code(0));
    let stats = scene.run(&["stats", "--json"]).code(0).json();
    let before = number(&stats, "emails");
    assert!(before > 0 && before < made.items, "{stats}");
    assert_eq!(scene.run(&["search", "--json", "--limit", "1", ""]).code(0).lines().len(), 1);
    // Full as it is, trying again says the same and takes nothing away.
    drop(scene.run(&["load", "--json", archive]).code(3));
    assert!(number(&scene.run(&["stats", "--json"]).code(0).json(), "emails") >= before);
    drop(scene.run(&["segment", "verify"]).code(0));

    disk.resize(&scene.data(), 200);
    let report = scene.run(&["load", "--json", archive]).code(0).json();
    assert_eq!(number(&report, "found"), made.items);
    assert_eq!(number(&report, "stored") + number(&report, "duplicate"), made.items);
    drop(scene.run(&["segment", "verify"]).code(0));
    let stats = scene.run(&["stats", "--json"]).code(0).json();
    let truth: std::collections::BTreeSet<String> = scene
        .run(&["export", "--format", "jsonl", "--out", "-"])
        .code(0)
        .lines()
        .iter()
        .map(|email| email["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(truth.len() as u64, number(&stats, "emails"), "each email once");
}
