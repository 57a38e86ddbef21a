//! Chooses where candidates come from.
//!
//! A driver is a set of parts of indexes and of text matches that together name every email that can match. What
//! always holds: a driver may name too many, never too few; where it names exactly those that match, it is
//! `covered`, and rows need not be checked for more than deletion. A damaged index is the last choice, as another
//! driver together with a check of the rows gives the whole answer.

use crate::archives;
use crate::engine::Inner;
use crate::error::QueryError;
use crate::filter::{Condition, Filter, Role};
use crate::stream::{Bounds, Part};
use postlode_format::id::Id;
use postlode_format::index::{IndexId, id_prefix, part_prefix, size_class};
use postlode_store::{KeyRange, Scan, Store, StoreError};
use postlode_text::Match;
use std::collections::HashMap;

/// Most folders that are looked through for those that a pattern names.
const MAX_FOLDERS: usize = 4096;
/// Most parts of one driver.
const MAX_PARTS: usize = 256;
/// The cost of a damaged index.
pub const DAMAGED: u64 = u64::MAX / 4;

/// A part of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A part of an index.
    Index(IndexId, Vec<u8>),
    /// A text condition, by its number.
    Text(usize),
    /// One email.
    Id(Id),
}

/// A driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Its parts.
    pub sources: Vec<Source>,
    /// It names exactly those that match, deleted ones apart.
    pub covered: bool,
    /// Emails it names, about.
    pub cost: u64,
    /// For people.
    pub name: String,
}

/// What was looked up in indexes to plan with.
#[derive(Debug, Default)]
pub struct Known {
    /// All folders, where they are not too many.
    folders: Option<Vec<String>>,
    /// The class of the largest email, see [`size_class`].
    largest: Option<u8>,
    /// What the keys of each archive that is asked for begin with, where these are not too many.
    archives: HashMap<Id, Vec<Vec<u8>>>,
}

/// How a query was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The filter's shape: how many drivers it had.
    drivers: usize,
    /// Which of them it was; `None`: everything.
    chosen: Option<usize>,
    /// The generation of the store then.
    generation: u64,
}

/// What is known of how such a query was planned before.
#[derive(Debug, Default)]
pub struct Before {
    /// The last time.
    pub last: Option<Remembered>,
    /// The generation of the store now.
    pub generation: u64,
}

/// A plan is thought over again once the store has changed so often, and where it names more than so many emails: then others
/// may name far fewer, and to ask them costs little beside that.
const CHANGES: u64 = 1_000;
const FEW: u64 = 256;

/// What was chosen.
pub struct Chosen {
    /// The driver.
    pub driver: Driver,
    /// What was looked up for that.
    pub known: Known,
    /// How, for the next time.
    pub remember: Option<Remembered>,
}

