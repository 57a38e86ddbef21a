//! Which segments are merged with which.
//!
//! Two plans: what the store does by itself, a merge at a time, whenever enough segments of a size have come together;
//! and what somebody who asks for it gets at once. What always holds: sources of a merge are of one kind, and lie in
//! the range of the shard that the target is for, or are cut there.

use postlode_format::manifest::{Manifest, SegmentEntry, SegmentKind};
use postlode_format::row::{shard_of, shard_range};
use std::collections::{BTreeMap, BTreeSet};

/// Segments of this size are left alone by a compaction that was asked for, unless they span shards.
const LARGE: u64 = 64 << 20;
/// Sources of one merge together.
const TARGET: u64 = 128 << 20;
/// Upper ends of the sizes of which the store merges by itself. What has outgrown the last is left alone: each mail is
/// then rewritten once while it is loaded, and no more than a few times where it comes in drop by drop.
const TIERS: [u64; 3] = [512 << 10, 4 << 20, 32 << 20];

/// One merge: sources, and the hash range of the target.
#[derive(Debug, Clone)]
pub struct Merge {
    /// What is merged, at least one.
    pub sources: Vec<SegmentEntry>,
    /// First and last hash of the target.
    pub range: (u64, u64),
}

/// What the store should merge next by itself, and how many segments wait in the shard that it is for: the smallest
/// tier first. `fan_in`: how many of a size come together. `avoid`: damaged segments.
pub fn next(
    manifest: &Manifest,
    shards: usize,
    fan_in: usize,
    avoid: &BTreeSet<u64>,
) -> Option<(Merge, usize)> {
    let mut groups: BTreeMap<(usize, usize, u8), Vec<&SegmentEntry>> = BTreeMap::new();
    let mut waiting: BTreeMap<usize, usize> = BTreeMap::new();
    for entry in manifest.segments.iter().filter(|s| !avoid.contains(&s.id) && !spans_shards(s, shards)) {
        let Some(tier) = TIERS.iter().position(|most| entry.bytes < *most) else { continue };
        let shard = shard_of(entry.low, shards);
        groups.entry((tier, shard, entry.kind as u8)).or_default().push(entry);
        *waiting.entry(shard).or_default() += 1;
    }
    groups.into_iter().find_map(|((_, shard, _), mut group)| {
        group.sort_unstable_by_key(|s| s.id);
        let mut bytes = 0u64;
        let fitting = group.iter().take(fan_in.max(2)).take_while(|s| {
            bytes = bytes.saturating_add(s.bytes);
            bytes <= TARGET
        });
        let sources: Vec<SegmentEntry> = fitting.map(|s| SegmentEntry::clone(s)).collect();
        let enough = sources.len() >= fan_in.max(2) || (sources.len() > 1 && sources.len() < group.len());
        let merge = Merge { sources, range: shard_range(shard, shards) };
        (enough && group.len() >= fan_in).then(|| (merge, waiting.get(&shard).copied().unwrap_or(0)))
    })
}

/// Segments that would be merged sooner or later: the backlog.
pub fn waiting(manifest: &Manifest) -> u64 {
    let most = TIERS.last().copied().unwrap_or(0);
    manifest.segments.iter().filter(|s| s.bytes < most).count() as u64
}

/// What a compaction that was asked for merges and cuts. `anew`: segments that are to be written anew in any case, as they
/// hold emails which are deleted, or are of an older version.
pub fn all(manifest: &Manifest, shards: usize, anew: &BTreeSet<u64>) -> Vec<Merge> {
    let must = |s: &SegmentEntry| spans_shards(s, shards) || anew.contains(&s.id);
    let mut out = Vec::new();
    for shard in 0..shards {
        let range = shard_range(shard, shards);
        for kind in [SegmentKind::Mail, SegmentKind::Blobs] {
            let overlaps = |s: &&SegmentEntry| s.kind == kind && s.low <= range.1 && s.high >= range.0;
            let mut group: Vec<SegmentEntry> = Vec::new();
            let mut bytes = 0u64;
            for entry in manifest.segments.iter().filter(overlaps).filter(|s| s.bytes < LARGE || must(s)) {
                if bytes.saturating_add(entry.bytes) > TARGET && !group.is_empty() {
                    out.push(Merge { sources: std::mem::take(&mut group), range });
                    bytes = 0;
                }
                bytes += entry.bytes;
                group.push(entry.clone());
            }
            out.push(Merge { sources: group, range });
        }
    }
    out.retain(|m| m.sources.len() > 1 || m.sources.iter().any(must));
    out
}

fn spans_shards(entry: &SegmentEntry, shards: usize) -> bool {
    shard_of(entry.low, shards) != shard_of(entry.high, shards)
}

