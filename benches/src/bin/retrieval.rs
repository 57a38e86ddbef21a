//! How well mail is found: subjects and the bodies of their threads, replies and what they answer.
//!
//! The questions need no judge, because mail tells who answers whom. Of a thread its subject is asked for, and all its mails
//! are right; their subjects are withheld. Of a reply its new text is asked for, and the mail that it answers is right.

use clap::Parser;
use futures_lite::future::block_on;
use postlode_benches::list_mails::{self, Mail, new_text};
use postlode_benches::models::ModelArguments;
use postlode_benches::{BenchError, machine, place, stores};
use postlode_embed::{Embed, EmbedError, Model, passages};
use postlode_mail::subject::topic;
use postlode_query::{Engine, Mode, SearchRequest, Sort};
use postlode_semantic::{SemanticEngine, VectorIndex};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Measures how well mail is found.
#[derive(Parser)]
struct Arguments {
    /// Mails, one JSON object a line: id, irt, refs, subject, from_addr, date, body (.jsonl, .jsonl.zst).
    mails: PathBuf,
    /// The model; the built-in one if nothing is said.
    #[command(flatten)]
    model: ModelArguments,
    /// Questions of each kind.
    #[arg(long, default_value_t = 1_000)]
    questions: usize,
    /// Folder for throw-away stores (default: the target folder).
    #[arg(long)]
    within: Option<PathBuf>,
}

/// Something asked, and the mails that are right. The mail asked with, if any, does not count.
struct Question {
    text: String,
    right: Vec<usize>,
    own: Option<usize>,
}

/// Hits that are looked at.
const DEPTH: usize = 10;
/// Words of a mail that can be right, and of one that is asked with.
const SHORTEST: usize = 5;
const SHORTEST_ASKED: usize = 10;
/// Words of a question that are asked for.
const WORDS: usize = 64;
/// Mails of a thread that is asked for.
const THREAD: std::ops::RangeInclusive<usize> = 3..=50;

fn main() -> Result<(), BenchError> {
    let arguments = Arguments::parse();
    println!("retrieval: {}", machine::told());
    let mails = list_mails::read(&arguments.mails)?;
    let texts: Vec<String> = mails.iter().map(|mail| new_text(&mail.body)).collect();
    let model: Arc<dyn Embed> =
        Arc::new(Remembered { model: arguments.model.model()?, known: Mutex::default() });
    embed(&*model, &texts)?;
    let scratch = place::throw_away(arguments.within.as_deref())?;
    let searched = Searched::load(scratch.path(), &mails, &model)?;
    let kinds = [
        ("subject -> its thread", threads(&mails, &texts, arguments.questions)),
        ("reply -> what it answers", replies(&mails, &texts, arguments.questions)),
    ];
    for (kind, questions) in kinds {
        println!("  {kind}, {} questions{:>18}{:>12}", questions.len(), "nDCG@10", "recall@10");
        let mut ways = [Mode::Keyword, Mode::Semantic, Mode::Hybrid].map(|mode| (mode, Scores::default()));
        for question in &questions {
            for (mode, scores) in &mut ways {
                let mut hits = searched.ask(&question.text, question.own, *mode)?;
                // What says next to nothing cannot be right, nor wrong.
                hits.retain(|mail| texts[*mail].split_whitespace().count() >= SHORTEST);
                scores.add(question, &hits);
            }
        }
        for (mode, scores) in &ways {
            println!(
                "    {:<24}{:>24.3}{:>12.3}",
                format!("{mode:?}").to_lowercase(),
                scores.ndcg / scores.asked,
                scores.recall / scores.asked
            );
        }
    }
    block_on(searched.store.close())?;
    Ok(())
}

/// A model that embeds each text once: the first time it is timed, and then the index wants the same.
struct Remembered {
    model: Box<dyn Embed>,
    known: Mutex<HashMap<String, Option<Vec<f32>>>>,
}

impl Embed for Remembered {
    fn model(&self) -> Model {
        self.model.model()
    }

    fn knows(&self, language: &str) -> bool {
        self.model.knows(language)
    }

    fn is_even(&self) -> bool {
        self.model.is_even()
    }

    fn weight(&self) -> f32 {
        self.model.weight()
    }

