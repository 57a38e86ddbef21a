//! Settings as they hold for one run: flag before environment before file before default.

use crate::arguments::Common;
use crate::config::Config;
use crate::error::Failure;
use std::path::{Path, PathBuf};

/// What holds for one run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of the store.
    pub data: PathBuf,
    /// What the settings file says.
    pub file: Config,
}

impl Settings {
    /// Settings of a command line; clap has put flag and environment together already.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a settings file that cannot be used, or where no folder is known.
    pub fn resolve(common: &Common) -> Result<Self, Failure> {
        let file = match &common.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| !home.as_os_str().is_empty());
        let data = match (&common.data, &file.data, &home) {
            (Some(data), _, _) => data.clone(),
            (None, Some(data), home) => under_home(data, home.as_deref()),
            (None, None, Some(home)) => home.join(".local/share/postlode"),
            (None, None, None) => {
                return Err(Failure::Usage(
                    "there is no home folder: say where the store is with --data".to_owned(),
                ));
            }
        };
        if data.as_os_str().is_empty() {
            return Err(Failure::Usage("--data is empty: name the folder of the store".to_owned()));
        }
        // A socket's path and a loader in another process need one that means the same everywhere.
        let data = std::path::absolute(&data).map_err(|error| {
            Failure::Usage(format!("the folder {} cannot be used: {error}", data.display()))
        })?;
        Ok(Self { data, file })
    }
}

/// A path of the settings file or of a variable, which no shell has looked at.
pub fn at_home(path: &Path) -> PathBuf {
    under_home(path, std::env::var_os("HOME").map(PathBuf::from).as_deref())
}

fn under_home(data: &Path, home: Option<&Path>) -> PathBuf {
    match (data.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => data.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_comes_before_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("c.toml");
        std::fs::write(&config, "data = '/from/file'").unwrap();
        let common = Common { config: Some(config), ..Common::default() };
        assert_eq!(Settings::resolve(&common).unwrap().data, Path::new("/from/file"));
        let common = Common { data: Some("/from/flag".into()), ..common };
        assert_eq!(Settings::resolve(&common).unwrap().data, Path::new("/from/flag"));
        let common = Common { data: Some("".into()), ..Common::default() };
        assert_eq!(Settings::resolve(&common).unwrap_err().exit_code(), 2);
        assert_eq!(under_home(Path::new("~/m"), Some(Path::new("/h"))), Path::new("/h/m"));
    }
}
