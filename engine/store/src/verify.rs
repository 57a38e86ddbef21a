//! Reads every byte of a store and names what is wrong.

use crate::api::{Missing, SectionRead, SegmentStats, VerifyReport};
use crate::error::StoreError;
use crate::keeper::KeeperHandle;
use crate::log::for_each_page;
use crate::maintenance::{Chore, Described};
use crate::names;
use crate::open::Core;
use crate::recover;
use crate::segment::columns;
use crate::segment::emails::Emails;
use crate::segment::frames;
use crate::segment::heap::Heap;
use crate::segment::leaves;
use crate::segment::reader::identity;
use crate::segment::shared::{SharedSection, checked};
use postlode_format::block::BlockPlace;
use postlode_format::btree::Page;
use postlode_format::index;
use postlode_format::limits::PAGE;
use postlode_format::manifest::{Manifest, SegmentEntry};
use postlode_format::row::{ArchivedBody, RowKind, access};
use postlode_format::segment::{
    DIRECTORY_BLOCK, Directory, Identity, ORDINAL, Ordinal, Section, SectionKind, check_header,
    directory_block, read_trailer,
};
use postlode_runtime::{DiskError, DiskErrorKind, Pace, Runtime, SharedFile, offload};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

/// Bytes read at a time.
const CHUNK: u64 = 1 << 20;
/// Segments checked at once. One is read while the other is checked; a deeper queue (io_uring, 4 to 64 reads of 64 KiB
/// to 1 MiB) read no faster where it was measured: 0.9 to 1.2 times two readers of 1 MiB.
const AT_ONCE: usize = 2;
/// Steps behind those who ask.
const NICE: u8 = 5;

/// Asks the maintenance task.
///
/// # Errors
/// [`StoreError::Closed`].
pub async fn verify(core: &Core) -> Result<VerifyReport, StoreError> {
    core.chore(Chore::Verify).await?
}

/// Asks the maintenance task to describe all segments.
///
/// # Errors
/// [`StoreError::Closed`].
pub async fn describe(core: &Core, manifest: &Arc<Manifest>) -> Result<Described, StoreError> {
    core.chore(|reply| Chore::Describe(manifest.clone(), reply)).await
}

/// Verifies segments and logs.
///
/// # Errors
/// [`StoreError::Closed`], or a folder that cannot be listed.
pub async fn run<R: Runtime>(runtime: &R, keeper: &KeeperHandle) -> Result<VerifyReport, StoreError> {
    let mut report = VerifyReport::default();
    let manifest = keeper.current().await?;
    let mut ahead = VecDeque::new();
    let files: Vec<SegmentEntry> = manifest.files().collect();
    let mut to_come = files.iter();
    loop {
        ahead
            .extend(to_come.by_ref().take(AT_ONCE - ahead.len()).map(|entry| (entry, begin(runtime, entry))));
        let Some((entry, begun)) = ahead.pop_front() else { break };
        let one = match begun {
            Ok(checked) => {
                checked.await.unwrap_or_else(|_| broken(entry.id, "file", "checking it was broken off"))
            }
            Err(error) => broken(entry.id, "file", error),
        };
        // Compaction may have replaced it meanwhile.
        let gone = one.damage.iter().any(|m| m.section == "file");
        if gone && !keeper.current().await?.file_ids().any(|file| file == entry.id) {
            continue;
        }
        add(&mut report, one);
    }
    logs(runtime, &manifest, keeper, &mut report).await?;
    Ok(report)
}

fn add(report: &mut VerifyReport, one: VerifyReport) {
    report.files += one.files;
    report.bytes += one.bytes;
    report.blocks += one.blocks;
    report.damage.extend(one.damage);
}

/// Begins to check a segment, on a thread of its own: the pool's are for those who ask.
fn begin<R: Runtime>(
    runtime: &R,
    entry: &SegmentEntry,
) -> Result<oneshot::Receiver<VerifyReport>, DiskError> {
    let (name, entry) = (names::segment(entry.id), entry.clone());
    let (medium, file) = (runtime.open_whole(&name, Pace::Goes)?, runtime.open_shared(&name)?);
    let (sender, receiver) = oneshot::channel();
    // Where nobody waits any more, the report is dropped.
    let check = move || drop(sender.send(check_segment(&medium, &file, &entry)));
    runtime.background(NICE, Box::new(check));
    Ok(receiver)
}

