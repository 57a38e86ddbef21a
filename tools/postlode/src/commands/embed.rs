//! `embed`: all mail gets the vectors of a better model.

use super::load::{clear_line, progress_line};
use crate::arguments::Embed;
use crate::embedding::EmbedSettings;
use crate::error::{Failure, LOST};
use crate::hold::{Hold, Plan};
use crate::output::Console;
use crate::session::Session;
use crate::settings::Settings;
use crate::sizes;
use postlode_semantic::Progress;
use postlode_server::Shutdown;
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Between two looks how far it is.
const LOOK: Duration = Duration::from_millis(200);
/// A model that does not answer for so long is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// What was said of an interrupted one.
const GOES_ON: &str = "what was embedded is stored, and the same command goes on from there";

/// Embeds.
pub async fn run(embed: Embed, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let model = match embed.built_in {
        true => None,
        false => EmbedSettings::resolve(&embed.flags, &settings.file)?,
    };
    let model = match model {
        Some(model) => Some(model),
        None if embed.built_in => None,
        None => {
            return Err(Failure::Usage(
                "which model? --embed-folder says where its files are, or --embed-endpoint where it is served and --embed-model its name; --built-in goes back to the built-in one".into(),
            ));
        }
    };
    let signals = Shutdown::on_signals().map_err(|error| Failure::Done(format!("no signals: {error}")))?;
    let plan = Plan { better: true, ..Plan::of(&settings.file) };
    let session = Session::write(settings, plan, console).await?;
    let Some(mut hold) = session.hold else {
        return Err(Failure::Unusable(format!(
            "another process holds the store in {}: one that serves embeds by itself, if it is started with --embed-endpoint or --embed-folder; stop it to embed here",
            settings.data.display()
        )));
    };
    let done = match model {
        None => hold.store().activate("").await.map_err(Failure::from).map(|()| None),
        Some(model) => all(&mut hold, &model, plan, &signals, console).await,
    };
    clear_line(console);
    let closed = hold.close().await;
    let done = done?;
    closed?;
    tell(done.as_ref(), console)
}

/// Embeds until there is nothing left, and gives how far it came.
async fn all(
    hold: &mut Hold,
    model: &EmbedSettings,
    plan: Plan,
    signals: &Shutdown,
    console: &Console,
) -> Result<Option<Progress>, Failure> {
    let Some(embedding) = hold.embedding(model, plan) else { return Ok(None) };
    // One that is not there is told at once.
    let stop = embedding.stop();
    let asking = tokio::task::spawn_blocking(move || embedding.find().map(|()| embedding));
    let asked = tokio::select! {
        asked = asking => asked,
        () = signals.triggered() => {
            stop.store(true, Ordering::Relaxed);
            return Err(Failure::Done(format!("stopped; {GOES_ON}")));
        }
    };
    let embedding =
        asked.map_err(|error| Failure::Done(format!("asking the model broke off: {error}")))??;
    let upgrade = embedding.upgrade();
    hold.embed(embedding)?;
    let mut stuck: Option<Instant> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = signals.triggered() => return Err(Failure::Done(format!("stopped; {GOES_ON}"))),
        }
        let progress = upgrade.progress();
        progress_line(console, &text(&progress));
        if progress.is_done() && progress.error.is_none() {
            return Ok(Some(progress));
        }
        match &progress.error {
            None => stuck = None,
            Some(error) if stuck.get_or_insert_with(Instant::now).elapsed() > PATIENCE => {
                return Err(Failure::Done(format!("{error}; {GOES_ON}")));
            }
            Some(_) => {}
        }
    }
}

fn text(progress: &Progress) -> String {
    let done = progress.emails.saturating_sub(progress.pending).saturating_add(progress.unsaved);
    let mut text = format!("embedding: {} of {} emails", sizes::number(done), sizes::number(progress.emails));
    let (embedded, seconds) = progress.embedded;
    if embedded > 0 && seconds > 0.0 {
        // For people; whole numbers will do.
        let rate = embedded as f64 / seconds;
        text.push_str(&format!(", {} emails/s", sizes::number(rate as u64)));
    }
    if let Some(error) = &progress.error {
        text.push_str(&format!("; waiting: {error}"));
    }
    text
}

fn tell(progress: Option<&Progress>, console: &Console) -> Result<u8, Failure> {
    let Some(progress) = progress else {
        match console.json {
            true => console.json(&json!({ "model": null }))?,
            false => console.line("the built-in model answers")?,
        }
        console.flush()?;
        return Ok(0);
    };
    let Progress { model, emails, pending, unreadable, embedded: (embedded, seconds), .. } = progress;
    let name = model.as_ref().map_or("", |model| model.name.as_str());
    if console.json {
        console.json(&json!({
            "model": name,
            "dimensions": model.as_ref().map_or(0, |model| model.dimensions),
            "emails": emails,
            "pending": pending,
            "unreadable": unreadable,
            "embedded": embedded,
            "seconds": seconds,
        }))?;
    } else {
        let covered = sizes::number(emails.saturating_sub(*pending));
        console.line(&format!(
            "{name} answers: {covered} of {} emails have its vectors, {} were embedded now in {seconds:.1} s",
            sizes::number(*emails),
            sizes::number(*embedded)
        ))?;
        if *unreadable > 0 {
            console.note(&format!("{} emails cannot be read, and were not embedded: `postlode segment verify` names what is damaged", sizes::number(*unreadable)));
        }
    }
    console.flush()?;
    Ok(if *unreadable > 0 { LOST } else { 0 })
}
