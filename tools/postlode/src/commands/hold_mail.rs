//! `hold`: named sets of mail that cannot be deleted.

use super::{tell_partial, update};
use crate::arguments::HoldCommand;
use crate::error::{Failure, LOST};
use crate::hold::Plan;
use crate::output::{Cell, Console};
use crate::session::Session;
use crate::settings::Settings;
use crate::sizes;
use postlode_query::{Hold, Names, Update};
use postlode_server::UpdateMany;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Holds {
    holds: Vec<Hold>,
}

#[derive(Deserialize)]
struct Released {
    released: u64,
}

fn route(name: &str) -> String {
    format!("/v1/holds/{}", postlode_server::path_part(name))
}

/// Makes, lists and releases holds.
pub async fn run(command: HoldCommand, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    if let HoldCommand::Add { query: Some(query), all: false, .. } = &command
        && query.trim().is_empty()
    {
        return Err(Failure::Usage("an empty query is all mail: say --all if that is meant".to_owned()));
    }
    let session = match &command {
        HoldCommand::List => Session::read(settings).await?,
        _ => Session::write(settings, Plan::of(&settings.file), console).await?,
    };
    let done = ask(command, &session, console).await;
    let closed = session.close().await;
    let lost = done?;
    closed?;
    console.flush()?;
    Ok(if lost { LOST } else { 0 })
}

/// True where something could not be done.
async fn ask(command: HoldCommand, session: &Session, console: &Console) -> Result<bool, Failure> {
    let client = &session.client;
    match command {
        HoldCommand::Add { name, reason, query, tz, all: _ } => {
            let made: Hold = client.put(&route(&name), &json!({ "reason": reason })).await?.json().await?;
            let Some(q) = query else {
                if console.json {
                    console.json(&made)?
                } else {
                    console.line(&format!("hold {}", made.name))?
                }
                return Ok(false);
            };
            let holds = Names { add: vec![made.name.clone()], remove: Vec::new() };
            let request = UpdateMany { q, tz, update: Update { holds, ..Update::default() } };
            let (updated, partial) = update::many(client, &request, console).await?;
            if console.json {
                console.json(&updated)?;
            } else {
                let (found, new) = (sizes::number(updated.found), sizes::number(updated.changed));
                console
                    .line(&format!("hold {}: {found} emails found, {new} of them new under it", made.name))?;
            }
            for failure in &updated.failures {
                console.note(&format!("{}: {}", failure.id, failure.reason));
            }
            Ok(tell_partial(partial.as_ref(), console) || updated.failed > 0)
        }
        HoldCommand::List => {
            let Holds { holds } = client.get("/v1/holds").await?.json().await?;
            if console.json {
                for hold in &holds {
                    console.json(hold)?;
                }
                return Ok(false);
            }
            let row = |hold: &Hold| {
                vec![
                    Cell::text_of(&hold.name),
                    Cell::count(hold.emails.unwrap_or(0)),
                    Cell::text_of(&hold.since),
                    Cell::text_of(&hold.reason),
                ]
            };
            let rows: Vec<Vec<Cell>> = holds.iter().map(row).collect();
            console.table(&["hold", "emails", "since", "reason"], &rows)?;
            Ok(false)
        }
        HoldCommand::Release { name } => {
            let before: Hold = client.get(&route(&name)).await?.json().await?;
            let mut late = false;
            // The server's time for one answer may not do for many emails: what is released stays so.
            let released = loop {
                match client.delete(&route(&name)).await?.json::<Released>().await {
                    Ok(last) if late => break before.emails.unwrap_or(last.released),
                    Ok(last) => break last.released,
                    Err(error) if error.problem() == Some("deadline") => late = true,
                    Err(error) if late && error.problem() == Some("not-found") => {
                        break before.emails.unwrap_or(0);
                    }
                    Err(error) => return Err(error.into()),
                }
            };
            if console.json {
                console.json(&json!({ "released": released }) as &Value)?;
            } else {
                console.line(&format!("{} emails released from {name}", sizes::number(released)))?;
            }
            Ok(false)
        }
    }
}
