//! Messages of what a query finds, by families: an email that is inside another comes with all of it, once.

use super::manifest::Entry;
use super::output::Output;
use super::{Done, Piece, early, read};
use crate::error::Failure;
use crate::output::Console;
use crate::session::Session;
use postlode_format::id::{Id, from_hex};
use postlode_query::{Address, AttachmentInfo};
use postlode_server::lines::{Line, Lines};
use postlode_server::{Answer, ClientError};
use serde::Deserialize;
use std::collections::HashMap;
use std::time::Duration;

/// Deepest family that is gone up.
const MOST_UP: usize = 64;

/// How often a server that has too much to do is asked again, and how long after.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

/// What is wanted of an email.
#[derive(Clone, Deserialize)]
struct Item {
    id: String,
    parent: Option<String>,
    date: Option<String>,
    from: Option<Address>,
    #[serde(default)]
    message_id: String,
    #[serde(default)]
    attachments: Vec<AttachmentInfo>,
    #[serde(default)]
    folder: String,
    #[serde(default)]
    archive: String,
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
    /// Where it was found first: archive and folder.
    pub archive: String,
    pub folder: String,
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

/// What became of a family.
enum Family {
    /// It was written.
    Whole,
    /// Its outermost email cannot be read: who is found inside it comes alone.
    Broken,
}

/// Writes the messages of all lines.
pub async fn write(
    mut lines: Lines,
    session: &Session,
    output: &mut Output,
    console: &Console,
) -> Result<Done, Failure> {
    let mut done = Done::default();
    // Of those that hold others, or were reached from inside.
    let mut known: HashMap<Id, Family> = HashMap::new();
    while let Some(line) = lines.next().await? {
        let item: Item = match line {
            Line::Item(item) => read(&item)?,
            Line::End(end) => {
                done.partial = end.partial;
                return Ok(done);
            }
        };
        let outer = match item.parent {
            None => item.clone(),
            Some(_) => outermost(item.clone(), session).await?,
        };
        let id = from_hex(&outer.id).unwrap_or_default();
        let inside = outer.id != item.id;
        match known.get(&id) {
            Some(Family::Whole) => continue,
            Some(Family::Broken) if !inside => continue,
            Some(Family::Broken) => {}
            None => {
                let holds = inside || item.attachments.iter().any(|attachment| attachment.child.is_some());
                let written = message(&outer, &item, session, output, console, &mut done).await?;
                let whole = matches!(written, Written::Whole);
                if holds {
                    known.insert(id, if whole { Family::Whole } else { Family::Broken });
                }
                if whole || !inside {
                    continue;
                }
            }
        }
        message(&item, &item, session, output, console, &mut done).await?;
    }
    Err(early())
}

/// What became of a message.
enum Written {
    Whole,
    Lost,
    /// It was deleted meanwhile.
    Gone,
}

/// Writes one message and its row.
async fn message(
    item: &Item,
    found: &Item,
    session: &Session,
    output: &mut Output,
    console: &Console,
    done: &mut Done,
) -> Result<Written, Failure> {
    let mut message = Message {
        id: item.id.clone(),
        found: found.id.clone(),
        date: item.date.clone(),
        sender: item.from.as_ref().map(|from| from.address.clone()).unwrap_or_default(),
        message_id: item.message_id.clone(),
        form: String::new(),
        archive: item.archive.clone(),
        folder: item.folder.clone(),
    };
    let error = match one(&mut message, session, output).await? {
        Fetched::Whole => None,
        // It was there when the list was made: nothing is lost that anybody still wants.
        Fetched::Deleted => return Ok(Written::Gone),
        Fetched::Lost(error) => Some(error),
    };
    match &error {
        None => done.emails = done.emails.saturating_add(1),
        Some(error) => {
            done.lost = done.lost.saturating_add(1);
            console.note(&format!("lost: email {}: {error}", message.id));
        }
    }
    match output {
        Output::Pst(pst) => pst.end(&message, error.as_deref())?,
        Output::Mbox(mbox) => mbox.end(&message, error.as_deref())?,
        Output::Folder(messages) => messages.end(&message, error.as_deref())?,
        Output::Stdout | Output::File(_) => {}
    }
    Ok(if error.is_none() { Written::Whole } else { Written::Lost })
}

/// Asks, and asks again where the server has too much to do.
pub async fn ask(session: &Session, target: &str) -> Result<Answer, ClientError> {
    let mut tries = 0;
    loop {
        let busy = match session.client.get(target).await?.ok().await {
            Err(error) if matches!(error.problem(), Some("busy" | "deadline" | "unavailable")) => error,
            other => return other,
        };
        if tries >= TRIES {
            return Err(busy);
        }
        tries += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

/// The email that one is inside of, and that is inside no other: as far as they are here and can be read.
async fn outermost(mut item: Item, session: &Session) -> Result<Item, Failure> {
    for _ in 0..MOST_UP {
        let Some(parent) = item.parent.clone() else { break };
        match ask(session, &format!("/v1/emails/{parent}")).await {
            Ok(answer) => item = answer.json::<Item>().await?,
            // It was deleted alone, or its metadata cannot be read, which the message of what is left does not need.
            Err(error) if matches!(error.problem(), Some("not-found" | "damaged")) => break,
            Err(other) => return Err(other.into()),
        }
    }
    Ok(item)
}

/// What came of fetching a message.
pub enum Fetched {
    Whole,
    Deleted,
    Lost(String),
}

/// Writes one message.
async fn one(message: &mut Message, session: &Session, output: &mut Output) -> Result<Fetched, Failure> {
    if let Output::Pst(pst) = output {
        message.form = "pst".to_owned();
        return pst.add(message, session).await;
    }
    let mut answer = match ask(session, &format!("/v1/emails/{}/raw", message.id)).await {
        Ok(answer) => answer,
        Err(error) => {
            return match error.problem() {
                Some("not-found") => Ok(Fetched::Deleted),
                Some("damaged" | "internal") => Ok(Fetched::Lost(error.to_string())),
                _ => Err(error.into()),
            };
        }
    };
    let form = answer.headers.get("postlode-raw").and_then(|form| form.to_str().ok());
    message.form = form.unwrap_or_default().to_owned();
    match output {
        Output::Mbox(mbox) => mbox.begin(message),
        Output::Folder(messages) => messages.begin(message)?,
        Output::Stdout | Output::File(_) | Output::Pst(_) => {}
    }
    loop {
        let piece: Piece = match answer.chunk().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return Ok(Fetched::Whole),
            // Damage behind the first piece breaks the answer off.
            Err(error) => return Ok(Fetched::Lost(error.to_string())),
        };
        match output {
            Output::Mbox(mbox) => mbox.piece(&piece)?,
            Output::Folder(messages) => messages.piece(&piece)?,
            Output::Stdout | Output::File(_) | Output::Pst(_) => {}
        }
    }
}
