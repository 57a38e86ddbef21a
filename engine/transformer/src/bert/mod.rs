//! A folder of a BERT-like model, as sentence-transformers lays it out.
//!
//! What always holds: what is here was checked: a vocabulary, and a network of which every tensor is there, has the shape that
//! the settings say, and holds finite values only.

mod network;
mod settings;
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
        let failed = |reason: String| EmbedError::Folder { folder: folder.display().to_string(), reason };
        Self::read_files(folder).map_err(failed)
    }

    fn read_files(folder: &Path) -> Result<Self, String> {
        let mut hasher = blake3::Hasher::new();
        let settings = Settings::read(folder, &mut hasher)?;
        let words = needed(folder, "vocab.txt", VOCABULARY)?;
        hasher.update(&words);
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
        let weights = needed(folder, "model.safetensors", WEIGHTS)?;
        hasher.update(&weights);
        let network = Network::of(&Tensors::of(&weights)?, &settings)?;
        Ok(Self { settings, vocabulary, network, begin, end, hash: hasher.finalize() })
    }
}

/// A file that has to be there.
fn needed(folder: &Path, name: &str, most: u64) -> Result<Vec<u8>, String> {
    read(folder, name, most)?.ok_or_else(|| match name {
        "model.safetensors" => "it has no model.safetensors; a model that comes as pytorch_model.bin alone can be saved as one by transformers' save_pretrained".to_owned(),
        _ => format!("it has no {name}: is it the folder of a BERT-like model?"),
    })
}

/// A file that may be there.
fn read(folder: &Path, name: &str, most: u64) -> Result<Option<Vec<u8>>, String> {
    let failed = |error: std::io::Error| format!("{name}: {error}");
    let file = match std::fs::File::open(folder.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("{name} is no file"));
    }
    if metadata.len() > most {
        return Err(format!("{name} has {} bytes, and may have {most}", metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}
