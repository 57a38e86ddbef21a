//! From rows to hits.

use crate::dates::utc;
use crate::engine::Inner;
use crate::error::QueryError;
use crate::eval::Rows;
use crate::model::{Address, AttachmentInfo, Grouped, Hashes, Hit, MAX_GROUPED, PlaceInfo, Places};
use crate::search::{Matched, Run, bodies};
use bytes::Bytes;
use postlode_format::custody::{Custody, message_id_hash};
use postlode_format::id::{Id, to_hex};
use postlode_format::row::{
    ArchivedAddress, ArchivedAttachment, ArchivedAttachmentKind, ArchivedBody, ArchivedEmail, access,
};
use postlode_runtime::is_given_up;
use postlode_semantic::{Embed, Texts, texts};
use postlode_store::{Found, TextDoc};
use postlode_text::language::is_english;
use postlode_text::{Highlighter, beginning, text_parts};
use std::collections::HashMap;
use std::sync::Arc;

/// Paths of archives by archive and version.
pub type Paths = HashMap<(Id, Id), Arc<str>>;

/// The hits of a page without snippets: nothing is read for them.
pub async fn bare(run: &Run, matched: &[Matched]) -> Result<Vec<Hit>, QueryError> {
    let rows = matched.iter().map(|one| Rows::of(&one.found)).collect::<Result<Vec<_>, _>>()?;
    let mut places = Vec::with_capacity(rows.len());
    for one in &rows {
        places.extend(one.places.iter().map(|place| (place.archive, place.version)));
    }
    let paths = run.engine.archive_paths(places.into_iter()).await;
    let of = |(one, rows): (&Matched, &Rows)| Hit {
        score: one.score,
        group: grouped(one),
        ..of_rows(rows, &paths, false)
    };
    Ok(matched.iter().zip(&rows).map(of).collect())
}

/// The hits of a page, with snippets.
pub async fn hits(run: &mut Run, matched: Vec<Matched>) -> Result<Vec<Hit>, QueryError> {
    let ids: Vec<Id> = matched.iter().map(|m| m.found.id).collect();
    let texts = bodies(run, &ids).await?;
    run.lap("bodies");
    let engine = Arc::clone(&run.engine);
    let paths = paths(&engine, matched.iter().map(|m| &m.found)).await?;
    let wanted = run.resolved.wanted.clone();
    let model = run.semantic.as_ref().map(|semantic| Arc::clone(semantic.model()));
    let job = move || -> Result<Vec<Hit>, QueryError> {
        let highlighter = wanted.as_ref().map(Highlighter::new);
        let mut out = Vec::with_capacity(matched.len());
        for (one, body) in matched.iter().zip(texts) {
            if is_given_up() {
                break;
            }
            let mut hit = hit(&one.found, &paths, false)?;
            hit.score = one.score;
            hit.group = grouped(one);
            passage(&mut hit, &one.found, body.as_ref(), highlighter.as_ref())?;
            let near = one.passage.zip(model.as_deref()).filter(|_| hit.matched_in.is_none());
            if let Some(text) = near.and_then(|(passage, model)| own_text(one, body, passage, model)) {
                hit.snippet = beginning(&text);
            }
            out.push(hit);
        }
        Ok(out)
    };
    engine.cpu.run(job).await.ok_or(QueryError::Internal("hits"))?
}

/// The others of a hit's group.
fn grouped(one: &Matched) -> Option<Grouped> {
    let ids = one.group.iter().take(MAX_GROUPED).map(|id| to_hex(id)).collect();
    (!one.group.is_empty()).then_some(Grouped { others: one.group.len() as u64, ids })
}

/// Passages that are looked through for the nearest.
const MOST_PASSAGES: usize = 1_000;

/// The passage of an email that is nearest in meaning.
fn own_text(one: &Matched, body: Option<Bytes>, passage: u32, model: &dyn Embed) -> Option<String> {
    let doc = TextDoc { email: one.found.email.clone(), body: body? };
    match texts(&doc, model) {
        Texts::Some(mut texts) => {
            // Passages of which the model knows no word have no vector, and no number.
            let with = texts.iter().enumerate().filter(|(_, text)| model.says(&text.embedded));
            let (at, _) = with.take(MOST_PASSAGES).nth(usize::try_from(passage).ok()?)?;
            (at < texts.len()).then(|| texts.swap_remove(at).own)
        }
        Texts::Nothing | Texts::Foreign => None,
    }
}

