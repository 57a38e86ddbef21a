//! Walks the B+trees of segments. A [`Pages`] gives checked pages; whether from an executor's file or, on the CPU
//! pool, from a shared one, is its business.
//!
//! What always holds: leaves lie one after the other from block 0, so a scan goes from leaf to leaf without the
//! levels above; a leaf that cannot be read is named and passed over, the rest still answers.

use crate::api::{KeyRange, Missing};
use bytes::Bytes;
use postlode_format::FormatError;
use postlode_format::btree::{Child, MAX_HEIGHT, Page};
use postlode_format::segment::Section;

/// Gives the pages of one tree.
#[allow(async_fn_in_trait, reason = "futures of a shard never leave its executor, so they need not be Send")]
pub trait Pages {
    /// The tree's section.
    fn section(&self) -> &Section;
    /// Payload of a block, checked.
    async fn page(&self, block: u32) -> Result<Bytes, Missing>;
    /// Names a page that breaks the format.
    fn damaged(&self, error: FormatError) -> Missing;
}

/// What a scan shows: a key, its value, and the page whose part the value is. False: no more is wanted.
pub type Each<'e> = &'e mut dyn FnMut(&[u8], &[u8], &Page) -> bool;

async fn load<P: Pages>(pages: &P, block: u32) -> Result<Page, Missing> {
    Page::parse(pages.page(block).await?).map_err(|e| pages.damaged(e))
}

/// The leaf in which `key` is or would be.
async fn leaf_of<P: Pages>(pages: &P, key: &[u8]) -> Result<(u32, Page), Missing> {
    let section = *pages.section();
    let mut block = section.root;
    for _ in 0..section.height.min(MAX_HEIGHT) {
        let page = load(pages, block).await?;
        if page.is_leaf() {
            return Ok((block, page));
        }
        block = page.child_of(key).map_err(|e| pages.damaged(e))?.block;
    }
    Err(pages.damaged(FormatError::Malformed { what: "B+tree", why: "its levels lead to no leaf" }))
}

/// The same, and how many entries lie in leaves before it.
async fn descend<P: Pages>(pages: &P, key: &[u8]) -> Result<(Page, u64), Missing> {
    let section = *pages.section();
    let mut block = section.root;
    let mut before = 0u64;
    for _ in 0..section.height.min(MAX_HEIGHT) {
        let page = load(pages, block).await?;
        if page.is_leaf() {
            return Ok((page, before));
        }
        let (child, skipped) = page.child(key).map_err(|e| pages.damaged(e))?;
        block = child.block;
        before = before.saturating_add(skipped);
    }
    Err(pages.damaged(FormatError::Malformed { what: "B+tree", why: "its levels lead to no leaf" }))
}

/// The value of a key.
pub async fn get<P: Pages>(pages: &P, key: &[u8]) -> Result<Option<Bytes>, Missing> {
    if pages.section().height == 0 {
        return Ok(None);
    }
    let (_, leaf) = leaf_of(pages, key).await?;
    leaf.get(key).map_err(|e| pages.damaged(e))
}

/// How many keys are below `key`.
async fn rank<P: Pages>(pages: &P, key: &[u8]) -> Result<u64, Missing> {
    let (leaf, before) = descend(pages, key).await?;
    let at = leaf.lower_bound(key).map_err(|e| pages.damaged(e))?;
    Ok(before.saturating_add(at as u64))
}

/// How many keys a range holds, without reading its leaves.
pub async fn count<P: Pages>(pages: &P, range: &KeyRange) -> Result<u64, Missing> {
    let section = *pages.section();
    if section.height == 0 {
        return Ok(0);
    }
    let low = rank(pages, &range.low).await?;
    let high = if range.high.is_empty() { section.entries } else { rank(pages, &range.high).await? };
    Ok(high.saturating_sub(low))
}

/// Shows the entries of a range, in the order asked for. Leaves that cannot be read are added to `missing` and passed over.
pub async fn scan<P: Pages>(
    pages: &P,
    range: &KeyRange,
    descending: bool,
    missing: &mut Vec<Missing>,
    each: Each<'_>,
) -> Result<(), Missing> {
    if pages.section().height == 0 {
        return Ok(());
    }
    let (start, first) = if !descending {
        leaf_of(pages, &range.low).await?
    } else if range.high.is_empty() {
        last_leaf(pages).await?
    } else {
        leaf_of(pages, &range.high).await?
    };
    let mut first = Some(first);
    let blocks = u32::try_from(pages.section().blocks()).unwrap_or(u32::MAX);
    let mut block = start;
    loop {
        let page = match first.take() {
            Some(page) => Ok(page),
            None => load(pages, block).await,
        };
        let shown = page.and_then(|page| {
            if !page.is_leaf() {
                return Ok(true);
            }
            let mut each = |key: &[u8], value: &[u8]| each(key, value, &page);
            page.visit(&range.low, &range.high, descending, &mut each).map_err(|e| pages.damaged(e))
        });
        match shown {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => missing.push(error),
        }
        let next =
            if descending { block.checked_sub(1) } else { block.checked_add(1).filter(|b| *b < blocks) };
        let Some(next) = next else { break };
        block = next;
    }
    Ok(())
}

async fn last_leaf<P: Pages>(pages: &P) -> Result<(u32, Page), Missing> {
    let section = *pages.section();
    let mut block = section.root;
    for _ in 0..section.height.min(MAX_HEIGHT) {
        let page = load(pages, block).await?;
        if page.is_leaf() {
            return Ok((block, page));
        }
        let mut last = None;
        let mut each = |_: &[u8], value: &[u8]| {
            last = Some(Child::decode(value));
            false
        };
        page.visit(&[], &[], true, &mut each).map_err(|e| pages.damaged(e))?;
        let Some(child) = last else { break };
        block = child.map_err(|e| pages.damaged(e))?.block;
    }
    Err(pages.damaged(FormatError::Malformed { what: "B+tree", why: "its levels lead to no leaf" }))
}
