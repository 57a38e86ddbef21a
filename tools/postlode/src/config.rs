//! The settings file: TOML, every field optional, unknown ones refused.

use crate::arguments::VectorCodes;
use crate::error::Failure;
use crate::sizes;
use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Largest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// What a settings file may say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of the store; `~/` at its beginning is the home folder.
    pub data: Option<PathBuf>,
    /// Address of `serve`.
    pub listen: Option<SocketAddr>,
    /// Memory, as `"2GiB"`.
    #[serde(default, deserialize_with = "size")]
    pub memory: Option<u64>,
    /// Shards.
    pub shards: Option<u16>,
    /// Codes of vectors: `sq8`, `b4`, `f16`.
    pub vector_codes: Option<VectorCodes>,
    /// Whose mail is loaded.
    pub custodian: Option<String>,
    /// Workers of `load`.
    pub jobs: Option<u16>,
    /// A better model than the built-in one.
    #[serde(default)]
    pub embed: EmbedConfig,
}

/// A better model than the built-in one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedConfig {
    /// Where it is served: `http://127.0.0.1:11434/v1`.
    pub endpoint: Option<String>,
    /// Its name.
    pub model: Option<String>,
    /// The folder of a model that runs here.
    pub folder: Option<PathBuf>,
    /// The library that runs it, a file.
    pub onnxruntime: Option<PathBuf>,
    /// A file that holds the key for it.
    pub key_file: Option<PathBuf>,
    /// What it wants before a text that is searched, as `passage: `.
    pub text_prefix: Option<String>,
    /// And before a text that is searched for, as `query: `.
    pub query_prefix: Option<String>,
    /// Requests at a time.
    pub in_flight: Option<u16>,
}

fn size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(from)?;
    sizes::parse(&text).map(Some).map_err(serde::de::Error::custom)
}

impl Config {
    /// Reads a settings file.
    ///
    /// # Errors
    /// [`Failure::Usage`] that says which file and which line.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |reason: String| Failure::Usage(format!("settings file {}: {reason}", path.display()));
        let metadata = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
        if !metadata.is_file() || metadata.len() > MAX_BYTES {
            return Err(failed("it is no file of settings".to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let config: Self = toml::from_str(&text).map_err(|error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map(|before| before.lines().count().max(1));
            let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            failed(format!("{line}{}", error.message().replace('\n', " ")))
        })?;
        let range = |name: &str, value: Option<u16>, most: u16| match value {
            Some(value) if value == 0 || value > most => {
                Err(failed(format!("{name} must be from 1 to {most}")))
            }
            _ => Ok(()),
        };
        range("shards", config.shards, 1024)?;
        range("jobs", config.jobs, 256)?;
        range("embed.in_flight", config.embed.in_flight, 16)?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_mistakes_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Config::read(&path)
        };
        let config =
            read("data = '/x'\nmemory = '2GiB'\nshards = 4\nlisten = '127.0.0.1:1'\nvector_codes = 'b4'")
                .unwrap();
        assert_eq!(config.vector_codes, Some(VectorCodes::B4));
        assert_eq!((config.memory, config.shards), (Some(2 << 30), Some(4)));
        assert_eq!(read("").unwrap(), Config::default());
        for (text, part) in [
            ("data = '/x'\ndate = '/y'", "date"),
            ("memory = '2 gigs'", "size"),
            ("vector_codes = 'b3'", "b3"),
            ("shards = 0", "shards"),
            ("[embed]\nurl = 'http://a/v1'", "url"),
            ("[embed]\nin_flight = 17", "in_flight"),
            ("data = ", "line 1"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("c.toml") && !error.contains('\n'), "{error}");
        }
        assert_eq!(Config::read(&dir.path().join("none")).unwrap_err().exit_code(), 2);
    }
}
