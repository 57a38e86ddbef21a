//! Which nodes a walk has seen.

/// A bit for each node. To forget all costs as much as was seen.
#[derive(Default)]
pub struct Visited {
    bits: Vec<u64>,
    words: Vec<u32>,
}

impl Visited {
    /// Forgets all, and makes room for so many nodes.
    pub fn clear(&mut self, nodes: u32) {
        for word in self.words.drain(..) {
            if let Some(bits) = self.bits.get_mut(word as usize) {
                *bits = 0;
            }
        }
        let words = (nodes as usize).div_ceil(64);
        if self.bits.len() < words {
            self.bits.resize(words, 0);
        }
    }

    /// Was a node seen?
    #[inline]
    pub fn has(&self, node: u32) -> bool {
        self.bits.get(node as usize / 64).is_some_and(|bits| bits & (1 << (node % 64)) != 0)
    }

    /// True the first time. False also for a node for which there is no room.
    #[inline]
    pub fn insert(&mut self, node: u32) -> bool {
        let (word, bit) = (node / 64, 1u64 << (node % 64));
        let Some(bits) = self.bits.get_mut(word as usize).filter(|bits| **bits & bit == 0) else {
            return false;
        };
        if *bits == 0 {
            self.words.push(word);
        }
        *bits |= bit;
        true
    }
}