    fn embed(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<String> = texts.iter().filter(|text| !known.contains_key(*text)).cloned().collect();
        let vectors = self.model.embed(&new)?;
        known.extend(new.into_iter().zip(vectors));
        Ok(texts.iter().map(|text| known.get(text).cloned().flatten()).collect())
    }

    fn embed_query(&self, text: &str) -> Result<Option<Vec<f32>>, EmbedError> {
        self.model.embed_query(text)
    }

    fn says(&self, text: &str) -> bool {
        self.model.says(text)
    }
}

/// How fast texts become vectors.
fn embed(model: &dyn Embed, texts: &[String]) -> Result<(), BenchError> {
    let since = Instant::now();
    let mut count = 0;
    for some in texts.chunks(256) {
        let texts: Vec<String> = some.iter().flat_map(|text| passages("", text)).map(|p| p.text).collect();
        let vectors = model.embed(&texts).map_err(|error| BenchError::Other(error.to_string()))?;
        count += vectors.iter().flatten().count();
    }
    let seconds = since.elapsed().as_secs_f64();
    println!(
        "  {} mails, {count} passages embedded in {seconds:.2} s: {:.0} mails a second",
        texts.len(),
        texts.len() as f64 / seconds
    );
    Ok(())
}

/// A subject without the marks of replies and lists.
fn plain_subject(subject: &str) -> &str {
    let mut rest = topic(subject);
    while let Some((_, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        rest = topic(after);
    }
    rest
}

/// The first mail of each mail's thread, as far as mails say whom they answer.
fn threads(mails: &[Mail], texts: &[String], most: usize) -> Vec<Question> {
    let known: HashMap<&str, usize> =
        mails.iter().enumerate().map(|(n, mail)| (mail.id.as_str(), n)).collect();
    let mut root: Vec<usize> = (0..mails.len()).collect();
    let find = |root: &[usize], mut n: usize| {
        while root[n] != n {
            n = root[n];
        }
        n
    };
    for (n, mail) in mails.iter().enumerate() {
        for id in mail.refs.iter().chain([&mail.irt]) {
            if let Some(other) = known.get(id.as_str()) {
                let (a, b) = (find(&root, n), find(&root, *other));
                let (early, late) = (a.min(b), a.max(b));
                root[late] = early;
            }
        }
    }
    let mut all: HashMap<usize, Vec<usize>> = HashMap::new();
    for n in 0..mails.len() {
        all.entry(find(&root, n)).or_default().push(n);
    }
    let mut questions: Vec<Question> = all
        .into_values()
        .map(|mut thread| {
            thread.sort_by(|a, b| mails[*a].date.cmp(&mails[*b].date).then(a.cmp(b)));
            let text = thread.first().map(|first| plain_subject(&mails[*first].subject).to_owned());
            thread.retain(|n| texts[*n].split_whitespace().count() >= SHORTEST);
            Question { text: text.unwrap_or_default(), right: thread, own: None }
        })
        .filter(|question| {
            THREAD.contains(&question.right.len()) && question.text.split_whitespace().count() >= 2
        })
        .collect();
    // Where headers were lost, one conversation is several threads of one subject, and who is right is not known.
    let mut times: HashMap<String, usize> = HashMap::new();
    for question in &questions {
        *times.entry(question.text.to_lowercase()).or_default() += 1;
    }
    questions.retain(|question| times.get(&question.text.to_lowercase()) == Some(&1));
    questions.sort_by(|a, b| a.right.cmp(&b.right));
    sample(questions, most)
}

fn replies(mails: &[Mail], texts: &[String], most: usize) -> Vec<Question> {
    let known: HashMap<&str, usize> =
        mails.iter().enumerate().map(|(n, mail)| (mail.id.as_str(), n)).collect();
    let long = |n: &usize| texts[*n].split_whitespace().count() >= SHORTEST_ASKED;
    let of = |(n, mail): (usize, &Mail)| {
        let parent = known.get(mail.irt.as_str()).copied().filter(|parent| *parent != n && long(parent))?;
        long(&n).then(|| Question { text: texts[n].clone(), right: vec![parent], own: Some(n) })
    };
    sample(mails.iter().enumerate().filter_map(of).collect(), most)
}

/// Evenly over all.
fn sample(questions: Vec<Question>, most: usize) -> Vec<Question> {
    let (all, taken) = (questions.len(), questions.len().min(most));
    let mut taken: Vec<usize> = (0..taken).map(|at| at * all / taken).rev().collect();
    let of_these = |(number, question)| (taken.pop_if(|next| *next == number)).map(|_| question);
    questions.into_iter().enumerate().filter_map(of_these).collect()
}

/// Mails, the best first.
type Hits = Vec<usize>;

/// The store, with subjects withheld.
struct Searched {
    store: postlode_store::Store,
    engine: Engine,
    mails: HashMap<String, usize>,
}

impl Searched {
    fn load(folder: &Path, mails: &[Mail], model: &Arc<dyn Embed>) -> Result<Self, BenchError> {
        let path = folder.join("bodies.mbox");
        let file = std::fs::File::create(&path).map_err(BenchError::io("bodies.mbox"))?;
        let mut out = std::io::BufWriter::new(file);
        for (n, mail) in mails.iter().enumerate() {
            let body = new_text(&mail.body).replace("\nFrom ", "\n>From ");
            let head = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit";
            write!(out, "From x@x Thu Jan  1 00:00:00 2015\nMessage-ID: <m{n}@x>\n{head}\n\n{body}\n\n")
                .map_err(BenchError::io("bodies.mbox"))?;
        }
        drop(out);
        let cpu = stores::cpu_pool()?;
        let (runtime, _) = postlode_runtime::choose(None);
        let mut options = stores::options();
        options.vectors = Some(Arc::new(VectorIndex::new(Arc::clone(model))));
        let store = stores::open(&folder.join("store"), runtime, options, cpu.clone())?;
        let report = stores::load(&store, &[path])?;
        if report.found != mails.len() as u64 {
            return Err(BenchError::Other(format!("{} of {} mails were found", report.found, mails.len())));
        }
        block_on(store.compact())?;
        let ids = (0..mails.len()).map(|n| (format!("<m{n}@x>"), n)).collect();
        let semantic = SemanticEngine::new(Arc::clone(model), 1 << 30);
        Ok(Self { engine: Engine::with_meaning(store.clone(), cpu, semantic, 64 << 20), store, mails: ids })
    }

    /// The best mails: by words for any of them, by meaning, or by both as a user asks who just types words.
    fn ask(&self, text: &str, own: Option<usize>, mode: Mode) -> Result<Hits, BenchError> {
        let mut words: Vec<String> = Vec::new();
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 1) {
            let word = word.to_lowercase();
            // Words of the language are none to be found.
            if !words.contains(&word) && !["or", "and", "not"].contains(&word.as_str()) && words.len() < WORDS
            {
                words.push(word);
            }
        }
        if words.is_empty() {
            return Ok(Hits::new());
        }
        let request = SearchRequest {
            q: match mode {
                Mode::Keyword => format!("({})", words.join(" OR ")),
                Mode::Semantic | Mode::Hybrid => words.join(" "),
            },
            mode,
            // Some are left out afterwards.
            limit: 2 * DEPTH + 1,
            sort: Some(Sort::Relevance),
            ..SearchRequest::default()
        };
        let answer = block_on(self.engine.search(request))?;
        let hit = |hit: &postlode_query::Hit| {
            let known = self.mails.get(&hit.message_id).copied();
            known.ok_or_else(|| BenchError::Other(format!("{} is no mail of these", hit.message_id)))
        };
        let hits: Result<Hits, BenchError> = answer.hits.iter().map(hit).collect();
        Ok(hits?.into_iter().filter(|mail| Some(*mail) != own).collect())
    }
}

#[derive(Default)]
struct Scores {
    asked: f64,
    ndcg: f64,
    recall: f64,
}

impl Scores {
    fn add(&mut self, question: &Question, hits: &Hits) {
        let gain = |place: usize| 1.0 / (place as f64 + 2.0).log2();
        let found = hits.iter().take(DEPTH).enumerate().filter(|(_, mail)| question.right.contains(mail));
        let ideal: f64 = (0..question.right.len().min(DEPTH)).map(gain).sum();
        let (mut sum, mut count) = (0.0, 0.0);
        for (place, _) in found {
            sum += gain(place);
            count += 1.0;
        }
        self.asked += 1.0;
        self.ndcg += sum / ideal;
        self.recall += count / question.right.len() as f64;
    }
}
