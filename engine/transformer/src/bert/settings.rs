//! What the files of a folder say about its network.

use super::{Files, SETTINGS};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Largest that is taken: twice what is known of BERT-like models that embed.
const MOST_HIDDEN: usize = 2_048;
const MOST_LAYERS: usize = 48;
const MOST_INNER: usize = 8_192;
const MOST_PIECES: usize = 1 << 20;
const MOST_POSITIONS: usize = 8_192;
/// Values of a head, at least: each takes the room of all pieces by all pieces.
const LEAST_OF_HEAD: usize = 16;
/// Pieces of a text that are embedded where the folder says nothing, and at most: passages have 120 words.
const PIECES: usize = 256;
const MOST_TAKEN: usize = 512;

/// What is between the two products of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// By the error function.
    Gelu,
    /// By the hyperbolic tangent.
    FastGelu,
    /// What is negative is nothing.
    Relu,
}

/// How the vectors of pieces become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// That of the first, which is the mark before the text.
    First,
}

/// The shape of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub vocabulary: usize,
    /// Values of a vector.
    pub hidden: usize,
    pub layers: usize,
    pub heads: usize,
    /// Values between the two products of a layer.
    pub inner: usize,
    pub positions: usize,
    /// Kinds of texts; all here are of the first.
    pub kinds: usize,
    pub epsilon: f32,
    pub activation: Activation,
    pub pooling: Pooling,
    /// Pieces of a text, with its two marks.
    pub most_pieces: usize,
}

#[derive(Deserialize)]
struct Config {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "kinds")]
    type_vocab_size: usize,
    #[serde(default = "epsilon")]
    layer_norm_eps: f32,
    hidden_act: String,
    #[serde(default)]
    position_embedding_type: Option<String>,
}

fn kinds() -> usize {
    2
}

fn epsilon() -> f32 {
    1e-12
}

/// `1_Pooling/config.json` of sentence-transformers.
#[derive(Default, Deserialize)]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(default)]
    pooling_mode_mean_sqrt_len_tokens: bool,
    #[serde(default)]
    pooling_mode_max_tokens: bool,
    #[serde(default)]
    pooling_mode_weightedmean_tokens: bool,
    #[serde(default)]
    pooling_mode_lasttoken: bool,
}

#[derive(Default, Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
}

#[derive(Default, Deserialize)]
struct TokenizerConfig {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
}

#[derive(Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    path: String,
}

