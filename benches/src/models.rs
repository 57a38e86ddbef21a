//! The model that a benchmark embeds with: the built-in one, or another that the command names.

use crate::BenchError;
use clap::Args;
use postlode_embed::{BuiltIn, Embed, EmbedError, Endpoint, EndpointOptions, StaticModel};
use postlode_transformer::{Transformer, TransformerOptions};
use std::path::PathBuf;

/// Which model.
#[derive(Args)]
pub struct ModelArguments {
    /// A table of vectors (tools/distill makes one).
    #[arg(long)]
    pub table: Option<PathBuf>,
    /// An endpoint that serves another model, as `distill serve` does.
    #[arg(long, conflicts_with = "table", requires = "model")]
    pub endpoint: Option<String>,
    /// The name of that model.
    #[arg(long)]
    pub model: Option<String>,
    /// The folder of a model that runs here.
    #[arg(long, conflicts_with_all = ["table", "endpoint"])]
    pub folder: Option<PathBuf>,
    /// The library that runs it, ONNX Runtime.
    #[arg(long, env = "ORT_DYLIB_PATH")]
    pub onnxruntime: Option<PathBuf>,
}

impl ModelArguments {
    /// The model.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub fn model(&self) -> Result<Box<dyn Embed>, BenchError> {
        let failed = |error: EmbedError| BenchError::Other(error.to_string());
        if let Some(url) = &self.endpoint {
            let model = self.model.clone().unwrap_or_default();
            let options = EndpointOptions { url: url.clone(), model, in_flight: 3, ..Default::default() };
            return Ok(Box::new(Endpoint::probe(options).map_err(failed)?));
        }
        if let Some(folder) = &self.folder {
            let (folder, library) = (folder.clone(), self.onnxruntime.clone());
            let options = TransformerOptions { folder, library, ..Default::default() };
            return Ok(Box::new(Transformer::open(options).map_err(failed)?));
        }
        if let Some(path) = &self.table {
            let bytes = std::fs::read(path).map_err(BenchError::io(path.display().to_string()))?;
            return Ok(Box::new(StaticModel::parse(&bytes).map_err(failed)?));
        }
        Ok(Box::new(BuiltIn))
    }
}
