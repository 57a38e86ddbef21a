//! The model that others see.

use crate::batches::Batches;
use crate::bert::{Folder, Pooling};
use crate::onnx;
use crate::runtime::{Batch, Network, Runtime};
use postlode_embed::{Embed, EmbedError, Model, Tokenizer, Vocabulary};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Steps that embedding is behind whoever waits for an answer (setpriority(2)).
const NICE: i32 = 15;
/// What changes with the way that vectors are made of the same files.
const WAY: &[u8] = b"postlode transformer 1";

/// Where a model is, and how it is run.
#[derive(Debug, Clone, Default)]
pub struct TransformerOptions {
    /// Its folder.
    pub folder: PathBuf,
    /// Its name; that of the folder where it is empty.
    pub name: String,
    /// The file of ONNX Runtime; where the system has it, where nothing is said.
    pub library: Option<PathBuf>,
    /// What it wants before a text that is searched.
    pub text_prefix: String,
    /// And before one that is searched for.
    pub query_prefix: String,
    /// Threads that embed, each with the network's memory; one a processor where it is none.
    pub threads: usize,
    /// Set by who does not want to wait any longer.
    pub stop: Arc<AtomicBool>,
}

/// A transformer that runs here.
pub struct Transformer {
    model: Model,
    vocabulary: Vocabulary,
    marks: (u32, u32),
    most_pieces: usize,
    pooling: Pooling,
    options: TransformerOptions,
    /// Those that embed mail, a thread each.
    workers: Vec<Mutex<Network>>,
    /// The one for whom somebody waits.
    asked: Mutex<Network>,
}

impl Transformer {
    /// Reads the folder and makes its networks.
    ///
    /// # Errors
    /// [`EmbedError::Folder`], [`EmbedError::Runtime`].
    pub fn open(options: TransformerOptions) -> Result<Self, EmbedError> {
        let folder = Folder::read(&options.folder)?;
        let hidden = folder.settings.hidden;
        let runtime = Runtime::load(options.library.as_deref())?;
        let bytes = onnx::model(&folder.network, &folder.settings);
        let Folder { settings, vocabulary, network, begin, end, hash } = folder;
        drop(network);
        let threads = match options.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let workers = (0..threads).map(|_| runtime.network(&bytes, hidden).map(Mutex::new));
        let workers = workers.collect::<Result<_, _>>()?;
        let asked = Mutex::new(runtime.network(&bytes, hidden)?);
        let model =
            Model { name: name(&options), version: version(&hash, &options), dimensions: hidden as u32 };
        Ok(Self {
            model,
            vocabulary,
            marks: (begin, end),
            most_pieces: settings.most_pieces,
            pooling: settings.pooling,
            options,
            workers,
            asked,
        })
    }

