//! How well mail is found: subjects and the bodies of their threads, replies and what they answer.
//!
//! The questions need no judge, because mail tells who answers whom. Of a thread its subject is asked for, and all its mails
//! are right; their subjects are withheld. Of a reply its new text is asked for, and the mail that it answers is right.

use clap::Parser;
use futures_lite::future::block_on;
use postlode_benches::{BenchError, machine, place, stores};
use postlode_embed::{StaticModel, passages};
use postlode_mail::parts::{PartKind, split};
use postlode_mail::subject::topic;
use postlode_query::{Engine, Mode, SearchRequest, Sort};
use postlode_vector::kernel::best;
use serde::Deserialize;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Measures how well mail is found.
#[derive(Parser)]
struct Arguments {
    /// Mails, one JSON object a line: id, irt, refs, subject, from_addr, date, body (.jsonl, .jsonl.zst).
    mails: PathBuf,
    /// The table of vectors (tools/distill makes one).
    #[arg(long)]
    table: PathBuf,
    /// Questions of each kind.
    #[arg(long, default_value_t = 1_000)]
    questions: usize,
    /// Folder for throw-away stores (default: the target folder).
    #[arg(long)]
    within: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Mail {
    id: String,
    irt: String,
    refs: Vec<String>,
    subject: String,
    date: String,
    body: String,
}

/// Something asked, and the mails that are right. The mail asked with, if any, does not count.
struct Question {
    text: String,
    right: Vec<usize>,
    own: Option<usize>,
}

/// Hits that are looked at; and those of each way that are mixed.
const DEPTH: usize = 10;
const MIXED: usize = 100;
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
    let mails = read(&arguments.mails)?;
    let texts: Vec<String> = mails.iter().map(|mail| new_text(&mail.body)).collect();
    let bytes =
        std::fs::read(&arguments.table).map_err(BenchError::io(arguments.table.display().to_string()))?;
    let model = StaticModel::parse(&bytes).map_err(|error| BenchError::Other(error.to_string()))?;
    let since = Instant::now();
    let vectors = Vectors::of(&model, &texts);
    println!(
        "  {} mails, {} passages embedded by one thread in {:.2} s: {:.0} mails a second",
        mails.len(),
        vectors.of_mail.len(),
        since.elapsed().as_secs_f64(),
        mails.len() as f64 / since.elapsed().as_secs_f64()
    );

    let scratch = place::throw_away(arguments.within.as_deref())?;
    let words = Words::load(scratch.path(), &mails)?;
    let kinds = [
        ("subject -> its thread", threads(&mails, &texts, arguments.questions)),
        ("reply -> what it answers", replies(&mails, &texts, arguments.questions)),
    ];
    for (kind, questions) in kinds {
        println!("  {kind}, {} questions{:>18}{:>12}", questions.len(), "nDCG@10", "recall@10");
        let mut ways: [(&str, Scores); 3] =
            [("keyword", Scores::default()), ("static", Scores::default()), ("mixed", Scores::default())];
        for question in &questions {
            let keyword = words.ask(&question.text, question.own)?;
            let (meaning, all) = vectors.ask(&model, &question.text, question.own);
            let mixed = mixed(&keyword, &meaning, &all);
            for ((_, scores), mut hits) in ways.iter_mut().zip([keyword, meaning, mixed]) {
                // What says next to nothing cannot be right, nor wrong.
                hits.retain(|(mail, _)| texts[*mail].split_whitespace().count() >= SHORTEST);
                scores.add(question, &hits);
            }
        }
        for (way, scores) in &ways {
            println!(
                "    {way:<24}{:>24.3}{:>12.3}",
                scores.ndcg / scores.asked,
                scores.recall / scores.asked
            );
        }
    }
    block_on(words.store.close())?;
    Ok(())
}

fn read(path: &Path) -> Result<Vec<Mail>, BenchError> {
    let file = std::fs::File::open(path).map_err(BenchError::io(path.display().to_string()))?;
    let plain: Box<dyn Read> = match path.extension().is_some_and(|end| end == "zst") {
        true => Box::new(zstd::Decoder::new(file).map_err(BenchError::io(path.display().to_string()))?),
        false => Box::new(file),
    };
    let lines = BufReader::new(plain).lines();
    lines
        .map(|line| Ok(serde_json::from_str(&line.map_err(BenchError::io(path.display().to_string()))?)?))
        .collect()
}

