//! `update`: changes what is said of the emails that a query finds.

use super::tell_partial;
use crate::arguments::UpdateMail;
use crate::error::{Failure, LOST};
use crate::hold::Plan;
use crate::output::Console;
use crate::session::Session;
use crate::settings::Settings;
use crate::sizes;
use postlode_query::{Names, Partial, Update, Updated};
use postlode_server::lines::Line;
use postlode_server::{Client, UpdateLine, UpdateMany};

/// Changes.
pub async fn run(command: UpdateMail, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let update = Update {
        tags: Names { add: command.tag, remove: command.untag },
        note: command.note,
        holds: Names { add: command.hold, remove: command.release },
    };
    if update.is_empty() {
        let how = "nothing to change: give --tag, --untag, --note, --hold or --release";
        return Err(Failure::Usage(how.to_owned()));
    }
    if command.query.trim().is_empty() && !command.all {
        return Err(Failure::Usage("an empty query is all mail: say --all if that is meant".to_owned()));
    }
    let request = UpdateMany { q: command.query, tz: command.tz, update };
    let session = Session::write(settings, Plan::of(&settings.file), console).await?;
    let done = many(&session.client, &request, console).await;
    let closed = session.close().await;
    let (updated, partial) = done?;
    closed?;
    if console.json {
        console.json(&updated)?;
    } else {
        console.line(&format!(
            "{} emails found: {} changed, {} were so already, {} could not be changed",
            sizes::number(updated.found),
            sizes::number(updated.changed),
            sizes::number(updated.unchanged),
            sizes::number(updated.failed)
        ))?;
    }
    for failure in &updated.failures {
        console.note(&format!("{}: {}", failure.id, failure.reason));
    }
    console.flush()?;
    let lost = tell_partial(partial.as_ref(), console) || updated.failed > 0;
    Ok(if lost { LOST } else { 0 })
}

/// Has it done; what came of it, and what could not be looked at.
pub async fn many(
    client: &Client,
    request: &UpdateMany,
    console: &Console,
) -> Result<(Updated, Option<Partial>), Failure> {
    let mut lines = client.post("/local/update", request).await?.ok().await?.lines();
    let mut last = Updated::default();
    loop {
        let so_far = sizes::number(last.found);
        let early = |why: &str| {
            Failure::Done(format!("{why}; {so_far} emails are done and stay so: say it again to go on"))
        };
        let line = match lines.next().await {
            Ok(Some(line)) => line,
            Ok(None) => return Err(early("it ended early")),
            Err(error) => return Err(early(&error.to_string())),
        };
        match line {
            Line::Item(item) => {
                let UpdateLine { told, error } = serde_json::from_slice(&item)
                    .map_err(|error| early(&format!("the answer cannot be read: {error}")))?;
                last = told;
                if let Some(error) = error {
                    let done = sizes::number(last.found);
                    let why = format!("{error}; {done} emails are done and stay so: say it again to go on");
                    return Err(Failure::Done(why));
                }
                if console.progress && !console.json {
                    console.note(&format!("{} emails", sizes::number(last.found)));
                }
            }
            Line::End(end) => return Ok((last, end.partial)),
        }
    }
}
