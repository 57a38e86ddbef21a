//! Builds a tree from sorted entries: pages come out in the order in which they lie in the section.

use super::{INNER, LEAF, PAGE_HEADER, RESTART_EVERY};
use crate::error::FormatError;
use crate::limits::MAX_TREE_KEY;
use crate::varint;

/// What was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// Block number of the root.
    pub root: u32,
    /// Levels; 0 for a tree without entries, which has no page.
    pub height: u8,
    /// Leaf entries.
    pub entries: u64,
    /// Pages.
    pub pages: u32,
}

/// A tree under construction. `emit` takes each finished page; pages are numbered in that order.
pub struct TreeBuilder<F> {
    page_size: usize,
    levels: Vec<Level>,
    emit: F,
    pages: u32,
    entries: u64,
    previous: Vec<u8>,
}

struct Level {
    page: PageBuilder,
    first_key: Vec<u8>,
    below: u64,
    /// Pages of this level that wait until all pages below are written.
    waiting: Vec<Waiting>,
}

struct Waiting {
    first_key: Vec<u8>,
    bytes: Vec<u8>,
    below: u64,
}

impl<F: FnMut(&[u8]) -> Result<(), FormatError>> TreeBuilder<F> {
    /// A builder of pages of at most `page_size` bytes (a block's payload).
    pub fn new(page_size: usize, emit: F) -> Self {
        Self { page_size, levels: Vec::new(), emit, pages: 0, entries: 0, previous: Vec::new() }
    }

    /// Adds an entry; its key must be above all before.
    ///
    /// # Errors
    /// [`FormatError`] for a key out of order, or an entry that is too large for a page.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), FormatError> {
        let limit = MAX_TREE_KEY.min(self.page_size / 4);
        if key.len() > limit || value.len() > self.page_size / 4 {
            let have = key.len().max(value.len());
            return Err(FormatError::TooLarge { what: "B+tree entry", have, limit });
        }
        if self.levels.is_empty() {
            self.levels.push(Level::new(LEAF));
        }
        let Some(leaf) = self.levels.first_mut() else {
            return Err(FormatError::Malformed { what: "B+tree", why: "it has no leaf level" });
        };
        if self.entries > 0 && key <= self.previous.as_slice() {
            return Err(FormatError::Malformed { what: "B+tree input", why: "its keys are not ascending" });
        }
        if !leaf.page.fits(key, value, self.page_size) {
            self.flush_leaf()?;
        }
        let Some(leaf) = self.levels.first_mut() else { return Ok(()) };
        leaf.add(key, value, 1);
        self.previous.clear();
        self.previous.extend_from_slice(key);
        self.entries = self.entries.saturating_add(1);
        Ok(())
    }

    fn flush_leaf(&mut self) -> Result<(), FormatError> {
        let Some(leaf) = self.levels.first_mut() else { return Ok(()) };
        let (first_key, below, bytes) = leaf.take();
        (self.emit)(&bytes)?;
        let number = self.pages;
        self.pages = self.pages.saturating_add(1);
        self.add_child(1, &first_key, number, below)
    }

    /// Leaves are numbered as they are emitted. Inner pages wait: their own numbers are known only when all
    /// pages of the level below are written.
    fn add_child(&mut self, level: usize, key: &[u8], number: u32, below: u64) -> Result<(), FormatError> {
        if self.levels.len() <= level {
            self.levels.push(Level::new(INNER));
        }
        let page_size = self.page_size;
        let Some(inner) = self.levels.get_mut(level) else {
            return Err(FormatError::Malformed { what: "B+tree", why: "a level is missing" });
        };
        let value = child_value(number, below);
        if !inner.page.fits(key, &value, page_size) {
            inner.set_aside();
        }
        inner.add(key, &value, below);
        Ok(())
    }

    /// Writes what is left and tells where the root is.
    ///
    /// # Errors
    /// What `emit` gives.
    pub fn finish(mut self) -> Result<Built, FormatError> {
        if self.entries == 0 {
            return Ok(Built { root: 0, height: 0, entries: 0, pages: 0 });
        }
        self.flush_leaf()?;
        let mut level = 1usize;
        loop {
            let Some(inner) = self.levels.get_mut(level) else {
                return Err(FormatError::Malformed { what: "B+tree", why: "a level is missing" });
            };
            // A tree of one leaf needs no inner page.
            if level == 1 && self.pages == 1 {
                return Ok(Built { root: 0, height: 1, entries: self.entries, pages: 1 });
            }
            if inner.page.count > 0 {
                inner.set_aside();
            }
            let waiting = std::mem::take(&mut inner.waiting);
            let single = waiting.len() == 1;
            for page in waiting {
                (self.emit)(&page.bytes)?;
                let number = self.pages;
                self.pages = self.pages.saturating_add(1);
                if single {
                    let height = u8::try_from(level.saturating_add(1)).unwrap_or(u8::MAX);
                    return Ok(Built { root: number, height, entries: self.entries, pages: self.pages });
                }
                self.add_child(level.saturating_add(1), &page.first_key, number, page.below)?;
            }
            level = level.saturating_add(1);
        }
    }
}

