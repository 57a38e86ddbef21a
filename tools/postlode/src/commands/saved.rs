//! `saved`: searches that are kept under names.

use crate::arguments::SavedCommand;
use crate::error::Failure;
use crate::hold::Plan;
use crate::output::{Cell, Console};
use crate::session::Session;
use crate::settings::Settings;
use postlode_query::{SavedSearch, SearchRequest};
use postlode_server::Client;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Searches {
    searches: Vec<SavedSearch>,
    unreadable: Vec<String>,
}

fn route(name: &str) -> String {
    format!("/v1/searches/{}", postlode_server::path_part(name))
}

/// The search of a name.
pub async fn find(client: &Client, name: &str) -> Result<SearchRequest, Failure> {
    let saved: SavedSearch = client.get(&route(name)).await?.json().await?;
    Ok(saved.search)
}

/// Keeps a search under a name.
pub async fn save(client: &Client, name: &str, request: &SearchRequest) -> Result<(), Failure> {
    let _: SavedSearch = client.put(&route(name), request).await?.json().await?;
    Ok(())
}

/// Lists and removes them.
pub async fn run(command: SavedCommand, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let session = match &command {
        SavedCommand::List => Session::read(settings).await?,
        SavedCommand::Remove { .. } => Session::write(settings, Plan::of(&settings.file), console).await?,
    };
    let done = ask(command, &session, console).await;
    let closed = session.close().await;
    done?;
    closed?;
    console.flush()?;
    Ok(0)
}

async fn ask(command: SavedCommand, session: &Session, console: &Console) -> Result<(), Failure> {
    match command {
        SavedCommand::List => {
            let Searches { searches, unreadable } = session.client.get("/v1/searches").await?.json().await?;
            for name in unreadable {
                console.note(&format!(
                    "{name}: saved by another version of postlode, and cannot be read by this one"
                ));
            }
            if console.json {
                return searches.iter().try_for_each(|saved| console.json(saved));
            }
            let row = |saved: &SavedSearch| {
                vec![Cell::text_of(&saved.name), Cell::text_of(&saved.saved), Cell::text_of(&saved.search.q)]
            };
            let rows: Vec<Vec<Cell>> = searches.iter().map(row).collect();
            console.table(&["search", "saved", "query"], &rows)
        }
        SavedCommand::Remove { name } => {
            let _: Value = session.client.delete(&route(&name)).await?.json().await?;
            if console.json { Ok(()) } else { console.line(&format!("{name} removed")) }
        }
    }
}
