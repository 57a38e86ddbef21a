//! All entries of a segment's tree, leaf after leaf, blocking: for compaction and verification.

use super::shared::SharedSection;
use super::tree::Pages;
use crate::api::{Missing, SectionRead};
use bytes::Bytes;
use postlode_format::block;
use postlode_format::btree::Page;
use postlode_format::segment::Location;

/// Entries in ascending order. Damage is told in the place of the leaf it is in.
pub fn entries(tree: &SharedSection) -> impl Iterator<Item = Result<(Vec<u8>, Bytes), Missing>> + '_ {
    let section = *tree.section();
    let payload = block::payload_size(section.block_size as usize);
    (0..section.blocks()).flat_map(move |number| {
        let leaf = tree.read(number.saturating_mul(payload as u64), payload).and_then(|bytes| {
            let page = Page::parse(bytes).map_err(|error| tree.damaged(error))?;
            if page.is_leaf() { page.entries().map_err(|error| tree.damaged(error)) } else { Ok(Vec::new()) }
        });
        match leaf {
            Ok(entries) => entries.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        }
    })
}

/// Entries of a primary tree.
pub fn locations(primary: &SharedSection) -> impl Iterator<Item = Result<(Vec<u8>, Location), Missing>> + '_ {
    entries(primary).map(|entry| {
        let (key, value) = entry?;
        Ok((key, Location::decode(&value).map_err(|error| primary.damaged(error))?))
    })
}