/// Merges that have sources in common: a source is gone only when all that becomes of it is there.
pub fn units(merges: Vec<Merge>) -> Vec<Vec<Merge>> {
    let mut units: Vec<(BTreeSet<u64>, Vec<Merge>)> = Vec::new();
    for merge in merges {
        let mut ids: BTreeSet<u64> = merge.sources.iter().map(|s| s.id).collect();
        let mut unit = vec![merge];
        let (joined, apart): (Vec<_>, Vec<_>) =
            units.into_iter().partition(|(others, _)| !others.is_disjoint(&ids));
        for (others, merges) in joined {
            ids.extend(others);
            unit.splice(0..0, merges);
        }
        units = apart;
        units.push((ids, unit));
    }
    units.into_iter().map(|(_, unit)| unit).collect()
}

/// Units of which some are to be done as one: those that hold segments of one of these sets.
pub fn together(units: Vec<Vec<Merge>>, sets: &[BTreeSet<u64>]) -> Vec<Vec<Merge>> {
    let holds = |unit: &Vec<Merge>, set: &BTreeSet<u64>| {
        unit.iter().flat_map(|merge| &merge.sources).any(|source| set.contains(&source.id))
    };
    sets.iter().fold(units, |units, set| {
        let (joined, mut apart): (Vec<_>, Vec<_>) = units.into_iter().partition(|unit| holds(unit, set));
        apart.push(joined.into_iter().flatten().collect());
        apart.retain(|unit| !unit.is_empty());
        apart
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(id: u64, bytes: u64, range: (u64, u64)) -> SegmentEntry {
        SegmentEntry {
            id,
            salt: 0,
            kind: SegmentKind::Mail,
            low: range.0,
            high: range.1,
            bytes,
            emails: 1,
            rows: 1,
            min_date: 0,
            max_date: 0,
            max_seq: id,
            addons: Vec::new(),
        }
    }

    /// Mail that comes in is merged until nothing more is to be done, and each byte was rewritten a few times at most.
    #[test]
    fn what_comes_in_stays_few_segments_and_is_rewritten_seldom() {
        for (size, shards) in [(40_000u64, 1usize), (900_000, 2), (5 << 20, 2), (40 << 20, 2)] {
            let mut manifest = Manifest::default();
            let (mut came, mut rewritten) = (0u64, 0u64);
            for id in 0..1_500u64 {
                let shard = usize::try_from(id).unwrap() % shards;
                manifest.segments.push(segment(id, size, shard_range(shard, shards)));
                came += size;
                while let Some((merge, waiting)) = next(&manifest, shards, 16, &BTreeSet::new()) {
                    assert!(waiting >= merge.sources.len());
                    let bytes: u64 = merge.sources.iter().map(|s| s.bytes).sum();
                    let ids: Vec<u64> = merge.sources.iter().map(|s| s.id).collect();
                    assert!(bytes <= TARGET && ids.len() > 1, "{bytes} {ids:?}");
                    rewritten += bytes;
                    manifest.segments.retain(|s| !ids.contains(&s.id));
                    manifest.segments.push(segment(1_000_000 + id, bytes, merge.range));
                }
            }
            let most = shards as u64 * 16 * TIERS.len() as u64;
            assert!(waiting(&manifest) <= most, "{size}: {} wait", waiting(&manifest));
            assert!(rewritten <= came * 4, "{size}: {rewritten} of {came} bytes");
        }
    }

    #[test]
    fn what_belongs_together_is_one_unit() {
        let merge = |id| Merge { sources: vec![segment(id, 1, (0, u64::MAX))], range: (0, u64::MAX) };
        let units = (0..6).map(|id| vec![merge(id)]).collect();
        let sets = [BTreeSet::from([1, 4]), BTreeSet::from([4, 5]), BTreeSet::from([2, 9])];
        let joined = together(units, &sets);
        let mut ids: Vec<Vec<u64>> =
            joined.iter().map(|unit| unit.iter().map(|merge| merge.sources[0].id).collect()).collect();
        ids.iter_mut().for_each(|ids| ids.sort_unstable());
        ids.sort();
        assert_eq!(ids, [vec![0], vec![1, 4, 5], vec![2], vec![3]]);
    }

    #[test]
    fn damaged_segments_and_those_that_span_shards_are_left_alone() {
        let mut manifest = Manifest::default();
        for id in 0..16 {
            manifest.segments.push(segment(id, 1 << 20, shard_range(0, 2)));
        }
        assert!(next(&manifest, 2, 16, &BTreeSet::new()).is_some());
        assert!(next(&manifest, 2, 16, &BTreeSet::from([3])).is_none());
        assert!(next(&manifest, 4, 16, &BTreeSet::new()).is_none());
        assert_eq!(all(&manifest, 4, &BTreeSet::new()).len(), 2);
    }
}
