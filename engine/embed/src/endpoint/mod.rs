//! A model behind an endpoint that speaks as OpenAI's does (`/v1/embeddings`): Ollama, vLLM, llama.cpp, TEI, OpenAI.
//!
//! What always holds: an answer is believed only when it has one vector of the right length for each text, of finite
//! numbers; a text that the endpoint refuses by itself costs no other its vector; time and memory are bounded, whatever the
//! endpoint does; the key is in no error and in no log; a text is sent once as long as its vector is remembered.

mod cache;
mod client;
mod retry;
mod wire;

use crate::error::EmbedError;
use crate::{Embed, Model};
use cache::{Cache, Hash};
use client::{Client, Refused};
use retry::Patience;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Texts of one request.
const INPUTS: usize = 32;
/// Bytes of the texts of one request: about 8,000 tokens.
const REQUEST: usize = 24_000;
/// Bytes of a text of which nothing is left out any more, where the endpoint finds it too long.
const SHORTEST: usize = 256;
/// Most values of a vector.
const MOST_DIMENSIONS: usize = 4096;
/// So long after a question that the endpoint did not answer no other is sent to it.
const REST: Duration = Duration::from_secs(5);
/// What is sent to see what comes back.
const PROBE: &str = "Does this endpoint answer?";

/// Where the endpoint is, and what it is to be asked.
#[derive(Clone, Default)]
pub struct EndpointOptions {
    /// Its address: `http://127.0.0.1:11434/v1`, or with `/embeddings` behind it.
    pub url: String,
    /// The name of the model.
    pub model: String,
    /// What is sent as `Authorization: Bearer`.
    pub key: Option<String>,
    /// What the model wants before a text that is searched, as `passage: `.
    pub text_prefix: String,
    /// And before a text that is searched for, as `query: `.
    pub query_prefix: String,
    /// Requests at a time; 1 to 16.
    pub in_flight: usize,
    /// Set by who does not want to wait any longer.
    pub stop: Arc<AtomicBool>,
}

/// Without the key.
impl fmt::Debug for EndpointOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, model, text_prefix, query_prefix, in_flight, .. } = self;
        let url = client::shown(url);
        write!(f, "EndpointOptions {{ {url}, {model}, {text_prefix:?}, {query_prefix:?}, {in_flight} }}")
    }
}

/// A model that is asked over HTTP.
pub struct Endpoint {
    client: Client,
    model: Model,
    options: EndpointOptions,
    cache: Cache,
    /// When a question was not answered.
    rests: Mutex<Option<Instant>>,
    /// Somebody waits for it to be awake again.
    waking: Arc<AtomicBool>,
}

impl Endpoint {
    /// Asks for one vector, to see how long it is.
    ///
    /// # Errors
    /// An address that is none, an endpoint that does not answer, or answers with something else.
    pub fn probe(options: EndpointOptions) -> Result<Self, EmbedError> {
        Self::probed(options, Patience::Once)
    }

    /// The same while somebody waits.
    ///
    /// # Errors
    /// As [`Endpoint::probe`].
    pub fn probe_now(options: EndpointOptions) -> Result<Self, EmbedError> {
        Self::probed(options, Patience::short())
    }

