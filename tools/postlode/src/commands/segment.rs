//! `segment`: look into the store and look after it.

use super::tell_partial;
use crate::error::{Failure, LOST, UNUSABLE};
use crate::hold::Plan;
use crate::output::{Cell, Console};
use crate::session::Session;
use crate::settings::Settings;
use crate::sizes;
use postlode_server::stats::{Collected, Segments, Verified};
use serde_json::json;

/// `segment list`
pub async fn list(settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let session = Session::read(settings).await?;
    let segments =
        async { Ok::<Segments, Failure>(session.client.get("/local/segments").await?.json().await?) }.await;
    let closed = session.close().await;
    let segments = segments?;
    closed?;
    tell(&segments, console)
}

fn tell(segments: &Segments, console: &Console) -> Result<u8, Failure> {
    if console.json {
        console.json(segments)?;
    } else if segments.segments.is_empty() {
        console.line("no segments")?;
    } else {
        let mut rows = Vec::new();
        for segment in &segments.segments {
            let sections: Vec<&str> = segment.sections.iter().map(|section| section.name.as_str()).collect();
            rows.push(vec![
                Cell::text_of(&segment.id),
                Cell::text_of(&segment.kind),
                Cell::bytes(segment.bytes),
                Cell::count(segment.emails),
                Cell::count(segment.rows),
                Cell::text_of(&format!("{}-{}", segment.range.0, segment.range.1)),
                Cell::text_of(&sections.join(" ")),
            ]);
            for addon in &segment.addons {
                let pending = match addon.pending {
                    0 => String::new(),
                    pending => format!(", {} emails to be embedded", sizes::number(pending)),
                };
                rows.push(vec![
                    Cell::text_of(&addon.id),
                    Cell::text_of("vectors"),
                    Cell::bytes(addon.bytes),
                    Cell::count(segment.emails.saturating_sub(addon.pending)),
                    Cell::count(0),
                    Cell::text_of(&format!("of {}", segment.id)),
                    Cell::text_of(&format!("{}{pending}", addon.model)),
                ]);
            }
        }
        console.table(&["segment", "kind", "size", "emails", "rows", "hashes", "sections"], &rows)?;
    }
    console.flush()?;
    Ok(if tell_partial(segments.partial.as_ref(), console) { LOST } else { 0 })
}

/// `segment verify`
pub async fn verify(settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let session = Session::read(settings).await?;
    let verified = async {
        Ok::<Verified, Failure>(session.client.post("/local/verify", &json!({})).await?.json().await?)
    };
    let verified = verified.await;
    let closed = session.close().await;
    let verified = verified?;
    if console.json {
        console.json(&verified)?;
    } else {
        for part in &verified.damage {
            let segment =
                part.segment.as_deref().map_or_else(|| "log".to_owned(), |id| format!("segment {id}"));
            let line = format!("damaged: {segment}, section {}: {}", part.section, part.reason);
            console.line(&crate::output::clean(&line))?;
        }
        let read = format!(
            "{} files, {}, {} blocks read; {} damaged",
            sizes::number(verified.files),
            sizes::bytes(verified.bytes),
            sizes::number(verified.blocks),
            verified.damage.len()
        );
        console.line(&read)?;
    }
    console.flush()?;
    // What is damaged was found; that the store could not be closed on top of it is no news.
    if verified.damage.is_empty() {
        closed?;
        return Ok(0);
    }
    Ok(UNUSABLE)
}

/// `segment compact`
pub async fn compact(settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let plan = Plan::of(&settings.file);
    let session = Session::write(settings, plan, console).await?;
    let segments = async {
        Ok::<Segments, Failure>(session.client.post("/local/compact", &json!({})).await?.json().await?)
    };
    let segments = segments.await;
    let closed = session.close().await;
    let segments = segments?;
    closed?;
    match &segments.attachments {
        Some(Collected { damage: Some(damage), .. }) => console.note(&format!(
            "attachments that no mail has any more may still be there, as not all mail can be read: {damage}"
        )),
        Some(Collected { waits: true, .. }) => console.note(
            "attachments of deleted mail are still there, as mail is being loaded: compact again when that is done",
        ),
        Some(Collected { removed, .. }) if *removed > 0 => {
            console.note(&format!("{removed} attachments that no mail has any more were taken out"));
        }
        _ => {}
    }
    tell(&segments, console)
}
