use super::*;
use crate::code::normalise;
use crate::threads::{Sequential, Threads};

/// Vectors with something in common: a few directions, and chance.
fn made(count: usize, dimensions: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut value = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let directions: Vec<f32> = (0..10 * dimensions).map(|_| value()).collect();
    let mut out = Vec::new();
    for _ in 0..count {
        let mut vector = vec![0.0f32; dimensions];
        for direction in directions.chunks_exact(dimensions) {
            let weight = value();
            vector.iter_mut().zip(direction).for_each(|(to, from)| *to += weight * from);
        }
        vector.iter_mut().for_each(|x| *x += 0.4 * value());
        normalise(&mut vector, 0).unwrap();
        out.extend(vector);
    }
    out
}

/// The error of scores, of one codebook.
fn error(book: Codebook, base: &[f32], queries: &[f32], dimensions: usize) -> f32 {
    let nodes = (base.len() / dimensions) as u32;
    let mut codes = Pq::zeroed(nodes, Arc::new(book)).unwrap();
    (0..).zip(base.chunks_exact(dimensions)).for_each(|(node, vector)| codes.set(node, vector));
    let all: Vec<u32> = (0..nodes).collect();
    let (mut sum, mut count) = (0.0, 0.0f32);
    for query in queries.chunks_exact(dimensions) {
        let mut scores = Vec::new();
        codes.scores(&codes.query(query), &all, &mut scores);
        for (score, vector) in scores.iter().zip(base.chunks_exact(dimensions)) {
            let exact: f32 = vector.iter().zip(query).map(|(a, b)| a * b).sum();
            sum += (score - exact).powi(2);
            count += 1.0;
        }
    }
    (sum / count).sqrt()
}

#[test]
fn scores_are_near_and_a_rotation_brings_them_nearer() {
    for dimensions in [64, 100] {
        let (base, queries) = (made(2_000, dimensions, 1), made(20, dimensions, 1));
        let plain = Codebook::fit(&base, dimensions, false, &Sequential).unwrap();
        let turned = Codebook::fit(&base, dimensions, true, &Sequential).unwrap();
        // A rotation keeps lengths.
        let mut one = vec![0.0; dimensions];
        one[dimensions - 1] = 1.0;
        let length: f32 = turned.cut(&one).as_flattened().iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-3, "{length}");
        let plain = error(plain, &base, &queries, dimensions);
        let turned = error(turned, &base, &queries, dimensions);
        println!("{dimensions}: {plain} {turned}");
        assert!(plain < 0.08 && turned < plain * 0.8, "{dimensions}: {plain} {turned}");
    }
}

#[test]
fn a_codebook_is_the_same_on_any_number_of_threads() {
    let base = made(600, 40, 3);
    let [a, b] = [1, 3].map(|jobs| Codebook::fit(&base, 40, true, &Threads(jobs)).unwrap());
    assert_eq!(a, b);
}

#[test]
fn bytes_come_back_or_are_refused() {
    for rotated in [false, true] {
        let base = made(300, 20, 4);
        let book = Arc::new(Codebook::fit(&base, 20, rotated, &Sequential).unwrap());
        let mut codes = Pq::zeroed(5, book).unwrap();
        (0..5).zip(base.chunks_exact(20)).for_each(|(node, vector)| codes.set(node, vector));
        let bytes = codes.to_bytes();
        let again = Pq::from_bytes(&bytes, 5, 20).unwrap();
        assert_eq!((again.to_bytes(), again.book()), (bytes.clone(), codes.book()));
        let scores = |codes: &Pq| {
            let mut out = Vec::new();
            codes.scores(&codes.query(&base[..20]), &[4, 0, 9, 2], &mut out);
            out
        };
        assert_eq!(scores(&again), scores(&codes));
        assert_eq!((scores(&codes)[2], codes.between(0, 9)), (f32::NEG_INFINITY, f32::NEG_INFINITY));
        assert!((codes.between(0, 4) - scores(&codes)[0]).abs() < 0.2);
        assert!(Pq::from_bytes(&bytes, 4, 20).is_err());
        assert!(Pq::from_bytes(&bytes[..100], 5, 20).is_err());
        assert!(Pq::from_bytes(&bytes, 5, 28).is_err());
        let mut bad = bytes.clone();
        for float in [f32::NAN, 1e30, -5.0] {
            bad[4..8].copy_from_slice(&float.to_le_bytes());
            assert!(Pq::from_bytes(&bad, 5, 20).is_err(), "{float}");
        }
        bad[0] = 2;
        assert!(Pq::from_bytes(&bad, 5, 20).is_err());
    }
}

/// The sum over few vectors says nothing of most directions. What it said nothing of was taken from every vector that was turned
/// later: of five vectors of 48 values a quarter of the length was gone.
#[test]
fn a_rotation_of_few_vectors_is_one() {
    for count in [1, 5, 40] {
        let base = made(count, 48, 6);
        let book = Codebook::fit(&base, 48, true, &Sequential).unwrap();
        for other in made(20, 48, 7).chunks_exact(48) {
            let length: f32 = book.cut(other).as_flattened().iter().map(|x| x * x).sum();
            assert!((length - 1.0).abs() < 0.01, "{count}: {length}");
        }
    }
}

#[test]
fn few_vectors_none_and_equal_ones_make_a_codebook_too() {
    for base in [Vec::new(), made(1, 24, 5), made(3, 24, 5), [1.0f32; 24 * 400].to_vec()] {
        for rotated in [false, true] {
            let book = Codebook::fit(&base, 24, rotated, &Sequential).unwrap();
            let mut codes = Pq::zeroed(1, Arc::new(book)).unwrap();
            let vector = vec![0.2f32; 24];
            codes.set(0, &vector);
            let mut scores = Vec::new();
            codes.scores(&codes.query(&vector), &[0], &mut scores);
            assert!(scores[0].is_finite());
        }
    }
}
