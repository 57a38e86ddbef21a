//! `segment inspect` and `segment dump`: one segment from inside.

use crate::error::Failure;
use crate::output::{Cell, Console, clean};
use crate::session::Session;
use crate::settings::Settings;
use crate::sizes;
use postlode_server::inspect::{SectionInside, SegmentInside, TreeInside, VectorsOfSegment};
use postlode_server::lines::Line;

/// Columns of the longest bar.
const BAR: usize = 24;
/// Characters of a key.
const KEY: usize = 48;
/// Marks from empty to full.
const STEPS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `segment inspect`
pub async fn inspect(segment: &str, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let session = Session::read(settings).await?;
    let target = format!("/local/inspect?segment={}", asked(segment)?);
    let inside =
        async { Ok::<SegmentInside, Failure>(session.client.get(&target).await?.json().await?) }.await;
    let closed = session.close().await;
    let inside = inside?;
    closed?;
    if console.json {
        console.json(&inside)?;
    } else {
        tell(&inside, console)?;
    }
    console.flush()?;
    Ok(if inside.sections.iter().any(|section| section.damage.is_some()) { crate::error::LOST } else { 0 })
}

/// An id that can be part of an address.
fn asked(segment: &str) -> Result<&str, Failure> {
    let is_id = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then_some(segment).ok_or_else(|| {
        Failure::Usage(format!("{} is no id of a segment: `segment list` tells them", clean(segment)))
    })
}

fn tell(inside: &SegmentInside, console: &Console) -> Result<(), Failure> {
    let rows: Vec<String> =
        inside.rows.iter().map(|(kind, rows)| format!("{} {kind}", sizes::number(*rows))).collect();
    console.line(&format!("segment {}: {}", inside.id, rows.join(", ")))?;
    console.line("")?;
    let largest = inside.sections.iter().map(|section| section.bytes_on_disk).max().unwrap_or(0);
    let mut lines = Vec::new();
    for section in &inside.sections {
        lines.push(vec![
            Cell::text_of(&section.name),
            Cell::bytes(section.bytes_on_disk),
            Cell::text_of(&bar(section.bytes_on_disk, largest)),
            Cell::count(section.entries),
            Cell::text_of(&shape(section)),
        ]);
    }
    console.table(&["section", "on disk", "", "entries", "shape"], &lines)?;
    let trees = inside.sections.iter().filter_map(|section| Some((section, section.tree.as_ref()?)));
    let keys: Vec<Vec<Cell>> = trees.map(|(section, tree)| keys(section, tree)).collect();
    if !keys.is_empty() {
        console.line("")?;
        console.table(&["index", "fill", "different", "first key", "last key"], &keys)?;
    }
    if let Some(vectors) = &inside.vectors {
        console.line("")?;
        tell_vectors(vectors, console)?;
    }
    Ok(())
}

fn tell_vectors(vectors: &VectorsOfSegment, console: &Console) -> Result<(), Failure> {
    let number = sizes::number;
    console.line(&format!(
        "vectors of {} {}: {} of {} values, {} different, of {} emails; {} emails more are in languages or words that it does not know",
        clean(&vectors.model),
        vectors.version,
        number(vectors.vectors),
        vectors.dimensions,
        number(vectors.distinct),
        number(vectors.emails),
        number(vectors.foreign),
    ))?;
    let bytes = (sizes::bytes(vectors.bytes), sizes::bytes(vectors.exact_bytes));
    console.line(&format!(
        "codes {}: {} with links and rows, {} of exact values",
        vectors.codes, bytes.0, bytes.1
    ))?;
    let Some(graph) = &vectors.graph else {
        return console.line("no graph: so few are compared one by one");
    };
    let layers: Vec<String> = graph.layers.iter().rev().map(|nodes| number((*nodes).into())).collect();
    console.line(&format!(
        "graph: layers of {} nodes; {:.1} links a node; {} reachable, {} strays",
        layers.join(", "),
        graph.mean_degree,
        number(graph.reachable),
        number(graph.strays),
    ))?;
    let most = graph.degrees.iter().copied().max().unwrap_or(0);
    let plot: String = graph.degrees.iter().map(|count| step(*count, most)).collect();
    console.line(&format!("links of a node, from 0 to {}: |{plot}|", graph.degrees.len().saturating_sub(1)))
}