/// Reads back what was just written, blocking: all blocks of a segment that nobody relies on yet.
///
/// # Errors
/// The first block which is not what was written.
pub fn read_back(file: &Arc<dyn SharedFile>, entry: &SegmentEntry) -> Result<(), Missing> {
    let mut report = VerifyReport::default();
    let directory = shared_directory(file, entry)?;
    check_sections(file, entry, &directory, &mut report);
    report.damage.into_iter().next().map_or(Ok(()), Err)
}

fn broken(id: u64, section: &str, reason: impl ToString) -> VerifyReport {
    let missing = Missing { segment: Some(id), section: section.into(), reason: reason.to_string() };
    VerifyReport { files: 1, damage: vec![missing], ..VerifyReport::default() }
}

/// Reads a segment's directory, blocking.
///
/// # Errors
/// What of it is damaged.
pub fn shared_directory(file: &Arc<dyn SharedFile>, entry: &SegmentEntry) -> Result<Directory, Missing> {
    let (id, own) = (entry.id, identity(entry));
    let name = |section: &str, e: &dyn ToString| Missing {
        segment: Some(id),
        section: section.into(),
        reason: e.to_string(),
    };
    let head = file.read_at(0, PAGE).map_err(|e| name("header", &e))?;
    let version = check_header(own, &head).map_err(|e| name("header", &e))?;
    let tail_at = entry.bytes.saturating_sub(PAGE as u64);
    let tail = file.read_at(tail_at, PAGE).map_err(|e| name("trailer", &e))?;
    let (at, len) = read_trailer(own, entry.bytes, &tail).map_err(|e| name("trailer", &e))?;
    let mut record = Vec::new();
    for number in 0..postlode_format::block::count(len, DIRECTORY_BLOCK) {
        let from = at.saturating_add(number.saturating_mul(DIRECTORY_BLOCK as u64));
        let bytes = file.read_at(from, DIRECTORY_BLOCK).map_err(|e| name("directory", &e))?;
        let place = directory_block(own, u32::try_from(number).unwrap_or(u32::MAX));
        record.extend_from_slice(&checked(place, &bytes).map_err(|e| name("directory", &e))?);
    }
    record.truncate(usize::try_from(len).unwrap_or(0));
    let directory =
        Directory::decode(&record, own, version, entry.bytes).map_err(|e| name("directory", &e))?;
    let agrees = directory.kind == entry.kind
        && (directory.low, directory.high, directory.max_seq) == (entry.low, entry.high, entry.max_seq);
    if agrees { Ok(directory) } else { Err(name("directory", &"it is not what the manifest says")) }
}

/// Checks all of a segment, blocking: its blocks as the `medium` has them, not a cache; then, when all of them are what
/// was written, what they mean, from wherever `file` has it.
pub fn check_segment(
    medium: &Arc<dyn SharedFile>,
    file: &Arc<dyn SharedFile>,
    entry: &SegmentEntry,
) -> VerifyReport {
    let mut report = VerifyReport { files: 1, bytes: entry.bytes, blocks: 2, ..VerifyReport::default() };
    let directory = match shared_directory(medium, entry) {
        Ok(directory) => directory,
        Err(missing) => {
            report.damage.push(missing);
            return report;
        }
    };
    check_sections(medium, entry, &directory, &mut report);
    if report.damage.is_empty() {
        for section in &directory.sections {
            if let Err(missing) = check_tree(file, &directory, section) {
                report.damage.push(missing);
            }
        }
    }
    if report.damage.is_empty()
        && let Err(missing) = check_rows(file, &directory).and(columns::check(file, &directory, entry.emails))
    {
        report.damage.push(missing);
    }
    report
}

/// All blocks of all sections, and that nothing lies between them.
fn check_sections(
    file: &Arc<dyn SharedFile>,
    entry: &SegmentEntry,
    directory: &Directory,
    report: &mut VerifyReport,
) {
    let mut next = PAGE as u64;
    for (number, section) in directory.sections.iter().enumerate() {
        if section.offset != next {
            report.damage.push(Missing {
                segment: Some(entry.id),
                section: section.name(),
                reason: "there are bytes before it that belong to no section".into(),
            });
        }
        next = section.offset.saturating_add(section.blocks().saturating_mul(u64::from(section.block_size)));
        check_blocks(file, identity(entry), u16::try_from(number).unwrap_or(u16::MAX), section, report);
    }
}