/// Chooses the driver of a filter.
///
/// # Errors
/// Where the store as a whole cannot answer.
pub async fn choose(
    engine: &Inner,
    filter: &Filter,
    texts: &[Vec<Match>],
    bounds: Bounds,
    before: Before,
) -> Result<Chosen, QueryError> {
    let store = &engine.store;
    let folders =
        if names(filter, &|c| matches!(c, Condition::Folder(_))) { folders(store).await? } else { None };
    let of_size = |c: &Condition| matches!(c, Condition::Larger(_) | Condition::Smaller(_));
    let largest = if names(filter, &of_size) { largest(store).await? } else { None };
    let mut asked = Vec::new();
    archives_of(filter, &mut asked);
    asked.sort_unstable();
    asked.dedup();
    let mut archives = HashMap::new();
    let mut left = MAX_PARTS;
    // Where there are more folders than a driver has parts, there is none.
    for archive in asked.into_iter().take(MAX_PARTS) {
        let Some(prefixes) = archives::folders(store, &archive, left).await? else { break };
        left = left.saturating_sub(prefixes.len().max(1));
        archives.insert(archive, prefixes);
    }
    let known = Known { folders, largest, archives };
    let mut all = drivers(filter, &known);
    let drivers = all.len();
    let remember = |chosen| Some(Remembered { drivers, chosen, generation: before.generation });
    if let Some(last) = before.last.filter(|last| last.drivers == drivers) {
        let fresh = before.generation.wrapping_sub(last.generation) < CHANGES;
        if let (Some(at), true) = (last.chosen.filter(|at| *at < all.len()), fresh) {
            let mut driver = all.swap_remove(at);
            driver.cost = cost(engine, &driver.sources, texts, bounds).await?;
            if driver.cost <= FEW {
                return Ok(Chosen { driver, known, remember: Some(last) });
            }
            // As it was, to be thought over.
            all.push(driver);
            let end = all.len().saturating_sub(1);
            all.swap(at, end);
        }
    }
    let mut best: Option<(Option<usize>, Driver)> = None;
    for (at, mut driver) in all.into_iter().enumerate() {
        driver.cost = cost(engine, &driver.sources, texts, bounds).await?;
        // Many streams, and rows to be read of all they name: only where they name much less.
        let weight = |driver: &Driver| if driver.is_wide() && !driver.covered { 4 } else { 1 };
        let price = |driver: &Driver| (driver.cost.saturating_mul(weight(driver)), !driver.covered);
        if best.as_ref().is_none_or(|(_, best)| price(&driver) < price(best)) {
            best = Some((Some(at), driver));
        }
    }
    // What names exactly those that match names no more than everything does.
    if let Some((at, driver)) = best.take_if(|(_, driver)| driver.covered && driver.cost < DAMAGED) {
        let remember = remember(at);
        return Ok(Chosen { driver, known, remember });
    }
    let mut whole = everything(filter);
    whole.cost = cost(engine, &whole.sources, texts, bounds).await?;
    let (at, driver) = match best {
        Some((at, driver)) => {
            let weight = if driver.is_wide() { 4 } else { 1 };
            let less = (driver.cost.saturating_mul(weight), !driver.covered) < (whole.cost, !whole.covered);
            if less { (at, driver) } else { (None, whole) }
        }
        None => (None, whole),
    };
    let remember = remember(at);
    Ok(Chosen { driver, known, remember })
}

/// The parts of an index that name exactly the emails of a condition, where they are at most `most`.
///
/// # Errors
/// Where the store as a whole cannot answer.
pub async fn exact(
    engine: &Inner,
    condition: &Condition,
    known: &Known,
    bounds: Bounds,
    most: u64,
) -> Result<Option<Driver>, QueryError> {
    // Text is looked up already, and an id is told from the position.
    let driver = of_condition(condition, known).filter(|d| d.covered);
    let indexed = |d: &Driver| d.sources.iter().all(|s| matches!(s, Source::Index(..)));
    let Some(driver) = driver.filter(indexed) else { return Ok(None) };
    let cost = cost(engine, &driver.sources, &[], bounds).await?;
    Ok((cost <= most).then_some(driver))
}

fn everything(filter: &Filter) -> Driver {
    let covered = match filter {
        Filter::All(parts) => parts.iter().all(is_dates),
        other => is_dates(other),
    };
    Driver {
        sources: vec![Source::Index(IndexId::Date, Vec::new())],
        covered,
        cost: 0,
        name: "date".to_owned(),
    }
}

/// Has a filter no conditions but dates, all of which an email has to be between?
#[must_use]
pub fn is_dates_alone(filter: &Filter) -> bool {
    everything(filter).covered
}

fn is_dates(filter: &Filter) -> bool {
    matches!(filter, Filter::Is(Condition::Dates(..)))
}

/// The archives that conditions name.
fn archives_of(filter: &Filter, out: &mut Vec<Id>) {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => parts.iter().for_each(|part| archives_of(part, out)),
        Filter::Not(inner) => archives_of(inner, out),
        Filter::Is(Condition::Archives(ids)) => out.extend(ids),
        Filter::Is(_) => {}
    }
}

/// Has it a condition of a certain kind?
fn names(filter: &Filter, kind: &dyn Fn(&Condition) -> bool) -> bool {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => parts.iter().any(|part| names(part, kind)),
        Filter::Not(inner) => names(inner, kind),
        Filter::Is(condition) => kind(condition),
    }
}

/// The class of the largest email; `None` where the index cannot tell.
async fn largest(store: &Store) -> Result<Option<u8>, QueryError> {
    let scan = Scan { index: IndexId::Size, range: KeyRange::prefix(&[]), descending: true, limit: 1 };
    let page = store.scan(scan).await?;
    let class = page.keys.first().map_or(Some(0), |key| key.first().copied());
    Ok(class.filter(|_| page.missing.is_empty()))
}

