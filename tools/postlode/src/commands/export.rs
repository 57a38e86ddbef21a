//! `export`: what a query finds, as a file or a folder of files.
//!
//! What always holds: what is written appears under its name only when it is whole, and replaces nothing; what cannot be read
//! is left out and named. Messages (EML, mbox) come by families: whoever is found inside another brings all of it, once.

mod families;
mod folder;
mod manifest;
mod mbox;
mod outlook;
mod output;
mod pst;
mod spreadsheet;
mod target;

use super::tell_partial;
use crate::arguments::{Export, Format};
use crate::error::{Failure, LOST};
use crate::output::Console;
use crate::session::Session;
use crate::settings::Settings;
use crate::sizes;
use bytes::Bytes;
use output::Output;
use postlode_query::Partial;
use postlode_server::lines::{Line, Lines};
use postlode_server::{Shutdown, target};
use serde_json::json;

/// What came of an export.
#[derive(Default)]
struct Done {
    /// Emails that were written.
    emails: u64,
    /// Emails that could not be.
    lost: u64,
    partial: Option<Partial>,
}

/// Exports.
pub async fn run(export: Export, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    // Before there is anything that has to be taken away again.
    let signals = Shutdown::on_signals().map_err(|error| Failure::Done(format!("no signals: {error}")))?;
    let mut output = Output::create(&export)?;
    let session = Session::read(settings).await?;
    let written = tokio::select! {
        written = write(&export, &session, &mut output, console) => written,
        () = signals.triggered() => Err(Failure::Done("stopped: nothing was kept".to_owned())),
    };
    let closed = session.close().await;
    let done = written?;
    closed?;
    if let Some(kept) = output.keep()? {
        if console.json {
            console.json(&json!({
                "out": export.out.display().to_string(),
                "emails": done.emails,
                "lost": done.lost,
                "sha256": kept.sha256,
                "manifest": kept.manifest.as_ref().map(|path| path.display().to_string()),
            }))?;
        } else {
            console.line(&format!("{} emails in {}", sizes::number(done.emails), export.out.display()))?;
            if let Some(sha256) = kept.sha256 {
                console.line(&format!("SHA-256 {sha256}"))?;
            }
            if let Some(manifest) = kept.manifest {
                console.line(&format!("manifest {}", manifest.display()))?;
            }
        }
    }
    console.flush()?;
    let lost = tell_partial(done.partial.as_ref(), console) || done.lost > 0;
    Ok(if lost { LOST } else { 0 })
}

async fn write(
    export: &Export,
    session: &Session,
    output: &mut Output,
    console: &Console,
) -> Result<Done, Failure> {
    let mut parameters = vec![("q", export.query.as_str())];
    parameters.extend(export.tz.as_deref().map(|tz| ("tz", tz)));
    if export.format != Format::Jsonl {
        // Whose text cannot be read has a row all the same, or is named when it is fetched.
        parameters.push(("texts", "false"));
    }
    let lines = session.client.get(&target("/local/export", &parameters)).await?.ok().await?.lines();
    match export.format {
        Format::Jsonl => of_lines(lines, output, console, |item| Ok([item, b"\n"].concat())).await,
        Format::Csv => {
            output.bytes(&spreadsheet::titles()?, console)?;
            of_lines(lines, output, console, spreadsheet::row).await
        }
        Format::Eml | Format::Mbox | Format::Pst => families::write(lines, session, output, console).await,
    }
}

/// Writes each email as its line says.
async fn of_lines(
    mut lines: Lines,
    output: &mut Output,
    console: &Console,
    row: impl Fn(&[u8]) -> Result<Vec<u8>, Failure>,
) -> Result<Done, Failure> {
    while let Some(line) = lines.next().await? {
        match line {
            Line::Item(item) => output.bytes(&row(&item)?, console)?,
            Line::End(end) => return Ok(Done { emails: end.count, lost: 0, partial: end.partial }),
        }
    }
    Err(early())
}

fn early() -> Failure {
    Failure::Done("the export ended early: nothing was kept, try again".to_owned())
}

/// Reads what the server says of an email.
fn read<T: serde::de::DeserializeOwned>(item: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(item)
        .map_err(|error| Failure::Done(format!("the export has a line that cannot be read: {error}")))
}

/// A piece of a message.
type Piece = Bytes;
