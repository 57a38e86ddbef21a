//! What a crash leaves of what was not durable: nothing, all, a beginning, or any mixture down to sectors.

use super::disk::{Disk, Inode, NameChange, Page};
use super::faults::Faults;
use crate::disk::ALIGN;
use std::collections::BTreeMap;

/// A device writes whole sectors, and nothing larger at once.
const SECTOR: usize = 512;

/// How much of the unsynced survives one crash. Drawn for each crash, because a mixture alone would hardly ever
/// lose everything or nothing.
#[derive(Clone, Copy)]
enum Mercy {
    None,
    All,
    /// In the order of writing, the next one torn.
    Beginning,
    /// Each sector of each page any of its versions; each name for itself.
    Any,
}

impl Mercy {
    fn draw(faults: &Faults) -> Self {
        match faults.random.below(4) {
            0 => Self::None,
            1 => Self::All,
            2 => Self::Beginning,
            _ => Self::Any,
        }
    }
}

impl Disk {
    /// The power fails.
    pub(super) fn crash(&mut self) {
        self.faults.counts.crashes += 1;
        self.crash_names();
        let durable: Vec<u64> = self.durable_names.values().copied().collect();
        self.inodes.retain(|number, _| durable.contains(number));
        let mercy = Mercy::draw(&self.faults);
        for inode in self.inodes.values_mut() {
            crash_file(inode, mercy, &mut self.faults);
        }
        self.kill();
    }

    /// The process is gone, and its locks with it; the disk is as it was.
    pub(super) fn kill(&mut self) {
        self.life += 1;
        self.locks.clear();
    }

    fn crash_names(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        let survive = match Mercy::draw(&self.faults) {
            Mercy::None => vec![false; changes.len()],
            Mercy::All => vec![true; changes.len()],
            Mercy::Beginning => {
                let kept = self.faults.random.below(changes.len() as u64 + 1);
                (0..changes.len() as u64).map(|number| number < kept).collect()
            }
            Mercy::Any => changes.iter().map(|_| self.faults.coin()).collect(),
        };
        for (change, survives) in changes.into_iter().zip(survive) {
            if !survives {
                self.faults.counts.lost_names += 1;
                continue;
            }
            match change {
                NameChange::Link(path, inode) => drop(self.durable_names.insert(path, inode)),
                NameChange::Unlink(path) => drop(self.durable_names.remove(&path)),
                NameChange::Rename(from, to, inode) => {
                    if self.durable_names.get(&from) == Some(&inode) {
                        self.durable_names.remove(&from);
                    }
                    self.durable_names.insert(to, inode);
                }
            }
        }
        self.names = self.durable_names.clone();
    }
}

fn crash_file(inode: &mut Inode, mercy: Mercy, faults: &mut Faults) {
    let unsynced = std::mem::take(&mut inode.unsynced);
    let total = unsynced.len() as u64;
    let kept = match mercy {
        Mercy::None | Mercy::Any => 0,
        Mercy::All => total,
        Mercy::Beginning => faults.random.below(total + 1),
    };
    let mut versions: BTreeMap<u64, Vec<Page>> = BTreeMap::new();
    for (number, (page, bytes)) in (0..).zip(unsynced) {
        if number < kept {
            inode.durable.insert(page, bytes);
        } else if matches!(mercy, Mercy::Any) || (matches!(mercy, Mercy::Beginning) && number == kept) {
            versions.entry(page).or_default().push(bytes);
        } else {
            faults.counts.lost_pages += 1;
        }
    }
    for (page, mut versions) in versions {
        versions.insert(0, inode.durable.get(&page).cloned().flatten());
        let mixed = mix(&versions, faults);
        inode.durable.insert(page, mixed);
    }
    // The length is metadata, with a fate of its own, unless everything came through.
    if kept == total && !matches!(mercy, Mercy::Any) && total > 0
        || (!matches!(mercy, Mercy::None) && faults.coin())
    {
        inode.durable_len = inode.len;
    }
    inode.len = inode.durable_len;
    inode.durable.retain(|page, _| page * (ALIGN as u64) < inode.durable_len);
    inode.pages = inode.durable.clone();
}

/// A page of which each sector is of any version.
fn mix(versions: &[Page], faults: &mut Faults) -> Page {
    // As often as not a page is lost or kept as a whole.
    let whole = faults.coin();
    let mut choice = faults.random.below(versions.len() as u64);
    let mut chosen = Vec::with_capacity(ALIGN / SECTOR);
    let mut bytes = Vec::with_capacity(ALIGN);
    for sector in 0..ALIGN / SECTOR {
        if !whole {
            choice = faults.random.below(versions.len() as u64);
        }
        chosen.push(choice);
        let version = usize::try_from(choice).ok().and_then(|choice| versions.get(choice));
        let version = version.and_then(|page| page.as_deref());
        let part = version.and_then(|page| page.get(sector * SECTOR..(sector + 1) * SECTOR));
        bytes.extend_from_slice(part.unwrap_or(&[0; SECTOR]));
    }
    if chosen.iter().all(|choice| *choice == 0) {
        faults.counts.lost_pages += 1;
    } else if chosen.windows(2).any(|pair| pair.first() != pair.last()) {
        faults.counts.torn_pages += 1;
    }
    bytes.iter().any(|byte| *byte != 0).then(|| bytes.into())
}