/// The classes of sizes from the first to the last.
fn sizes(first: u8, last: u8, covered: bool) -> Driver {
    let sources = (first..=last).map(|class| Source::Index(IndexId::Size, vec![class])).collect();
    Driver { sources, covered, cost: 0, name: IndexId::Size.name().to_owned() }
}

/// All folders; `None` where there are too many, or a name is cut in the index.
async fn folders(store: &Store) -> Result<Option<Vec<String>>, QueryError> {
    let parts = match store.parts(IndexId::Folder, &[], MAX_FOLDERS).await {
        Ok(parts) => parts,
        Err(StoreError::Missing(_)) => return Ok(None),
        Err(other) => return Err(other.into()),
    };
    let whole = parts.len() < MAX_FOLDERS && !parts.iter().any(|(p, _)| p.contains(['\u{1}', '\u{fffd}']));
    Ok(whole.then(|| parts.into_iter().map(|(part, _)| part).collect()))
}

/// The drivers of a filter besides everything.
fn drivers(filter: &Filter, known: &Known) -> Vec<Driver> {
    match filter {
        Filter::Not(_) => Vec::new(),
        Filter::Is(condition) => of_condition(condition, known).into_iter().collect(),
        Filter::All(parts) => {
            let mut out = Vec::new();
            for (n, part) in parts.iter().enumerate() {
                let alone = parts.iter().enumerate().all(|(m, other)| m == n || is_dates(other));
                for mut driver in drivers(part, known) {
                    driver.covered &= alone;
                    out.push(driver);
                }
            }
            out
        }
        Filter::Any(parts) => {
            let mut all = Driver { sources: Vec::new(), covered: true, cost: 0, name: String::new() };
            for part in parts {
                // Inside an alternative costs are not compared: one that is usually narrow is good enough.
                let usual = drivers(part, known).into_iter().min_by_key(Driver::is_wide);
                let Some(driver) = usual else { return Vec::new() };
                // Dates inside an alternative bound that alternative alone.
                all.covered &= driver.covered && matches!(part, Filter::Is(_));
                all.sources.extend(driver.sources);
                if !all.name.is_empty() {
                    all.name.push_str(" or ");
                }
                all.name.push_str(&driver.name);
            }
            if all.sources.len() > MAX_PARTS { Vec::new() } else { vec![all] }
        }
    }
}

