//! The transformer: BERT with mean pooling, by candle.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Pieces of a batch, padding included.
const BATCH: usize = 4096;
/// What texts begin and end with.
const BEGIN: u32 = 101;
const END: u32 = 102;

/// Vectors of length one.
pub struct Said {
    pub dimensions: usize,
    pub values: Vec<f32>,
}

impl Said {
    pub fn row(&self, text: usize) -> &[f32] {
        &self.values[text * self.dimensions..][..self.dimensions]
    }
}

/// A loaded model.
pub struct Teacher {
    model: BertModel,
    dimensions: usize,
    /// Of its weights.
    hash: u64,
}

impl Teacher {
    pub fn load(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let config: Config = serde_json::from_slice(&std::fs::read(folder.join("config.json"))?)?;
        let weights = std::fs::read(folder.join("model.safetensors"))?;
        let mut hash = DefaultHasher::new();
        weights.hash(&mut hash);
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        Ok(Self {
            model: BertModel::load(weights, &config)?,
            dimensions: config.hidden_size,
            hash: hash.finish(),
        })
    }

    /// What it says of texts; from a file of an earlier run if there is one, because it takes minutes.
    pub fn cached(
        &self,
        texts: &[Vec<u32>],
        cache: &Path,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Said, Box<dyn Error>> {
        let mut hash = DefaultHasher::new();
        (self.hash, texts).hash(&mut hash);
        let of = hash.finish().to_le_bytes();
        if let Ok(bytes) = std::fs::read(cache)
            && let Some(bytes) = bytes.strip_prefix(&of)
            && bytes.len() == texts.len() * self.dimensions * 4
        {
            say(&format!("taken from {}", cache.display()));
            let values = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            return Ok(Said { dimensions: self.dimensions, values });
        }
        let said = self.read(texts, say)?;
        let values = said.values.iter().flat_map(|x| x.to_le_bytes());
        std::fs::write(cache, of.into_iter().chain(values).collect::<Vec<u8>>())?;
        Ok(said)
    }

    /// Batches of texts of much the same length, on all cores.
    pub fn read(&self, texts: &[Vec<u32>], say: &(dyn Fn(&str) + Sync)) -> Result<Said, Box<dyn Error>> {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|text| std::cmp::Reverse(texts[*text].len()));
        let mut batches: Vec<&[usize]> = Vec::new();
        let mut rest = order.as_slice();
        while let Some(longest) = rest.first() {
            let count = (BATCH / (texts[*longest].len() + 2)).clamp(1, rest.len());
            let (now, later) = rest.split_at(count);
            batches.push(now);
            rest = later;
        }
        let next = AtomicUsize::new(0);
        let values = Mutex::new(vec![0.0f32; texts.len() * self.dimensions]);
        let failed = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                        match self.forward(texts, batch) {
                            Ok(rows) => {
                                let mut values = values.lock().unwrap();
                                for (text, row) in batch.iter().zip(rows) {
                                    values[text * self.dimensions..][..self.dimensions].copy_from_slice(&row);
                                }
                            }
                            Err(error) => *failed.lock().unwrap() = Some(error),
                        }
                        let done = next.load(Ordering::Relaxed);
                        if done % 100 == 0 {
                            say(&format!("{done} of {} batches", batches.len()));
                        }
                    }
                });
            }
        });
        match failed.into_inner().unwrap() {
            Some(error) => Err(error.into()),
            None => Ok(Said { dimensions: self.dimensions, values: values.into_inner().unwrap() }),
        }
    }

    fn forward(&self, texts: &[Vec<u32>], batch: &[usize]) -> candle_core::Result<Vec<Vec<f32>>> {
        let width = batch.iter().map(|text| texts[*text].len()).max().unwrap_or(0) + 2;
        let (mut ids, mut mask) = (vec![0u32; batch.len() * width], vec![0u32; batch.len() * width]);
        for (row, text) in batch.iter().enumerate() {
            let text = &texts[*text];
            let all = [BEGIN].iter().chain(text).chain(&[END]);
            for (at, id) in all.enumerate() {
                ids[row * width + at] = *id;
                mask[row * width + at] = 1;
            }
        }
        let shape = (batch.len(), width);
        let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
        let hidden = self.model.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let mask = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
        // A mean and a sum have one direction.
        let sum = hidden.broadcast_mul(&mask)?.sum(1)?;
        let length = sum.sqr()?.sum_keepdim(1)?.sqrt()?;
        sum.broadcast_div(&length)?.to_vec2()
    }
}
