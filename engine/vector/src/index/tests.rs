//! Against comparing everything with everything.

use super::*;
use crate::threads::{Sequential, Threads};

/// Sums of random numbers, which are nearly normal.
fn normals(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed | 1;
    move || {
        let mut sum = 0.0f32;
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        }
        sum
    }
}

/// Vectors of length one around 32 centres, which are the same whatever the seed.
fn made(count: usize, dimensions: usize, seed: u64) -> Vec<f32> {
    let (mut centre, mut normal) = (normals(77), normals(seed));
    let centres: Vec<f32> = (0..32 * dimensions).map(|_| centre()).collect();
    let mut out = Vec::with_capacity(count * dimensions);
    for row in 0..count {
        let centre = &centres[row % 32 * dimensions..][..dimensions];
        let mut vector: Vec<f32> = centre.iter().map(|x| x + 0.8 * normal()).collect();
        normalise(&mut vector, 0).unwrap();
        out.extend(vector);
    }
    out
}

fn exact(values: &[f32], dimensions: usize, query: &[f32], k: usize) -> Vec<u32> {
    let score = |row: &[f32]| row.iter().zip(query).map(|(a, b)| a * b).sum::<f32>();
    let mut all: Vec<(u32, f32)> = (0..).zip(values.chunks(dimensions).map(score)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.into_iter().take(k).map(|(row, _)| row).collect()
}

fn recall(index: &Index, values: &[f32], queries: &[f32], ef: usize) -> f64 {
    let dimensions = index.size().2;
    let mut searcher = Searcher::default();
    let mut found = 0;
    for query in queries.chunks(dimensions) {
        let truth = exact(values, dimensions, query, 10);
        let hits = index.search(query, Search { k: 10, ef, only: None }, &mut searcher).unwrap();
        assert_eq!(hits.len(), 10);
        assert!(hits.is_sorted_by(|a, b| a.score >= b.score));
        assert_eq!(hits.iter().map(|hit| hit.row).collect::<std::collections::BTreeSet<_>>().len(), 10);
        found += hits.iter().filter(|hit| truth.contains(&hit.row)).count();
    }
    found as f64 / (queries.len() / dimensions * 10) as f64
}

#[test]
fn a_walk_finds_what_a_scan_finds() {
    let (values, queries) = (made(6_000, 48, 1), made(200, 48, 2));
    let built = |from| {
        let options = IndexOptions { graph_from: Some(from), ..IndexOptions::default() };
        Index::build(48, &values, options, &Threads(2)).unwrap()
    };
    let (graph, scan) = (built(1), built(u32::MAX));
    assert!(graph.graph().is_some() && scan.graph().is_none());
    let (walked, scanned) = (recall(&graph, &values, &queries, 128), recall(&scan, &values, &queries, 0));
    println!("walked {walked}, scanned {scanned}");
    assert!(scanned > 0.995, "{scanned}");
    assert!(walked > 0.97, "{walked}");
    // More in sight find more.
    assert!(recall(&graph, &values, &queries, 16) < walked);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let values = made(3_000, 32, 3);
    let options = IndexOptions { graph_from: Some(1), ..IndexOptions::default() };
    let one = Index::build(32, &values, options, &Sequential).unwrap();
    let four = Index::build(32, &values, options, &Threads(4)).unwrap();
    let links = |index: &Index| {
        let graph = index.graph().unwrap();
        (graph.sizes(), (0..graph.sizes().len()).map(|level| graph.links(level)).collect::<Vec<_>>())
    };
    assert_eq!(links(&one), links(&four));
}

#[test]
fn equal_vectors_are_one_node_and_all_are_found() {
    let mut values = made(200, 16, 4);
    let twin = values[..16].to_vec();
    for _ in 0..50 {
        values.extend(&twin);
    }
    for graph_from in [1, u32::MAX] {
        let options = IndexOptions { graph_from: Some(graph_from), ..IndexOptions::default() };
        let index = Index::build(16, &values, options, &Sequential).unwrap();
        assert_eq!(index.size(), (250, 200, 16));
        let hits =
            index.search(&twin, Search { k: 60, ef: 64, only: None }, &mut Searcher::default()).unwrap();
        let mut rows: Vec<u32> = hits.iter().take(51).map(|hit| hit.row).collect();
        rows.sort_unstable();
        assert_eq!(rows, [0].into_iter().chain(200..250).collect::<Vec<_>>());
        assert_eq!(hits.len(), 60);
    }
}

#[test]
fn what_has_no_direction_or_another_dimension_is_refused() {
    let options = IndexOptions::default();
    let build =
        |dimensions, values: &[f32]| Index::build(dimensions, values, options, &Sequential).map(|i| i.size());
    assert_eq!(build(2, &[1.0, 0.0, 0.0, 0.0]), Err(VectorError::NoDirection(1)));
    assert_eq!(build(2, &[f32::NAN, 0.0]), Err(VectorError::NoDirection(0)));
    assert_eq!(build(2, &[f32::INFINITY, 0.0]), Err(VectorError::NoDirection(0)));
    assert_eq!(build(2, &[1.0]), Err(VectorError::Dimension { expected: 2, found: 1 }));
    assert_eq!(build(0, &[]), Err(VectorError::TooManyDimensions(0)));
    assert_eq!(build(2, &[f32::MAX, f32::MAX, 1e-30, 0.0]), Ok((2, 2, 2)));
    assert_eq!(build(2, &[]), Ok((0, 0, 2)));
    let index = Index::build(2, &[1.0, 0.0], options, &Sequential).unwrap();
    let search =
        |query: &[f32]| index.search(query, Search { k: 3, ef: 10, only: None }, &mut Searcher::default());
    assert_eq!(search(&[1.0]), Err(VectorError::Dimension { expected: 2, found: 1 }));
    assert_eq!(search(&[0.0, 0.0]), Err(VectorError::NoDirection(0)));
    assert_eq!(search(&[3.0, 0.0]).unwrap(), [Hit { row: 0, score: 1.0 }]);
}

#[test]
fn nothing_is_found_in_an_empty_index() {
    let options = IndexOptions { graph_from: Some(0), ..IndexOptions::default() };
    let index = Index::build(8, &[], options, &Sequential).unwrap();
    assert!(index.graph().is_some());
    assert_eq!(
        index.search(&[1.0; 8], Search { k: 10, ef: 10, only: None }, &mut Searcher::default()).unwrap(),
        []
    );
}

/// Rows of a filter: each one in `part`, or those of some clusters alone.
fn filter(count: u32, part: u32, clustered: bool) -> Filter {
    let kept =
        |row: &u32| if clustered { row % 32 * part < 32 } else { (row / 32 * 37 + row).is_multiple_of(part) };
    (0..count).filter(kept).collect()
}

#[test]
fn a_filter_leaves_the_nearest_of_what_it_lets_through() {
    const COUNT: u32 = 12_000;
    let (values, queries) = (made(COUNT as usize, 32, 11), made(64, 32, 12));
    let options = IndexOptions { graph_from: Some(1), ..IndexOptions::default() };
    let index = Index::build(32, &values, options, &Threads(2)).unwrap();
    let mut searcher = Searcher::default();
    // With 24 kept, of 12,000 rows all or half are worth a walk.
    for (part, clustered) in [(1, false), (2, false), (2, true), (10, false), (10, true), (100, false)] {
        let only = filter(COUNT, part, clustered);
        let mut found = 0;
        for query in queries.chunks(32) {
            let score = |row: u32| {
                values[row as usize * 32..][..32].iter().zip(query).map(|(a, b)| a * b).sum::<f32>()
            };
            let mut truth: Vec<(f32, u32)> = only.iter().map(|row| (score(row), row)).collect();
            truth.sort_by(|a, b| b.0.total_cmp(&a.0));
            truth.truncate(10);
            let hits =
                index.search(query, Search { k: 10, ef: 24, only: Some(&only) }, &mut searcher).unwrap();
            assert_eq!(hits.len(), 10);
            assert!(hits.iter().all(|hit| only.has(hit.row)));
            found += truth.iter().filter(|(_, row)| hits.iter().any(|hit| hit.row == *row)).count();
        }
        println!("one in {part}, clustered {clustered}: {found} of 640");
        assert!(found > 615, "one in {part}, clustered {clustered}: {found} of 640");
    }
}

#[test]
fn never_fewer_than_there_are() {
    let mut values = made(6_000, 16, 13);
    let twin = values[..16].to_vec();
    (0..6_000).for_each(|_| values.extend(&twin));
    let options = IndexOptions { graph_from: Some(1), ..IndexOptions::default() };
    let index = Index::build(16, &values, options, &Threads(2)).unwrap();
    let mut searcher = Searcher::default();
    let count = |rows: std::ops::Range<u32>, k, searcher: &mut Searcher| {
        let only: Filter = rows.collect();
        let hits = index.search(&twin, Search { k, ef: 10, only: Some(&only) }, searcher).unwrap();
        assert!(hits.iter().all(|hit| only.has(hit.row)));
        hits.len()
    };
    // Many rows, and one vector; no row; rows that are not there.
    assert_eq!(count(6_000..12_000, 50, &mut searcher), 50);
    assert_eq!(count(0..0, 50, &mut searcher), 0);
    assert_eq!(count(12_000..90_000, 50, &mut searcher), 0);
    assert_eq!(count(5_990..6_010, 50, &mut searcher), 20);
    assert_eq!(count(0..12_000, 7_000, &mut searcher), 7_000);
}

/// Rows of several indexes, each where it is to be in one.
fn merged(parts: &[&Index], keep: &dyn Fn(usize, u32) -> Option<u32>, options: IndexOptions) -> Index {
    let rows: Vec<_> = (0..parts.len()).map(|part| move |row: u32| keep(part, row)).collect();
    let parts: Vec<MergePart<'_>> =
        parts.iter().zip(&rows).map(|(index, row)| MergePart { index, row }).collect();
    Index::merge(&parts, options, &Threads(2)).unwrap()
}

#[test]
fn merged_graphs_find_what_one_graph_finds() {
    let (values, queries) = (made(9_000, 32, 21), made(128, 32, 22));
    let options =
        IndexOptions { graph_from: Some(1), step: Some(Step::fit(&values)), ..IndexOptions::default() };
    let whole = Index::build(32, &values, options, &Threads(2)).unwrap();
    let build = |rows: std::ops::Range<usize>, options| {
        Index::build(32, &values[rows.start * 32..rows.end * 32], options, &Threads(2)).unwrap()
    };
    let small = IndexOptions { graph_from: Some(u32::MAX), ..options };
    // Two graphs of much the same size, a small one, and vectors without one.
    let parts = [
        build(0..4_000, options),
        build(4_000..8_000, options),
        build(8_000..8_500, options),
        build(8_500..9_000, small),
    ];
    let begins = [0, 4_000, 8_000, 8_500];
    let parts: Vec<&Index> = parts.iter().collect();
    let joined = merged(&parts, &|part, row| Some(begins[part] + row), options);
    assert_eq!(joined.size(), (9_000, 9_000, 32));
    assert_eq!(joined.graph().unwrap().strays().len(), 0);
    let [one, two] = [&whole, &joined].map(|index| recall(index, &values, &queries, 24));
    println!("whole {one}, joined {two}");
    assert!(two > 0.97 && two > one - 0.01, "whole {one}, joined {two}");
    // The same on any number of threads.
    let rows: Vec<_> = begins.map(|begin| move |row: u32| Some(begin + row)).to_vec();
    let again: Vec<MergePart<'_>> =
        parts.iter().zip(&rows).map(|(index, row)| MergePart { index, row }).collect();
    let again = Index::merge(&again, options, &Sequential).unwrap();
    assert_eq!(again.graph().unwrap().links(0), joined.graph().unwrap().links(0));
}

#[test]
fn what_is_gone_is_not_found_and_does_not_stand_in_the_way() {
    let (values, queries) = (made(8_000, 32, 31), made(128, 32, 32));
    let options = IndexOptions { graph_from: Some(1), ..IndexOptions::default() };
    let [a, b] = [&values[..6_000 * 32], &values[6_000 * 32..]]
        .map(|values| Index::build(32, values, options, &Threads(2)).unwrap());
    // Of 32 after each other. One in ten goes, and the graph is kept; or every second, and a new one is built; or all but a few.
    for nth in [10, 2, 1] {
        let gone = |row: u32| (row / 32).is_multiple_of(nth) && row != 77;
        let keep = |part: usize, row: u32| Some(row + [0, 6_000][part]).filter(|row| !gone(*row));
        let joined = merged(&[&b, &a], &|part, row| keep(1 - part, row), options);
        let left: Vec<u32> = (0..8_000).filter(|row| !gone(*row)).collect();
        assert_eq!(joined.size().0, left.len() as u32);
        let mut searcher = Searcher::default();
        let mut found = 0;
        for query in queries.chunks(32) {
            let mut truth = exact(&values, 32, query, 8_000);
            truth.retain(|row| !gone(*row));
            truth.truncate(10);
            let hits = joined.search(query, Search { k: 10, ef: 32, only: None }, &mut searcher).unwrap();
            assert_eq!(hits.len(), left.len().min(10));
            assert!(hits.iter().all(|hit| !gone(hit.row)));
            found += hits.iter().filter(|hit| truth.contains(&hit.row)).count();
        }
        let of = left.len().min(10) * 128;
        println!("one in {nth} gone: {found} of {of}");
        assert!(found * 100 > of * 97, "one in {nth} gone: {found} of {of}");
    }
}

#[test]
fn equal_vectors_of_several_indexes_are_one_node() {
    let values = made(600, 16, 41);
    let options = IndexOptions { graph_from: Some(1), ..IndexOptions::default() };
    let a = Index::build(16, &values[..400 * 16], options, &Sequential).unwrap();
    let b = Index::build(16, &values[200 * 16..], options, &Sequential).unwrap();
    // Row 250 goes in one of them, and stays in the other.
    let keep = |part: usize, row: u32| {
        [Some(row), Some(400 + row)][part].filter(|row| ![250, 451, 51].contains(row))
    };
    let joined = merged(&[&a, &b], &keep, options);
    assert_eq!(joined.size(), (797, 599, 16));
    let hits = |row: usize| {
        let query = &values[row * 16..][..16];
        let search = Search { k: 2, ef: 32, only: None };
        joined
            .search(query, search, &mut Searcher::default())
            .unwrap()
            .iter()
            .map(|hit| hit.row)
            .collect::<Vec<_>>()
    };
    assert_eq!(hits(300), [300, 500]);
    assert_eq!(hits(250)[0], 450);
    assert_eq!(hits(251)[0], 251);
    let [first, second] = hits(251)[..] else { panic!() };
    assert!(first == 251 && second != 451);
    let none = merged(&[&a, &b], &|_, _| None, options);
    assert_eq!(none.size(), (0, 0, 16));
    assert_eq!(
        none.search(&values[..16], Search { k: 5, ef: 5, only: None }, &mut Searcher::default()).unwrap(),
        []
    );
    let other = Index::build(8, &made(3, 8, 1), options, &Sequential).unwrap();
    let part = |index| MergePart { index, row: &|row| Some(row) };
    assert_eq!(
        Index::merge(&[part(&a), part(&other)], options, &Sequential).map(|index| index.size()),
        Err(VectorError::Dimension { expected: 16, found: 8 })
    );
}

/// The step of the codes was fitted to the vectors as they came, and the codes are of vectors of length one: of lengths of
/// 500, as SIFT's are, all codes were the same; of 0.01 all values were clipped.
#[test]
fn the_length_of_vectors_does_not_matter() {
    let (values, queries) = (made(2_000, 48, 51), made(50, 48, 52));
    for length in [1e-20, 0.01, 500.0, 1e20] {
        let long: Vec<f32> = values.iter().map(|x| x * length).collect();
        let index = Index::build(48, &long, IndexOptions::default(), &Sequential).unwrap();
        let found = recall(&index, &values, &queries, 10);
        assert!(found > 0.99, "{length}: {found}");
    }
}

/// A part without a graph was inserted in one batch, of which no node sees another: what was like nothing in the base was
/// linked to nothing like it.
#[test]
fn a_small_part_of_another_kind_is_found() {
    let turned = |count, seed| -> Vec<f32> {
        // Of the last 16 values alone, which the others have not.
        made(count, 16, seed).chunks(16).flat_map(|row| [&[0.0; 16], row].concat()).collect()
    };
    let base: Vec<f32> = made(6_000, 16, 61).chunks(16).flat_map(|row| [row, &[0.0; 16]].concat()).collect();
    let (part, queries) = (turned(300, 62), turned(100, 63));
    let base = Index::build(32, &base, IndexOptions::default(), &Threads(2)).unwrap();
    let small = Index::build(32, &part, IndexOptions::default(), &Sequential).unwrap();
    assert!(base.graph().is_some() && small.graph().is_none());
    let joined = merged(&[&base, &small], &|part, row| Some(row + [0, 6_000][part]), IndexOptions::default());
    let mut searcher = Searcher::default();
    let mut found = 0;
    for query in queries.chunks(32) {
        let hits = joined.search(query, Search { k: 10, ef: 48, only: None }, &mut searcher).unwrap();
        let truth = exact(&part, 32, query, 10);
        found += hits.iter().filter(|hit| hit.row >= 6_000 && truth.contains(&(hit.row - 6_000))).count();
    }
    assert!(found > 950, "{found} of 1000");
}

/// Where all nodes of a part's upper levels were gone, the rest was linked to nothing.
#[test]
fn what_is_left_of_a_part_without_its_upper_levels_is_joined() {
    let values = made(9_000, 32, 71);
    let options = IndexOptions { graph_from: Some(1), ..IndexOptions::default() };
    let a = Index::build(32, &values[..6_000 * 32], options, &Threads(2)).unwrap();
    let b = Index::build(32, &values[6_000 * 32..], options, &Threads(2)).unwrap();
    let upper = b.graph().unwrap().sizes()[1];
    let top: Vec<u32> = (0..upper).flat_map(|node| b.rows.of(node).collect::<Vec<_>>()).collect();
    let keep = |part: usize, row: u32| match part {
        0 => Some(row),
        _ => Some(6_000 + row).filter(|_| !top.contains(&row)),
    };
    let joined = merged(&[&a, &b], &keep, options);
    let links = joined.graph().unwrap().links(0);
    let own: Vec<usize> = (6_000..9_000)
        .filter_map(|row| joined.rows.node(row))
        .map(|node| links[node as usize].len())
        .collect();
    assert_eq!(own.len(), 3_000 - upper as usize);
    let across = (6_000..9_000u32)
        .filter_map(|row| joined.rows.node(row))
        .filter(|node| links[*node as usize].iter().any(|link| joined.rows.first(*link) < 6_000));
    assert!(across.count() * 10 > own.len() * 9);
}

/// More than are worth a walk are scored one by one, and none is given twice.
#[test]
fn any_number_may_be_asked_for() {
    let values = made(6_000, 16, 81);
    let index = Index::build(16, &values, IndexOptions::default(), &Threads(2)).unwrap();
    for k in [0, 1, 1_000, 6_000, 10_000] {
        let hits =
            index.search(&values[..16], Search { k, ef: 1, only: None }, &mut Searcher::default()).unwrap();
        let distinct: std::collections::BTreeSet<u32> = hits.iter().map(|hit| hit.row).collect();
        assert_eq!((hits.len(), distinct.len()), (k.min(6_000), k.min(6_000)));
    }
}

fn small(kind: CodeKind, graph_from: u32) -> Index {
    let mut values = made(60, 16, 91);
    values.extend_from_within(..16 * 3);
    let graph = GraphOptions { m: 4, ef_construction: 16 };
    let options =
        IndexOptions { codes: kind, graph, graph_from: Some(graph_from), ..IndexOptions::default() };
    Index::build(16, &values, options, &Sequential).unwrap()
}

fn answers(index: &Index) -> Vec<Vec<(u32, u32)>> {
    let search = Search { k: 8, ef: 16, only: None };
    let hits = |query: &[f32]| index.search(query, search, &mut Searcher::default()).unwrap();
    made(8, 16, 92)
        .chunks(16)
        .map(|q| hits(q).iter().map(|hit| (hit.row, hit.score.to_bits())).collect())
        .collect()
}

#[test]
fn what_is_written_is_read_and_answers_alike() {
    let empty = Index::build(16, &[], IndexOptions::default(), &Sequential).unwrap();
    let kinds = [CodeKind::Sq8, CodeKind::B4, CodeKind::Pq, CodeKind::Opq, CodeKind::F16];
    let all = kinds.into_iter().map(|kind| small(kind, 1));
    let all = all
        .chain([turned(&made(60, 16, 91), 16, CodeKind::Sq8), turned(&made(60, 16, 91), 16, CodeKind::B4)]);
    for index in all.chain([small(CodeKind::Sq8, u32::MAX), small(CodeKind::B4, u32::MAX), empty]) {
        let bytes = index.to_bytes().unwrap();
        let read = Index::from_bytes(&bytes, 63).unwrap();
        assert_eq!(read.to_bytes().unwrap(), bytes);
        assert_eq!(read.size(), index.size());
        assert_eq!(answers(&read), answers(&index));
        assert_eq!((read.codes(), read.is_turned()), (index.codes(), index.is_turned()));
    }
}

fn turned(values: &[f32], dimensions: usize, codes: CodeKind) -> Index {
    let options = IndexOptions { codes, graph_from: Some(1), turned: true, ..IndexOptions::default() };
    let index = Index::build(dimensions, values, options, &Threads(2)).unwrap();
    assert!(index.is_turned());
    index
}

/// Vectors that vary much more in some directions than in others, as those of texts do, with what queries are turned by.
fn uneven(count: usize, dimensions: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
    let make = |count: usize, seed| {
        let mut vectors = made(count, dimensions, seed);
        for row in vectors.chunks_mut(dimensions) {
            (0u8..).zip(row.iter_mut()).for_each(|(at, value)| *value *= 6.0 * 0.85f32.powi(at.into()));
            row.iter_mut().take(1).for_each(|value| *value += 4.0);
            normalise(row, 0).unwrap();
        }
        vectors
    };
    let (values, queries) = (make(count, seed), make(128, seed + 1));
    let whitening = crate::Whitening::learn(dimensions, &values).unwrap();
    (values, queries.chunks(dimensions).flat_map(|query| whitening.turn(query)).collect())
}

#[test]
fn a_graph_of_half_turned_vectors_finds_more_of_what_is_near_to_turned_queries() {
    let (values, queries) = uneven(6_000, 32, 101);
    let options = IndexOptions { graph_from: Some(1), ..IndexOptions::default() };
    let plain = Index::build(32, &values, options, &Threads(2)).unwrap();
    let half = turned(&values, 32, CodeKind::Sq8);
    let [one, two] = [&plain, &half].map(|index| recall(index, &values, &queries, 24));
    println!("plain {one}, half-turned {two}");
    assert!(two > 0.95 && two > one + 0.02, "plain {one}, half-turned {two}");
}

#[test]
fn graphs_of_half_turned_vectors_are_joined_and_others_are_built_anew() {
    let (values, queries) = uneven(6_000, 32, 111);
    let options = IndexOptions { graph_from: Some(1), turned: true, ..IndexOptions::default() };
    let build = |rows: std::ops::Range<usize>, turned| {
        let options = IndexOptions { turned, ..options };
        Index::build(32, &values[rows.start * 32..rows.end * 32], options, &Threads(2)).unwrap()
    };
    let whole = recall(&build(0..6_000, true), &values, &queries, 48);
    for kinds in [[true, true], [true, false], [false, true], [false, false]] {
        let parts = [build(0..3_500, kinds[0]), build(3_500..6_000, kinds[1])];
        let parts: Vec<&Index> = parts.iter().collect();
        let rows = |part: usize, row: u32| Some([0, 3_500][part] + row);
        let all = merged(&parts, &rows, options);
        let found = recall(&all, &values, &queries, 48);
        println!("{kinds:?}: whole {whole}, joined {found}");
        assert!(all.is_turned() && found > whole - 0.02, "{kinds:?}: whole {whole}, joined {found}");
        // And back, where queries are not turned any more.
        let back = merged(&[&all], &|_, row| Some(row), IndexOptions { turned: false, ..options });
        assert!(!back.is_turned() && back.graph().is_some());
    }
}

#[test]
fn where_no_turn_is_to_be_learnt_the_graph_is_one_of_vectors_as_they_are() {
    let options = IndexOptions { graph_from: Some(1), turned: true, ..IndexOptions::default() };
    let wide = MOST_TURNED + 8;
    let built = Index::build(wide, &made(40, wide, 121), options, &Threads(2)).unwrap();
    let again = merged(&[&built], &|_, row| Some(row), options);
    // Its links are kept: it is not built anew each time.
    assert!(!built.is_turned() && !again.is_turned());
    assert_eq!(again.graph().unwrap().links(0), built.graph().unwrap().links(0));
    let empty = Index::build(8, &[], IndexOptions { graph_from: Some(0), ..options }, &Sequential).unwrap();
    assert!(empty.graph().is_some() && !empty.is_turned());
}

/// Checksums are none of this crate's: what is read may be anything.
#[test]
fn bytes_that_are_others_are_refused_or_an_index() {
    for kind in [CodeKind::Sq8, CodeKind::B4, CodeKind::Pq] {
        others_are_refused_or_an_index(&small(kind, 1));
    }
    others_are_refused_or_an_index(&turned(&made(60, 16, 91), 16, CodeKind::Sq8));
}

fn others_are_refused_or_an_index(index: &Index) {
    let whole = index.to_bytes().unwrap();
    type Part = fn(&mut IndexBytes) -> &mut Vec<u8>;
    let parts: [Part; 5] =
        [|b| &mut b.head, |b| &mut b.values, |b| &mut b.codes, |b| &mut b.links, |b| &mut b.rows];
    let (mut refused, mut read) = (0, 0);
    let mut attempt = |bytes: &IndexBytes| match Index::from_bytes(bytes, 63) {
        Err(_) => refused += 1,
        Ok(index) => {
            read += 1;
            answers(&index).iter().for_each(|hits| assert!(hits.len() <= 8));
        }
    };
    for part in parts {
        let len = part(&mut whole.clone()).len();
        // A codebook is long, and one number is like another.
        for at in (0..len).step_by(len.div_ceil(2_000).max(1)) {
            for flip in [1, 0x80, 0xff] {
                let mut bytes = whole.clone();
                part(&mut bytes)[at] ^= flip;
                attempt(&bytes);
            }
        }
        for cut in (0..len).step_by(7) {
            let mut bytes = whole.clone();
            part(&mut bytes).truncate(cut);
            assert!(Index::from_bytes(&bytes, 63).is_err(), "cut at {cut}");
        }
    }
    println!("{refused} refused, {read} read");
    assert!(refused > 1_000 && read > 1_000);
}

#[test]
fn numbers_of_another_index_are_refused() {
    let whole = small(CodeKind::Sq8, 1).to_bytes().unwrap();
    for at in (0..32).step_by(4) {
        for value in [2u32, 17, 61, 1 << 16, 1 << 31, u32::MAX] {
            let mut bytes = whole.clone();
            bytes.head[at..at + 4].copy_from_slice(&value.to_le_bytes());
            // Any float above zero is a step.
            let is_step = at == 20 && value < 1 << 31 || bytes == whole;
            assert_eq!(Index::from_bytes(&bytes, 63).is_ok(), is_step, "{value} at {at}");
        }
    }
    assert!(Index::from_bytes(&whole, 62).is_err(), "row 62 is none of 62");
    let mut bytes = small(CodeKind::Sq8, u32::MAX).to_bytes().unwrap();
    bytes.head[0] = 3;
    assert!(Index::from_bytes(&bytes, 63).is_err(), "turned, and no graph");
}

#[test]
fn links_rows_and_strays_that_cannot_be_are_refused() {
    let whole = small(CodeKind::Sq8, 1).to_bytes().unwrap();
    let nodes = 60u32;
    let with = |change: &dyn Fn(&mut IndexBytes)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        Index::from_bytes(&bytes, 63)
    };
    let link = |at: usize, value: u32| {
        move |bytes: &mut IndexBytes| bytes.links[at * 4..][..4].copy_from_slice(&value.to_le_bytes())
    };
    // Node 0 to one that is not there, to itself, and to one behind its last link.
    for (at, value) in [(0, nodes), (0, 0), (0, u32::MAX)] {
        assert!(with(&link(at, value)).is_err(), "{value} at {at}");
    }
    // In the upper level, of 15 nodes, to one of the bottom.
    assert!(with(&link(60 * 8, 15)).is_err());
    assert!(with(&link(60 * 8, 14)).is_ok());
    // The rows begin behind where those of each node do; the second is also the first.
    let twice = |bytes: &mut IndexBytes| {
        let rows = (nodes as usize + 1) * 4;
        bytes.rows.copy_within(rows..rows + 4, rows + 4);
    };
    assert!(with(&twice).is_err());
    let stray = |node: u32| {
        move |bytes: &mut IndexBytes| {
            bytes.head[28] = 1;
            bytes.head.extend(node.to_le_bytes());
        }
    };
    assert!(with(&stray(nodes)).is_err());
    let read = with(&stray(7)).unwrap();
    assert_eq!(read.graph().unwrap().strays(), [7]);
    assert_eq!(Index::from_bytes(&read.to_bytes().unwrap(), 63).unwrap().graph().unwrap().strays(), [7]);
}

