//! A small model with known weights, its folder, and what it gives by the book, in plain loops of 32-bit floats.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic, and uses its own part of this"
)]

use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub const HIDDEN: usize = 32;
pub const HEADS: usize = 2;
pub const INNER: usize = 64;
pub const LAYERS: usize = 2;
pub const POSITIONS: usize = 64;
pub const WORDS: [&str; 24] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "mail", "server", "is", "down", "please", "restart", "it",
    "lunch", "at", "noon", "invoice", "for", "march", "attached", "##s", ",", ".", ":", "query",
];

/// Weights by name, each with its shape.
pub type Weights = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Where the tests find ONNX Runtime: `make test` says so.
pub fn library() -> PathBuf {
    let path = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut own = own.map(|folder| folder.join("target/onnxruntime/libonnxruntime.so"));
    let path = path.or_else(|| own.find(|path| path.is_file())).unwrap_or_default();
    assert!(path.is_file(), "no ONNX Runtime {}: scripts/onnxruntime.sh fetches it", path.display());
    path
}

/// Weights that look random and are the same each time, about as large as those of models.
pub fn weights() -> Weights {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let mut own = Weights::new();
    let mut tensor = |name: &str, shape: &[usize], size: f32, shift: f32| {
        let values = (0..shape.iter().product()).map(|_| next() * size + shift).collect();
        own.insert(name.to_owned(), (shape.to_vec(), values));
    };
    tensor("embeddings.word_embeddings.weight", &[WORDS.len(), HIDDEN], 2.0, 0.0);
    tensor("embeddings.position_embeddings.weight", &[POSITIONS, HIDDEN], 0.5, 0.0);
    tensor("embeddings.token_type_embeddings.weight", &[2, HIDDEN], 0.5, 0.0);
    tensor("embeddings.LayerNorm.weight", &[HIDDEN], 0.4, 1.0);
    tensor("embeddings.LayerNorm.bias", &[HIDDEN], 0.4, 0.0);
    for layer in 0..LAYERS {
        let mut tensor = |name: &str, shape: &[usize], size, shift| {
            tensor(&format!("encoder.layer.{layer}.{name}"), shape, size, shift);
        };
        for part in ["query", "key", "value"] {
            tensor(&format!("attention.self.{part}.weight"), &[HIDDEN, HIDDEN], 0.9, 0.0);
            tensor(&format!("attention.self.{part}.bias"), &[HIDDEN], 0.2, 0.0);
        }
        for (name, inputs, outputs) in
            [("attention.output", HIDDEN, HIDDEN), ("intermediate", HIDDEN, INNER), ("output", INNER, HIDDEN)]
        {
            tensor(&format!("{name}.dense.weight"), &[outputs, inputs], 0.7, 0.0);
            tensor(&format!("{name}.dense.bias"), &[outputs], 0.2, 0.0);
            if name != "intermediate" {
                tensor(&format!("{name}.LayerNorm.weight"), &[HIDDEN], 0.4, 1.0);
                tensor(&format!("{name}.LayerNorm.bias"), &[HIDDEN], 0.4, 0.0);
            }
        }
    }
    own
}

/// The settings of it.
pub fn config() -> String {
    format!(
        r#"{{"model_type":"bert","vocab_size":{},"hidden_size":{HIDDEN},"num_hidden_layers":{LAYERS},"num_attention_heads":{HEADS},"intermediate_size":{INNER},"max_position_embeddings":{POSITIONS},"layer_norm_eps":1e-12,"hidden_act":"gelu","type_vocab_size":2}}"#,
        WORDS.len()
    )
}

/// Writes a folder of it.
pub fn write(folder: &Path, weights: &Weights) {
    write_as(folder, weights, Dtype::F32, "");
}

