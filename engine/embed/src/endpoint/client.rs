//! One request after another to one endpoint, over connections that are kept.

use super::EndpointOptions;
use super::retry::{Patience, pause, wait};
use super::wire::{self, Wrong};
use crate::error::EmbedError;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Proxy};

/// Time for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Most bytes of an answer: of 32 vectors of 4,096 values, twenty signs each, with something to spare.
const LONGEST: u64 = 16 << 20;
/// Most bytes of what an endpoint says when it refuses.
const LONGEST_REASON: u64 = 2_000;
/// And most signs of it in an error.
const SHOWN: usize = 200;

/// Why there are no vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// These texts, together or one of them: other texts may be taken.
    Texts(String),
    /// Now: later it may answer. After so long, if it says so.
    Now(String, Option<Duration>),
    /// All that is sent in this way.
    Always(String),
    /// Nobody wants them any more.
    Stopped,
}

#[derive(Clone)]
pub struct Client {
    agent: Agent,
    url: String,
    model: String,
    key: Option<String>,
}

/// An address as it may be shown: without a password.
pub fn shown(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (host, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            let path = path.split(['?', '#']).next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => "an address without http:// or https://".to_owned(),
    }
}

impl Client {
    /// # Errors
    /// An address that is none.
    pub fn new(options: &EndpointOptions) -> Result<Self, EmbedError> {
        let EndpointOptions { url, model, key, .. } = options;
        let trimmed = url.trim_end_matches('/');
        let whole = if trimmed.ends_with("/embeddings") {
            trimmed.to_owned()
        } else {
            format!("{trimmed}/embeddings")
        };
        let refuse = |reason: &str| EmbedError::Endpoint { url: shown(url), reason: reason.to_owned() };
        let uri: ureq::http::Uri = whole.parse().map_err(|_| refuse("it is no address"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(refuse("want http:// or https:// and a host"));
        }
        if key.as_ref().is_some_and(|key| key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(refuse("the key is empty, or has signs that no key has"));
        }
        // Through a proxy goes only what nobody on the way can read.
        let proxy = if uri.scheme_str() == Some("https") { Proxy::try_from_env() } else { None };
        let agent = Agent::config_builder()
            .proxy(proxy)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .http_status_as_error(false)
            // A redirect may lead anywhere, with the mail in it.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections_per_host(options.in_flight.clamp(1, 16))
            .user_agent("postlode")
            .build();
        let agent = Agent::new_with_config(agent);
        Ok(Self { agent, url: whole, model: model.clone(), key: key.clone() })
    }

    /// An error that names the endpoint.
    pub fn named(&self, reason: String) -> EmbedError {
        EmbedError::Endpoint { url: shown(&self.url), reason }
    }

    /// The same of what it refused.
    pub fn error(&self, refused: &Refused) -> EmbedError {
        match refused {
            Refused::Texts(why) | Refused::Now(why, _) | Refused::Always(why) => self.named(why.clone()),
            Refused::Stopped => EmbedError::Stopped,
        }
    }

    /// The vectors of texts, in their order.
    ///
    /// # Errors
    /// See [`Refused`]; what may pass was tried again.
    pub fn ask(
        &self,
        texts: &[&str],
        patience: Patience,
        stop: &AtomicBool,
    ) -> Result<Vec<Vec<f32>>, Refused> {
        let body = wire::request(&self.model, texts);
        let mut tried = 0;
        let since = Instant::now();
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Refused::Stopped);
            }
            let refused = match self.send(&body, texts.len(), patience) {
                Err(Refused::Now(why, after)) => (why, after),
                other => return other,
            };
            tried += 1;
            let pause = pause(tried - 1, refused.1);
            if !patience.tries_again(tried, since.elapsed(), pause) {
                return Err(Refused::Now(refused.0, refused.1));
            }
            if !wait(pause, stop) {
                return Err(Refused::Stopped);
            }
        }
    }

    fn send(&self, body: &[u8], texts: usize, patience: Patience) -> Result<Vec<Vec<f32>>, Refused> {
        let request = self.agent.post(&self.url).header("content-type", "application/json");
        let request = match &self.key {
            Some(key) => request.header("authorization", format!("Bearer {key}")),
            None => request,
        };
        let within = patience.within();
        let within = within.ok_or_else(|| Refused::Now("it did not answer in time".to_owned(), None))?;
        let request = request.config().timeout_global(Some(within)).build();
        let mut response = request.send(body).map_err(|error| self.broken(&error))?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(self.refused(status, &mut response));
        }
        let mut answer = Vec::new();
        let read = response.body_mut().as_reader().take(LONGEST).read_to_end(&mut answer);
        read.map_err(|error| Refused::Now(format!("its answer ended early: {error}"), None))?;
        if answer.len() as u64 >= LONGEST {
            return Err(Refused::Always(format!("its answer is longer than {} MiB", LONGEST >> 20)));
        }
        wire::vectors(&answer, texts).map_err(|wrong| match wrong {
            Wrong::Answer(why) => Refused::Now(why, None),
            Wrong::Vector(why) => Refused::Texts(why.to_owned()),
        })
    }

    fn broken(&self, error: &ureq::Error) -> Refused {
        // What libraries say may have what was sent in it.
        let why = self.without_key(&error.to_string());
        match error {
            ureq::Error::BadUri(_) | ureq::Error::Tls(_) | ureq::Error::InvalidProxyUrl => {
                Refused::Always(why)
            }
            _ => Refused::Now(format!("it does not answer: {why}"), None),
        }
    }

    fn refused(&self, status: StatusCode, response: &mut Response<ureq::Body>) -> Refused {
        let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let after = after.and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
        let mut said = Vec::new();
        // What it says is for people; without it the status has to do.
        drop(response.body_mut().as_reader().take(LONGEST_REASON).read_to_end(&mut said));
        let said = self.without_key(&String::from_utf8_lossy(&said));
        let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
        let why = format!("{status}: {}", said.trim());
        match status.as_u16() {
            400 | 413 | 422 => Refused::Texts(why),
            408 | 425 | 429 | 500..=599 => Refused::Now(why, after),
            401 | 403 => Refused::Always(format!("it does not take the key: {why}")),
            404 => {
                Refused::Always(format!("it does not know this address or the model {}: {why}", self.model))
            }
            _ => Refused::Always(why),
        }
    }

    fn without_key(&self, text: &str) -> String {
        match &self.key {
            Some(key) => text.replace(key.as_str(), "(the key)"),
            None => text.to_owned(),
        }
    }
}