fn check_blocks(
    file: &Arc<dyn SharedFile>,
    own: Identity,
    number: u16,
    section: &Section,
    report: &mut VerifyReport,
) {
    let size = u64::from(section.block_size);
    let per_read = (CHUNK / size.max(1)).max(1);
    let blocks = section.blocks();
    let mut block = 0u64;
    let mut name = |block: u64, error: &dyn ToString| {
        report.damage.push(Missing {
            segment: Some(own.id),
            section: section.name(),
            reason: format!("block {block}: {}", error.to_string()),
        });
    };
    while block < blocks {
        let take = per_read.min(blocks - block);
        let at = section.offset.saturating_add(block * size);
        match file.read_at(at, usize::try_from(take * size).unwrap_or(0)) {
            Err(error) => name(block, &error),
            Ok(bytes) => {
                for (n, one) in (block..).zip(bytes.chunks(section.block_size as usize)) {
                    let place = BlockPlace {
                        segment: own.id,
                        salt: own.salt,
                        section: number,
                        block: u32::try_from(n).unwrap_or(u32::MAX),
                    };
                    if let Err(error) = postlode_format::block::open(place, one) {
                        name(n, &error);
                    }
                }
            }
        }
        block += take;
    }
    report.blocks += blocks;
}

/// Leaves ascend over the whole tree and are as many entries as the directory says.
fn check_tree(file: &Arc<dyn SharedFile>, directory: &Directory, section: &Section) -> Result<(), Missing> {
    let Some(kind @ (SectionKind::Primary | SectionKind::Index)) = SectionKind::from_number(section.kind)
    else {
        return Ok(());
    };
    let Some(part) = SharedSection::find(file, directory, kind, section.index, None) else { return Ok(()) };
    let name = |reason: String| Missing { segment: Some(directory.id), section: section.name(), reason };
    let payload = postlode_format::block::payload_size(section.block_size as usize);
    let (mut last, mut entries): (Option<Vec<u8>>, u64) = (None, 0);
    for block in 0..section.blocks() {
        let bytes = part.read(block.saturating_mul(payload as u64), payload)?;
        let page = Page::parse(bytes).map_err(|e| name(format!("block {block}: {e}")))?;
        let all = page.entries().map_err(|e| name(format!("block {block}: {e}")))?;
        if !page.is_leaf() {
            continue;
        }
        entries += all.len() as u64;
        if let (Some(last), Some((first, _))) = (&last, all.first())
            && last >= first
        {
            return Err(name(format!("block {block}: its keys do not follow those before")));
        }
        last = all.into_iter().last().map(|(key, _)| key).or(last);
    }
    if entries != section.entries {
        return Err(name(format!("it holds {entries} entries, the directory says {}", section.entries)));
    }
    Ok(())
}

/// Every row that the primary tree names is a record of its kind.
fn check_rows(file: &Arc<dyn SharedFile>, directory: &Directory) -> Result<(), Missing> {
    let find = |kind| SharedSection::find(file, directory, kind, 0, None);
    let named = |section: &str, reason: String| Missing {
        segment: Some(directory.id),
        section: section.into(),
        reason,
    };
    if let (Some(ordinals), Some(emails), Some(bodies)) =
        (find(SectionKind::Ordinals), Emails::find(file, directory)?, find(SectionKind::Bodies))
    {
        let mut frame: Option<(u64, bytes::Bytes)> = None;
        for n in 0..ordinals.len() / ORDINAL as u64 {
            let bytes = ordinals.read(n * ORDINAL as u64, ORDINAL)?;
            let o = Ordinal::decode(&bytes).map_err(|e| named("ordinals", format!("entry {n}: {e}")))?;
            let email = emails.read(&o)?;
            index::entries(RowKind::Email, &o.id, &email)
                .map_err(|e| named("emails", format!("record {n}: {e}")))?;
            if frame.as_ref().is_none_or(|(at, _)| *at != o.frame_at) {
                let compressed = bodies.read(o.frame_at, o.frame_len as usize)?;
                let raw = frames::open(&compressed, None)
                    .map_err(|e| named("bodies", format!("record {n}: {e}")))?;
                frame = Some((o.frame_at, raw));
            }
            let Some((_, raw)) = &frame else { continue };
            let body = frames::body_in(raw, &o).map_err(|e| named("bodies", format!("record {n}: {e}")))?;
            access::<ArchivedBody>(&body).map_err(|e| named("bodies", format!("record {n}: {e}")))?;
        }
    }
    let (Some(primary), Some(heap)) = (find(SectionKind::Primary), Heap::find(file, directory)?) else {
        return Ok(());
    };
    for entry in leaves::locations(&primary) {
        let (key, at) = entry?;
        let Some((kind, key)) = key.split_first() else { continue };
        let kind = RowKind::from_number(*kind).map_err(|e| named("primary", e.to_string()))?;
        if matches!(kind, RowKind::Email | RowKind::Body) {
            continue;
        }
        let value = heap.read(&at)?;
        index::entries(kind, key, &value).map_err(|e| named("heap", format!("row of kind {kind:?}: {e}")))?;
    }
    Ok(())
}