/// The same with numbers of another type, and something before the name of each tensor.
pub fn write_as(folder: &Path, weights: &Weights, kind: Dtype, before: &str) {
    std::fs::write(folder.join("config.json"), config()).unwrap();
    std::fs::write(folder.join("vocab.txt"), WORDS.join("\n")).unwrap();
    let bytes = |value: &f32| match kind {
        Dtype::F16 => half::f16::from_f32(*value).to_le_bytes().to_vec(),
        Dtype::BF16 => half::bf16::from_f32(*value).to_le_bytes().to_vec(),
        _ => value.to_le_bytes().to_vec(),
    };
    let bytes: BTreeMap<String, (Vec<usize>, Vec<u8>)> = weights
        .iter()
        .map(|(name, (shape, values))| {
            (format!("{before}{name}"), (shape.clone(), values.iter().flat_map(bytes).collect()))
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, (shape, bytes))| (name.as_str(), TensorView::new(kind, shape.clone(), bytes).unwrap()));
    std::fs::write(folder.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
}

/// The numbers of words, between the marks.
pub fn pieces(words: &str) -> Vec<usize> {
    let number = |word: &str| WORDS.iter().position(|known| *known == word).unwrap_or(1);
    [2].into_iter().chain(words.split(' ').map(number)).chain([3]).collect()
}

/// What a text's pieces give by the book: the values of each.
pub fn by_the_book(weights: &Weights, pieces: &[usize]) -> Vec<Vec<f32>> {
    let get = |name: &str| weights[name].1.as_slice();
    let row = |name: &str, at: usize| &get(name)[at * HIDDEN..][..HIDDEN];
    let norm = |x: &[f32], name: &str| -> Vec<f32> {
        let mean = x.iter().sum::<f32>() / x.len() as f32;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / x.len() as f32;
        let (scale, shift) = (get(&format!("{name}.weight")), get(&format!("{name}.bias")));
        (0..x.len()).map(|i| (x[i] - mean) / (variance + 1e-12).sqrt() * scale[i] + shift[i]).collect()
    };
    let linear = |x: &[f32], name: &str| -> Vec<f32> {
        let (matrix, bias) = (get(&format!("{name}.weight")), get(&format!("{name}.bias")));
        let out = |(o, bias): (usize, &f32)| {
            matrix[o * x.len()..][..x.len()].iter().zip(x).map(|(w, x)| w * x).sum::<f32>() + bias
        };
        bias.iter().enumerate().map(out).collect()
    };
    let mut x: Vec<Vec<f32>> = pieces
        .iter()
        .enumerate()
        .map(|(place, piece)| {
            let sum: Vec<f32> = (0..HIDDEN)
                .map(|i| {
                    row("embeddings.word_embeddings.weight", *piece)[i]
                        + row("embeddings.position_embeddings.weight", place)[i]
                        + row("embeddings.token_type_embeddings.weight", 0)[i]
                })
                .collect();
            norm(&sum, "embeddings.LayerNorm")
        })
        .collect();
    for layer in 0..LAYERS {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let all = |part: &str| x.iter().map(|x| linear(x, &name(part))).collect::<Vec<_>>();
        let [q, k, v] = ["query", "key", "value"].map(|part| all(&format!("attention.self.{part}")));
        let wide = HIDDEN / HEADS;
        let mut attended = vec![vec![0f32; HIDDEN]; x.len()];
        for head in 0..HEADS {
            let of = head * wide..(head + 1) * wide;
            for (at, out) in attended.iter_mut().enumerate() {
                let scores: Vec<f32> = k
                    .iter()
                    .map(|k| {
                        let dot: f32 = q[at][of.clone()].iter().zip(&k[of.clone()]).map(|(q, k)| q * k).sum();
                        (dot / (wide as f32).sqrt()).exp()
                    })
                    .collect();
                let sum: f32 = scores.iter().sum();
                for (score, v) in scores.iter().zip(&v) {
                    for i in of.clone() {
                        out[i] += score / sum * v[i];
                    }
                }
            }
        }
        x = x
            .iter()
            .zip(&attended)
            .map(|(x, attended)| {
                let more = linear(attended, &name("attention.output.dense"));
                let sum: Vec<f32> = x.iter().zip(&more).map(|(x, more)| x + more).collect();
                let x = norm(&sum, &name("attention.output.LayerNorm"));
                let inner: Vec<f32> = linear(&x, &name("intermediate.dense")).into_iter().map(gelu).collect();
                let more = linear(&inner, &name("output.dense"));
                let sum: Vec<f32> = x.iter().zip(&more).map(|(x, more)| x + more).collect();
                norm(&sum, &name("output.LayerNorm"))
            })
            .collect();
    }
    x
}

/// By the error function, as a series that is good to seven digits (Abramowitz and Stegun, 7.1.26).
fn gelu(x: f32) -> f32 {
    let z = f64::from(x).abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series = ((((1.061_405_429 * t - 1.453_152_027) * t + 1.421_413_741) * t - 0.284_496_736) * t
        + 0.254_829_592)
        * t;
    let erf = (1.0 - series * (-z * z).exp()).copysign(f64::from(x));
    (f64::from(x) * 0.5 * (1.0 + erf)) as f32
}

/// Of length one.
pub fn unit(mut x: Vec<f32>) -> Vec<f32> {
    let length = x.iter().map(|x| x * x).sum::<f32>().sqrt();
    x.iter_mut().for_each(|x| *x /= length);
    x
}

/// The mean of all.
pub fn mean(rows: &[Vec<f32>]) -> Vec<f32> {
    unit((0..HIDDEN).map(|i| rows.iter().map(|row| row[i]).sum::<f32>()).collect())
}

/// How alike two vectors of length one are.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
