//! The weights of a network (Devlin and others, 2018), laid out as products want them: a row an input, a column an output.

use super::settings::Settings;
use super::tensors::Tensors;

/// `x * weights + bias`.
pub struct Linear {
    pub inputs: usize,
    pub outputs: usize,
    /// Row by row.
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
}

/// What brings values to mean zero and variance one, and then to these.
pub struct Norm {
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

/// One layer.
pub struct Layer {
    /// Queries, keys and values of all heads, beside each other.
    pub attention: Linear,
    pub attended: Linear,
    pub attended_norm: Norm,
    pub inner: Linear,
    pub outer: Linear,
    pub outer_norm: Norm,
}

/// All of it.
pub struct Network {
    /// A row for each piece of the vocabulary.
    pub pieces: Vec<f32>,
    /// A row for each place in a text; what all pieces of a first text have is in it.
    pub places: Vec<f32>,
    pub norm: Norm,
    pub layers: Vec<Layer>,
}

impl Network {
    /// Takes it from its file.
    ///
    /// # Errors
    /// Which tensor is not there, or not what the settings say.
    pub fn of(tensors: &Tensors<'_>, settings: &Settings) -> Result<Self, String> {
        let &Settings { vocabulary, hidden, positions, kinds, .. } = settings;
        let pieces = tensors.values("embeddings.word_embeddings.weight", &[vocabulary, hidden])?;
        let mut places = tensors.values("embeddings.position_embeddings.weight", &[positions, hidden])?;
        // A text and the one it is compared with are told apart by these; there is one here.
        let kind = tensors.values("embeddings.token_type_embeddings.weight", &[kinds, hidden])?;
        for row in places.chunks_exact_mut(hidden) {
            for (value, kind) in row.iter_mut().zip(&kind) {
                *value += kind;
            }
        }
        let layers = (0..settings.layers).map(|number| Layer::of(tensors, settings, number));
        let layers = layers.collect::<Result<_, _>>()?;
        Ok(Self { pieces, places, norm: Norm::of(tensors, "embeddings.LayerNorm", hidden)?, layers })
    }
}

impl Layer {
    fn of(tensors: &Tensors<'_>, settings: &Settings, number: usize) -> Result<Self, String> {
        let &Settings { hidden, inner, .. } = settings;
        let linear = |name: &str, inputs, outputs| {
            Linear::of(tensors, &format!("encoder.layer.{number}.{name}"), inputs, outputs)
        };
        let norm =
            |name: &str| Norm::of(tensors, &format!("encoder.layer.{number}.{name}.LayerNorm"), hidden);
        let [query, key, value] =
            ["query", "key", "value"].map(|name| linear(&format!("attention.self.{name}"), hidden, hidden));
        Ok(Self {
            attention: Linear::beside(&[query?, key?, value?]),
            attended: linear("attention.output.dense", hidden, hidden)?,
            attended_norm: norm("attention.output")?,
            inner: linear("intermediate.dense", hidden, inner)?,
            outer: linear("output.dense", inner, hidden)?,
            outer_norm: norm("output")?,
        })
    }
}

impl Linear {
    /// Files hold a row an output.
    fn of(tensors: &Tensors<'_>, name: &str, inputs: usize, outputs: usize) -> Result<Self, String> {
        let rows = tensors.values(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = tensors.values(&format!("{name}.bias"), &[outputs])?;
        let mut weights = vec![0.0; rows.len()];
        for (output, row) in rows.chunks_exact(inputs).enumerate() {
            for (weight, value) in weights.iter_mut().skip(output).step_by(outputs).zip(row) {
                *weight = *value;
            }
        }
        Ok(Self { inputs, outputs, weights, bias })
    }

    /// Those that have the same inputs, as one.
    fn beside(parts: &[Self]) -> Self {
        let inputs = parts.first().map_or(0, |part| part.inputs);
        let outputs = parts.iter().map(|part| part.outputs).sum();
        let mut weights = Vec::with_capacity(inputs.saturating_mul(outputs));
        for input in 0..inputs {
            for part in parts {
                weights.extend(part.weights.chunks_exact(part.outputs).nth(input).unwrap_or(&[]));
            }
        }
        let bias = parts.iter().flat_map(|part| part.bias.iter().copied()).collect();
        Self { inputs, outputs, weights, bias }
    }
}

impl Norm {
    fn of(tensors: &Tensors<'_>, name: &str, values: usize) -> Result<Self, String> {
        Ok(Self {
            scale: tensors.values(&format!("{name}.weight"), &[values])?,
            shift: tensors.values(&format!("{name}.bias"), &[values])?,
        })
    }
}