async fn logs<R: Runtime>(
    runtime: &R,
    manifest: &Manifest,
    keeper: &KeeperHandle,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    for entry in runtime.list(Path::new(names::LOGS)).await? {
        let Some((stream, file)) = names::parse_log(&entry.name) else { continue };
        if !manifest.logs.iter().any(|l| l.stream == stream && file >= l.first_file) {
            continue;
        }
        let (mut pages, mut unreadable) = (0u64, Vec::new());
        let path = names::log(stream, file);
        let read = for_each_page(runtime, &path, |page, bytes| {
            pages += 1;
            if let Err(error) = bytes {
                unreadable.push(Missing {
                    segment: None,
                    section: path.display().to_string(),
                    reason: format!("page {page}: {error}"),
                });
            }
        })
        .await;
        match read {
            Err(error) if error.kind == DiskErrorKind::NotFound => continue,
            other => other?,
        }
        report.files += 1;
        report.blocks += pages;
        report.bytes += pages * PAGE as u64;
        report.damage.extend(unreadable);
    }
    // The writer goes on while its log is read, so a frame may seem to be missing that came a moment later: only
    // what a second look finds again is damage. And rows sealed meanwhile have left the log.
    let mut damage = recover::recover(runtime, manifest, false).await?.damage;
    if !damage.is_empty() {
        let again = recover::recover(runtime, manifest, false).await?.damage;
        damage.retain(|d| again.contains(d));
    }
    let now = keeper.current().await?;
    for (stream, damage) in &damage {
        if now.logs.iter().any(|l| l.stream == *stream && l.floor <= damage.lost.1) {
            report.damage.push(recover::describe(*stream, damage));
        }
    }
    let live = |stream: u64| now.logs.iter().any(|l| l.stream == stream);
    for (stream, first, last) in now.lost.iter().filter(|(stream, ..)| !live(*stream)) {
        report.damage.push(Missing {
            segment: None,
            section: format!("stream {stream:016x}"),
            reason: format!("{}; an earlier opening found that damage", recover::lost_rows(*first, *last)),
        });
    }
    Ok(())
}

/// Describes the segments of a manifest.
pub async fn run_describe<R: Runtime>(runtime: &R, keeper: &KeeperHandle, manifest: &Manifest) -> Described {
    let (mut out, mut missing) = (Vec::new(), Vec::new());
    for entry in &manifest.segments {
        let mut stats = SegmentStats::of(entry);
        let mut rows = Vec::new();
        match runtime.open_shared(&names::segment(entry.id)) {
            Err(error) => missing.push(Missing {
                segment: Some(entry.id),
                section: "file".into(),
                reason: error.to_string(),
            }),
            Ok(file) => {
                let entry = entry.clone();
                match offload(runtime, move || shared_directory(&file, &entry)).await {
                    Some(Ok(directory)) => {
                        let describe = |s: &Section| {
                            (s.name(), s.bytes, s.blocks().saturating_mul(u64::from(s.block_size)), s.entries)
                        };
                        stats.sections = directory.sections.iter().map(describe).collect();
                        rows = directory.rows;
                    }
                    Some(Err(error)) => missing.push(error),
                    None => {}
                }
            }
        }
        for addon in &entry.addons {
            let of = entry.of_addon(addon);
            let name = |error: &dyn ToString| Missing {
                segment: Some(of.id),
                section: "file".into(),
                reason: error.to_string(),
            };
            match runtime.open_shared(&names::segment(addon.id)) {
                Err(error) => missing.push(name(&error)),
                Ok(file) => {
                    let look = of.clone();
                    let read = offload(runtime, move || shared_directory(&file, &look).map(drop)).await;
                    missing.extend(read.and_then(Result::err));
                }
            }
        }
        out.push((stats, rows));
    }
    if !missing.is_empty()
        && let Ok(now) = keeper.current().await
    {
        // A merge may have replaced a segment while it was described.
        missing.retain(|m| now.file_ids().any(|file| Some(file) == m.segment));
    }
    (out, missing)
}
