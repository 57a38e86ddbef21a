//! What was written into an archive comes out of the store: subject, sender, folder, times, attachments of every item.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_tests::{Scene, number};
use serde_json::Value;
use std::collections::HashMap;

/// Whether an item has anything to be read: a body of any kind, or members of a list.
fn has_text(item: &Value) -> bool {
    let class = item["message_class"].as_str().unwrap_or_default();
    number(item, "text_len") > 0
        || number(item, "html_len") > 0
        || item["rtf"] == true
        || class.starts_with("IPM.DistList")
}

#[test]
fn every_item_of_a_generated_archive_comes_back() {
    let scene = Scene::new();
    let (archive, made) = scene.archive("a.pst", 800, 21);
    let report =
        scene.run(&["load", "--json", "--custodian", "Ann", archive.to_str().unwrap()]).code(0).json();
    assert_eq!(number(&report, "found"), made.items);
    assert_eq!(number(&report["archives"][0], "attachments"), made.attachments);
    let exported = scene.run(&["export", "--format", "jsonl", "--out", "-"]).code(0).lines();
    let mut by_node: HashMap<u64, &Value> = HashMap::new();
    for email in &exported {
        for place in email["places"].as_array().unwrap() {
            assert_eq!(place["custodian"], "Ann");
            by_node.insert(number(place, "node"), email);
        }
    }
    let truth = scene.truth(&archive);
    assert_eq!(truth.len() as u64, made.items);
    for item in &truth {
        let node = number(item, "nid");
        let email = by_node.get(&node).unwrap_or_else(|| panic!("node {node} is missing"));
        assert_eq!(email["subject"], item["subject"], "node {node}");
        assert_eq!(email["class"], item["message_class"], "node {node}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        assert_eq!(text(&email["message_id"]), text(&item["message_id"]), "node {node}");
        assert_eq!(text(&email["from"]["address"]), text(&item["sender_address"]), "node {node}");
        assert_eq!(
            email["attachments"].as_array().unwrap().len() as u64,
            number(item, "attachments"),
            "node {node}"
        );
        let folders = email["places"].as_array().unwrap().iter().filter(|p| number(p, "node") == node);
        for place in folders {
            assert_eq!(place["folder"], item["folder"], "node {node}");
        }
        let recipients =
            |list: &Value| list.as_array().unwrap().iter().map(|a| text(&a["address"])).collect::<Vec<_>>();
        for kind in ["to", "cc"] {
            let expected: Vec<String> = item[kind].as_array().unwrap().iter().map(text).collect();
            assert_eq!(recipients(&email[kind]), expected, "node {node}: {kind}");
        }
        if let Some(sent) = item["submitted"].as_str().or(item["delivered"].as_str()) {
            assert_eq!(text(&email["date"]), format!("{}T{}Z", &sent[..10], &sent[11..19]), "node {node}");
        }
        assert_eq!(text(&email["body"]).trim().is_empty(), !has_text(item), "node {node}");
        for (attachment, file) in
            email["attachments"].as_array().unwrap().iter().zip(item["files"].as_array().unwrap())
        {
            if file["sha256"].is_string() {
                assert_eq!(attachment["sha256"], file["sha256"], "node {node}");
            }
        }
    }
}
