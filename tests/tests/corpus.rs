//! Every archive of the corpus, loaded in one go: the counts are those that are expected of each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_tests::{Scene, corpus, number};
use std::collections::HashMap;

#[test]
fn the_corpus_is_loaded_whole() {
    let Some(corpus) = corpus() else { return };
    let scene = Scene::new();
    let ended = scene.run(&["load", "--json", corpus.join("pst").to_str().unwrap()]).code(1);
    let report = ended.json();
    assert_eq!(number(&report, "failed"), 0, "{report}");
    let archives = report["archives"].as_array().unwrap();
    let by_name: HashMap<&str, _> =
        archives.iter().map(|a| (a["path"].as_str().unwrap().rsplit('/').next().unwrap(), a)).collect();
    let expected = std::fs::read_to_string(corpus.join("pst/EXPECTED.tsv")).unwrap();
    let mut rows = 0;
    for row in expected.lines().skip(1) {
        let fields: Vec<&str> = row.split('\t').collect();
        let [name, bytes, folders, items, attachments] = fields[..] else { panic!("{row}") };
        let archive = by_name[name];
        rows += 1;
        if items == "refused" {
            assert!(archive["refused"].is_string(), "{archive}");
            assert!(ended.err.contains(name), "{}", ended.err);
            continue;
        }
        assert!(archive["refused"].is_null(), "{archive}");
        for (field, value) in
            [("bytes", bytes), ("folders", folders), ("found", items), ("attachments", attachments)]
        {
            assert_eq!(number(archive, field), value.parse::<u64>().unwrap(), "{name}: {field}");
        }
    }
    assert_eq!(rows, archives.len());
}
