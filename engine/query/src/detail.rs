//! All metadata of one email.

use crate::body::row;
use crate::dates::original;
use crate::engine::Inner;
use crate::error::QueryError;
use crate::eval::Rows;
use crate::hits::{address, hashes, hit, passage, paths};
use crate::model::{EmailDetail, PartialNote, UnreadInfo};
use crate::props::property;
use postlode_format::id::{Id, to_hex};
use postlode_format::row::{ArchivedBody, Unread, access, attachments_unread, flag};
use std::sync::Arc;

/// The details of an email; `None` where there is none, or it was deleted.
pub async fn email(engine: &Arc<Inner>, id: Id) -> Result<Option<EmailDetail>, QueryError> {
    let Some(found) = engine.found(id).await? else { return Ok(None) };
    let paths = paths(engine, std::iter::once(&found)).await?;
    let (body, unreadable) = match row(engine, id).await {
        Ok(body) => (body, None),
        // The metadata is worth having without the body.
        Err(QueryError::Store(postlode_store::StoreError::Missing(missing))) => (None, Some(missing)),
        Err(other) => return Err(other),
    };
    let mut hit = hit(&found, &paths, true)?;
    passage(&mut hit, &found, body.as_ref(), None)?;
    let rows = Rows::of(&found)?;
    let email = rows.email;
    let codepage = email.codepage.to_native();
    let properties = match &body {
        Some(body) => access::<ArchivedBody>(body)?.props.iter().map(|p| property(p, codepage)).collect(),
        None => Vec::new(),
    };
    let unread = match &body {
        Some(body) => attachments_unread(&access::<ArchivedBody>(body)?.extra).map(unread_info).collect(),
        None => Vec::new(),
    };
    let mut partial: Vec<PartialNote> = email
        .partial
        .iter()
        .map(|p| PartialNote {
            code: p.code.to_string(),
            stage: p.stage.to_string(),
            reason: p.reason.to_string(),
        })
        .collect();
    partial.extend(unreadable.map(|missing| PartialNote {
        code: "corrupt".to_owned(),
        stage: "body".to_owned(),
        reason: missing.to_string(),
    }));
    let flags = email.flags.to_native();
    let names = [
        (flag::READ, "read"),
        (flag::UNSENT, "unsent"),
        (flag::FLAGGED, "flagged"),
        (flag::FROM_ME, "from-me"),
    ];
    let strings =
        |list: &[rkyv::string::ArchivedString]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    Ok(Some(EmailDetail {
        hit,
        hashes: hashes(email),
        unread,
        sent: email.sent.as_ref().and_then(original),
        received: email.received.as_ref().and_then(original),
        bcc: email.bcc.iter().map(address).collect(),
        sender: email.sender.as_ref().map(address),
        in_reply_to: strings(&email.in_reply_to),
        references: strings(&email.references),
        topic: email.topic.to_string(),
        importance: ["low", "normal", "high"]
            .get(usize::from(email.importance))
            .unwrap_or(&"normal")
            .to_string(),
        sensitivity: ["none", "personal", "private", "confidential"]
            .get(usize::from(email.sensitivity))
            .unwrap_or(&"none")
            .to_string(),
        flags: names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| (*name).to_owned()).collect(),
        language: email.language.to_string(),
        note: rows.mark.map_or_else(String::new, |m| m.note.to_string()),
        holds: rows.mark.map_or_else(Vec::new, |m| strings(&m.holds)),
        revision: rows.mark.map_or(0, |m| m.revision.to_native()),
        children: email.attachments.iter().filter_map(|a| a.child.as_ref().map(|c| to_hex(c))).collect(),
        properties,
        partial,
    }))
}

fn unread_info(unread: Unread<'_>) -> UnreadInfo {
    let Unread { n, code, what, reason } = unread;
    UnreadInfo { n, code: code.to_owned(), what: what.to_owned(), reason: reason.to_owned() }
}
