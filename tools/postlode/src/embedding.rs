//! A better model than the built-in one: where it is, and the thread that embeds with it.
//!
//! What always holds: a key comes from the environment or from a file, never from the command line, and is never shown.

use crate::arguments::EmbedFlags;
use crate::config::{Config, EmbedConfig};
use crate::error::Failure;
use crate::settings::at_home;
use postlode_embed::{Endpoint, EndpointOptions};
use postlode_query::Engine;
use postlode_semantic::{Embed, Find, Upgrade};
use postlode_transformer::{Transformer, TransformerOptions};
use postlode_vector::CodeKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Largest file that a key is read from.
const KEY_FILE: u64 = 64 << 10;
/// Requests at a time where nothing was said.
const IN_FLIGHT: u16 = 3;
/// How long the thread may take to end, where it may be waiting for an endpoint, and where a network may be at work, which
/// cannot be left. What it has made is durable.
const ENDS: Duration = Duration::from_secs(2);
const ENDS_HERE: Duration = Duration::from_secs(30);
/// The variable that holds the key.
const KEY: &str = "POSTLODE_EMBED_KEY";

/// Where a better model is.
#[derive(Debug, Clone)]
pub enum EmbedSettings {
    /// Another process serves it.
    Endpoint(EndpointOptions),
    /// It runs here.
    Folder(TransformerOptions),
}

impl EmbedSettings {
    /// Flag and environment before file; `None` where none of them names a model.
    ///
    /// # Errors
    /// [`Failure::Usage`] for half of what is needed, and for a key that cannot be read.
    pub fn resolve(flags: &EmbedFlags, file: &Config) -> Result<Option<Self>, Failure> {
        Self::resolve_by(flags, file, &|name| std::env::var(name).ok())
    }

