//! Messages of what a query finds, by families: an email that is inside another comes with all of it, once.

use super::manifest::Entry;
use super::output::Output;
use super::{Done, Piece, early, read};
use crate::error::Failure;
use crate::output::Console;
use crate::session::Session;
use postlode_format::id::{Id, from_hex};
use postlode_query::Address;
use postlode_server::client::ClientError;
use postlode_server::lines::{Line, Lines};
use serde::Deserialize;
use std::collections::HashSet;

/// Deepest family that is gone up.
const MOST_UP: usize = 64;

/// What is wanted of an email.
#[derive(Deserialize)]
struct Item {
    id: String,
    parent: Option<String>,
    date: Option<String>,
    from: Option<Address>,
    #[serde(default)]
    message_id: String,
}

/// A message on its way.
pub struct Message {
    /// The email, which is inside no other.
    pub id: String,
    /// The email that was found.
    found: String,
    pub date: Option<String>,
    pub sender: String,
    message_id: String,
    form: String,
}

impl Message {
    /// What the manifest says of it, before it is anywhere.
    pub fn entry(&self, error: Option<&str>) -> Entry {
        Entry {
            file: String::new(),
            offset: 0,
            bytes: 0,
            sha256: String::new(),
            form: if error.is_some() { String::new() } else { self.form.clone() },
            id: self.id.clone(),
            found: self.found.clone(),
            message_id: self.message_id.clone(),
            error: error.unwrap_or_default().to_owned(),
        }
    }
}

/// Writes the messages of all lines.
pub async fn write(
    mut lines: Lines,
    session: &Session,
    output: &mut Output,
    console: &Console,
) -> Result<Done, Failure> {
    let mut done = Done::default();
    let mut known: HashSet<Id> = HashSet::new();
    while let Some(line) = lines.next().await? {
        let item: Item = match line {
            Line::Item(item) => read(&item)?,
            Line::End(end) => {
                done.partial = end.partial;
                return Ok(done);
            }
        };
        let found = item.id.clone();
        // What the outermost is cannot be told where one on the way cannot be read: then this is the message.
        let (item, mut lost) = outermost(item, session).await?;
        if !known.insert(from_hex(&item.id).unwrap_or_default()) {
            continue;
        }
        let mut message = Message {
            id: item.id,
            found,
            date: item.date,
            sender: item.from.map(|from| from.address).unwrap_or_default(),
            message_id: item.message_id,
            form: String::new(),
        };
        if lost.is_none() {
            lost = one(&mut message, session, output).await?;
        }
        match &lost {
            None => done.emails = done.emails.saturating_add(1),
            Some(error) => {
                done.lost = done.lost.saturating_add(1);
                console.note(&format!("lost: email {}: {error}", message.id));
            }
        }
        match output {
            Output::Mbox(mbox) => mbox.end(&message, lost.as_deref())?,
            Output::Folder(messages) => messages.end(&message, lost.as_deref())?,
            Output::Stdout | Output::File(_) => {}
        }
    }
    Err(early())
}

/// The email that one is inside of, and that is inside no other; or the one that is reached, and why it is not that.
async fn outermost(mut item: Item, session: &Session) -> Result<(Item, Option<String>), Failure> {
    for _ in 0..MOST_UP {
        let Some(parent) = item.parent.clone() else { return Ok((item, None)) };
        match session.client.get(&format!("/v1/emails/{parent}")).await?.json::<Item>().await {
            Ok(above) => item = above,
            // It was deleted alone, or is not here: what is left of the family is this.
            Err(ClientError::Problem { status, .. }) if status.as_u16() == 404 => return Ok((item, None)),
            Err(error @ ClientError::Problem { .. }) => return Ok((item, Some(error.to_string()))),
            Err(other) => return Err(other.into()),
        }
    }
    Ok((item, Some(format!("it is inside more than {MOST_UP} others"))))
}

/// Writes one message; why it could not be read, where it could not.
async fn one(
    message: &mut Message,
    session: &Session,
    output: &mut Output,
) -> Result<Option<String>, Failure> {
    let answer = session.client.get(&format!("/v1/emails/{}/raw", message.id)).await?.ok().await;
    let mut answer = match answer {
        Ok(answer) => answer,
        Err(error @ ClientError::Problem { .. }) => return Ok(Some(error.to_string())),
        Err(other) => return Err(other.into()),
    };
    let form = answer.headers.get("postlode-raw").and_then(|form| form.to_str().ok());
    message.form = form.unwrap_or_default().to_owned();
    match output {
        Output::Mbox(mbox) => mbox.begin(message),
        Output::Folder(messages) => messages.begin(message)?,
        Output::Stdout | Output::File(_) => {}
    }
    loop {
        let piece: Piece = match answer.chunk().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return Ok(None),
            // Damage behind the first piece breaks the answer off.
            Err(error) => return Ok(Some(error.to_string())),
        };
        match output {
            Output::Mbox(mbox) => mbox.piece(&piece)?,
            Output::Folder(messages) => messages.piece(&piece)?,
            Output::Stdout | Output::File(_) => {}
        }
    }
}