/// Fills in the snippet and where the words were found.
pub fn passage(
    hit: &mut Hit,
    found: &Found,
    body: Option<&Bytes>,
    highlighter: Option<&Highlighter>,
) -> Result<(), QueryError> {
    let email = access::<ArchivedEmail>(&found.email)?;
    let body = body.map(|b| access::<ArchivedBody>(b)).transpose()?;
    let text = body.map_or("", ArchivedBody::text);
    match highlighter {
        Some(highlighter) if !highlighter.is_empty() => {
            let english = highlighter.stems() && is_english(&email.language, &email.subject, text);
            let (part, snippet) = highlighter.look(&text_parts(email, body), english);
            hit.matched_in = part.map(str::to_owned);
            hit.snippet = snippet.html;
        }
        _ => hit.snippet = beginning(text),
    }
    Ok(())
}

/// The paths of all archives that some emails are in.
pub async fn paths<'f>(engine: &Inner, found: impl Iterator<Item = &'f Found>) -> Result<Paths, QueryError> {
    let mut wanted = Vec::new();
    for found in found {
        wanted.extend(Rows::of(found)?.places.iter().map(|p| (p.archive, p.version)));
    }
    Ok(engine.archive_paths(wanted.into_iter()).await)
}

/// A hit without snippet. `all_places`: list them instead of counting.
pub fn hit(found: &Found, paths: &Paths, all_places: bool) -> Result<Hit, QueryError> {
    Ok(of_rows(&Rows::of(found)?, paths, all_places))
}

fn of_rows(rows: &Rows, paths: &Paths, all_places: bool) -> Hit {
    let email = rows.email;
    let places: Vec<PlaceInfo> = rows
        .places
        .iter()
        .map(|p| PlaceInfo {
            archive: paths
                .get(&(p.archive, p.version))
                .map_or_else(|| to_hex(&p.archive), |path| path.to_string()),
            archive_id: to_hex(&p.archive),
            custodian: p.custodian.to_string(),
            folder: p.folder.to_string(),
            node: p.node.to_native(),
            recovered: p.recovered,
        })
        .collect();
    let first = places.first();
    let of_first = |get: fn(&PlaceInfo) -> &str| first.map_or("", get).to_owned();
    Hit {
        id: to_hex(&email.id),
        score: None,
        subject: email.subject.to_string(),
        from: email.from.as_ref().map(address),
        to: email.to.iter().map(address).collect(),
        cc: email.cc.iter().map(address).collect(),
        date: utc(email.date.to_native()),
        folder: of_first(|p| &p.folder),
        archive: of_first(|p| &p.archive),
        custodian: of_first(|p| &p.custodian),
        thread: to_hex(&email.thread),
        parent: email.parent.as_ref().map(|p| to_hex(p)),
        message_id: email.message_id.to_string(),
        class: email.class.to_string(),
        size: email.size.to_native(),
        attachments: email.attachments.iter().map(attachment).collect(),
        tags: rows.mark.map_or_else(Vec::new, |m| m.tags.iter().map(ToString::to_string).collect()),
        group: None,
        matched_in: None,
        snippet: String::new(),
        places: if all_places { Places::List(places) } else { Places::Count(places.len() as u64) },
    }
}

/// The hashes of an email; `None` where a store of before they were kept has none.
pub fn hashes(email: &ArchivedEmail) -> Option<Hashes> {
    let kept = Custody::kept(&email.extra)?;
    Some(Hashes {
        sha256: to_hex(&kept.sha256),
        md5: to_hex(&kept.md5),
        of: if kept.original { "original" } else { "properties" }.to_owned(),
        edrm_mih: message_id_hash(&email.message_id).map(|hash| to_hex(&hash)),
    })
}

/// An address as users see it.
pub fn address(address: &ArchivedAddress) -> Address {
    Address { name: address.name.to_string(), address: address.address.to_string() }
}

/// An attachment as users see it.
pub fn attachment(attachment: &ArchivedAttachment) -> AttachmentInfo {
    let has_bytes = matches!(attachment.kind, ArchivedAttachmentKind::Data | ArchivedAttachmentKind::Ole);
    AttachmentInfo {
        n: attachment.n.to_native(),
        name: attachment.name.to_string(),
        size: attachment.size.to_native(),
        mime: attachment.mime.to_string(),
        sha256: has_bytes.then(|| to_hex(&attachment.sha256)),
        inline: attachment.inline,
        child: attachment.child.as_ref().map(|c| to_hex(c)),
    }
}