fn of_condition(condition: &Condition, known: &Known) -> Option<Driver> {
    let one = |index: IndexId, prefix: Vec<u8>, covered: bool| {
        let name = index.name().to_owned();
        Some(Driver { sources: vec![Source::Index(index, prefix)], covered, cost: 0, name })
    };
    match condition {
        Condition::Found(number) => Some(Driver {
            sources: vec![Source::Text(*number)],
            covered: true,
            cost: 0,
            name: "text".to_owned(),
        }),
        Condition::Tagged(number) => Some(Driver {
            sources: vec![Source::Text(*number)],
            covered: true,
            cost: 0,
            name: IndexId::Tag.name().to_owned(),
        }),
        Condition::RecipientWords { among_all, .. } => Some(Driver {
            sources: vec![Source::Text(*among_all)],
            covered: false,
            cost: 0,
            name: "text among recipients".to_owned(),
        }),
        Condition::Id(id) => {
            Some(Driver { sources: vec![Source::Id(*id)], covered: true, cost: 0, name: "id".to_owned() })
        }
        Condition::FromAddress(address) => one(IndexId::Sender, part_prefix(address), true),
        // The index has all recipients of any kind.
        Condition::Recipient(role, address) => {
            one(IndexId::Recipient, part_prefix(address), *role == Role::Any)
        }
        Condition::MessageId(id) => one(IndexId::MessageId, part_prefix(id), true),
        Condition::Thread(keys) if keys.len() <= MAX_PARTS => {
            let sources = keys.iter().map(|key| Source::Index(IndexId::Thread, id_prefix(key))).collect();
            Some(Driver { sources, covered: true, cost: 0, name: IndexId::Thread.name().to_owned() })
        }
        Condition::Parent(id) => one(IndexId::Parent, id_prefix(id), true),
        Condition::Custodian(name) => one(IndexId::Custodian, part_prefix(name), true),
        Condition::Domain(domain) => one(IndexId::Domain, part_prefix(domain), true),
        Condition::HasAttachment => one(IndexId::Attachment, Vec::new(), true),
        Condition::Type(_) => one(IndexId::Attachment, Vec::new(), false),
        // All of the classes above are larger; the lowest is, where the limit is its lower end.
        Condition::Larger(bytes) => {
            let least = bytes.checked_add(1)?;
            let covered = size_class(*bytes) < size_class(least);
            Some(sizes(size_class(least), known.largest?, covered))
        }
        Condition::Smaller(bytes) => {
            let most = bytes.checked_sub(1)?;
            let covered = size_class(most) < size_class(*bytes);
            Some(sizes(0, size_class(most).min(known.largest?), covered))
        }
        // A tag that was taken away leaves its key until compaction.
        Condition::Tag(tag) => one(IndexId::Tag, part_prefix(tag), false),
        Condition::Archives(ids) => {
            let prefixes: Option<Vec<&Vec<Vec<u8>>>> = ids.iter().map(|id| known.archives.get(id)).collect();
            let prefixes = prefixes?.into_iter().flatten();
            let sources: Vec<Source> =
                prefixes.map(|prefix| Source::Index(IndexId::ArchiveFolder, prefix.clone())).collect();
            let name = format!("archive ({} of them, {} folders)", ids.len(), sources.len());
            (sources.len() <= MAX_PARTS).then_some(Driver { sources, covered: true, cost: 0, name })
        }
        Condition::Folder(pattern) => {
            let named: Vec<&String> = known.folders.as_ref()?.iter().filter(|f| pattern.matches(f)).collect();
            if named.len() > MAX_PARTS {
                return None;
            }
            let key = |folder: &&String| Source::Index(IndexId::Folder, [folder.as_bytes(), &[0]].concat());
            let name = format!("folder ({} of them)", named.len());
            Some(Driver { sources: named.iter().map(key).collect(), covered: true, cost: 0, name })
        }
        _ => None,
    }
}

/// About how many emails sources name.
async fn cost(
    engine: &Inner,
    sources: &[Source],
    texts: &[Vec<Match>],
    bounds: Bounds,
) -> Result<u64, QueryError> {
    let mut sum = 0u64;
    for source in sources {
        let cost = match source {
            Source::Id(_) => 1,
            Source::Text(number) => texts.get(*number).map_or(0, |m| m.len() as u64),
            Source::Index(index, prefix) => match engine.named(*index, prefix, bounds).await {
                Ok(count) => count,
                Err(StoreError::Missing(_)) => DAMAGED,
                Err(other) => return Err(other.into()),
            },
        };
        sum = sum.saturating_add(cost);
    }
    Ok(sum)
}

impl Driver {
    /// Does it name a large part of all mail, as a rule?
    fn is_wide(&self) -> bool {
        let wide = |source: &Source| {
            matches!(source, Source::Index(IndexId::Attachment | IndexId::Size | IndexId::Date, _))
        };
        self.sources.iter().any(wide)
    }

    /// Its parts, to be merged. `dates` tells the position of a single email.
    #[must_use]
    pub fn parts(
        &self,
        engine: &Inner,
        texts: &[Vec<Match>],
        single: impl Fn(&Id) -> Option<postlode_format::index::Position>,
    ) -> Vec<Part> {
        let part = |source: &Source| match source {
            Source::Index(index, prefix) => match engine.list(*index, prefix) {
                Some(list) => Part::List(list),
                None => Part::Index(*index, prefix.clone()),
            },
            Source::Text(number) => {
                let matches = texts.get(*number).map_or(&[][..], Vec::as_slice);
                Part::List(matches.iter().map(|m| m.position).collect::<Vec<_>>().into())
            }
            Source::Id(id) => Part::List(single(id).into_iter().collect::<Vec<_>>().into()),
        };
        self.sources.iter().map(part).collect()
    }

    /// Emails by their ids, whose positions have to be looked up.
    pub fn ids(&self) -> impl Iterator<Item = Id> {
        self.sources.iter().filter_map(|s| match s {
            Source::Id(id) => Some(*id),
            _ => None,
        })
    }
}
