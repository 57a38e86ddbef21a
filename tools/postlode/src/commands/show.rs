//! `show`: one email.

use super::search::name_of;
use crate::arguments::Show;
use crate::error::Failure;
use crate::output::{Console, Style, clean, clean_lines};
use crate::session::Session;
use crate::settings::Settings;
use crate::sizes;
use postlode_format::id::from_hex;
use postlode_query::{Address, Hit, PlaceInfo, Places};
use serde::Deserialize;
use serde_json::Value;

/// The bodies of an email, as `/v1/emails/{id}/body` gives them.
#[derive(Deserialize)]
struct Bodies {
    text: String,
}

/// What is shown of an email's metadata.
#[derive(Deserialize)]
struct Detail {
    #[serde(flatten)]
    hit: Hit,
    #[serde(default)]
    bcc: Vec<Address>,
    #[serde(default)]
    sent: Option<String>,
    #[serde(default)]
    received: Option<String>,
    #[serde(default)]
    partial: Vec<postlode_query::PartialNote>,
}

/// Shows one email.
pub async fn run(show: Show, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let id = show.id.trim().to_ascii_lowercase();
    if from_hex(&id).is_none() {
        return Err(Failure::Usage(format!(
            "{} is no id: an id is 32 hex digits, as search shows them",
            clean(&show.id)
        )));
    }
    let session = Session::read(settings).await?;
    let shown = one(&show, &id, &session, console).await;
    let closed = session.close().await;
    shown?;
    closed?;
    Ok(0)
}

async fn one(show: &Show, id: &str, session: &Session, console: &Console) -> Result<(), Failure> {
    let email = format!("/v1/emails/{id}");
    if let Some(n) = show.attachment {
        if console.is_terminal() {
            let text = "an attachment's bytes are not for a terminal: send them to a file with > or a pipe";
            return Err(Failure::Usage(text.to_owned()));
        }
        return stream(session, &format!("{email}/attachments/{n}"), console).await;
    }
    if show.eml {
        return stream(session, &format!("{email}/raw"), console).await;
    }
    if show.body && !console.json {
        let body: Bodies = session.client.get(&format!("{email}/body")).await?.json().await?;
        return text(&body.text, console);
    }
    if console.json {
        let target = if show.body { format!("{email}/body") } else { email };
        let value: Value = session.client.get(&target).await?.json().await?;
        return console.json(&value);
    }
    let detail: Detail = session.client.get(&email).await?.json().await?;
    headers(&detail, console)?;
    let body: Bodies = session.client.get(&format!("{email}/body")).await?.json().await?;
    console.line("")?;
    text(&body.text, console)
}

/// Bytes as they come.
async fn stream(session: &Session, target: &str, console: &Console) -> Result<(), Failure> {
    let mut answer = session.client.get(target).await?.ok().await?;
    while let Some(chunk) = answer.chunk().await? {
        console.bytes(&chunk)?;
    }
    console.flush()
}

/// Text for a terminal is cleaned; text for a pipe is left as it is.
fn text(text: &str, console: &Console) -> Result<(), Failure> {
    if console.is_terminal() { console.line(clean_lines(text).trim_end()) } else { console.line(text) }
}

fn headers(detail: &Detail, console: &Console) -> Result<(), Failure> {
    let Detail { hit, bcc, sent, received, partial } = detail;
    let line = |name: &str, value: &str| {
        if value.trim().is_empty() {
            return Ok(());
        }
        let name = format!("{name:<12}");
        console.line(&format!("{}{}", console.styled(Style::Dim, &name), clean(value)))
    };
    let list = |people: &[Address]| people.iter().map(full).collect::<Vec<_>>().join(", ");
    line("Subject", &hit.subject)?;
    line("From", &hit.from.as_ref().map(full).unwrap_or_default())?;
    line("To", &list(&hit.to))?;
    line("Cc", &list(&hit.cc))?;
    line("Bcc", &list(bcc))?;
    line("Sent", sent.as_deref().unwrap_or_default())?;
    line("Received", received.as_deref().unwrap_or_default())?;
    line("Class", &hit.class)?;
    line("Message-ID", &hit.message_id)?;
    line("Size", &sizes::bytes(hit.size))?;
    line("Thread", &hit.thread)?;
    line("Inside", hit.parent.as_deref().unwrap_or_default())?;
    line("Tags", &hit.tags.join(", "))?;
    if let Places::List(places) = &hit.places {
        for place in places {
            line("Place", &place_of(place))?;
        }
    }
    for attachment in &hit.attachments {
        let text = format!(
            "{} {} ({}, {})",
            attachment.n,
            attachment.name,
            attachment.mime,
            sizes::bytes(attachment.size)
        );
        line("Attachment", &text)?;
    }
    for note in partial {
        line("Not read", &format!("{}: {}: {}", note.stage, note.code, note.reason))?;
    }
    Ok(())
}

fn place_of(place: &PlaceInfo) -> String {
    let custodian =
        if place.custodian.is_empty() { String::new() } else { format!(" of {}", place.custodian) };
    format!("{} in {}{custodian}, node {}", place.folder, place.archive, place.node)
}

fn full(address: &Address) -> String {
    let name = name_of(address);
    if address.address.is_empty() || name == address.address {
        name
    } else {
        format!("{name} <{}>", address.address)
    }
}
