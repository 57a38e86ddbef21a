//! `/metrics`: what the front end counts itself, and what the store tells when asked.
//!
//! What always holds: labels come from fixed sets (routes, classes of status, shards), never from a request.

use crate::body::{Body, BodyError};
use crate::problem::{Problem, ProblemKind};
use crate::reply::Reply;
use crate::stats::{Memory, Shard, Stats};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use postlode_semantic::Progress;
use postlode_store::{Store, SyncTimes};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};
use std::time::Duration;

/// Upper bounds of the latency buckets, in seconds.
const BUCKETS: [f64; 15] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Time for the store to tell its numbers; without them the rest is still told.
const STORE_WITHIN: Duration = Duration::from_secs(5);

type Labels = Vec<(&'static str, String)>;
type Latency = Family<[(&'static str, &'static str); 2], Histogram, fn() -> Histogram>;

/// The front end's own numbers.
pub(crate) struct Metrics {
    registry: Registry,
    latency: Latency,
    in_flight: Gauge,
}

/// A request that is being answered; counted until it is dropped.
pub(crate) struct Flight(Gauge);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let latency = Latency::new_with_constructor(|| Histogram::new(BUCKETS));
        let in_flight = Gauge::default();
        let mut registry = Registry::with_prefix("postlode");
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer's head",
            Unit::Seconds,
            latency.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests whose answer is not sent yet",
            in_flight.clone(),
        );
        Self { registry, latency, in_flight }
    }

    /// A request begins.
    pub(crate) fn begin(&self) -> Flight {
        self.in_flight.inc();
        Flight(self.in_flight.clone())
    }

    /// A request was answered.
    pub(crate) fn observe(&self, route: &'static str, status: StatusCode, took: Duration) {
        let class = match status.as_u16() / 100 {
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        let labels = [("route", route), ("status", class)];
        self.latency.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// The page. A store that does not answer leaves its part out, and `postlode_store_up` says so.
    pub(crate) async fn page(&self, store: &Store, embedding: Option<Progress>) -> Result<Reply, Problem> {
        let stats = match tokio::time::timeout(STORE_WITHIN, store.counts()).await {
            Ok(Ok(stats)) => Some(stats),
            Ok(Err(_)) | Err(_) => None,
        };
        let rows = stats.as_ref().map_or(0, |stats| stats.sealed_rows);
        let told = of_store(stats.map(Stats::from), rows);
        let mut page = String::with_capacity(16 << 10);
        let written = encode_registry(&mut page, &self.registry)
            .and_then(|()| encode_registry(&mut page, &told))
            .and_then(|()| encode_registry(&mut page, &of_embedding(embedding)))
            .and_then(|()| encode_registry(&mut page, &of_process()))
            .and_then(|()| encode_eof(&mut page));
        written.map_err(|_| Problem::new(ProblemKind::Internal, "the numbers could not be written"))?;
        Ok(Reply::text("application/openmetrics-text; version=1.0.0; charset=utf-8", page))
    }
}

/// A registry filled for one page.
struct Told(Registry);

impl Told {
    /// A gauge without labels.
    fn one(&mut self, name: &str, help: &str, value: u64) {
        self.0.register(name, help, ConstGauge::new(value));
    }

    fn gauges(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Gauge<u64, AtomicU64>>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value);
        }
        self.0.register(name, help, family);
    }

    fn counters(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }
}