    fn resolve_by(
        flags: &EmbedFlags,
        file: &Config,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Failure> {
        // An empty variable is as one that is not set.
        let said = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let typed = |name: &str, value: &String| variable(name).as_ref() != Some(value);
        let flags_place = match (said(&flags.embed_endpoint), said(&flags.embed_folder)) {
            // What was typed goes before the environment.
            (Some(url), Some(folder)) => {
                match (typed("POSTLODE_EMBED_ENDPOINT", &url), typed("POSTLODE_EMBED_FOLDER", &folder)) {
                    (true, false) => (Some(url), None),
                    (false, true) => (None, Some(folder)),
                    _ => return Err(two_places("--embed-endpoint", "--embed-folder")),
                }
            }
            place => place,
        };
        let of_file = &file.embed;
        let (url, folder, of_file) = match flags_place {
            (None, None) => match (&of_file.endpoint, &of_file.folder) {
                (Some(_), Some(_)) => return Err(two_places("endpoint", "folder")),
                (url, folder) => (url.clone(), folder.clone(), of_file.clone()),
            },
            // Name and prefixes in the file are those of the model that it names.
            (url, folder) => {
                let (endpoint, here) = (of_file.endpoint.is_some(), of_file.folder.is_some());
                let other = if url.is_some() { here && !endpoint } else { endpoint && !here };
                let (key_file, onnxruntime) = (of_file.key_file.clone(), of_file.onnxruntime.clone());
                let bare = EmbedConfig { key_file, onnxruntime, ..EmbedConfig::default() };
                (url, folder.map(PathBuf::from), if other { bare } else { of_file.clone() })
            }
        };
        // The same for a name in the environment, beside a place that was typed.
        let of_variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let other = match (&url, &folder) {
            (Some(_), _) => of_variable("POSTLODE_EMBED_FOLDER"),
            _ => of_variable("POSTLODE_EMBED_ENDPOINT"),
        };
        let named =
            said(&flags.embed_model).filter(|name| other.is_none() || typed("POSTLODE_EMBED_MODEL", name));
        let model = named.or_else(|| of_file.model.clone());
        if let Some(folder) = folder {
            let library = said(&flags.onnxruntime).map(PathBuf::from).or_else(|| of_file.onnxruntime.clone());
            return Ok(Some(Self::Folder(TransformerOptions {
                folder: at_home(&folder),
                name: model.unwrap_or_default(),
                library: library.as_deref().map(at_home),
                text_prefix: of_file.text_prefix.clone().unwrap_or_default(),
                query_prefix: of_file.query_prefix.clone().unwrap_or_default(),
                ..TransformerOptions::default()
            })));
        }
        let (url, model) = match (url, model) {
            (None, None) => return Ok(None),
            (Some(url), Some(model)) if !model.trim().is_empty() => (url, model),
            (Some(_), _) => {
                return Err(Failure::Usage(
                    "an endpoint serves several models: say which with --embed-model".into(),
                ));
            }
            (None, Some(_)) => {
                return Err(Failure::Usage(
                    "say with --embed-endpoint where that model is served, or with --embed-folder where its files are".into(),
                ));
            }
        };
        let key = match (of_variable(KEY), &of_file.key_file) {
            (Some(key), _) => Some(key),
            (None, Some(path)) => Some(key_in(path)?),
            (None, None) => None,
        };
        let options = EndpointOptions {
            url,
            model,
            key,
            text_prefix: of_file.text_prefix.clone().unwrap_or_default(),
            query_prefix: of_file.query_prefix.clone().unwrap_or_default(),
            in_flight: usize::from(of_file.in_flight.unwrap_or(IN_FLIGHT)),
            stop: Arc::default(),
        };
        Ok(Some(Self::Endpoint(options)))
    }

    /// The same for commands that have no flags for it.
    ///
    /// # Errors
    /// As [`EmbedSettings::resolve`].
    pub fn of_environment(file: &Config) -> Result<Option<Self>, Failure> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let flags = EmbedFlags {
            embed_endpoint: variable("POSTLODE_EMBED_ENDPOINT"),
            embed_model: variable("POSTLODE_EMBED_MODEL"),
            embed_folder: variable("POSTLODE_EMBED_FOLDER"),
            onnxruntime: variable("ORT_DYLIB_PATH"),
        };
        Self::resolve(&flags, file)
    }

    fn find(&self, stop: &Arc<AtomicBool>) -> Find {
        match self {
            Self::Endpoint(options) => {
                let options = EndpointOptions { stop: Arc::clone(stop), ..options.clone() };
                Box::new(move || Ok(Arc::new(Endpoint::probe(options.clone())?)))
            }
            Self::Folder(options) => {
                transformer(TransformerOptions { stop: Arc::clone(stop), ..options.clone() })
            }
        }
    }

    /// The same while somebody waits, for one search.
    fn find_now(&self, stop: &Arc<AtomicBool>) -> Find {
        match self {
            Self::Endpoint(options) => {
                let options = EndpointOptions { stop: Arc::clone(stop), ..options.clone() };
                Box::new(move || Ok(Arc::new(Endpoint::probe_now(options.clone())?)))
            }
            // No mail is embedded, so what would do that is not made.
            Self::Folder(_) => self.find(stop),
        }
    }

    /// How long to wait for who embeds when the program ends.
    fn ends(&self) -> Duration {
        match self {
            Self::Endpoint(_) => ENDS,
            Self::Folder(_) => ENDS_HERE,
        }
    }
}

fn transformer(options: TransformerOptions) -> Find {
    Box::new(move || Ok(Arc::new(Transformer::open(options.clone())?) as Arc<dyn Embed>))
}

fn two_places(one: &str, two: &str) -> Failure {
    Failure::Usage(format!("{one} and {two} are two models; one answers: leave one of them out"))
}

