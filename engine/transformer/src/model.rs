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
/// Between two looks whether somebody asks, and how many of these a passage waits at most.
const POLL: std::time::Duration = std::time::Duration::from_millis(1);
const POLLS: usize = 100;
/// What changes with the way that vectors are made of the same files.
const WAY: &[u8] = b"postlode transformer 1";
/// Bytes of weights that all threads have together, beyond what the first has.
const WEIGHTS: usize = 1 << 30;
/// Bytes of a name.
const LONGEST_NAME: usize = 200;

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
    /// Threads that embed, each with the network's memory; where it is none, one a processor, as long as they have a
    /// gibibyte together.
    pub threads: usize,
    /// Set by who does not want to wait any longer.
    pub stop: Arc<AtomicBool>,
}

/// A transformer that runs here.
pub struct Transformer {
    model: Model,
    vocabulary: Vocabulary,
    /// Of each piece, whether it is a letter of a word that is spelt.
    spelt: Vec<bool>,
    marks: (u32, u32),
    most_pieces: usize,
    pooling: Pooling,
    options: TransformerOptions,
    /// Those that embed mail, a thread each; made when there is mail to embed: who only searches needs none.
    workers: Mutex<Workers>,
    /// The one for whom somebody waits, and how many ask by it at this moment.
    asked: Mutex<Network>,
    asking: AtomicUsize,
}

enum Workers {
    /// What they are made of.
    Wanted(Runtime, Vec<u8>),
    Made(Arc<Vec<Mutex<Network>>>),
}

impl Transformer {
    /// Reads the folder and makes its networks.
    ///
    /// # Errors
    /// [`EmbedError::Folder`], [`EmbedError::Runtime`].
    pub fn open(options: TransformerOptions) -> Result<Self, EmbedError> {
        let wrong =
            |reason: String| EmbedError::Folder { folder: options.folder.display().to_string(), reason };
        // What is small first: who has no library need not wait for the weights.
        Folder::look(&options.folder)?;
        let name = name(&options);
        if name.len() > LONGEST_NAME {
            return Err(wrong(format!("its name has {} bytes; --embed-model gives it another", name.len())));
        }
        let runtime = Runtime::load(options.library.as_deref())?;
        let folder = Folder::read(&options.folder)?;
        let hidden = folder.settings.hidden;
        let bytes = onnx::model(&folder.network, &folder.settings);
        let Folder { settings, vocabulary, network, spelt, begin, end, hash } = folder;
        drop(network);
        let asked = Mutex::new(runtime.network(&bytes, hidden)?);
        let model = Model { name, version: version(&hash, &options), dimensions: hidden as u32 };
        let own = Self {
            model,
            vocabulary,
            spelt,
            marks: (begin, end),
            most_pieces: settings.most_pieces,
            pooling: settings.pooling,
            options,
            workers: Mutex::new(Workers::Wanted(runtime, bytes)),
            asked,
            asking: AtomicUsize::new(0),
        };
        let mut tokenizer = Tokenizer::new(&own.vocabulary);
        for prefix in [&own.options.text_prefix, &own.options.query_prefix] {
            let mut pieces = Vec::new();
            tokenizer.tokens(prefix, own.most_pieces, &mut pieces);
            if pieces.len() * 2 > own.most_pieces {
                let most = own.most_pieces;
                return Err(EmbedError::Folder {
                    folder: own.options.folder.display().to_string(),
                    reason: format!(
                        "it takes {most} pieces of a text, and a prefix has {} already",
                        pieces.len()
                    ),
                });
            }
        }
        drop(tokenizer);
        Ok(own)
    }

    /// The networks of the threads that embed.
    fn workers(&self) -> Result<Arc<Vec<Mutex<Network>>>, EmbedError> {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let (runtime, bytes) = match &*workers {
            Workers::Made(networks) => return Ok(Arc::clone(networks)),
            Workers::Wanted(runtime, bytes) => (runtime, bytes),
        };
        let threads = match self.options.threads {
            0 => {
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                cores.min((WEIGHTS / bytes.len().max(1)).max(1))
            }
            threads => threads,
        };
        let mut networks = Vec::with_capacity(threads);
        for _ in 0..threads {
            if self.options.stop.load(Ordering::Relaxed) {
                return Err(EmbedError::Stopped);
            }
            networks.push(Mutex::new(runtime.network(bytes, self.model.dimensions as usize)?));
        }
        let networks = Arc::new(networks);
        *workers = Workers::Made(Arc::clone(&networks));
        Ok(networks)
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
                let spelt = |piece: &u32| self.spelt.get(*piece as usize).copied().unwrap_or(false);
                let known = own.iter().filter(|piece| **piece != self.vocabulary.unknown() && !spelt(piece));
                // Where most of it is unknown, its vector would tell that and nothing else.
                if known.count() * 2 <= own.len() {
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
        if batches.get(0).is_none() {
            return Ok(vec![None; pieces.len()]);
        }
        let workers = self.workers()?;
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
        let work = &work;
        std::thread::scope(|scope| {
            let start = |network| {
                std::thread::Builder::new().name("transformer".to_owned()).spawn_scoped(scope, move || {
                    // Of this thread alone; one that the system does not let go behind is as the others.
                    let _ = rustix::process::setpriority_process(None, NICE);
                    work(network)
                })
            };
            // Without a thread the others do its part, or who asks.
            let started: Vec<_> = workers.iter().filter_map(|network| start(network).ok()).collect();
            if started.is_empty() {
                workers.first().map_or(Ok(()), work)?;
            }
            for thread in started {
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
                self.asking.fetch_add(1, Ordering::Relaxed);
                let mut network = held(&self.asked);
                self.asking.fetch_sub(1, Ordering::Relaxed);
                Ok(self.run(&mut network, &[pieces.as_slice()])?.pop().flatten())
            }
            _ => Ok(None),
        }
    }

    fn embed_now(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        let prefix = self.options.text_prefix.as_str();
        let pieces = self.pieces(texts.iter().map(|text| (prefix, text.as_str())));
        let one = |pieces: &Vec<u32>| {
            if pieces.is_empty() {
                return Ok(None);
            }
            // A long email has many passages, and a question one: it goes before.
            for _ in 0..POLLS {
                if self.asking.load(Ordering::Relaxed) == 0 {
                    break;
                }
                std::thread::sleep(POLL);
            }
            Ok(self.run(&mut held(&self.asked), &[pieces.as_slice()])?.pop().flatten())
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
    // Weights have fewer values on some processors, so vectors of the same files differ.
    hasher.update(WAY).update(&onnx::largest().to_le_bytes());
    hasher.update(files.as_bytes()).update(options.text_prefix.as_bytes());
    hasher.finalize().as_bytes().first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
