//! A folder of a BERT-like model, as sentence-transformers lays it out.
//!
//! What always holds: what is here was checked: a vocabulary, and a network of which every tensor is there, has the shape that
//! the settings say, and holds finite values only.

mod network;
mod settings;
mod spelling;
mod tensors;

pub use network::{Layer, Linear, Network, Norm};
pub use settings::{Activation, Pooling, Settings};

use postlode_embed::{EmbedError, Vocabulary};
use std::io::Read;
use std::path::Path;
use tensors::Tensors;

/// Bytes of a file of settings, of a vocabulary, and of weights.
const SETTINGS: u64 = 4 << 20;
const VOCABULARY: u64 = 64 << 20;
const WEIGHTS: u64 = 4 << 30;

/// A model as its folder holds it.
pub struct Folder {
    pub settings: Settings,
    pub vocabulary: Vocabulary,
    pub network: Network,
    /// Of each piece, whether it tells that words are spelt, which the model does not know.
    pub spelt: Vec<bool>,
    /// The numbers of the marks before and after a text.
    pub begin: u32,
    pub end: u32,
    /// What tells these files from all others.
    pub hash: blake3::Hash,
}

impl Folder {
    /// Reads all of it.
    ///
    /// # Errors
    /// [`EmbedError::Folder`] that names the file and what is wrong with it.
    pub fn read(folder: &Path) -> Result<Self, EmbedError> {
        Self::read_files(&mut Files::of(folder)).map_err(|reason| failed(folder, &reason))
    }

    /// Looks whether it is one, without reading what is large.
    ///
    /// # Errors
    /// As [`Folder::read`].
    pub fn look(folder: &Path) -> Result<(), EmbedError> {
        Settings::read(&mut Files::of(folder)).map(drop).map_err(|reason| failed(folder, &reason))
    }

    fn read_files(files: &mut Files<'_>) -> Result<Self, String> {
        let settings = Settings::read(files)?;
        let words = files.needed("vocab.txt", VOCABULARY)?;
        let words = String::from_utf8(words).map_err(|_| "vocab.txt is not UTF-8".to_owned())?;
        let vocabulary = Vocabulary::parse(&words).map_err(|error| format!("vocab.txt: {error}"))?;
        if u64::from(vocabulary.pieces()) > settings.vocabulary as u64 {
            return Err(format!(
                "vocab.txt has {} pieces, config.json says {}",
                vocabulary.pieces(),
                settings.vocabulary
            ));
        }
        let mark =
            |name: &str| vocabulary.piece(name).ok_or_else(|| format!("vocab.txt has no piece {name}"));
        let (begin, end) = (mark("[CLS]")?, mark("[SEP]")?);
        let spelt = spelling::spelt(&words);
        let weights = files.needed("model.safetensors", WEIGHTS)?;
        let network = Network::of(&Tensors::of(&weights)?, &settings)?;
        Ok(Self { settings, vocabulary, network, spelt, begin, end, hash: files.hasher.finalize() })
    }
}

/// What a folder says may be of any length, and of several lines.
const REASON: usize = 300;

fn failed(folder: &Path, reason: &str) -> EmbedError {
    let line: String = reason.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(REASON).collect();
    EmbedError::Folder { folder: folder.display().to_string(), reason: line }
}

/// The files of a folder, and the hash of all that was read of them.
pub struct Files<'f> {
    folder: &'f Path,
    hasher: blake3::Hasher,
}

impl<'f> Files<'f> {
    fn of(folder: &'f Path) -> Self {
        Self { folder, hasher: blake3::Hasher::new() }
    }

    /// A file that has to be there.
    fn needed(&mut self, name: &str, most: u64) -> Result<Vec<u8>, String> {
        self.read(name, most)?.ok_or_else(|| match name {
            "model.safetensors" => "it has no model.safetensors; a model that comes as pytorch_model.bin alone can be saved as one by transformers' save_pretrained".to_owned(),
            _ => format!("it has no {name}: is it the whole folder of a BERT-like model?"),
        })
    }

    /// A file that may be there.
    fn read(&mut self, name: &str, most: u64) -> Result<Option<Vec<u8>>, String> {
        let failed = |error: std::io::Error| format!("{name}: {error}");
        let path = self.folder.join(name);
        // Before it is opened: a pipe would be waited for.
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if !metadata.is_file() {
            return Err(format!("{name} is no file"));
        }
        if metadata.len() > most {
            return Err(format!("{name} has {} bytes, and may have {most}", metadata.len()));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(most).read_to_end(&mut bytes).map_err(failed)?;
        // Where one file ends and what it is called belong to what they say.
        self.hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        self.hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
        Ok(Some(bytes))
    }
}
