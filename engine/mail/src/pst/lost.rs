//! Items that no folder shows: orphans, whose folder has no row for them, and deleted ones, which lie in free parts of the
//! archive until those are used again.
//!
//! What always holds: an item that a folder shows is not among them. What is deleted is found by libpff, which looks for
//! old trees of nodes; it may be any part of an item, and any item at all, so that it is told apart from what is whole by
//! where it was found.

use super::archive::Archive;
use super::error::PstError;
use super::ffi;
use super::folder::{ItemRef, Listing};
use super::limits::MAX_RECOVERED;
use super::nodes::Nodes;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::rc::Rc;

/// The type of node that an item of a folder has, in the low five bits of its id ([MS-PST] 2.2.2.1).
const NORMAL_MESSAGE: u32 = 0x04;
const NODE_TYPE: u32 = 0x1f;

/// Which item of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// By its node id.
    Node(u32),
    /// Deleted: by its number among those that were found.
    Deleted(u32),
}

/// Bit that tells the node of a deleted item from those that have a node id.
pub const DELETED: u64 = 1 << 63;

impl Which {
    /// What it is called in places and reports: its node id, or [`DELETED`] and its number.
    #[must_use]
    pub fn node(self) -> u64 {
        match self {
            Self::Node(nid) => nid.into(),
            Self::Deleted(number) => DELETED | u64::from(number),
        }
    }

    /// The item that is called so.
    #[must_use]
    pub fn of_node(node: u64) -> Option<Self> {
        match u32::try_from(node & !DELETED) {
            Ok(number) if node & DELETED != 0 => Some(Self::Deleted(number)),
            Ok(nid) => Some(Self::Node(nid)),
            Err(_) => None,
        }
    }
}

/// What no folder shows.
#[derive(Debug, Default)]
pub struct Lost {
    /// Orphans; each has the folder that its node names, else the root.
    pub orphans: Vec<ItemRef>,
    /// Deleted items: their numbers, see [`Which::Deleted`].
    pub deleted: Vec<u32>,
    /// What could not be looked through: what it is, and why.
    pub failures: Vec<(&'static str, PstError)>,
}

impl Archive {
    /// Looks for what no folder shows. `listing` is what folders do.
    #[must_use]
    pub fn lost(&self, listing: &Listing) -> Lost {
        let mut lost = Lost::default();
        match self.orphans(listing) {
            Ok(orphans) => lost.orphans = orphans,
            Err(error) => lost.failures.push(("orphaned items", error)),
        }
        match self.deleted_items() {
            Ok(deleted) => lost.deleted = deleted,
            Err(error) => lost.failures.push(("deleted items", error)),
        }
        lost
    }

    fn orphans(&self, listing: &Listing) -> Result<Vec<ItemRef>, PstError> {
        let shown: HashSet<u32> = listing.items.iter().map(|item| item.nid).collect();
        let folders: HashMap<u32, u32> =
            (0u32..).zip(&listing.folders).map(|(number, folder)| (folder.nid, number)).collect();
        let mut orphans = Vec::new();
        let mut add = |nid: u32, parent: u32| {
            if nid & NODE_TYPE == NORMAL_MESSAGE && !shown.contains(&nid) {
                orphans.push(ItemRef { nid, folder: folders.get(&parent).copied().unwrap_or(0) });
            }
            orphans.len() < MAX_RECOVERED
        };
        if let Some(nodes) = Nodes::new(self.file(), self.header()) {
            nodes.scan(0, &mut |node| match add(node.nid(), node.parent()) {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })?;
            return Ok(orphans);
        }
        // A tree that only libpff reads.
        let whole = self.whole()?;
        for index in 0..whole.orphans()? {
            if let Some(item) = whole.orphan(index)?
                && !add(item.identifier()?, 0)
            {
                break;
            }
        }
        Ok(orphans)
    }

    /// The archive after libpff has looked for deleted nodes in it, which it does once.
    fn searched(&self) -> Result<Rc<ffi::File>, PstError> {
        let whole = self.whole()?;
        if !self.recovered() {
            whole.recover()?;
            self.set_recovered();
        }
        Ok(whole)
    }

    /// Deleted nodes are of all kinds, folders and tables among them; these are items.
    fn deleted_items(&self) -> Result<Vec<u32>, PstError> {
        let searched = self.searched()?;
        let mut items = Vec::new();
        for index in 0..searched.recovered()?.min(MAX_RECOVERED) {
            let item = searched.recovered_item(index);
            let nid = item.and_then(|item| item.map(|item| item.identifier()).transpose());
            // One that does not even say what it is cannot be read either.
            if let Ok(Some(nid)) = nid
                && nid & NODE_TYPE == NORMAL_MESSAGE
            {
                items.push(u32::try_from(index).unwrap_or(u32::MAX));
            }
        }
        Ok(items)
    }

    /// Opens any item for `f`, see [`Archive::with_item`].
    ///
    /// # Errors
    /// As there.
    pub fn with<R>(&self, which: Which, f: impl FnOnce(&super::item::Item<'_>) -> R) -> Result<R, PstError> {
        match which {
            Which::Node(nid) => self.with_item(nid, f),
            Which::Deleted(number) => {
                let searched = self.searched()?;
                let index = usize::try_from(number).unwrap_or(usize::MAX);
                let item =
                    searched.recovered_item(index)?.ok_or(PstError::Missing { what: "deleted item" })?;
                Ok(f(&self.item(item)))
            }
        }
    }
}
