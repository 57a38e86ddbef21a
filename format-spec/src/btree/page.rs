//! Reads one page. The bytes have passed their block's CRC; still every length is checked.

use super::{INNER, LEAF, PAGE_HEADER, RESTART_EVERY};
use crate::error::FormatError;
use crate::limits::MAX_TREE_KEY;
use crate::varint;
use bytes::Bytes;

/// A page of a tree.
#[derive(Debug, Clone)]
pub struct Page {
    bytes: Bytes,
    leaf: bool,
    count: usize,
    restarts: usize,
    restarts_at: usize,
}

/// Where an inner entry leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// Block number of the page below.
    pub block: u32,
    /// Leaf entries below it.
    pub below: u64,
}

impl Child {
    /// Reads an inner entry's value.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for a value of another size.
    pub fn decode(value: &[u8]) -> Result<Self, FormatError> {
        let Some([b0, b1, b2, b3, n0, n1, n2, n3, n4, n5, n6, n7]) = value.first_chunk::<12>() else {
            return Err(malformed("a child's entry has the wrong size"));
        };
        Ok(Self {
            block: u32::from_le_bytes([*b0, *b1, *b2, *b3]),
            below: u64::from_le_bytes([*n0, *n1, *n2, *n3, *n4, *n5, *n6, *n7]),
        })
    }
}

fn malformed(why: &'static str) -> FormatError {
    FormatError::Malformed { what: "B+tree page", why }
}

/// One entry while walking through a page.
struct Walker<'a> {
    page: &'a Page,
    at: usize,
    key: Vec<u8>,
    /// No entry was read yet.
    first: bool,
}

impl<'a> Walker<'a> {
    fn next(&mut self) -> Result<Option<&'a [u8]>, FormatError> {
        let mut rest = self.page.bytes.get(self.at..self.page.restarts_at).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let before = rest.len();
        let shared = varint::take(&mut rest).map_err(malformed)?;
        let unshared = varint::take(&mut rest).map_err(malformed)?;
        let value_len = varint::take(&mut rest).map_err(malformed)?;
        if shared > self.key.len() || shared.saturating_add(unshared) > MAX_TREE_KEY {
            return Err(malformed("a key's length is wrong"));
        }
        let (suffix, rest) = rest.split_at_checked(unshared).ok_or_else(|| malformed("a key is cut"))?;
        let (value, rest) = rest.split_at_checked(value_len).ok_or_else(|| malformed("a value is cut"))?;
        // The shared bytes are the same, so what follows them decides.
        if !self.first && self.key.get(shared..).is_none_or(|before| suffix <= before) {
            return Err(malformed("its keys are not ascending"));
        }
        self.first = false;
        self.key.truncate(shared);
        self.key.extend_from_slice(suffix);
        self.at = self.at.saturating_add(before.saturating_sub(rest.len()));
        Ok(Some(value))
    }
}

impl Page {
    /// Reads a page's header.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] where header and size disagree.
    pub fn parse(bytes: Bytes) -> Result<Self, FormatError> {
        let Some(&[page_type, _, c0, c1, r0, r1, a0, a1]) = bytes.first_chunk::<PAGE_HEADER>() else {
            return Err(malformed("it is shorter than its header"));
        };
        let leaf = match page_type {
            LEAF => true,
            INNER => false,
            _ => return Err(malformed("its type is unknown")),
        };
        let count = usize::from(u16::from_le_bytes([c0, c1]));
        let restarts = usize::from(u16::from_le_bytes([r0, r1]));
        let restarts_at = usize::from(u16::from_le_bytes([a0, a1]));
        let end = restarts_at.saturating_add(restarts.saturating_mul(2));
        if restarts_at < PAGE_HEADER || end > bytes.len() || restarts != count.div_ceil(RESTART_EVERY) {
            return Err(malformed("its counts do not fit its size"));
        }
        Ok(Self { bytes, leaf, count, restarts, restarts_at })
    }