fn child_value(number: u32, below: u64) -> [u8; 12] {
    let mut value = [0u8; 12];
    for (to, from) in value.iter_mut().zip(number.to_le_bytes().into_iter().chain(below.to_le_bytes())) {
        *to = from;
    }
    value
}

impl Level {
    fn new(page_type: u8) -> Self {
        Self { page: PageBuilder::new(page_type), first_key: Vec::new(), below: 0, waiting: Vec::new() }
    }

    fn add(&mut self, key: &[u8], value: &[u8], below: u64) {
        if self.page.count == 0 {
            self.first_key = key.to_vec();
        }
        self.page.add(key, value);
        self.below = self.below.saturating_add(below);
    }

    fn take(&mut self) -> (Vec<u8>, u64, Vec<u8>) {
        (std::mem::take(&mut self.first_key), std::mem::take(&mut self.below), self.page.take())
    }

    fn set_aside(&mut self) {
        let (first_key, below, bytes) = self.take();
        self.waiting.push(Waiting { first_key, bytes, below });
    }
}

struct PageBuilder {
    page_type: u8,
    entries: Vec<u8>,
    restarts: Vec<u16>,
    count: usize,
    last_key: Vec<u8>,
}

impl PageBuilder {
    fn new(page_type: u8) -> Self {
        Self { page_type, entries: Vec::new(), restarts: Vec::new(), count: 0, last_key: Vec::new() }
    }

    fn is_restart(&self) -> bool {
        self.count.is_multiple_of(RESTART_EVERY)
    }

    fn shared(&self, key: &[u8]) -> usize {
        if self.is_restart() { 0 } else { key.iter().zip(&self.last_key).take_while(|(a, b)| a == b).count() }
    }

    fn fits(&self, key: &[u8], value: &[u8], page_size: usize) -> bool {
        // Varints take at most three bytes each for lengths below 2 MiB.
        let entry = key.len().saturating_sub(self.shared(key)).saturating_add(value.len()).saturating_add(9);
        let restarts = self.restarts.len().saturating_add(1).saturating_mul(2);
        let total = [PAGE_HEADER, self.entries.len(), entry, restarts]
            .iter()
            .fold(0, |a: usize, b| a.saturating_add(*b));
        self.count == 0 || (total <= page_size && self.count < usize::from(u16::MAX))
    }

    fn add(&mut self, key: &[u8], value: &[u8]) {
        let shared = self.shared(key);
        if self.is_restart() {
            self.restarts.push(u16::try_from(self.entries.len()).unwrap_or(u16::MAX));
        }
        let rest = key.get(shared..).unwrap_or_default();
        for n in [shared, rest.len(), value.len()] {
            varint::put(n, &mut self.entries);
        }
        self.entries.extend_from_slice(rest);
        self.entries.extend_from_slice(value);
        self.last_key = key.to_vec();
        self.count = self.count.saturating_add(1);
    }

    /// The page's bytes; the page begins anew.
    fn take(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.entries.len().saturating_add(64));
        let count = u16::try_from(self.count).unwrap_or(u16::MAX);
        let restarts = u16::try_from(self.restarts.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&[self.page_type, 0]);
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&restarts.to_le_bytes());
        let restarts_at = u16::try_from(PAGE_HEADER.saturating_add(self.entries.len())).unwrap_or(u16::MAX);
        out.extend_from_slice(&restarts_at.to_le_bytes());
        out.append(&mut self.entries);
        for restart in self.restarts.drain(..) {
            out.extend_from_slice(&restart.to_le_bytes());
        }
        self.count = 0;
        self.last_key.clear();
        out
    }
}
