//! `segment inspect` and `segment dump`: what they tell is what is in the segment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_tests::{Scene, number};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

fn section<'a>(inside: &'a Value, name: &str) -> &'a Value {
    let sections = inside["sections"].as_array().unwrap();
    sections.iter().find(|section| section["name"] == name).unwrap_or_else(|| panic!("{name}: {inside}"))
}

#[test]
fn a_segment_is_told_from_inside() {
    let scene = Scene::new();
    let (archive, _) = scene.archive("a.pst", 1_200, 41);
    drop(scene.run(&["load", archive.to_str().unwrap()]).code(0));
    let listed = scene.run(&["segment", "list", "--json"]).code(0).json();
    let segments = listed["segments"].as_array().unwrap();
    let segment = segments.iter().find(|segment| segment["kind"] == "mail").unwrap();
    let id = segment["id"].as_str().unwrap();

    let inside = scene.run(&["segment", "inspect", "--json", id]).code(0).json();
    let emails = number(segment, "emails");
    assert_eq!(number(&inside["rows"], "email"), emails);
    assert_eq!(number(section(&inside, "index:date"), "entries"), emails);
    let bodies = section(&inside, "bodies");
    assert!(number(bodies, "frames") > 0);
    assert!(number(bodies, "decompressed_bytes") > number(bodies, "bytes"));
    let set = section(&inside, "bloom")["bits_set"].as_f64().unwrap();
    assert!((0.05..0.6).contains(&set), "{set}");
    let primary = &section(&inside, "primary")["tree"];
    assert_eq!(
        primary["filled"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>(),
        number(primary, "leaves")
    );

    let dumped = scene.run(&["segment", "dump", id]).code(0).lines();
    let of = |kind: &str| dumped.iter().filter(|row| row["kind"] == kind).collect::<Vec<_>>();
    // A body lies with its email, and is no row of the tree.
    assert_eq!(dumped.len() as u64, number(segment, "rows") - emails);
    assert_eq!(of("email").len() as u64, emails);
    assert!(of("email").iter().all(|row| row["value"]["subject"].is_string()));
    let folders: BTreeSet<String> =
        of("place").iter().map(|row| row["value"]["folder"].as_str().unwrap().to_lowercase()).collect();
    assert_eq!(number(&section(&inside, "index:folder")["tree"], "parts"), folders.len() as u64);
    let first = scene.run(&["segment", "dump", id, "--limit", "3"]).code(0).lines();
    assert_eq!(first, dumped[..3]);

    let told = scene.run(&["segment", "inspect", id]).code(0).out;
    for words in ["primary", "levels", "frames", "of its bits set", "first key", "█"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    for wrong in ["ffffffffffffffff", "zz"] {
        assert!(scene.run(&["segment", "inspect", wrong]).code.unwrap() > 1);
        assert!(scene.run(&["segment", "dump", wrong]).code.unwrap() > 1);
    }

    // Damage in one section hides no other.
    let path = scene.data().join(format!("segments/{id}.seg"));
    let mut bytes = fs::read(&path).unwrap();
    // The first section begins after a page, and is that of the emails.
    bytes[4096 + 100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let inside = scene.run(&["segment", "inspect", "--json", id]).code(1).json();
    assert!(section(&inside, "emails")["damage"].as_str().unwrap().contains("block 0"), "{inside}");
    assert!(section(&inside, "bodies")["damage"].is_null());
    assert!(scene.run(&["segment", "inspect", id]).code(1).out.contains("DAMAGED"));
    assert_ne!(scene.run(&["segment", "dump", id]).code, Some(0));
}