fn shape(section: &SectionInside) -> String {
    if let Some(damage) = &section.damage {
        return format!("DAMAGED: {damage}");
    }
    if let Some(tree) = &section.tree {
        return format!(
            "{} levels, {} leaves, {} inner",
            tree.height,
            sizes::number(tree.leaves),
            sizes::number(tree.inner)
        );
    }
    if let (Some(frames), Some(raw)) = (section.frames, section.decompressed_bytes) {
        let ratio = raw as f64 / section.bytes.max(1) as f64;
        return format!(
            "{} frames, {} compressed {ratio:.1} times",
            sizes::number(frames),
            sizes::bytes(raw)
        );
    }
    if let Some(set) = section.bits_set {
        // Seven probes must all hit.
        return format!("{:.1} % of its bits set, {:.3} % false", set * 100.0, set.powi(7) * 100.0);
    }
    format!("{} blocks of {}", sizes::number(section.blocks), sizes::bytes(section.block_bytes.into()))
}

fn keys(section: &SectionInside, tree: &TreeInside) -> Vec<Cell> {
    let most = tree.filled.iter().copied().max().unwrap_or(0);
    let fill: String = tree.filled.iter().map(|count| step(*count, most)).collect();
    let parts = if tree.parts == 0 { String::new() } else { sizes::number(tree.parts) };
    vec![
        Cell::text_of(&section.name),
        Cell::text_of(&format!("|{fill}|")),
        Cell::text_of(&parts),
        Cell::text_of(&short(&tree.first_key)),
        Cell::text_of(&short(&tree.last_key)),
    ]
}

fn short(key: &str) -> String {
    let cut: String = key.chars().take(KEY).collect();
    if cut.len() < key.len() { format!("{cut}…") } else { cut }
}

/// As long as its share of the largest; the smallest that is not nothing is a mark.
fn bar(value: u64, largest: u64) -> String {
    let share = value as f64 / largest.max(1) as f64;
    let marks = (share * BAR as f64).round() as usize;
    "█".repeat(if value > 0 { marks.max(1) } else { 0 })
}

fn step(value: u64, most: u64) -> char {
    let last = STEPS.len().saturating_sub(1);
    let at = (value as f64 / most.max(1) as f64 * last as f64).round() as usize;
    let at = if value > 0 { at.clamp(1, last) } else { 0 };
    STEPS.get(at).copied().unwrap_or(' ')
}

/// `segment dump`: always JSON, for it is for programs.
pub async fn dump(
    segment: &str,
    limit: Option<usize>,
    settings: &Settings,
    console: &Console,
) -> Result<u8, Failure> {
    let session = Session::read(settings).await?;
    let limit = limit.map(|limit| format!("&limit={limit}")).unwrap_or_default();
    let target = format!("/local/dump?segment={}{limit}", asked(segment)?);
    let done = async {
        let mut lines = session.client.get(&target).await?.ok().await?.lines();
        while let Some(line) = lines.next().await? {
            if let Line::Item(item) = line {
                console.bytes(&item)?;
                console.bytes(b"\n")?;
            }
        }
        Ok::<(), Failure>(())
    };
    let done = done.await;
    let closed = session.close().await;
    done?;
    closed?;
    console.flush()?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_steps_show_what_is_there() {
        assert_eq!(bar(0, 10), "");
        assert_eq!(bar(1, 1_000_000), "█");
        assert_eq!(bar(10, 10).chars().count(), BAR);
        assert_eq!((step(0, 10), step(1, 1_000), step(10, 10)), (' ', '▁', '█'));
        assert_eq!(short(&"k".repeat(60)).chars().count(), KEY + 1);
    }
}
