//! Questions, drawn from the mail of the store that is asked.

use crate::arguments::QueryKind;
use crate::error::Failure;
use postlode_format::id::{Id, from_hex};
use postlode_query::{Engine, Facet, Hit, Mode, SearchRequest, Sort};
use serde_json::{Value, json};

/// Emails that questions are drawn from, and questions of a kind.
const SAMPLE: usize = 4_096;
const QUESTIONS: usize = 2_000;
/// Emails of a page of the list that the sample is taken of.
const PAGE: usize = 1_000;
/// Letters of a word that is asked for.
const LETTERS: usize = 4;

/// One question.
#[derive(Debug, Clone)]
pub enum Question {
    /// The email of an id.
    Email(Id),
    /// A search.
    Search(Box<SearchRequest>),
}

impl Question {
    /// As others are told it.
    pub fn told(&self, kind: QueryKind) -> Value {
        match self {
            Self::Email(id) => json!({ "kind": kind, "id": postlode_format::id::to_hex(id) }),
            Self::Search(request) => json!({ "kind": kind, "request": request }),
        }
    }
}

/// Repeats itself for a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % n).unwrap_or(0)
    }
}

/// Emails of the store, any as likely as any other (Vitter's algorithm R).
pub async fn sample(engine: &Engine, seed: u64) -> Result<Vec<Hit>, Failure> {
    let mut random = Random(seed);
    let (mut sample, mut seen): (Vec<Hit>, usize) = (Vec::new(), 0);
    let mut request = SearchRequest { limit: PAGE, snippets: false, ..SearchRequest::default() };
    loop {
        let answer =
            engine.search(request.clone()).await.map_err(|error| Failure::Done(error.to_string()))?;
        for hit in answer.hits {
            seen = seen.saturating_add(1);
            if sample.len() < SAMPLE {
                sample.push(hit);
            } else if let Some(place) = sample.get_mut(random.below(seen)) {
                *place = hit;
            }
        }
        match answer.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => return Ok(sample),
        }
    }
}

/// Questions of a kind.
pub fn questions(kind: QueryKind, mails: &[Hit], seed: u64, snippets: bool) -> Vec<Question> {
    let mut random = Random(seed ^ 0x51ed);
    let mut out = Vec::new();
    // Not every mail has words, a date or a sender.
    for _ in 0..QUESTIONS.saturating_mul(8) {
        if out.len() >= QUESTIONS {
            break;
        }
        let Some(mail) = mails.get(random.below(mails.len())) else { break };
        let base = SearchRequest { snippets, ..SearchRequest::default() };
        let question = match kind {
            QueryKind::Point => from_hex(&mail.id).map(Question::Email),
            _ => search(kind, mail, base, &mut random).map(|request| Question::Search(Box::new(request))),
        };
        out.extend(question);
    }
    out
}

fn search(kind: QueryKind, mail: &Hit, base: SearchRequest, random: &mut Random) -> Option<SearchRequest> {
    Some(match kind {
        QueryKind::Point => return None,
        QueryKind::Sender => {
            let address = &mail.from.as_ref()?.address;
            let whole = address.contains('@') && !address.contains(['"', ' ', '(', ')', '*', '~']);
            let q = whole.then(|| format!("from:{address}"))?;
            SearchRequest { q, limit: 50, sort: Some(Sort::Date), ..base }
        }
        QueryKind::Keyword => SearchRequest { q: two_words(mail, random)?, mode: Mode::Keyword, ..base },
        QueryKind::Semantic => {
            let words = words(&mail.subject);
            let q = (words.len() > 1).then(|| words.join(" "))?;
            SearchRequest { q, mode: Mode::Semantic, limit: 10, ..base }
        }
        QueryKind::Hybrid => {
            let filter = if random.below(2) == 0 {
                format!("on:{}", mail.date.as_ref()?.get(..4)?)
            } else {
                let (_, domain) = mail.from.as_ref()?.address.rsplit_once('@')?;
                let plain = domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
                plain.then(|| format!("domain:{domain}"))?
            };
            SearchRequest { q: format!("{} {filter}", two_words(mail, random)?), limit: 10, ..base }
        }
        QueryKind::Facets => {
            let facets = vec![Facet::Sender, Facet::Domain, Facet::Folder, Facet::Year, Facet::Type];
            SearchRequest { limit: 1, facets, ..base }
        }
    })
}

/// Words of a subject that anybody might ask for.
fn words(subject: &str) -> Vec<&str> {
    let whole = |word: &&str| word.len() >= LETTERS && word.bytes().all(|b| b.is_ascii_lowercase());
    let capital = |word: &str| word.bytes().skip(1).all(|b| b.is_ascii_lowercase());
    let words = subject.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| whole(word) || (word.len() >= LETTERS && word.is_ascii() && capital(word))).collect()
}

fn two_words(mail: &Hit, random: &mut Random) -> Option<String> {
    let words = words(&mail.subject);
    let first = random.below(words.len());
    let second = random.below(words.len());
    let (first, second) = (words.get(first)?, words.get(second)?);
    (first != second).then(|| format!("{first} {second}"))
}