    /// A leaf, or an inner page.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        self.leaf
    }

    /// Bytes of it that are used: header, entries and restart points.
    #[must_use]
    pub fn used(&self) -> usize {
        self.restarts_at.saturating_add(self.restarts.saturating_mul(2))
    }

    /// Entries in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// No entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn restart(&self, n: usize) -> Result<usize, FormatError> {
        let at = self.restarts_at.saturating_add(n.saturating_mul(2));
        match self.bytes.get(at..at.saturating_add(2)) {
            Some([low, high]) => {
                Ok(PAGE_HEADER.saturating_add(usize::from(u16::from_le_bytes([*low, *high]))))
            }
            _ => Err(malformed("a restart point is missing")),
        }
    }

    fn walker(&self, restart: usize) -> Result<Walker<'_>, FormatError> {
        let at = if self.count == 0 { PAGE_HEADER } else { self.restart(restart)? };
        Ok(Walker { page: self, at, key: Vec::new(), first: true })
    }

    /// The key at a restart point, where it is whole.
    fn restart_key(&self, n: usize) -> Result<&[u8], FormatError> {
        let mut rest = self.bytes.get(self.restart(n)?..self.restarts_at).unwrap_or_default();
        let shared = varint::take(&mut rest).map_err(malformed)?;
        let unshared = varint::take(&mut rest).map_err(malformed)?;
        varint::take(&mut rest).map_err(malformed)?;
        if shared > 0 || unshared > MAX_TREE_KEY {
            return Err(malformed("a key's length is wrong"));
        }
        rest.get(..unshared).ok_or_else(|| malformed("a key is cut"))
    }

    /// The last restart point whose key is not above `key` (0 where all are).
    fn restart_for(&self, key: &[u8]) -> Result<usize, FormatError> {
        let (mut low, mut high) = (0usize, self.restarts);
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            if self.restart_key(middle)? <= key {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The value of exactly this key.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for a page that breaks the format.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, FormatError> {
        let mut walker = self.walker(self.restart_for(key)?)?;
        while let Some(value) = walker.next()? {
            match walker.key.as_slice().cmp(key) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(Some(self.bytes.slice_ref(value))),
                std::cmp::Ordering::Greater => break,
            }
        }
        Ok(None)
    }

    /// Of an inner page: the child in which `key` is or would be, and how many leaf entries lie below the children
    /// before it.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for a page that breaks the format, or has no child.
    pub fn child(&self, key: &[u8]) -> Result<(Child, u64), FormatError> {
        let mut walker = self.walker(0)?;
        let mut chosen: Option<Child> = None;
        let mut before = 0u64;
        while let Some(value) = walker.next()? {
            let next = Child::decode(value)?;
            // A key below all belongs to the first child.
            if walker.key.as_slice() > key && chosen.is_some() {
                break;
            }
            before = before.saturating_add(chosen.map_or(0, |c| c.below));
            chosen = Some(next);
        }
        chosen.map(|child| (child, before)).ok_or_else(|| malformed("an inner page has no child"))
    }

    /// Of an inner page: the child in which `key` is or would be.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for a page that breaks the format, or has no child.
    pub fn child_of(&self, key: &[u8]) -> Result<Child, FormatError> {
        let mut walker = self.walker(self.restart_for(key)?)?;
        let mut chosen = None;
        while let Some(value) = walker.next()? {
            // A key below all belongs to the first child.
            if walker.key.as_slice() > key && chosen.is_some() {
                break;
            }
            chosen = Some(value);
        }
        Child::decode(chosen.ok_or_else(|| malformed("an inner page has no child"))?)
    }

    /// A value that [`Page::visit`] gave, as a part of the page.
    #[must_use]
    pub fn slice(&self, value: &[u8]) -> Bytes {
        self.bytes.slice_ref(value)
    }

    /// Shows the entries from `low` on and below `high` (empty: all to the end), in order or in reverse, for as long as `each`
    /// wants more. True: there is nothing more to be shown, in the pages behind this one neither. Only what is shown, and
    /// what has to be read to get there, is checked.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for a page that breaks the format.
    pub fn visit(
        &self,
        low: &[u8],
        high: &[u8],
        descending: bool,
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<bool, FormatError> {
        if self.count == 0 {
            return Ok(false);
        }
        if descending { self.visit_back(low, high, each) } else { self.visit_on(low, high, each) }
    }

    fn visit_on(
        &self,
        low: &[u8],
        high: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<bool, FormatError> {
        let mut walker = self.walker(self.restart_for(low)?)?;
        while let Some(value) = walker.next()? {
            let key = walker.key.as_slice();
            if !high.is_empty() && key >= high {
                return Ok(true);
            }
            if key >= low && !each(key, value) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keys can only be read forwards: from one restart point to the next, the last of these stretches first.
    fn visit_back(
        &self,
        low: &[u8],
        high: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<bool, FormatError> {
        let last = self.restarts.saturating_sub(1);
        let mut stretch = if high.is_empty() { last } else { self.restart_for(high)? };
        let mut keys: Vec<u8> = Vec::new();
        let mut entries: Vec<(std::ops::Range<usize>, &[u8])> = Vec::with_capacity(RESTART_EVERY);
        loop {
            let end =
                if stretch < last { self.restart(stretch.saturating_add(1))? } else { self.restarts_at };
            keys.clear();
            entries.clear();
            let mut walker = self.walker(stretch)?;
            while walker.at < end && entries.len() < RESTART_EVERY {
                let Some(value) = walker.next()? else { break };
                let from = keys.len();
                keys.extend_from_slice(&walker.key);
                entries.push((from..keys.len(), value));
            }
            if stretch < last && self.restart_key(stretch.saturating_add(1))? <= walker.key.as_slice() {
                return Err(malformed("its keys are not ascending"));
            }
            for (key, value) in entries.iter().rev() {
                let key = keys.get(key.clone()).unwrap_or_default();
                if key < low {
                    return Ok(true);
                }
                if (high.is_empty() || key < high) && !each(key, value) {
                    return Ok(true);
                }
            }
            match stretch.checked_sub(1) {
                Some(before) => stretch = before,
                None => return Ok(false),
            }
        }
    }

    /// Position of the first entry whose key is not below `key`; [`Page::len`] where all are below.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for a page that breaks the format.
    pub fn lower_bound(&self, key: &[u8]) -> Result<usize, FormatError> {
        let restart = self.restart_for(key)?;
        let mut walker = self.walker(restart)?;
        let mut at = restart.saturating_mul(RESTART_EVERY);
        while walker.next()?.is_some() {
            if walker.key.as_slice() >= key {
                break;
            }
            at = at.saturating_add(1);
        }
        Ok(at.min(self.count))
    }

    /// All entries, in order, and the check that they are as many and as ordered as the page claims.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for a page that breaks the format.
    pub fn entries(&self) -> Result<Vec<(Vec<u8>, Bytes)>, FormatError> {
        let mut out: Vec<(Vec<u8>, Bytes)> = Vec::with_capacity(self.count);
        let mut walker = self.walker(0)?;
        while let Some(value) = walker.next()? {
            out.push((walker.key.clone(), self.bytes.slice_ref(value)));
        }
        if out.len() != self.count {
            return Err(malformed("it does not hold as many entries as it claims"));
        }
        Ok(out)
    }
}
