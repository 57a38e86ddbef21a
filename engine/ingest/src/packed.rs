//! The items of an archive in a few bytes each: an archive may have millions, and they are in memory while it is loaded.
//!
//! What always holds: what is taken out is what was put in. Items lie in blocks of [`BLOCK`], each of which is read from
//! its beginning: numbers of nodes as steps from the one before, all numbers as LEB128 (seven bits a byte, the last byte
//! without the high bit).

use crate::plan::{Entry, Origin};
use std::ops::Range;

/// Items of one block.
const BLOCK: usize = 256;

/// Items in the order of their nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Packed {
    bytes: Vec<u8>,
    /// Where each block begins.
    blocks: Vec<usize>,
    len: usize,
}

impl Packed {
    /// Of items in the order of their nodes.
    pub(crate) fn of(items: &[Entry]) -> Self {
        let (mut bytes, mut blocks) = (Vec::new(), Vec::new());
        for block in items.chunks(BLOCK) {
            blocks.push(bytes.len());
            let mut last = 0;
            for item in block {
                put(&mut bytes, item.node.wrapping_sub(last));
                put(&mut bytes, item.folder.into());
                put(&mut bytes, item.bytes);
                bytes.push(match item.origin {
                    Origin::Folder => 0,
                    Origin::Orphan => 1,
                    Origin::Deleted => 2,
                });
                last = item.node;
            }
        }
        bytes.shrink_to_fit();
        Self { bytes, blocks, len: items.len() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Those of a range, or of as much of it as there is.
    pub(crate) fn get(&self, range: Range<usize>) -> Vec<Entry> {
        let end = range.end.min(self.len);
        let mut out = Vec::with_capacity(end.saturating_sub(range.start));
        for (block, begins) in self.blocks.iter().enumerate().skip(range.start / BLOCK) {
            let first = block.saturating_mul(BLOCK);
            if first >= end {
                break;
            }
            let mut rest = self.bytes.get(*begins..).unwrap_or_default();
            let mut last = 0u64;
            for at in first..end.min(first.saturating_add(BLOCK)) {
                let Some(item) = entry(&mut rest, last) else { break };
                last = item.node;
                if at >= range.start {
                    out.push(item);
                }
            }
        }
        out
    }
}

fn entry(rest: &mut &[u8], last: u64) -> Option<Entry> {
    let node = last.wrapping_add(take(rest)?);
    let folder = u32::try_from(take(rest)?).ok()?;
    let bytes = take(rest)?;
    let (origin, tail) = rest.split_first()?;
    *rest = tail;
    let origin = match origin {
        0 => Origin::Folder,
        1 => Origin::Orphan,
        _ => Origin::Deleted,
    };
    Some(Entry { node, folder, bytes, origin })
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_entry() -> impl Strategy<Value = Entry> {
        let origin = prop_oneof![Just(Origin::Folder), Just(Origin::Orphan), Just(Origin::Deleted)];
        let number = prop_oneof![0..200u64, any::<u64>(), Just(u64::MAX)];
        (number.clone(), any::<u32>(), number, origin).prop_map(|(node, folder, bytes, origin)| Entry {
            node,
            folder,
            bytes,
            origin,
        })
    }

    proptest! {
        #[test]
        fn what_was_packed_is_found(mut items in proptest::collection::vec(any_entry(), 0..1_000),
            from: prop::sample::Index, upto: prop::sample::Index) {
            items.sort_unstable();
            let packed = Packed::of(&items);
            prop_assert_eq!(packed.len(), items.len());
            prop_assert_eq!(&packed.get(0..usize::MAX), &items);
            let (from, upto) = (from.index(items.len() + 1), upto.index(items.len() + 1));
            prop_assert_eq!(packed.get(from..upto), items.get(from..upto).unwrap_or_default());
        }
    }

    #[test]
    fn an_item_takes_few_bytes() {
        let items: Vec<Entry> = (0..100_000).map(|n| Entry::of_node(n * 32, n / 5_000)).collect();
        assert!(Packed::of(&items).bytes.len() <= 5 * items.len());
    }
}
