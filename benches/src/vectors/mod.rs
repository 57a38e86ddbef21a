//! Vectors to measure an index with, made up or those of mails, questions, and the true nearest of each.

mod made_up;

use crate::BenchError;
use crate::list_mails::{self, new_text};
use crate::models::ModelArguments;
use clap::Args;
use made_up::Maker;
use postlode_embed::passages;
use postlode_vector::kernel::best;
use postlode_vector::{Parallel, Threads, Whitening};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The nearest that are told of each question.
pub const NEAREST: usize = 10;
/// Vectors that a turn is learnt of.
const LEARNT: usize = 8_192;
/// Texts that are embedded at a time.
const AT_ONCE: usize = 256;

/// Which vectors.
#[derive(Args)]
pub struct VectorArguments {
    /// Made-up vectors.
    #[arg(long, default_value_t = 200_000)]
    pub vectors: usize,
    /// Questions: vectors like the others that are not among them.
    #[arg(long, default_value_t = 1_000)]
    pub questions: usize,
    /// Other made-up vectors for each.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Vectors of the passages of these mails instead (.jsonl, .jsonl.zst).
    #[arg(long)]
    pub mails: Option<PathBuf>,
    /// Turn questions as searches by the built-in model do.
    #[arg(long)]
    pub turned: bool,
    /// The model that embeds these.
    #[command(flatten)]
    pub model: ModelArguments,
}

/// Vectors, one after another.
type Rows = Vec<Vec<f32>>;

/// Vectors, questions, and the numbers of the true nearest of each question.
pub struct Vectors {
    /// What is searched.
    pub base: Vec<Vec<f32>>,
    /// What is searched for.
    pub queries: Vec<Vec<f32>>,
    /// The nearest [`NEAREST`], the best first.
    pub truth: Vec<Vec<u32>>,
}

impl VectorArguments {
    /// Makes them.
    ///
    /// # Errors
    /// Where there are no such mails, or no such model.
    pub fn vectors(&self) -> Result<Vectors, BenchError> {
        let threads = threads();
        let (base, mut queries) = match &self.mails {
            None => {
                let maker = Maker::new(self.vectors, self.seed);
                let made =
                    |from: usize, count: usize| in_parts(&threads, count, |at| maker.vector(from + at));
                (made(0, self.vectors), made(self.vectors, self.questions))
            }
            Some(mails) => self.of_mails(mails)?,
        };
        if self.turned {
            let each = base.len().div_ceil(LEARNT).max(1);
            let sample: Vec<f32> = base.iter().step_by(each).flatten().copied().collect();
            let whitening = Whitening::learn(base.first().map_or(0, Vec::len), &sample);
            let whitening = whitening.ok_or_else(|| BenchError::Other("nothing to learn of".to_owned()))?;
            queries.iter_mut().for_each(|query| *query = whitening.turn(query));
        }
        let truth = nearest(&base, &queries, |_| true);
        Ok(Vectors { base, queries, truth })
    }

    /// One passage of several, evenly over all, is a question.
    fn of_mails(&self, mails: &Path) -> Result<(Rows, Rows), BenchError> {
        let model = self.model.model()?;
        let mails = list_mails::read(mails)?;
        let texts = mails.iter().flat_map(|mail| passages(&mail.subject, &new_text(&mail.body)));
        let texts: Vec<String> = texts.map(|passage| passage.text).collect();
        let (mut vectors, mut seen) = (Vec::with_capacity(texts.len()), HashSet::new());
        for some in texts.chunks(AT_ONCE) {
            let some = model.embed(some).map_err(|error| BenchError::Other(error.to_string()))?;
            // Each vector once: of equal ones nobody can say which is nearer.
            let mut new = |vector: &Vec<f32>| {
                seen.insert(vector.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
            };
            vectors.extend(some.into_iter().flatten().filter(&mut new));
        }
        let each = (vectors.len() / self.questions.max(1)).max(2);
        let (mut base, mut queries) = (Vec::with_capacity(vectors.len()), Vec::new());
        for (number, vector) in vectors.into_iter().enumerate() {
            let to = if number % each == each - 1 { &mut queries } else { &mut base };
            to.push(vector);
        }
        queries.truncate(self.questions);
        Ok((base, queries))
    }
}

/// The true nearest of each question among those that are wanted.
#[must_use]
pub fn nearest(
    base: &[Vec<f32>],
    queries: &[Vec<f32>],
    wanted: impl Fn(u32) -> bool + Sync,
) -> Vec<Vec<u32>> {
    in_parts(&threads(), queries.len(), |query| {
        let rows = (0u32..).zip(base).filter(|(number, _)| wanted(*number));
        let mut all: Vec<(f32, u32)> =
            rows.map(|(number, row)| (best().dot_f32(&queries[query], row), number)).collect();
        all.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        all.into_iter().take(NEAREST).map(|(_, row)| row).collect()
    })
}

/// One a core.
#[must_use]
pub fn threads() -> Threads {
    Threads(crate::machine::cores())
}

/// Results in order, made on all cores.
fn in_parts<T: Send>(threads: &Threads, count: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    const GRAIN: usize = 256;
    let parts: Vec<Mutex<Vec<T>>> = (0..count.div_ceil(GRAIN)).map(|_| Mutex::default()).collect();
    threads.each(parts.len(), &|part| {
        let from = part * GRAIN;
        let made = (from..count.min(from + GRAIN)).map(&make).collect();
        if let Ok(mut slot) = parts[part].lock() {
            *slot = made;
        }
    });
    parts.into_iter().flat_map(|part| part.into_inner().unwrap_or_default()).collect()
}