/// Modules of sentence-transformers that are done here.
const MODULES: [&str; 3] = ["Transformer", "Pooling", "Normalize"];

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// Which file is none, and what of it is not done here.
    pub fn read(files: &mut Files<'_>) -> Result<Self, String> {
        if !files.folder.is_dir() {
            return Err("it is no folder".to_owned());
        }
        let config: Option<Config> = parsed(files, "config.json")?;
        let config = config.ok_or("it has no config.json: is it the folder of a model?")?;
        let modules: Option<Vec<Module>> = parsed(files, "modules.json")?;
        let mut pooling_in = None;
        for Module { kind, path } in modules.into_iter().flatten() {
            let name = kind.rsplit('.').next().unwrap_or_default();
            if !MODULES.contains(&name) {
                return Err(format!("modules.json names {kind:?}, which is not done here"));
            }
            let inside = |path: &str| {
                !path.is_empty() && path.chars().all(|c| c.is_alphanumeric() || "_-".contains(c))
            };
            match name {
                "Pooling" if inside(&path) => pooling_in = Some(path),
                "Pooling" => return Err(format!("modules.json: {path:?} is no folder of it")),
                _ => {}
            }
        }
        let pooling: Option<PoolingConfig> = match &pooling_in {
            None => parsed(files, "1_Pooling/config.json")?,
            Some(path) => {
                let name = format!("{path}/config.json");
                let there = parsed(files, &name)?;
                Some(there.ok_or_else(|| {
                    format!("it has no {name}, which says how it is pooled: fetch the whole folder")
                })?)
            }
        };
        let sentence: Option<SentenceConfig> = parsed(files, "sentence_bert_config.json")?;
        let tokenizer: TokenizerConfig = parsed(files, "tokenizer_config.json")?.unwrap_or_default();
        if tokenizer.do_lower_case == Some(false) || tokenizer.strip_accents == Some(false) {
            return Err("it tells capitals or accents apart; models without these are taken here".to_owned());
        }
        if tokenizer.tokenize_chinese_chars == Some(false) {
            return Err("it does not cut ideographs apart, as is done here".to_owned());
        }
        let own = Self {
            vocabulary: config.vocab_size,
            hidden: config.hidden_size,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            inner: config.intermediate_size,
            positions: config.max_position_embeddings,
            kinds: config.type_vocab_size,
            epsilon: config.layer_norm_eps,
            activation: activation(&config.hidden_act)?,
            pooling: pooling.map_or(Ok(Pooling::Mean), |pooling| pooling.kind())?,
            most_pieces: sentence
                .unwrap_or_default()
                .max_seq_length
                .unwrap_or(PIECES)
                .min(MOST_TAKEN)
                .min(config.max_position_embeddings),
        };
        if config.model_type != "bert" {
            return Err(format!(
                "config.json: a model of the kind {:?}; those that run here are of the kind \"bert\"; others can be served (--embed-endpoint)",
                config.model_type
            ));
        }
        if config.position_embedding_type.is_some_and(|kind| kind != "absolute") {
            return Err("config.json: only absolute positions are done here".to_owned());
        }
        own.checked()
    }

    fn checked(self) -> Result<Self, String> {
        let bounds = [
            ("vocab_size", self.vocabulary, MOST_PIECES),
            ("hidden_size", self.hidden, MOST_HIDDEN),
            ("num_hidden_layers", self.layers, MOST_LAYERS),
            ("num_attention_heads", self.heads, (self.hidden / LEAST_OF_HEAD).max(1)),
            ("type_vocab_size", self.kinds, MOST_HIDDEN),
            ("intermediate_size", self.inner, MOST_INNER),
            ("max_position_embeddings", self.positions, MOST_POSITIONS),
        ];
        for (name, value, most) in bounds {
            if value == 0 || value > most {
                return Err(format!("config.json: {name} is {value}, and may be 1 to {most}"));
            }
        }
        if !self.hidden.is_multiple_of(self.heads) {
            return Err(format!("config.json: {} heads cannot share {} values", self.heads, self.hidden));
        }
        if !(self.epsilon.is_finite() && self.epsilon > 0.0) {
            return Err("config.json: layer_norm_eps is no small number".to_owned());
        }
        // The two marks, and something between them.
        if self.most_pieces < 3 {
            return Err(format!("it takes {} pieces of a text, which is none", self.most_pieces));
        }
        Ok(self)
    }
}

impl PoolingConfig {
    fn kind(&self) -> Result<Pooling, String> {
        let others = self.pooling_mode_max_tokens
            || self.pooling_mode_weightedmean_tokens
            || self.pooling_mode_lasttoken;
        // The direction of a mean is that of a sum, whatever it is divided by.
        let mean = self.pooling_mode_mean_tokens || self.pooling_mode_mean_sqrt_len_tokens;
        match (self.pooling_mode_cls_token, mean, others) {
            (true, false, false) => Ok(Pooling::First),
            (false, true, false) => Ok(Pooling::Mean),
            _ => Err("1_Pooling/config.json: the mean of all pieces or the first of them are done here, and one of them alone".to_owned()),
        }
    }
}

fn activation(name: &str) -> Result<Activation, String> {
    match name {
        "gelu" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_pytorch_tanh" => Ok(Activation::FastGelu),
        "relu" => Ok(Activation::Relu),
        _ => Err(format!("config.json: hidden_act is {name:?}; gelu, gelu_new and relu are done here")),
    }
}

fn parsed<T: DeserializeOwned>(files: &mut Files<'_>, name: &str) -> Result<Option<T>, String> {
    let Some(bytes) = files.read(name, SETTINGS)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| format!("{name}: {error}"))
}
