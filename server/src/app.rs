//! The application: what all requests share, and the way of one request through it.

use crate::body::{self, Body};
use crate::limits::{Limits, MAX_TARGET};
use crate::load::Loader;
use crate::metrics::Metrics;
use crate::params::Params;
use crate::problem::{Problem, ProblemKind};
use crate::reply::Reply;
use crate::route::Route;
use crate::{emails, holds, home, local, saved, search, statements};
use futures_lite::FutureExt;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, VARY};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response};
use postlode_query::Engine;
use postlode_semantic::{Progress, Upgrade};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This process.
    InProcess,
    /// The socket in the data folder: another process of the same user.
    Socket,
    /// The network, if only the loopback: anybody, a web page in a browser among them.
    Tcp,
}

/// What an [`App`] is made with beside its engine.
#[derive(Default)]
pub struct AppOptions {
    /// Limits.
    pub limits: Limits,
    /// Who loads archives; without one `/local/load` is refused.
    pub loader: Option<Arc<dyn Loader>>,
    /// Host names by which the server is reached over TCP, beside addresses and `localhost`. A request for any
    /// other name is refused: it may come from a web page whose name was made to lead here (DNS rebinding).
    pub hosts: Vec<String>,
}

/// Answers requests; shared by all listeners.
pub struct App {
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    pub(crate) loader: Option<Arc<dyn Loader>>,
    pub(crate) metrics: Metrics,
    hosts: Vec<String>,
    in_flight: Semaphore,
    draining: AtomicBool,
    embedding: OnceLock<Upgrade>,
}

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

impl App {
    /// An application over `engine`.
    #[must_use]
    pub fn new(engine: Engine, options: AppOptions) -> Arc<Self> {
        let AppOptions { limits, loader, hosts } = options;
        let in_flight = Semaphore::new(limits.in_flight.clamp(1, Semaphore::MAX_PERMITS));
        let metrics = Metrics::new();
        let (draining, embedding) = Default::default();
        Arc::new(Self { engine, limits, loader, metrics, hosts, in_flight, draining, embedding })
    }

    /// The engine it asks.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// From now on it tells how far embedding with a better model is.
    pub fn watch_embedding(&self, upgrade: Upgrade) {
        // There is one at a time; a second would tell of the same store.
        drop(self.embedding.set(upgrade));
    }

    /// How far it is.
    pub(crate) fn embedding(&self) -> Option<Progress> {
        self.embedding.get().map(Upgrade::progress)
    }

