//! `backup` and `restore`.

use crate::arguments::{Backup, Restore};
use crate::error::Failure;
use crate::hold::{Hold, Plan};
use crate::output::Console;
use crate::session::Session;
use crate::settings::Settings;
use crate::sizes;
use postlode_server::stats::{BackedUp, BackupRequest};
use std::path::Path;

/// `backup`: through the process that holds the store, else as its writer: what is in its log is sealed first.
pub async fn backup(arguments: Backup, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let to = empty(&arguments.to)?;
    let plan = Plan::of(&settings.file);
    let session = Session::write(settings, plan, console).await?;
    let request = BackupRequest { to: text(&to)?, copy: arguments.copy };
    let done = async {
        Ok::<BackedUp, Failure>(session.client.post("/local/backup", &request).await?.json().await?)
    };
    let done = done.await;
    let closed = session.close().await;
    let done = done?;
    closed?;
    tell(&done, console)?;
    Ok(0)
}

/// `restore`: the backup is read, never changed.
pub async fn restore(arguments: Restore, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let from = absolute(&arguments.from)?;
    if !from.join("manifest").is_dir() {
        return Err(Failure::Unusable(format!("there is no backup in {}", from.display())));
    }
    let to = empty(&settings.data)?;
    let hold = Hold::snapshot(&from).await?;
    let request = BackupRequest { to: text(&to)?, copy: true };
    let client = hold.client();
    let done = async { Ok::<BackedUp, Failure>(client.post("/local/backup", &request).await?.json().await?) };
    let done = done.await;
    hold.close().await?;
    let done = match done {
        Ok(done) => done,
        Err(Failure::Done(why)) => return Err(Failure::Unusable(why)),
        Err(other) => return Err(other),
    };
    tell(&done, console)?;
    Ok(0)
}

fn tell(done: &BackedUp, console: &Console) -> Result<(), Failure> {
    if console.json {
        console.json(done)?;
    } else {
        let linked = match done.linked {
            0 => String::new(),
            linked => format!(", {} of them second names on the same disk", sizes::number(linked)),
        };
        console.line(&format!(
            "{} emails: {} files, {}{linked}",
            sizes::number(done.emails),
            sizes::number(done.files),
            sizes::bytes(done.bytes)
        ))?;
    }
    console.flush()
}

fn absolute(path: &Path) -> Result<std::path::PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

/// Nothing that is there is overwritten.
fn empty(path: &Path) -> Result<std::path::PathBuf, Failure> {
    let path = absolute(path)?;
    match std::fs::read_dir(&path).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(Failure::Usage(format!(
            "{} is not empty: name a folder that is, or a new one",
            path.display()
        ))),
        Ok(false) => Ok(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(path),
        Err(error) => Err(Failure::Usage(format!("{}: {error}", path.display()))),
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    let told = || Failure::Usage(format!("{}: name a folder whose path is text", path.display()));
    path.to_str().map(str::to_owned).ok_or_else(told)
}