    /// The pieces of texts, between the marks; none for a text that says nothing that the model knows.
    fn pieces<'a>(&self, texts: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Vec<u32>> {
        let mut tokenizer = Tokenizer::new(&self.vocabulary);
        let (begin, end) = self.marks;
        let most = self.most_pieces.saturating_sub(2);
        let mut cut = |text: &str, out: &mut Vec<u32>, most| tokenizer.tokens(text, most, out);
        let (mut before, mut own) = (Vec::new(), Vec::new());
        texts
            .map(|(prefix, text)| {
                cut(prefix, &mut before, most);
                cut(text, &mut own, most.saturating_sub(before.len()));
                let known = own.iter().filter(|piece| **piece != self.vocabulary.unknown()).count();
                // Where most of it is unknown, its vector would tell that and nothing else.
                if known * 2 <= own.len() {
                    return Vec::new();
                }
                [begin].into_iter().chain(before.drain(..)).chain(own.drain(..)).chain([end]).collect()
            })
            .collect()
    }

    /// Runs some texts, and gives the vector of each.
    fn run(&self, network: &mut Network, texts: &[&[u32]]) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        let batch = Batch::of(texts);
        let values = network.run(&batch)?;
        let hidden = self.model.dimensions as usize;
        let rows = values.chunks_exact(batch.longest.saturating_mul(hidden).max(1));
        Ok(texts.iter().zip(rows).map(|(text, row)| self.pooled(text.len(), row)).collect())
    }

    /// One vector of those of all pieces, of length one.
    fn pooled(&self, pieces: usize, row: &[f32]) -> Option<Vec<f32>> {
        let hidden = self.model.dimensions as usize;
        let pieces = match self.pooling {
            Pooling::Mean => pieces,
            Pooling::First => 1,
        };
        let mut vector = vec![0f32; hidden];
        for values in row.chunks_exact(hidden).take(pieces) {
            vector.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|value| *value /= length);
        // A network may give what is no number.
        (length > 0.0 && length.is_finite()).then_some(vector)
    }

    /// All batches, by all workers.
    fn all(&self, pieces: &[Vec<u32>]) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        let batches = Batches::of(&pieces.iter().map(Vec::len).collect::<Vec<_>>());
        let next = AtomicUsize::new(0);
        let given_up = AtomicBool::new(false);
        let done: Mutex<Vec<Option<Vec<f32>>>> = Mutex::new(vec![None; pieces.len()]);
        let work = |network: &Mutex<Network>| -> Result<(), EmbedError> {
            let mut network = held(network);
            while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.options.stop.load(Ordering::Relaxed) {
                    return Err(EmbedError::Stopped);
                }
                if given_up.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let texts: Vec<&[u32]> =
                    batch.iter().filter_map(|text| pieces.get(*text).map(Vec::as_slice)).collect();
                let vectors = self
                    .run(&mut network, &texts)
                    .inspect_err(|_| given_up.store(true, Ordering::Relaxed))?;
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                for (text, vector) in batch.iter().zip(vectors) {
                    if let Some(slot) = done.get_mut(*text) {
                        *slot = vector;
                    }
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let started: Vec<_> = self
                .workers
                .iter()
                .map(|network| {
                    std::thread::Builder::new().name("transformer".to_owned()).spawn_scoped(scope, || {
                        // Of this thread alone; one that the system does not let go behind is as the others.
                        let _ = rustix::process::setpriority_process(None, NICE);
                        work(network)
                    })
                })
                .collect();
            for thread in started {
                let thread = thread
                    .map_err(|error| EmbedError::Runtime(format!("no thread can be started: {error}")))?;
                thread.join().map_err(|_| EmbedError::Runtime("a thread broke off".to_owned()))??;
            }
            Ok(())
        })?;
        Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Embed for Transformer {
    fn model(&self) -> Model {
        self.model.clone()
    }

    /// Its folder does not tell; texts of pieces that it does not know have no vector.
    fn knows(&self, _language: &str) -> bool {
        true
    }

    fn embed(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        // Each text once.
        let mut first: HashMap<&str, usize> = HashMap::new();
        let mut different = Vec::new();
        let of: Vec<usize> = texts
            .iter()
            .map(|text| {
                *first.entry(text).or_insert_with(|| {
                    different.push(text.as_str());
                    different.len() - 1
                })
            })
            .collect();
        let prefix = self.options.text_prefix.as_str();
        let vectors = self.all(&self.pieces(different.into_iter().map(|text| (prefix, text))))?;
        Ok(of.into_iter().map(|at| vectors.get(at).cloned().flatten()).collect())
    }

    fn embed_query(&self, text: &str) -> Result<Option<Vec<f32>>, EmbedError> {
        let pieces = self.pieces([(self.options.query_prefix.as_str(), text)].into_iter());
        match pieces.as_slice() {
            [pieces] if !pieces.is_empty() => {
                Ok(self.run(&mut held(&self.asked), &[pieces.as_slice()])?.pop().flatten())
            }
            _ => Ok(None),
        }
    }

    fn embed_now(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        let prefix = self.options.text_prefix.as_str();
        let pieces = self.pieces(texts.iter().map(|text| (prefix, text.as_str())));
        let one = |pieces: &Vec<u32>| match pieces.is_empty() {
            true => Ok(None),
            false => Ok(self.run(&mut held(&self.asked), &[pieces.as_slice()])?.pop().flatten()),
        };
        pieces.iter().map(one).collect()
    }

    fn says(&self, text: &str) -> bool {
        let prefix = self.options.text_prefix.as_str();
        self.pieces([(prefix, text)].into_iter()).iter().any(|pieces| !pieces.is_empty())
    }
}

fn held(network: &Mutex<Network>) -> MutexGuard<'_, Network> {
    network.lock().unwrap_or_else(PoisonError::into_inner)
}

fn name(options: &TransformerOptions) -> String {
    match options.name.trim() {
        "" => {
            let whole = options.folder.canonicalize().unwrap_or_else(|_| options.folder.clone());
            whole
                .file_name()
                .map_or_else(|| "transformer".to_owned(), |name| name.to_string_lossy().into_owned())
        }
        name => name.to_owned(),
    }
}

/// Another number for other files, and for another prefix.
fn version(files: &blake3::Hash, options: &TransformerOptions) -> u32 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(WAY).update(files.as_bytes()).update(options.text_prefix.as_bytes());
    hasher.finalize().as_bytes().first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
