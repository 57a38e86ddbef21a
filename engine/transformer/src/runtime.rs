//! ONNX Runtime: the library, and networks that it runs.
//!
//! What always holds: the library is loaded once, by the first who wants it, and stays; a session runs one batch at a time, on
//! the thread that asks it.

use crate::onnx::{MASK, PIECES, PLACES, VALUES};
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;
use postlode_embed::EmbedError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a model that the library can read: those of a message of Protocol Buffers.
const MOST_BYTES: usize = i32::MAX as usize;
/// Names of the library where nobody says which file it is: the system's loader knows where these are.
const NAMES: [&str; 2] = ["libonnxruntime.so.1", "libonnxruntime.so"];

/// The library, loaded. One for the whole process, as it is by itself.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// The library, ready to run networks.
pub struct Runtime(Environment);

/// A network.
pub struct Network {
    session: Session,
    hidden: usize,
}

/// Texts of the same length: pieces in rows, behind those of a text what is not looked at.
#[derive(Default)]
pub struct Batch {
    pub pieces: Vec<i64>,
    /// One for what is looked at.
    pub mask: Vec<i32>,
    /// Pieces of a row.
    pub longest: usize,
}

impl Runtime {
    /// Loads the library, from this file or from where the system has it.
    ///
    /// # Errors
    /// [`EmbedError::Runtime`] that says what was tried.
    pub fn load(file: Option<&Path>) -> Result<Self, EmbedError> {
        // A name alone is looked for where the system has its libraries, unless it is here.
        let here = |file: &Path| file.components().count() > 1 || file.is_file();
        let absolute = |file: &Path| std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let file = file.map(|file| if here(file) { absolute(file) } else { file.to_owned() });
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((path, environment)) = &*loaded {
            return match file {
                Some(file) if file != *path => Err(EmbedError::Runtime(format!(
                    "{} is loaded already; this process cannot load {} beside it",
                    path.display(),
                    file.display()
                ))),
                _ => Ok(Self(environment.clone())),
            };
        }
        let candidates = file.map_or_else(|| NAMES.map(PathBuf::from).to_vec(), |file| vec![file]);
        let mut reasons = Vec::new();
        for path in candidates {
            if path.components().count() > 1 && !path.is_file() {
                reasons.push(format!("{} is no file", path.display()));
                continue;
            }
            match ort::init_from(&path) {
                Ok(builder) => {
                    let builder = builder.with_name("postlode").with_telemetry(false);
                    // What it has to say otherwise goes to the terminal.
                    let told = |_: LogLevel, _: &str, _: &str, _: &str, text: &str| tracing::debug!("{text}");
                    let built = builder.with_logger(Arc::new(told)).build();
                    let environment = built.map_err(|error| EmbedError::Runtime(error.to_string()))?;
                    *loaded = Some((path, environment.clone()));
                    return Ok(Self(environment));
                }
                Err(error) => reasons.push(error.to_string()),
            }
        }
        Err(EmbedError::Runtime(format!(
            "ONNX Runtime is needed (libonnxruntime.so of version 1.{} or later, part of the Python package onnxruntime and of the archives of its project); say where with --onnxruntime: {}",
            ort::MINOR_VERSION,
            reasons.join("; ")
        )))
    }

    /// A network of the bytes of an ONNX model.
    ///
    /// # Errors
    /// What the library says of it.
    pub fn network(&self, model: &[u8], hidden: usize) -> Result<Network, EmbedError> {
        if model.len() > MOST_BYTES {
            return Err(EmbedError::Runtime(format!("{} bytes of weights are too many for it", model.len())));
        }
        let session = (|| -> ort::Result<Session> {
            Session::builder(&self.0)?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_intra_threads(1)?
                .with_inter_threads(1)?
                // Shapes change with each batch; patterns of memory would be kept for each.
                .with_memory_pattern(false)?
                .commit_from_memory(model)
        })();
        session.map(|session| Network { session, hidden }).map_err(failed)
    }
}

impl Network {
    /// The values of each piece, row by row.
    ///
    /// # Errors
    /// What the library says.
    pub fn run(&mut self, batch: &Batch) -> Result<Vec<f32>, EmbedError> {
        let Batch { pieces, mask, longest } = batch;
        let texts = pieces.len().checked_div(*longest).unwrap_or(0);
        let places: Vec<i64> = (0..*longest as i64).collect();
        let mut run = || -> ort::Result<Vec<f32>> {
            let inputs = ort::inputs![
                PIECES => TensorRef::from_array_view(([texts, *longest], pieces.as_slice()))?,
                MASK => TensorRef::from_array_view(([texts, *longest], mask.as_slice()))?,
                PLACES => TensorRef::from_array_view(([*longest], places.as_slice()))?,
            ];
            let outputs = self.session.run(inputs)?;
            let Some(values) = outputs.get(VALUES) else {
                return Err(ort::Error::new("the network gave nothing"));
            };
            Ok(values.try_extract_tensor::<f32>()?.1.to_vec())
        };
        let values = run().map_err(failed)?;
        if values.len() != pieces.len().saturating_mul(self.hidden) {
            return Err(EmbedError::Runtime("the network gave another number of values".to_owned()));
        }
        Ok(values)
    }
}

fn failed<T>(error: ort::Error<T>) -> EmbedError {
    // Its texts may have several lines.
    EmbedError::Runtime(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
}
