//! Each way against the reference.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Two of one length, short and long, whole registers and not.
fn pair<T: std::fmt::Debug + Clone, S: Strategy<Value = T> + Clone>(
    value: S,
) -> impl Strategy<Value = (Vec<T>, Vec<T>)> {
    prop_oneof![0..200usize, Just(256), Just(384), Just(1536)]
        .prop_flat_map(move |len| (vec(value.clone(), len), vec(value.clone(), len)))
}

proptest! {
    #[test]
    fn bytes_are_exact((a, b) in pair(any::<i8>()), shorter in 0..5usize) {
        let b = &b[..b.len().saturating_sub(shorter)];
        for way in all() {
            prop_assert_eq!(way.dot_i8(&a, b), scalar().dot_i8(&a, b), "{}", way.name());
            prop_assert_eq!(way.dot_i8(b, &a), scalar().dot_i8(&a, b), "{}", way.name());
        }
    }

    #[test]
    fn floats_are_near((a, b) in pair(-1.0f32..1.0)) {
        let size: f32 = a.iter().zip(&b).map(|(a, b)| (a * b).abs()).sum();
        for way in all() {
            let (got, expected) = (way.dot_f32(&a, &b), scalar().dot_f32(&a, &b));
            prop_assert!((got - expected).abs() <= 1e-5 * size + 1e-6, "{}: {got} {expected}", way.name());
        }
    }

    #[test]
    fn halves_are_near((a, b) in pair(-1.0f32..1.0)) {
        let b: Vec<u16> = b.into_iter().map(to_half).collect();
        let size: f32 = a.iter().zip(&b).map(|(a, b)| (a * from_half(*b)).abs()).sum();
        for way in all() {
            let (got, expected) = (way.dot_half(&a, &b), scalar().dot_half(&a, &b));
            prop_assert!((got - expected).abs() <= 1e-5 * size + 1e-6, "{}: {got} {expected}", way.name());
        }
    }

    /// Also of rows that are not there, and of numbers of rows that are no multiple of those worked on at once.
    #[test]
    fn many_are_what_each_is(
        registers in 1..7usize,
        rows in 0..20usize,
        nodes in vec(0..25u32, 0..40),
        seed in any::<u64>(),
    ) {
        let width = registers * LANES;
        let mut state = seed;
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8 as i8
        };
        let query: Vec<i8> = (0..width).map(|_| byte()).collect();
        let codes: Vec<i8> = (0..width * rows).map(|_| byte()).collect();
        let mut expected = vec![7.0];
        scalar().dots_i8(&query, &codes, &nodes, 0.25, &mut expected);
        for way in all() {
            let mut got = vec![7.0];
            way.dots_i8(&query, &codes, &nodes, 0.25, &mut got);
            prop_assert_eq!(&got, &expected, "{}", way.name());
        }
        // The same bytes as half bytes, of rows half as long.
        let query: Vec<i8> = [query.as_slice(), &query].concat();
        let halves: Vec<u8> = codes.iter().map(|code| *code as u8).collect();
        let mut expected = Vec::new();
        scalar().dots_b4(&query, &halves, &nodes, &mut expected);
        let value = |row: usize, at: usize| {
            let byte = halves[row * width + at / NIBBLES * LANES + at % LANES];
            i32::from(if at % NIBBLES < LANES { byte & 15 } else { byte >> 4 })
        };
        for (node, expected) in nodes.iter().zip(&expected).filter(|(node, _)| (**node as usize) < rows) {
            let plain: i32 =
                query.iter().enumerate().map(|(at, own)| i32::from(*own) * value(*node as usize, at)).sum();
            prop_assert_eq!(plain as f32, *expected);
        }
        for way in all() {
            let mut got = Vec::new();
            way.dots_b4(&query, &halves, &nodes, &mut got);
            prop_assert_eq!(&got, &expected, "{}", way.name());
        }
    }
}

#[test]
fn the_largest_products_do_not_overflow() {
    let low = vec![i8::MIN; 4096];
    for way in all() {
        assert_eq!(way.dot_i8(&low, &low), 4096 * 16_384, "{}", way.name());
    }
}

#[test]
fn halves_round_to_the_nearest() {
    for (value, bits) in
        [(0.0, 0), (1.0, 0x3c00), (-2.0, 0xc000), (65504.0, 0x7bff), (1.0 + 1.0 / 2048.0, 0x3c00)]
    {
        assert_eq!(to_half(value), bits, "{value}");
    }
    assert_eq!(from_half(0x3555), 0.333_251_95);
}
