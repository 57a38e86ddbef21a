//! Names items by the tree of nodes alone: the last resort where folders cannot be read, or reading them is the end of
//! whoever does it.
//!
//! What always holds: nothing of libpff is asked; every message of the tree is named once, those that no folder shows
//! among them; folders have numbers for names.

use super::archive::Archive;
use super::error::PstError;
use super::folder::{Folder, ItemRef, Listing};
use super::limits::{MAX_FOLDER_DEPTH, MAX_FOLDERS};
use super::nodes::Nodes;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

/// Types of nodes, in the low bits of their ids ([MS-PST] 2.2.2.1).
const NODE_TYPE: u32 = 0x1f;
const NORMAL_FOLDER: u32 = 0x02;
const NORMAL_MESSAGE: u32 = 0x04;
/// `NID_ROOT_FOLDER`.
const ROOT: u32 = 0x122;

impl Archive {
    /// Names every message of the archive. A folder is told by its node id, as `/(folder 8022)`.
    ///
    /// # Errors
    /// `Unsupported` for pages of 4 KiB, `Io` where the tree of nodes is damaged.
    pub fn list_by_nodes(&self) -> Result<Listing, PstError> {
        let nodes = Nodes::new(self.file(), self.header())
            .ok_or_else(|| PstError::Unsupported("a tree of nodes in pages of 4 KiB".to_owned()))?;
        let (mut parents, mut messages) = (BTreeMap::new(), Vec::new());
        nodes.scan(0, &mut |node| {
            match node.nid() & NODE_TYPE {
                NORMAL_FOLDER if parents.len() < MAX_FOLDERS => {
                    parents.insert(node.nid(), node.parent());
                }
                NORMAL_MESSAGE => messages.push((node.nid(), node.parent())),
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        let mut folders = vec![Folder { nid: ROOT, path: "/".to_owned(), items: 0 }];
        let mut numbers = HashMap::from([(ROOT, 0u32)]);
        for nid in parents.keys().filter(|nid| **nid != ROOT) {
            numbers.insert(*nid, u32::try_from(folders.len()).unwrap_or(u32::MAX));
            folders.push(Folder { nid: *nid, path: path(*nid, &parents), items: 0 });
        }
        let mut items = Vec::with_capacity(messages.len());
        for (nid, parent) in messages {
            let folder = numbers.get(&parent).copied().unwrap_or(0);
            if let Some(folder) = usize::try_from(folder).ok().and_then(|n| folders.get_mut(n)) {
                folder.items = folder.items.saturating_add(1);
            }
            items.push(ItemRef { nid, folder });
        }
        Ok(Listing { folders, items, failures: Vec::new() })
    }
}

/// The path of a folder by the ids of those above it. A ring of folders ends where it is cut.
fn path(nid: u32, parents: &BTreeMap<u32, u32>) -> String {
    let mut ids = vec![nid];
    let mut at = nid;
    while let Some(parent) = parents.get(&at).filter(|parent| **parent != ROOT && !ids.contains(parent)) {
        if ids.len() >= MAX_FOLDER_DEPTH {
            break;
        }
        at = *parent;
        ids.push(at);
    }
    ids.iter().rev().map(|id| format!("/(folder {id:x})")).collect()
}
