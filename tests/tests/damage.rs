//! A flipped bit in a segment: `verify` names segment and section, the rest is still answered, and it says what is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_tests::{Scene, number};
use std::fs;

#[test]
fn a_flipped_bit_is_named_and_confined() {
    let scene = Scene::new();
    let (archive, _) = scene.archive("a.pst", 1_200, 20);
    drop(scene.run(&["load", archive.to_str().unwrap()]).code(0));
    let listed = scene.run(&["segment", "list", "--json"]).code(0).json();
    let segment =
        listed["segments"].as_array().unwrap().iter().find(|s| s["kind"] == "mail").unwrap().clone();
    let id = segment["id"].as_str().unwrap();
    let path = scene.data().join(format!("segments/{id}.seg"));
    let whole = fs::read(&path).unwrap();
    let emails = number(&scene.run(&["stats", "--json"]).code(0).json(), "emails");
    let all = scene.run(&["search", "--json", "", "--limit", "2000"]).code(0).lines().len();
    assert_eq!(all as u64, emails);

    // Eight places, evenly spread over the file.
    let mut named = std::collections::BTreeSet::new();
    for part in 0..8 {
        let mut bytes = whole.clone();
        let at = bytes.len() * part / 8 + 700;
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let verified = scene.run(&["segment", "verify", "--json"]).code(3).json();
        let damage = verified["damage"].as_array().unwrap();
        assert!(damage.iter().all(|d| d["segment"] == id), "byte {at}: {verified}");
        assert!(damage.iter().all(|d| !d["section"].as_str().unwrap().is_empty()));
        named.extend(damage.iter().map(|d| d["section"].as_str().unwrap().to_owned()));
        let told = scene.run(&["segment", "verify"]).code(3);
        assert!(told.out.contains(id), "{}", told.out);

        // What is not in the damaged part is still found, and what is missing is said.
        let found = scene.run(&["search", "--json", "", "--limit", "2000"]);
        assert!(matches!(found.code, Some(0 | 1)), "byte {at}: {found:?}");
        let hits = found.lines().len() as u64;
        assert!(
            hits == emails || found.err.contains("missing"),
            "byte {at}: {hits} of {emails}: {}",
            found.err
        );
        assert!(hits * 3 > emails, "byte {at}: {hits} of {emails}");
    }
    assert!(named.len() > 1, "{named:?}");
    fs::write(&path, &whole).unwrap();
    drop(scene.run(&["segment", "verify"]).code(0));
}