fn of_store(stats: Option<Stats>, rows: u64) -> Registry {
    let mut told = Told(Registry::with_prefix("postlode_store"));
    told.one("up", "1 where the store answers", u64::from(stats.is_some()));
    let Some(stats) = stats else { return told.0 };
    told.one("emails", "Emails stored", stats.emails);
    told.one("segments", "Sealed segments", stats.segments);
    told.one("compaction_waiting", "Segments that wait to be merged", stats.compaction.waiting);
    let none = Labels::new;
    told.counters("merges", "Merges of segments since opening", [(none(), stats.compaction.merges)]);
    let help = "Bytes of segments merged away since opening";
    told.counters("merge_read_bytes", help, [(none(), stats.compaction.bytes_read)]);
    let help = "Bytes of segments that merges made since opening";
    told.counters("merge_written_bytes", help, [(none(), stats.compaction.bytes_written)]);
    told.one("disk_bytes", "Bytes of all files of the store", stats.bytes_on_disk);
    told.one("generation", "Moves with every committed change", stats.generation);
    let missing = stats.partial.map_or(0, |partial| partial.missing.len() as u64);
    told.one("damaged_parts", "Parts of the store that cannot be read", missing);
    told.one("sealed_rows", "Rows of segments", rows);
    let shards = &stats.shards;
    let label = |n: usize| vec![("shard", n.to_string())];
    let each = |of: fn(&Shard) -> u64| {
        shards.iter().enumerate().map(|(n, shard)| (label(n), of(shard))).collect::<Vec<_>>()
    };
    told.gauges("memtable_emails", "Emails not sealed yet", each(|s| s.memtable_emails));
    told.gauges("memtable_bytes", "Bytes not sealed yet", each(|s| s.memtable_bytes));
    told.gauges("log_bytes", "Log bytes that a crash would have to read again", each(|s| s.log_bytes));
    told.gauges("queued", "Requests waiting at a shard", each(|s| s.queued));
    told.gauges("cache_bytes", "Bytes of the block cache", each(|s| s.cache_bytes));
    told.counters("cache_hits", "Blocks found in the cache", each(|s| s.cache_hits));
    told.counters("cache_misses", "Blocks read from disk", each(|s| s.cache_misses));
    told.counters("commits", "Group commits since opening", each(|s| s.commits));
    told.counters("committed_rows", "Rows committed since opening", each(|s| s.committed_rows));
    let syncs = Family::<Labels, Counter<f64, AtomicU64>>::default();
    for (n, shard) in shards.iter().enumerate() {
        syncs.get_or_create(&label(n)).inc_by(shard.sync_seconds);
    }
    told.0.register_with_unit("log_sync", "Time all syncs of the log took together", Unit::Seconds, syncs);
    let help = "Time until a write to the log was durable";
    told.0.register_with_unit("log_sync_duration", help, Unit::Seconds, Syncs::of(shards));
    told.counters("stalls", "Writers that waited because sealing was behind", each(|s| s.stalls));
    let stalled = Family::<Labels, Counter<f64, AtomicU64>>::default();
    for (n, shard) in shards.iter().enumerate() {
        stalled.get_or_create(&label(n)).inc_by(shard.stall_seconds);
    }
    told.0.register_with_unit("stall", "Time that they waited together", Unit::Seconds, stalled);
    told.0
}

fn of_embedding(progress: Option<Progress>) -> Registry {
    let mut told = Told(Registry::with_prefix("postlode_embedding"));
    let Some(progress) = progress else { return told.0 };
    told.one("emails", "Emails in segments", progress.emails);
    told.one("pending", "Those without vectors of the better model", progress.pending);
    told.one("unreadable", "Those of them that cannot be read", progress.unreadable);
    told.one("active", "1 where the better model answers", u64::from(progress.active));
    told.one("stuck", "1 where embedding does not get on", u64::from(progress.error.is_some()));
    let help = "Emails embedded since the start";
    told.counters("embedded", help, [(Labels::new(), progress.embedded.0)]);
    told.0
}

/// A histogram that was counted elsewhere.
#[derive(Debug)]
struct Syncs {
    sum: f64,
    count: u64,
    buckets: Vec<(f64, u64)>,
}

impl Syncs {
    /// All shards together.
    fn of(shards: &[Shard]) -> Self {
        let bounds = SyncTimes::BOUNDS.map(|micros| Duration::from_micros(micros).as_secs_f64());
        let bounds = bounds.into_iter().chain([f64::INFINITY]).enumerate();
        let counted = |class: usize| {
            shards
                .iter()
                .filter_map(|shard| shard.syncs.get(class))
                .fold(0, |sum: u64, n| sum.saturating_add(*n))
        };
        let buckets: Vec<(f64, u64)> = bounds.map(|(class, bound)| (bound, counted(class))).collect();
        let count = buckets.iter().fold(0, |sum: u64, (_, n)| sum.saturating_add(*n));
        Self { sum: shards.iter().map(|shard| shard.sync_seconds).sum(), count, buckets }
    }
}

impl EncodeMetric for Syncs {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.encode_histogram::<NoLabelSet>(self.sum, self.count, &self.buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

fn of_process() -> Registry {
    let mut told = Told(Registry::with_prefix("process"));
    let memory = Memory::of_this_process();
    told.one("resident_memory_bytes", "Memory resident now", memory.resident_bytes);
    told.one("resident_memory_peak_bytes", "Memory resident at most", memory.peak_bytes);
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    told.one("open_fds", "Open files and sockets", open);
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let cpu = Duration::try_from(cpu).unwrap_or_default().as_secs_f64();
    let help = "Time on processors, user and system";
    told.0.register_with_unit("cpu", help, Unit::Seconds, ConstCounter::new(cpu));
    told.0
}

impl Flight {
    /// Keeps the count until the body was sent or dropped.
    pub(crate) fn until_end_of(self, body: Body) -> Body {
        Counted { body, _flight: self }.boxed_unsync()
    }
}

struct Counted {
    body: Body,
    _flight: Flight,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
