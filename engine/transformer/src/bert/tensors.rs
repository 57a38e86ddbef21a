//! The tensors of a file of weights.

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

/// A file of weights.
pub struct Tensors<'a> {
    file: SafeTensors<'a>,
    /// What the names begin with: models that were trained for another task have one.
    prefix: &'static str,
}

impl<'a> Tensors<'a> {
    /// Looks what is in a file.
    ///
    /// # Errors
    /// Where it is none.
    pub fn of(bytes: &'a [u8]) -> Result<Self, String> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| format!("model.safetensors: {error}"))?;
        let prefix = match file.tensor("bert.embeddings.word_embeddings.weight") {
            Ok(_) => "bert.",
            Err(_) => "",
        };
        Ok(Self { file, prefix })
    }

    /// The values of one, which has to have this shape.
    ///
    /// # Errors
    /// Where it is not there, has another shape or a type that is no number, or holds values that are none.
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let name = format!("{}{name}", self.prefix);
        let failed = |reason: String| format!("model.safetensors: {name}: {reason}");
        let tensor = self.file.tensor(&name).map_err(|_| failed("it is not there".to_owned()))?;
        if tensor.shape() != shape {
            return Err(failed(format!("its shape is {:?}, and {shape:?} by config.json", tensor.shape())));
        }
        let bytes = tensor.data();
        let values: Vec<f32> = match tensor.dtype() {
            Dtype::F32 => bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            Dtype::F16 => {
                bytes.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect()
            }
            Dtype::BF16 => {
                bytes.as_chunks().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()).collect()
            }
            other => {
                return Err(failed(format!("its values are {other:?}; F32, F16 and BF16 are read here")));
            }
        };
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(failed("it holds values that are no numbers".to_owned())),
        }
    }
}