fn key_in(path: &Path) -> Result<String, Failure> {
    let failed = |reason: String| Failure::Usage(format!("the key in {}: {reason}", path.display()));
    let metadata = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if !metadata.is_file() || metadata.len() > KEY_FILE {
        return Err(failed("it is no file of a key".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Ok(text.trim().to_owned())
}

/// Who embeds, and for whom.
pub struct Embedding {
    upgrade: Upgrade,
    find: Find,
    stop: Arc<AtomicBool>,
    ends: Duration,
}

/// A thread that embeds.
pub struct Running {
    stop: Arc<AtomicBool>,
    ends: Duration,
    thread: JoinHandle<()>,
}

impl Embedding {
    /// Nothing is done yet; `None` where the engine does not search by meaning.
    pub fn new(engine: &Engine, settings: &EmbedSettings, budget: usize, codes: CodeKind) -> Option<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let models = engine.models()?.clone();
        let upgrade = Upgrade::new(engine.store().clone(), models, budget, codes, Arc::clone(&stop));
        Some(Self { upgrade, find: settings.find(&stop), stop, ends: settings.ends() })
    }

    /// For one search, which somebody waits for.
    pub fn of_search(self, settings: &EmbedSettings) -> Self {
        Self { find: settings.find_now(&self.stop), ..self }
    }

    /// Set by who does not want to wait any longer.
    pub fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Beside a store that another process writes.
    pub fn following(self) -> Self {
        Self { upgrade: self.upgrade.following(), ..self }
    }

    /// How far it is, as long as it runs.
    pub fn upgrade(&self) -> Upgrade {
        self.upgrade.clone()
    }

    /// Asks what the model is, for searching alone. Blocks.
    ///
    /// # Errors
    /// What keeps it from being used.
    pub fn find(&self) -> Result<(), Failure> {
        self.upgrade.find_once(&self.find).map_err(Failure::Done)
    }

    /// Embeds on a thread of its own.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(self) -> Result<Running, Failure> {
        let Self { upgrade, find, stop, ends } = self;
        let thread = std::thread::Builder::new().name("embed".to_owned()).spawn(move || upgrade.run(&find));
        let thread = thread.map_err(|error| Failure::Done(format!("no thread can be started: {error}")))?;
        Ok(Running { stop, ends, thread })
    }
}

impl Running {
    /// Ends it, at the latest after a while.
    pub async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let since = std::time::Instant::now();
        while !self.thread.is_finished() && since.elapsed() < self.ends {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EmbedConfig;

    #[test]
    fn an_endpoint_and_a_model_belong_together() {
        let flags = |url: Option<&str>, model: Option<&str>| EmbedFlags {
            embed_endpoint: url.map(str::to_owned),
            embed_model: model.map(str::to_owned),
            ..EmbedFlags::default()
        };
        let file = Config::default();
        assert!(EmbedSettings::resolve(&flags(None, None), &file).unwrap().is_none());
        for (flags, part) in [
            (flags(Some("http://a/v1"), None), "--embed-model"),
            (flags(None, Some("m")), "--embed-endpoint"),
        ] {
            let error = EmbedSettings::resolve(&flags, &file).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(part), "{error}");
        }
        let embed = EmbedConfig { endpoint: Some("http://b/v1".into()), ..EmbedConfig::default() };
        let file = Config { embed, ..Config::default() };
        let both = EmbedSettings::resolve(&flags(Some("http://a/v1"), Some("m")), &file).unwrap().unwrap();
        let EmbedSettings::Endpoint(both) = both else { unreachable!() };
        assert_eq!((both.url.as_str(), both.model.as_str()), ("http://a/v1", "m"));
        let both = EmbedSettings::resolve(&flags(None, Some("m")), &file).unwrap().unwrap();
        let EmbedSettings::Endpoint(both) = both else { unreachable!() };
        assert_eq!((both.url.as_str(), both.in_flight), ("http://b/v1", 3));
    }

    #[test]
    fn a_folder_is_a_place_of_its_own() {
        let folder = |flags: &EmbedFlags, file: &Config| match EmbedSettings::resolve(flags, file) {
            Ok(Some(EmbedSettings::Folder(options))) => (options.folder, options.name, options.library),
            other => panic!("{other:?}"),
        };
        let of_file = |endpoint: Option<&str>, folder: Option<&str>| {
            let (endpoint, folder) = (endpoint.map(str::to_owned), folder.map(PathBuf::from));
            let onnxruntime = Some(PathBuf::from("of_file.so"));
            Config {
                embed: EmbedConfig { endpoint, folder, onnxruntime, ..EmbedConfig::default() },
                ..Config::default()
            }
        };
        let here = EmbedFlags {
            embed_folder: Some("a/mini".into()),
            embed_model: Some("mini".into()),
            onnxruntime: Some("b.so".into()),
            ..EmbedFlags::default()
        };
        let wanted = ("a/mini".into(), "mini".into(), Some("b.so".into()));
        assert_eq!(folder(&here, &Config::default()), wanted);
        // The command goes before the file, wherever the file's is, which keeps its name and prefixes.
        let mut file = of_file(Some("http://b/v1"), None);
        assert_eq!(folder(&here, &file), wanted);
        file.embed.model = Some("of the endpoint".into());
        let unnamed = EmbedFlags { embed_model: None, ..here.clone() };
        assert_eq!(folder(&unnamed, &file).1, "");
        file.embed = EmbedConfig { folder: file.embed.endpoint.take().map(PathBuf::from), ..file.embed };
        assert_eq!(folder(&unnamed, &file).1, "of the endpoint");
        let wanted = ("c".into(), String::new(), Some("of_file.so".into()));
        assert_eq!(folder(&EmbedFlags::default(), &of_file(None, Some("c"))), wanted);
        // Empty variables are none.
        let empty = EmbedFlags {
            embed_folder: Some(String::new()),
            onnxruntime: Some(String::new()),
            ..EmbedFlags::default()
        };
        assert!(EmbedSettings::resolve(&empty, &Config::default()).unwrap().is_none());
        let two = EmbedFlags { embed_endpoint: Some("http://a/v1".into()), ..here };
        // What was typed goes before what is in the environment.
        let by = |variable: &'static str, value: &'static str| {
            let set = move |name: &str| (name == variable).then(|| value.to_owned());
            EmbedSettings::resolve_by(&two, &Config::default(), &set).map(|found| found.unwrap())
        };
        assert!(matches!(by("POSTLODE_EMBED_ENDPOINT", "http://a/v1"), Ok(EmbedSettings::Folder(_))));
        assert!(matches!(by("POSTLODE_EMBED_FOLDER", "a/mini"), Ok(EmbedSettings::Endpoint(_))));
        assert!(by("POSTLODE_EMBED_FOLDER", "another").is_err());
        // A name in the environment is that of the model that the environment names.
        let set = |name: &str| match name {
            "POSTLODE_EMBED_ENDPOINT" => Some("http://a/v1".to_owned()),
            "POSTLODE_EMBED_MODEL" => Some("mini".to_owned()),
            _ => None,
        };
        match EmbedSettings::resolve_by(&two, &Config::default(), &set) {
            Ok(Some(EmbedSettings::Folder(options))) => assert_eq!(options.name, ""),
            other => panic!("{other:?}"),
        }
        for (flags, file) in
            [(two, Config::default()), (EmbedFlags::default(), of_file(Some("http://b/v1"), Some("c")))]
        {
            let error = EmbedSettings::resolve(&flags, &file).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains("two models"), "{error}");
        }
    }

    #[test]
    fn a_key_that_cannot_be_read_is_named_by_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "secret\n").unwrap();
        assert_eq!(key_in(&path).unwrap(), "secret");
        let error = key_in(dir.path()).unwrap_err().to_string();
        assert!(error.contains("no file of a key"), "{error}");
        assert!(key_in(&dir.path().join("none")).is_err());
    }
}
