//! Asks, and takes the time.

use super::draw::Question;
use crate::measure::cpu_seconds;
use postlode_query::{Engine, QueryError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How is asked.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub clients: u32,
    /// Questions a second, at their time whether answers come or not.
    pub rate: Option<u32>,
    pub time: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Timed {
    pub seconds: f64,
    /// Of processors, in this process.
    pub cpu_seconds: f64,
    /// Of each answer, ascending.
    pub micros: Vec<u32>,
    pub hits: u64,
    pub partial: u64,
    pub errors: u64,
    /// One of the errors.
    pub error: Option<String>,
}

/// Most questions of an open loop that wait for their answers at a time.
const MOST_WAITING: usize = 50_000;

impl Timed {
    fn take(&mut self, asked: Result<(u64, bool), QueryError>, since: Instant) {
        match asked {
            Ok((hits, partial)) => {
                self.micros.push(u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX));
                self.hits = self.hits.saturating_add(hits);
                self.partial = self.partial.saturating_add(u64::from(partial));
            }
            Err(error) => {
                self.errors = self.errors.saturating_add(1);
                self.error = Some(error.to_string());
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.micros.extend(other.micros);
        self.hits = self.hits.saturating_add(other.hits);
        self.partial = self.partial.saturating_add(other.partial);
        self.errors = self.errors.saturating_add(other.errors);
        self.error = other.error.or(self.error.take());
    }
}

/// Asks for as long as was said. Each question is asked once before, so that the figures are of a server that runs.
pub async fn ask(engine: &Engine, questions: &Arc<[Question]>, load: Load) -> Timed {
    let warm = Load { rate: None, time: load.time.min(Duration::from_secs(2)), ..load };
    closed(engine, questions, warm).await;
    let [before, _] = cpu_seconds();
    let mut timed = match load.rate {
        None => closed(engine, questions, load).await,
        Some(rate) => open(engine, questions, load, rate).await,
    };
    timed.cpu_seconds = cpu_seconds()[0] - before;
    timed.micros.sort_unstable();
    timed
}

/// Each client asks again as soon as it has its answer.
async fn closed(engine: &Engine, questions: &Arc<[Question]>, load: Load) -> Timed {
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..load.clients {
        let (engine, questions, next) = (engine.clone(), Arc::clone(questions), Arc::clone(&next));
        clients.spawn(async move {
            let mut own = Timed::default();
            let mut since = Instant::now();
            while begun.elapsed() < load.time {
                // An answer that nothing had to be waited for leaves the thread to nobody: without this, one client would ask
                // for ever and the others never. Its turn counts as waiting.
                tokio::task::yield_now().await;
                let n = next.fetch_add(1, Ordering::Relaxed) % questions.len().max(1);
                let Some(question) = questions.get(n) else { break };
                own.take(one(&engine, question).await, since);
                since = Instant::now();
            }
            own
        });
    }
    joined(clients, begun).await
}

/// Questions come at their time; a time counts from then.
async fn open(engine: &Engine, questions: &Arc<[Question]>, load: Load, rate: u32) -> Timed {
    let begun = Instant::now();
    let mut waiting = JoinSet::new();
    let mut timed = Timed::default();
    for n in 0u32.. {
        let due = Duration::from_secs_f64(f64::from(n) / f64::from(rate));
        if due >= load.time {
            break;
        }
        tokio::time::sleep_until((begun + due).into()).await;
        while let Some(done) = waiting.try_join_next() {
            timed.join(told(done));
        }
        if waiting.len() >= MOST_WAITING {
            timed.errors = timed.errors.saturating_add(1);
            timed.error = Some(format!("{MOST_WAITING} questions wait already"));
            continue;
        }
        let (engine, questions) = (engine.clone(), Arc::clone(questions));
        waiting.spawn(async move {
            let mut own = Timed::default();
            if let Some(question) = questions.get(n as usize % questions.len().max(1)) {
                own.take(one(&engine, question).await, begun + due);
            }
            own
        });
    }
    timed.join(joined(waiting, begun).await);
    timed.seconds = begun.elapsed().as_secs_f64();
    timed
}

async fn joined(mut tasks: JoinSet<Timed>, begun: Instant) -> Timed {
    let mut timed = Timed::default();
    while let Some(done) = tasks.join_next().await {
        timed.join(told(done));
    }
    timed.seconds = begun.elapsed().as_secs_f64();
    timed
}

/// A panic is told by its task, and is no answer.
fn told(done: Result<Timed, tokio::task::JoinError>) -> Timed {
    done.unwrap_or_else(|error| Timed { errors: 1, error: Some(error.to_string()), ..Timed::default() })
}

/// Hits, and whether something was missing.
async fn one(engine: &Engine, question: &Question) -> Result<(u64, bool), QueryError> {
    match question {
        Question::Email(id) => Ok((u64::from(engine.email(*id).await?.is_some()), false)),
        Question::Search(request) => {
            let answer = engine.search(request.as_ref().clone()).await?;
            Ok((answer.hits.len() as u64, answer.partial.is_some_and(|partial| !partial.missing.is_empty())))
        }
    }
}
