//! Makes a table of static embeddings out of a transformer and a folder of texts.
//!
//!     distill MODEL_DIR TEXTS_DIR OUT
//!     distill serve MODEL_DIR [ADDRESS]
//!
//! The second serves the transformer itself as an endpoint (`serve.rs`). The first:
//!
//! MODEL_DIR has config.json, vocab.txt and model.safetensors of a BERT-like model with mean pooling; TEXTS_DIR has
//! unpacked Debian packages, one folder each, whose man pages, HTML and text are the training texts. `recipe.sh` beside
//! this program fetches a model and texts. The steps:
//!
//! 1. Each piece of the vocabulary goes through the transformer; the principal axes of what comes out, half-whitened, are
//!    the first table (`start.rs`), weighted by how seldom a piece is (SIF: Arora and others, 2017).
//! 2. The table is trained (`train.rs`) so that texts are as near to each other as the transformer says, and a span is
//!    nearest to the paragraph that it is of.
//! 3. It is written with a byte a value (engine/embed, `table.rs`).

mod serve;
mod start;
mod teacher;
mod texts;
mod train;

use postlode_embed::{Table, Tokenizer, Vocabulary};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;
use texts::Paragraph;

/// Values of a vector in the table.
const DIMENSIONS: usize = 256;
/// Pieces of a paragraph that are trained on, and that the transformer reads.
const PARAGRAPH: usize = 256;
const READ: usize = 128;
/// Texts that the transformer reads: paragraphs, and spans of them.
const TAUGHT_PARAGRAPHS: usize = 20_000;
const TAUGHT_SPANS: usize = 16_000;
const VERSION: u32 = 1;

/// Random numbers that are the same in each run (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let usage = "usage: distill MODEL_DIR TEXTS_DIR OUT, or distill serve MODEL_DIR [ADDRESS]";
    match arguments.as_slice() {
        [serve, model, address @ ..] if serve == Path::new("serve") && address.len() < 2 => {
            let address = address.first().and_then(|address| address.to_str());
            serve::serve(model, address.unwrap_or("127.0.0.1:8701").parse()?)
        }
        [model, texts, out] => distill(model, texts, out),
        _ => Err(usage.into()),
    }
}

fn distill(model: &Path, texts: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let since = Instant::now();
    let say = |what: &str| println!("{:6.0} s  {what}", since.elapsed().as_secs_f64());
    let words = std::fs::read_to_string(model.join("vocab.txt"))?;
    let vocabulary = Vocabulary::parse(&words)?;
    let teacher = teacher::Teacher::load(model)?;

    let paragraphs = texts::paragraphs(texts)?;
    say(&format!("{} paragraphs", paragraphs.len()));
    let mut tokenizer = Tokenizer::new(&vocabulary);
    let mut cut = |text: &String| {
        let mut pieces = Vec::new();
        tokenizer.tokens(text, PARAGRAPH, &mut pieces);
        pieces
    };
    let pieces: Vec<Vec<u32>> = paragraphs.iter().map(|paragraph| cut(&paragraph.text)).collect();
    let near: Vec<[Vec<u32>; 2]> =
        paragraphs.iter().map(|Paragraph { heading, next, .. }| [cut(heading), cut(next)]).collect();

    let mut random = Random(1);
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    random.shuffle(&mut order);
    let mut taught: Vec<Vec<u32>> = Vec::new();
    for at in order.iter().take(TAUGHT_PARAGRAPHS) {
        taught.push(pieces[*at].iter().copied().take(READ).collect());
    }
    for at in order.iter().rev().take(TAUGHT_SPANS) {
        let text = &pieces[*at];
        let len = (3 + random.below(18)).min(text.len());
        let from = random.below(text.len() - len + 1);
        taught.push(text[from..from + len].to_vec());
    }
    taught.retain(|pieces| pieces.len() >= 3);
    let cache = out.with_extension("teacher");
    let said = teacher.cached(&taught, &cache, &say)?;
    say(&format!("the transformer has read {} texts", taught.len()));

    let single: Vec<Vec<u32>> = (0..vocabulary.pieces()).map(|piece| vec![piece]).collect();
    let tokens = teacher.cached(&single, &out.with_extension("tokens"), &say)?;
    let table = start::table(&tokens, &pieces, &vocabulary, DIMENSIONS)?;
    say("the first table");
    let write = |name: &str, table: &[f32], to: &Path| {
        std::fs::write(to, Table::write(name, VERSION, &words, DIMENSIONS, table))
    };
    write("first", &table, &out.with_extension("first"))?;

    let table = train::train(table, DIMENSIONS, (&taught, &said), (&pieces, &near), &say);
    write("static-en", &table, out)?;
    say(&format!("written to {}", out.display()));
    Ok(())
}
