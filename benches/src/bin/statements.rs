//! What a prepared statement saves: the same questions as texts, and as values of a statement, with the engine in this process.
//!
//! Both are asked one after the other by one client, taking turns, and have to find the same.

use clap::Parser;
use futures_lite::future::block_on;
use postlode_benches::figures::{Times, median};
use postlode_benches::{BenchError, machine, place, stores};
use postlode_format::id::from_hex;
use postlode_format::index::IndexId;
use postlode_query::{Engine, ExecuteRequest, Mode, SearchAnswer, SearchRequest, Sort};
use std::path::PathBuf;
use std::time::Instant;

/// Measures statements.
#[derive(Parser)]
struct Arguments {
    /// Mails in the store.
    #[arg(long, default_value_t = 30_000)]
    messages: u64,
    /// Times that each question is asked in a round.
    #[arg(long, default_value_t = 500)]
    times: usize,
    /// Rounds, of which the medians count.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Folder for throw-away stores (default: the target folder).
    #[arg(long)]
    within: Option<PathBuf>,
}

fn main() -> Result<(), BenchError> {
    let arguments = Arguments::parse();
    println!("statements: {}", machine::told());
    let scratch = place::throw_away(arguments.within.as_deref())?;
    let (runtime, _) = postlode_runtime::choose(None);
    let (store, cpu, _) = stores::of_made_up(scratch.path(), arguments.messages, runtime)?;
    let senders = block_on(store.parts(IndexId::Sender, b"", 200))?;
    let senders: Vec<String> = senders.into_iter().map(|(sender, _)| sender).collect();
    let engine = Engine::new(store.clone(), cpu);
    println!("{} mails, newest 50, p50 of each round in microseconds\n", arguments.messages);
    println!("{:44} {:>8} {:>10} {:>7}", "", "as text", "statement", "ratio");
    let others = |field: &str, from: usize, count: usize| -> String {
        let some = senders.iter().cycle().skip(from).take(count);
        some.map(|sender| format!("{field}:{sender}")).collect::<Vec<_>>().join(" OR ")
    };
    let cases = [
        ("a sender", "from:$1".to_owned()),
        ("a sender within a year, without a tag", "from:$1 after:2001 before:2002 -tag:done".to_owned()),
        ("a sender or 20 others", format!("from:$1 OR {}", others("from", 40, 20))),
        ("a sender, and not to 200 people", format!("from:$1 -({})", others("to", 0, 200))),
        (
            "a sender, and a phrase in the subject or 20 words",
            format!("from:$1 (subject:\"budget report\" OR {})", WORDS.join(" OR ")),
        ),
    ];
    for (what, text) in cases {
        measure(&engine, what, &text, &senders, &arguments)?;
    }
    drop(engine);
    block_on(store.close())?;
    Ok(())
}

const WORDS: [&str; 20] = [
    "meeting", "budget", "invoice", "report", "project", "schedule", "please", "review", "contract", "draft",
    "plan", "price", "order", "team", "travel", "legal", "office", "update", "question", "answer",
];

fn measure(
    engine: &Engine,
    what: &str,
    text: &str,
    senders: &[String],
    arguments: &Arguments,
) -> Result<(), BenchError> {
    let statement = block_on(engine.prepare(text))?;
    let nobody = || BenchError::Other("the statement is not there".to_owned());
    let id = from_hex(&statement.id).ok_or_else(nobody)?;
    let request = || SearchRequest {
        mode: Mode::Keyword,
        sort: Some(Sort::Date),
        limit: 50,
        snippets: false,
        ..SearchRequest::default()
    };
    let (mut texts, mut executed) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let (mut as_text, mut prepared) = (Times::default(), Times::default());
        for sender in senders.iter().cycle().take(arguments.times) {
            let since = Instant::now();
            let search = SearchRequest { q: text.replace("$1", sender), ..request() };
            let one = block_on(engine.search(search))?;
            as_text.add(since.elapsed());
            let since = Instant::now();
            let execute = ExecuteRequest { params: vec![sender.as_str().into()], search: request() };
            let other = block_on(engine.execute(id, execute))?.ok_or_else(nobody)?;
            prepared.add(since.elapsed());
            same(&one, &other)?;
        }
        texts.push(as_text.percentile(50));
        executed.push(prepared.percentile(50));
    }
    let (text, statement) = (median(&texts), median(&executed));
    println!("{what:44} {text:8.0} {statement:10.0} {:7.2}", text / statement.max(1e-9));
    Ok(())
}

fn same(one: &SearchAnswer, other: &SearchAnswer) -> Result<(), BenchError> {
    let whole = one.partial.is_none() && other.partial.is_none();
    if whole && one.hits == other.hits {
        return Ok(());
    }
    Err(BenchError::Other("an answer is partial, or is not that of the text".to_owned()))
}