/// Values that somebody else keeps; of one vector they cannot be read.
struct Kept {
    bytes: Vec<u8>,
    each: usize,
    broken: Option<u32>,
}

impl FarValues for Kept {
    fn read(&self, node: u32, bytes: &mut Vec<u8>) -> Result<(), String> {
        if self.broken == Some(node) {
            return Err("a block is damaged".into());
        }
        let at = node as usize * self.each;
        bytes.extend(self.bytes.get(at..at + self.each).ok_or("past the end")?);
        Ok(())
    }
}

#[test]
fn exact_values_may_lie_elsewhere() {
    let kinds = [(CodeKind::Sq8, 900), (CodeKind::B4, 900), (CodeKind::Opq, 900), (CodeKind::F16, 60)];
    for (codes, count) in kinds {
        let base = made(count, 24, 5);
        let options = IndexOptions { codes, graph_from: Some(200), ..IndexOptions::default() };
        let near = Index::build(24, &base, options, &Sequential).unwrap();
        let mut bytes = near.to_bytes().unwrap();
        let kept = std::mem::take(&mut bytes.values);
        let len = kept.len() as u64;
        let far = |broken| {
            let kept = Kept { bytes: kept.clone(), each: 48, broken };
            Index::from_bytes_far(&bytes, count as u32, (std::sync::Arc::new(kept), len))
        };
        let index = far(None).unwrap();
        let (mut a, mut b) = (Searcher::default(), Searcher::default());
        for query in made(20, 24, 6).chunks_exact(24) {
            let search = Search { k: 10, ef: 40, only: None };
            assert_eq!(
                index.search(query, search, &mut a).unwrap(),
                near.search(query, search, &mut b).unwrap()
            );
            let rows = [3, 0, u32::MAX, 7];
            assert_eq!(index.scores(query, &rows).unwrap(), near.scores(query, &rows).unwrap());
        }
        // Of another length, or damaged: an error, and never another score.
        let short = Kept { bytes: kept.clone(), each: 46, broken: None };
        let short = Index::from_bytes_far(&bytes, count as u32, (std::sync::Arc::new(short), len - 2));
        assert!(matches!(short, Err(VectorError::Damaged(_))));
        let first = index.rows.node(0).unwrap();
        match (codes, far(Some(first))) {
            (CodeKind::F16, damaged) => assert!(matches!(damaged, Err(VectorError::Unreadable(_)))),
            (_, damaged) => {
                let damaged = damaged.unwrap();
                assert!(matches!(damaged.scores(&base[..24], &[0]), Err(VectorError::Unreadable(_))));
                let found = damaged.search(&base[..24], Search { k: 1, ef: 40, only: None }, &mut a);
                assert!(matches!(found, Err(VectorError::Unreadable(_))));
                // What is merged and written has its values in memory.
                let part = MergePart { index: &damaged, row: &Some };
                assert!(Index::merge(&[part], options, &Sequential).is_err() && damaged.to_bytes().is_err());
                assert!(damaged.bytes().1 == 0 && near.bytes().1 > 0);
            }
        }
    }
}

