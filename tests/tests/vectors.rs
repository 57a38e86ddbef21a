//! `bench vectors` over files of vectors: what it prints is so, and what is no such file is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_tests::Scene;
use std::fs;
use std::path::PathBuf;

const DIMENSIONS: usize = 24;

fn vectors(count: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut state = seed | 1;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| (0..DIMENSIONS).map(|_| next()).collect()).collect()
}

fn write(scene: &Scene, name: &str, rows: &[Vec<u32>]) -> PathBuf {
    let path = scene.path(name);
    let words = rows.iter().flat_map(|row| [row.len() as u32].into_iter().chain(row.iter().copied()));
    fs::write(&path, words.flat_map(u32::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    path
}

fn bits(rows: &[Vec<f32>]) -> Vec<Vec<u32>> {
    rows.iter().map(|row| row.iter().map(|x| x.to_bits()).collect()).collect()
}

/// The nearest of each query by comparing it with everything.
fn nearest(base: &[Vec<f32>], queries: &[Vec<f32>], k: usize) -> Vec<Vec<u32>> {
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let of = |query: &Vec<f32>| {
        let mut all: Vec<(u32, f32)> = (0..).zip(base.iter().map(|row| cosine(row, query))).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all.into_iter().take(k).map(|(row, _)| row).collect()
    };
    queries.iter().map(of).collect()
}

#[test]
fn figures_of_somebodys_vectors_are_printed() {
    let scene = Scene::new();
    let (base, queries) = (vectors(6_000, 1), vectors(40, 2));
    let truth = write(&scene, "truth.ivecs", &nearest(&base, &queries, 10));
    let base = write(&scene, "base.fvecs", &bits(&base));
    let query = write(&scene, "query.fvecs", &bits(&queries));
    let [base, query, truth] = [base, query, truth].map(|path| path.to_str().unwrap().to_owned());
    let files = ["bench", "vectors", "--base", &base, "--query", &query, "--truth", &truth];
    let with =
        |more: &[&'static str]| files.iter().copied().chain(more.iter().copied()).collect::<Vec<&str>>();
    for codes in ["sq8", "f16"] {
        let lines =
            scene.run(&with(&["--json", "--codes", codes, "--ef", "10,400", "--runs", "1"])).code(0).lines();
        let [few, many, built] = lines.as_slice() else { panic!("{lines:?}") };
        let recall = |line: &serde_json::Value| line["recall"].as_f64().unwrap();
        assert!(recall(few) < recall(many) && recall(many) > 0.99, "{codes}: {lines:?}");
        for field in ["qps", "p50_us", "p99_us"] {
            assert!(many[field].as_f64().unwrap() > 0.0, "{field}");
        }
        assert_eq!((many["ef"].as_u64(), built["vectors"].as_u64()), (Some(400), Some(6_000)));
        assert!(built["build_seconds"].as_f64().unwrap() > 0.0);
        assert!(built["build_cpu_seconds"].as_f64().unwrap() > 0.0);
        // A byte a value, padded, and links: far below four bytes a value. Halves are the exact values, and counted there.
        assert!(
            built["bytes"].as_u64().unwrap() > 6_000 * 64 && built["bytes"].as_u64().unwrap() < 6_000 * 300
        );
    }
    let table = scene.run(&with(&["--ef", "20", "--runs", "1"])).code(0);
    assert!(table.out.contains("queries a second") && table.out.contains("6,000 vectors of 24 values"));

    let refused = |arguments: &[&str], says: &str| {
        let ended = scene.run(arguments).code(2);
        assert!(ended.err.contains(says), "{}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    };
    refused(&with(&["--k", "11"]), "tells the nearest 10 of each query");
    refused(
        &["bench", "vectors", "--base", "no", "--query", &query, "--truth", &truth],
        "no: cannot be read",
    );
    refused(&["bench", "vectors", "--base", &base, "--query", &base, "--truth", &truth], "6000 queries");
    refused(
        &["bench", "vectors", "--base", &base, "--query", &truth, "--truth", &truth],
        "10 dimensions among vectors of 24",
    );
    let zeros = write(&scene, "zeros.fvecs", &[vec![0; DIMENSIONS]]);
    let zeros = zeros.to_str().unwrap();
    refused(
        &["bench", "vectors", "--base", zeros, "--query", &query, "--truth", &truth],
        "vector 0 has no direction",
    );
}