    fn probed(options: EndpointOptions, patience: Patience) -> Result<Self, EmbedError> {
        let client = Client::new(&options)?;
        let model = Model { name: options.model.clone(), version: 1, dimensions: 0 };
        let (cache, rests, waking) = (Cache::new(), Mutex::default(), Arc::default());
        let mut own = Self { client, model, options, cache, rests, waking };
        let vectors = own.client.ask(&[PROBE], patience, &own.options.stop);
        let vectors = vectors.map_err(|refused| own.client.error(&refused))?;
        let dimensions = vectors.first().map_or(0, Vec::len);
        if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
            let what =
                format!("it gives vectors of {dimensions} values; 1 to {MOST_DIMENSIONS} are supported");
            return Err(own.client.named(what));
        }
        own.model.dimensions = u32::try_from(dimensions).unwrap_or(0);
        Ok(own)
    }

    /// The vectors of distinct texts.
    fn ask_all(&self, texts: &[&str], patience: Patience) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        let batches = batches(texts);
        let next = AtomicUsize::new(0);
        let failed: Mutex<Option<EmbedError>> = Mutex::default();
        let done: Mutex<Vec<Option<Vec<f32>>>> = Mutex::new(vec![None; texts.len()]);
        let work = || {
            while let Some((first, batch)) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                if locked(&failed).is_some() {
                    return;
                }
                match self.ask(batch, patience) {
                    Ok(vectors) => {
                        let mut done = locked(&done);
                        let slots = done.iter_mut().skip(*first);
                        slots.zip(vectors).for_each(|(slot, vector)| *slot = vector);
                    }
                    Err(error) => drop(locked(&failed).get_or_insert(error)),
                }
            }
        };
        let threads = self.options.in_flight.clamp(1, 16).min(batches.len());
        std::thread::scope(|scope| {
            for _ in 1..threads {
                // Without a thread the others do its part.
                drop(std::thread::Builder::new().spawn_scoped(scope, work));
            }
            work();
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// The vectors of one request's texts. What is refused together is sent in parts; what is refused alone is made shorter,
    /// until there is too little of it to go on.
    fn ask(&self, texts: &[&str], patience: Patience) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        match self.client.ask(texts, patience, &self.options.stop) {
            Ok(vectors) => match vectors.iter().find(|v| v.len() != self.model.dimensions as usize) {
                None => Ok(vectors.into_iter().map(normalised).collect()),
                Some(other) => {
                    let (have, want) = (other.len(), self.model.dimensions);
                    Err(self
                        .client
                        .named(format!("it gave a vector of {have} values, where it gave {want} before")))
                }
            },
            Err(Refused::Texts(why)) => self.ask_parts(texts, &why, patience),
            // Some servers break on a text, each time, and answer all others.
            Err(Refused::Now(why, _)) if patience == Patience::Long && self.is_there() => {
                self.ask_parts(texts, &why, patience)
            }
            Err(refused) => Err(self.client.error(&refused)),
        }
    }

    /// The same of texts that were refused together.
    fn ask_parts(
        &self,
        texts: &[&str],
        why: &str,
        patience: Patience,
    ) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        match texts {
            [] => Ok(Vec::new()),
            // What refuses everything has nothing against this one.
            [_] if !self.is_there() => Err(self.client.named(why.to_owned())),
            [one] if one.len() <= SHORTEST => {
                tracing::warn!("a text of {} bytes gets no vector: {why}", one.len());
                Ok(vec![None])
            }
            [one] => self.ask(&[beginning(one, one.len() / 2)], patience),
            more => {
                let (first, second) = more.split_at(more.len() / 2);
                let mut both = self.ask(first, patience)?;
                both.extend(self.ask(second, patience)?);
                Ok(both)
            }
        }
    }

    /// Does it answer a question that is always the same?
    fn is_there(&self) -> bool {
        self.client.ask(&[PROBE], Patience::short(), &self.options.stop).is_ok()
    }

    /// The vectors of texts that a prefix is before: from memory, or else from the endpoint, each distinct text once.
    fn remembered(
        &self,
        prefix: &str,
        texts: &[String],
        patience: Patience,
    ) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        let waits = matches!(patience, Patience::Until(_));
        let whole: Vec<String> =
            texts.iter().map(|text| beginning(&format!("{prefix}{text}"), REQUEST).to_owned()).collect();
        let hashes: Vec<Hash> = whole.iter().map(|text| Cache::hash(text)).collect();
        let mut known: HashMap<Hash, Option<Arc<[f32]>>> = HashMap::new();
        let (mut new, mut whose) = (Vec::new(), Vec::new());
        for ((hash, text), own) in hashes.iter().zip(&whole).zip(texts) {
            if let Entry::Vacant(slot) = known.entry(*hash) {
                let found = self.cache.get(hash);
                if found.is_none() && self.says(own) {
                    new.push(text.as_str());
                    whose.push(*hash);
                }
                slot.insert(found);
            }
        }
        if waits && !new.is_empty() && !self.may_ask() {
            return Err(self.client.named("it did not answer a moment ago".to_owned()));
        }
        for (hash, vector) in whose.into_iter().zip(self.ask_all(&new, patience)?) {
            let vector: Option<Arc<[f32]>> = vector.map(Into::into);
            if let Some(vector) = &vector {
                self.cache.keep(hash, vector);
            }
            known.insert(hash, vector);
        }
        Ok(hashes.iter().map(|hash| known.get(hash).cloned().flatten().map(|v| v.to_vec())).collect())
    }
}