    /// From now on `/readyz` says that the server is stopping.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The server is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Answers a request. Never fails: what goes wrong is a problem document.
    pub async fn handle(&self, request: Request<Body>, origin: Origin) -> Response<Body> {
        let started = Instant::now();
        let flight = self.metrics.begin();
        let (parts, body) = request.into_parts();
        let found = self.admit(&parts, origin).and_then(|()| Route::find(parts.uri.path(), origin));
        let label = found.as_ref().map_or("other", |route| route.label());
        let answer = match found {
            // A panic would be a fault of ours; it costs its own request alone, and the caller is told. Unwind
            // safety: what the future holds is gone with it, and what requests share guards itself.
            Ok(route) => AssertUnwindSafe(self.within_limits(route, &parts, body))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Err(Problem::new(ProblemKind::Internal, "the request ended by a fault"))),
            Err(problem) => Err(problem),
        };
        let mut response = match answer {
            Ok(reply) => reply.finish(&parts),
            Err(problem) => problem.into_response(),
        };
        let took = started.elapsed();
        self.metrics.observe(label, response.status(), took);
        decorate(response.headers_mut(), took);
        if parts.method == Method::HEAD {
            without_body(response)
        } else {
            response.map(|body| flight.until_end_of(body))
        }
    }

    /// What is refused before anything is looked up.
    fn admit(&self, parts: &Parts, origin: Origin) -> Result<(), Problem> {
        let target = parts.uri.path().len().saturating_add(parts.uri.query().map_or(0, str::len));
        if target > MAX_TARGET {
            return Err(Problem::new(ProblemKind::TargetTooLong, format!("at most {MAX_TARGET} bytes")));
        }
        if origin != Origin::Tcp {
            return Ok(());
        }
        let mut hosts = parts.headers.get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().unwrap_or_default(),
            // HTTP/1.0 knows no Host header, and browsers do not speak it.
            (None, None) if parts.version < hyper::Version::HTTP_11 => return Ok(()),
            _ => return Err(Problem::new(ProblemKind::BadRequest, "exactly one Host header is needed")),
        };
        // Where the target itself names a host, that one counts (RFC 9112 3.2.2).
        let name = parts.uri.host().unwrap_or_else(|| host_name(host));
        let address = name.trim_start_matches('[').trim_end_matches(']');
        let known = address.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|other| other.eq_ignore_ascii_case(name));
        if known {
            return Ok(());
        }
        let detail = "the Host header names no host this server was told it has";
        Err(Problem::new(ProblemKind::Misdirected, detail))
    }

    /// One request at a time of those that may run at once, and no longer than it may take.
    async fn within_limits(&self, route: Route, parts: &Parts, body: Body) -> Result<Reply, Problem> {
        let allow = route.allow();
        if !allow.split(", ").any(|method| method == parts.method.as_str()) {
            return Err(Problem::method(allow));
        }
        if route.is_local() {
            return self.answer(route, parts, body).await;
        }
        // Who watches the server must be able to see that it is busy.
        let watched = matches!(route, Route::Healthz | Route::Readyz | Route::Metrics);
        let _permit = match self.in_flight.try_acquire() {
            Ok(permit) => Some(permit),
            Err(_) if watched => None,
            Err(_) => return Err(Problem::new(ProblemKind::Busy, "too many requests at once")),
        };
        let limit = self.limits.request_timeout;
        match tokio::time::timeout(limit, self.answer(route, parts, body)).await {
            Ok(answer) => answer,
            Err(_) => {
                let detail = format!("no answer within {} seconds", limit.as_secs());
                Err(Problem::new(ProblemKind::Deadline, detail))
            }
        }
    }

    async fn answer(&self, route: Route, parts: &Parts, body: Body) -> Result<Reply, Problem> {
        if route == Route::Search {
            return search::answer(self, parts, body).await;
        }
        let mut params = Params::parse(parts.uri.query())?;
        match route {
            Route::Statements => {
                params.finish()?;
                return statements::prepare(self, parts, body).await;
            }
            Route::Execute(id) => {
                params.finish()?;
                return statements::execute(self, id, parts, body).await;
            }
            Route::SavedSearch(name) => {
                params.finish()?;
                return saved::one(self, &name, parts, body).await;
            }
            Route::Hold(name) => {
                params.finish()?;
                return holds::one(self, &name, parts, body).await;
            }
            Route::Email(id) => {
                params.finish()?;
                return emails::one(self, id, parts, body).await;
            }
            Route::Update => {
                params.finish()?;
                return local::update::answer(self, parts, body).await;
            }
            _ => {}
        }
        if route == Route::Export {
            let (q, tz) = (params.take("q"), params.take("tz"));
            let texts = params.take_as("texts", "true or false")?.unwrap_or(true);
            params.finish()?;
            return local::export::answer(self, &q.unwrap_or_default(), tz.as_deref(), texts).await;
        }
        if route == Route::Record {
            let id = params.take("id");
            params.finish()?;
            return local::record::answer(self, id.as_deref()).await;
        }
        if matches!(route, Route::Inspect | Route::Dump) {
            let segment = local::segment::id(params.take("segment").as_deref())?;
            let limit = params.take_as::<usize>("limit", "a number")?;
            params.finish()?;
            return match route {
                Route::Inspect => local::segment::inspect(self, segment).await,
                _ => local::segment::dump(self, segment, limit).await,
            };
        }
        if let Route::Similar(id) = route {
            let limit = params.take_as::<usize>("limit", "a number")?;
            params.finish()?;
            return emails::similar(self, id, limit).await;
        }
        params.finish()?;
        match route {
            Route::Home => Ok(home::page()),
            Route::Healthz => Ok(home::alive()),
            Route::Readyz => home::ready(self).await,
            Route::Metrics => self.metrics.page(self.engine.store(), self.embedding()).await,
            Route::Statement(id) if parts.method == Method::DELETE => statements::remove(self, id).await,
            Route::Statement(id) => statements::statement(self, id).await,
            Route::Searches => saved::all(self).await,
            Route::Holds => holds::all(self).await,
            Route::Body(id) => emails::body(self, id).await,
            Route::Raw(id) => emails::raw(self, id).await,
            Route::Attachment(id, n) => emails::attachment(self, id, n).await,
            Route::Load => local::load::answer(self, parts, body).await,
            Route::Stats => local::stats(self).await,
            Route::Segments => local::segments(self).await,
            Route::Failures => Ok(local::failures::answer(self)),
            Route::Verify => local::verify(self).await,
            Route::Compact => local::compact(self).await,
            Route::Seal => local::seal(self).await,
            Route::Backup => local::backup::answer(self, parts, body).await,
            Route::Search
            | Route::Similar(_)
            | Route::Export
            | Route::Record
            | Route::Inspect
            | Route::Dump
            | Route::Statements
            | Route::Email(_)
            | Route::SavedSearch(_)
            | Route::Hold(_)
            | Route::Update
            | Route::Execute(_) => Err(Problem::new(ProblemKind::Internal, "the route was answered already")),
        }
    }
}

/// The name in a `Host` header, without the port.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// Headers of every answer.
fn decorate(headers: &mut HeaderMap, took: Duration) {
    const FIXED: [(HeaderName, HeaderValue); 6] = [
        (hyper::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (
            hyper::header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
            ),
        ),
        (hyper::header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (hyper::header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
        (VARY, HeaderValue::from_static("Authorization, Cookie")),
    ];
    for (name, value) in FIXED {
        headers.insert(name, value);
    }
    let millis = took.as_secs_f64() * 1000.0;
    if let Ok(timing) = HeaderValue::from_str(&format!("app;dur={millis:.3}")) {
        headers.insert(SERVER_TIMING, timing);
    }
}

/// The same answer for HEAD: its length stays.
fn without_body(response: Response<Body>) -> Response<Body> {
    use hyper::body::Body as _;
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact()
        && parts.status != hyper::StatusCode::NOT_MODIFIED
    {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, body::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_part_of_the_name() {
        for (host, name) in [
            ("a", "a"),
            ("a:80", "a"),
            ("127.0.0.1:8700", "127.0.0.1"),
            ("[::1]:8700", "[::1]"),
            ("[::1]", "[::1]"),
            ("a:b", "a:b"),
            ("", ""),
        ] {
            assert_eq!(host_name(host), name);
        }
    }
}
