use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;

const PAGE_SIZE: usize = 512;

fn build(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> (Vec<Bytes>, Built) {
    let mut pages = Vec::new();
    let mut builder = TreeBuilder::new(PAGE_SIZE, |page: &[u8]| {
        assert!(page.len() <= PAGE_SIZE);
        let mut padded = page.to_vec();
        padded.resize(PAGE_SIZE, 0);
        pages.push(Bytes::from(padded));
        Ok(())
    });
    for (key, value) in entries {
        builder.push(key, value).unwrap();
    }
    let built = builder.finish().unwrap();
    assert_eq!(pages.len() as u32, built.pages);
    (pages, built)
}

fn get(pages: &[Bytes], built: Built, key: &[u8]) -> Option<Bytes> {
    let mut block = built.root;
    for _ in 0..built.height {
        let page = Page::parse(pages[block as usize].clone()).unwrap();
        if page.is_leaf() {
            return page.get(key).unwrap();
        }
        let entries = page.entries().unwrap();
        let at = entries.partition_point(|(k, _)| k.as_slice() <= key).saturating_sub(1);
        let children: Vec<Child> = entries.iter().map(|(_, v)| Child::decode(v).unwrap()).collect();
        let before = children[..at].iter().map(|c| c.below).sum();
        assert_eq!(page.child(key).unwrap(), (children[at], before));
        assert_eq!(page.child_of(key).unwrap(), children[at]);
        block = children[at].block;
    }
    None
}

fn count_below(pages: &[Bytes], block: u32) -> u64 {
    let page = Page::parse(pages[block as usize].clone()).unwrap();
    if page.is_leaf() {
        return page.len() as u64;
    }
    let mut sum = 0;
    for (_, value) in page.entries().unwrap() {
        let child = Child::decode(&value).unwrap();
        assert_eq!(count_below(pages, child.block), child.below);
        sum += child.below;
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_tree_answers_like_a_map(
        entries in proptest::collection::btree_map(proptest::collection::vec(0u8..4, 0..12), proptest::collection::vec(any::<u8>(), 0..20), 0..900),
        probes in proptest::collection::vec(proptest::collection::vec(0u8..4, 0..12), 50),
    ) {
        let (pages, built) = build(&entries);
        prop_assert_eq!(built.entries, entries.len() as u64);
        for key in entries.keys().chain(&probes) {
            prop_assert_eq!(get(&pages, built, key), entries.get(key).map(|v| Bytes::from(v.clone())));
        }
        let leaves: Vec<(Vec<u8>, Vec<u8>)> = pages.iter().map(|p| Page::parse(p.clone()).unwrap()).filter(Page::is_leaf)
            .flat_map(|p| p.entries().unwrap()).map(|(k, v)| (k, v.to_vec())).collect();
        prop_assert_eq!(leaves, entries.clone().into_iter().collect::<Vec<_>>());
        if built.height > 0 {
            prop_assert_eq!(count_below(&pages, built.root), built.entries);
        }
    }

    #[test]
    fn lower_bound_is_that_of_a_sorted_list(
        entries in proptest::collection::btree_map(proptest::collection::vec(0u8..4, 0..6), Just(vec![]), 1..40),
        probe in proptest::collection::vec(0u8..4, 0..6),
    ) {
        let (pages, built) = build(&entries);
        prop_assume!(built.height == 1);
        let keys: Vec<_> = entries.keys().collect();
        let page = Page::parse(pages[0].clone()).unwrap();
        prop_assert_eq!(page.lower_bound(&probe).unwrap(), keys.partition_point(|k| **k < probe));
    }

    #[test]
    fn what_is_shown_is_what_lies_between(
        entries in proptest::collection::btree_map(proptest::collection::vec(0u8..4, 0..6), proptest::collection::vec(any::<u8>(), 0..3), 1..60),
        low in proptest::collection::vec(0u8..4, 0..6),
        high in proptest::collection::vec(0u8..4, 0..6),
        descending: bool,
        most in 1usize..50,
    ) {
        let (pages, built) = build(&entries);
        prop_assume!(built.height == 1);
        let page = Page::parse(pages[0].clone()).unwrap();
        let inside = |key: &[u8]| key >= low.as_slice() && (high.is_empty() || key < high.as_slice());
        let mut expected: Vec<(Vec<u8>, Vec<u8>)> = entries.clone().into_iter().filter(|(key, _)| inside(key)).collect();
        if descending {
            expected.reverse();
        }
        // Nothing lies behind the last that was wanted, nor behind what is outside the range.
        let outside = if descending { low > *entries.keys().next().unwrap() } else { !high.is_empty() && high <= *entries.keys().last().unwrap() };
        let ends = outside || expected.len() >= most;
        expected.truncate(most);
        let mut shown = Vec::new();
        let mut each = |key: &[u8], value: &[u8]| {
            shown.push((key.to_vec(), page.slice(value).to_vec()));
            shown.len() < most
        };
        prop_assert_eq!(page.visit(&low, &high, descending, &mut each), Ok(ends));
        prop_assert_eq!(shown, expected);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), key: Vec<u8>) {
        let mut bytes = bytes;
        if let Some(b) = bytes.first_mut() { *b = b.wrapping_rem(3); }
        if let Ok(page) = Page::parse(bytes.into()) {
            let _ = (page.get(&key), page.lower_bound(&key), page.entries(), page.child(&key), page.child_of(&key));
            for descending in [true, false] {
                let _ = page.visit(&key, &[], descending, &mut |_, value| page.slice(value).len() < 100);
            }
        }
    }
}

#[test]
fn a_tall_tree() {
    let entries: BTreeMap<Vec<u8>, Vec<u8>> =
        (0u32..60_000).map(|n| (n.to_be_bytes().to_vec(), vec![1; 8])).collect();
    let (pages, built) = build(&entries);
    assert!(built.height >= 4, "{built:?}");
    assert_eq!(count_below(&pages, built.root), 60_000);
    assert!((0u32..60_000).step_by(97).all(|n| get(&pages, built, &n.to_be_bytes()).is_some()));
}

#[test]
fn input_out_of_order_or_too_large_is_refused() {
    let mut builder = TreeBuilder::new(PAGE_SIZE, |_: &[u8]| Ok(()));
    builder.push(b"b", b"").unwrap();
    assert!(builder.push(b"b", b"").is_err());
    assert!(builder.push(b"a", b"").is_err());
    assert!(builder.push(b"c", &[0; PAGE_SIZE]).is_err());
}