impl Endpoint {
    /// After a question that was not answered no other is sent for a while, and then one alone, until it is answered.
    fn may_ask(&self) -> bool {
        let mut rests = locked(&self.rests);
        match *rests {
            None => true,
            Some(since) if since.elapsed() < REST => false,
            Some(_) => {
                *rests = Some(Instant::now());
                true
            }
        }
    }

    /// Has the endpoint read its model, where it gives models up that nobody asks: nobody waits for that.
    fn wake(&self) {
        if self.waking.swap(true, Ordering::Relaxed) {
            return;
        }
        let (client, stop, waking) = (self.client.clone(), self.options.stop.clone(), self.waking.clone());
        let wake = move || {
            drop(client.ask(&[PROBE], Patience::Once, &stop));
            waking.store(false, Ordering::Relaxed);
        };
        if std::thread::Builder::new().name("wake".to_owned()).spawn(wake).is_err() {
            self.waking.store(false, Ordering::Relaxed);
        }
    }
}

impl Embed for Endpoint {
    fn model(&self) -> Model {
        self.model.clone()
    }

    /// Nobody can ask it: most such models know many languages.
    fn knows(&self, _language: &str) -> bool {
        true
    }

    fn embed(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        self.remembered(&self.options.text_prefix, texts, Patience::Long)
    }

    fn embed_query(&self, text: &str) -> Result<Option<Vec<f32>>, EmbedError> {
        let asked = self.remembered(&self.options.query_prefix, &[text.to_owned()], Patience::short());
        match asked {
            Ok(mut vectors) => {
                *locked(&self.rests) = None;
                Ok(vectors.pop().flatten())
            }
            Err(error) => {
                locked(&self.rests).get_or_insert_with(Instant::now);
                self.wake();
                Err(error)
            }
        }
    }

    fn embed_now(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        self.remembered(&self.options.text_prefix, texts, Patience::short())
    }

    fn says(&self, text: &str) -> bool {
        !text.trim().is_empty()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// At most so many bytes of a text.
fn beginning(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// Texts by request, each with the number of its first.
fn batches<'t>(texts: &'t [&'t str]) -> Vec<(usize, &'t [&'t str])> {
    let mut out = Vec::new();
    let (mut first, mut bytes) = (0, 0usize);
    for (n, text) in texts.iter().enumerate() {
        if n > first && (n - first >= INPUTS || bytes.saturating_add(text.len()) > REQUEST) {
            out.push((first, texts.get(first..n).unwrap_or_default()));
            (first, bytes) = (n, 0);
        }
        bytes = bytes.saturating_add(text.len());
    }
    if first < texts.len() {
        out.push((first, texts.get(first..).unwrap_or_default()));
    }
    out
}

/// Of length one; `None` for one of no length.
fn normalised(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if !length.is_finite() || length <= f64::from(f32::MIN_POSITIVE) {
        return None;
    }
    vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    Some(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_hold_32_texts_or_about_8000_tokens() {
        let short = vec!["a"; 70];
        let sizes = |texts: &[&str]| batches(texts).iter().map(|(n, b)| (*n, b.len())).collect::<Vec<_>>();
        assert_eq!(sizes(&short), [(0, 32), (32, 32), (64, 6)]);
        let long = "b".repeat(REQUEST - 1);
        assert_eq!(sizes(&["a", &long, "a", "a", &long]), [(0, 2), (2, 2), (4, 1)]);
        assert_eq!(sizes(&[]), []);
    }

    #[test]
    fn vectors_have_length_one_or_are_none() {
        assert_eq!(normalised(vec![3.0, 4.0]), Some(vec![0.6, 0.8]));
        assert_eq!(normalised(vec![0.0, 0.0]), None);
        // The sum of squares of these is beyond what a float of 32 bits can hold.
        assert_eq!(normalised(vec![3e38, 0.0]), Some(vec![1.0, 0.0]));
    }

    #[test]
    fn the_key_is_not_shown() {
        let options = EndpointOptions {
            key: Some("secret".into()),
            url: "http://me:pw@h/v1".into(),
            ..Default::default()
        };
        let shown = format!("{options:?}");
        assert!(!shown.contains("secret") && !shown.contains("pw"), "{shown}");
    }
}