/// What the writer wrote, without quotes, signatures and footers.
fn new_text(body: &str) -> String {
    let parts = split(body);
    parts.iter().filter(|part| part.kind == PartKind::New).map(|part| part.of(body)).collect()
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

/// Mails and their scores, the best first.
type Hits = Vec<(usize, f32)>;

struct Vectors {
    of_mail: Vec<usize>,
    values: Vec<f32>,
    dimensions: usize,
}

impl Vectors {
    fn of(model: &StaticModel, texts: &[String]) -> Self {
        let dimensions = model.model().dimensions as usize;
        let mut own = Self { of_mail: Vec::new(), values: Vec::new(), dimensions };
        let mut embedder = model.embedder();
        for (mail, text) in texts.iter().enumerate() {
            for vector in passages("", text).iter().filter_map(|passage| embedder.embed(&passage.text)) {
                own.of_mail.push(mail);
                own.values.extend(vector);
            }
        }
        own
    }

    /// The nearest mails by their best passages, and how near each mail is.
    fn ask(&self, model: &StaticModel, text: &str, own: Option<usize>) -> (Hits, HashMap<usize, f32>) {
        let mut all: HashMap<usize, f32> = HashMap::new();
        let first = passages("", text).into_iter().next();
        let Some(query) = first.and_then(|passage| model.embedder().embed(&passage.text)) else {
            return (Hits::new(), all);
        };
        for (mail, vector) in self.of_mail.iter().zip(self.values.chunks_exact(self.dimensions)) {
            let score = best().dot_f32(&query, vector);
            all.entry(*mail).and_modify(|most| *most = most.max(score)).or_insert(score);
        }
        let mut hits: Hits =
            all.iter().map(|(mail, score)| (*mail, *score)).filter(|(mail, _)| Some(*mail) != own).collect();
        order(&mut hits);
        hits.truncate(MIXED);
        (hits, all)
    }
}

fn order(hits: &mut Hits) {
    hits.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
}

/// The store, with subjects withheld.
struct Words {
    store: postlode_store::Store,
    engine: Engine,
    mails: HashMap<String, usize>,
}

impl Words {
    fn load(folder: &Path, mails: &[Mail]) -> Result<Self, BenchError> {
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
        let store = stores::open(&folder.join("store"), runtime, stores::options(), cpu.clone())?;
        let report = stores::load(&store, &[path])?;
        if report.found != mails.len() as u64 {
            return Err(BenchError::Other(format!("{} of {} mails were found", report.found, mails.len())));
        }
        block_on(store.compact())?;
        let ids = (0..mails.len()).map(|n| (format!("<m{n}@x>"), n)).collect();
        Ok(Self { engine: Engine::new(store.clone(), cpu), store, mails: ids })
    }

    /// The best mails for any of the words.
    fn ask(&self, text: &str, own: Option<usize>) -> Result<Hits, BenchError> {
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
            q: format!("({})", words.join(" OR ")),
            mode: Mode::Keyword,
            limit: MIXED + 1,
            sort: Some(Sort::Relevance),
            ..SearchRequest::default()
        };
        let answer = block_on(self.engine.search(request))?;
        let hit = |hit: &postlode_query::Hit| {
            let known = self.mails.get(&hit.message_id).copied().zip(hit.score);
            known.ok_or_else(|| BenchError::Other(format!("{} is no mail of these", hit.message_id)))
        };
        let hits: Result<Hits, BenchError> = answer.hits.iter().map(hit).collect();
        Ok(hits?.into_iter().filter(|(mail, _)| Some(*mail) != own).collect())
    }
}

/// Half of each, as parts of the best. A mail that only meaning found has no words in common as far as is known, as it is
/// with an index that is asked for its best.
fn mixed(keyword: &Hits, meaning: &Hits, all: &HashMap<usize, f32>) -> Hits {
    let most = |hits: &Hits| hits.first().map_or(1.0, |(_, score)| score.max(f32::MIN_POSITIVE));
    let (most_keyword, most_meaning) = (most(keyword), most(meaning));
    let words: HashMap<usize, f32> = keyword.iter().copied().collect();
    let mut hits: Hits = Hits::new();
    for mail in keyword.iter().chain(meaning).map(|(mail, _)| *mail) {
        if hits.iter().all(|(known, _)| *known != mail) {
            let word = words.get(&mail).copied().unwrap_or(0.0) / most_keyword;
            let near = all.get(&mail).copied().unwrap_or(0.0) / most_meaning;
            hits.push((mail, 0.5 * word + 0.5 * near));
        }
    }
    order(&mut hits);
    hits
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
        let right = |mail: usize| question.right.contains(&mail);
        let found = hits.iter().take(DEPTH).enumerate().filter(|(_, (mail, _))| right(*mail));
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