/// Coarse codes find what is near all the same, as exact scores decide; alone, in a graph, and merged.
#[test]
fn all_kinds_of_codes_find_what_is_near() {
    let (count, dimensions) = (3_000, 32);
    let (base, queries) = (made(count, dimensions, 21), made(40, dimensions, 22));
    for kind in [CodeKind::Sq8, CodeKind::B4, CodeKind::Pq, CodeKind::Opq, CodeKind::F16] {
        for graph_from in [1, u32::MAX] {
            let options =
                IndexOptions { codes: kind, graph_from: Some(graph_from), ..IndexOptions::default() };
            let whole = Index::build(dimensions, &base, options, &Sequential).unwrap();
            let (one, two) = base.split_at(count / 3 * dimensions);
            let parts = [one, two].map(|part| Index::build(dimensions, part, options, &Sequential).unwrap());
            let [one, two] = &parts;
            let behind = |row: u32| Some(row + count as u32 / 3);
            let parts = [MergePart { index: one, row: &Some }, MergePart { index: two, row: &behind }];
            let merged = Index::merge(&parts, options, &Sequential).unwrap();
            // Where all are compared one by one a codebook is not worth its room.
            let small = graph_from > 1 && matches!(kind, CodeKind::Pq | CodeKind::Opq);
            let wanted = if small { CodeKind::Sq8 } else { kind };
            assert_eq!((whole.codes(), merged.codes()), (wanted, wanted));
            for (what, index) in [("built", &whole), ("merged", &merged)] {
                let mut found = 0;
                for query in queries.chunks_exact(dimensions) {
                    let mut exact: Vec<(f32, u32)> = (0u32..)
                        .zip(base.chunks_exact(dimensions))
                        .map(|(row, own)| (own.iter().zip(query).map(|(a, b)| a * b).sum::<f32>(), row))
                        .collect();
                    exact.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
                    let search = Search { k: 10, ef: 120, only: None };
                    let hits = index.search(query, search, &mut Searcher::default()).unwrap();
                    let near: Vec<u32> = exact.iter().take(10).map(|(_, row)| *row).collect();
                    found += hits.iter().filter(|hit| near.contains(&hit.row)).count();
                }
                let recall = found as f32 / 400.0;
                println!("{kind:?} {what} {graph_from}: {recall}");
                let least = if matches!(kind, CodeKind::Pq | CodeKind::Opq) { 0.9 } else { 0.98 };
                assert!(recall >= least, "{kind:?} {what} {graph_from}: {recall}");
            }
        }
    }
}
