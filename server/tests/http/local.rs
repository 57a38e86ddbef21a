//! What commands ask of the process that holds the store.

use crate::fixture::{ARCHIVE, MAILS, Site};
use postlode_server::lines::{Line, Lines};
use postlode_server::stats::{Collected, Segments, Stats, Verified};
use postlode_server::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A loader that tells of some steps and is done; it loads nothing.
pub struct Steps {
    pub count: u64,
    pub pause: Duration,
}

impl Loader for Steps {
    fn load(&self, request: LoadRequest, events: async_channel::Sender<LoadEvent>) -> Loading {
        let Self { count, pause } = *self;
        Box::pin(async move {
            for done in 0..count {
                let archive = request.paths[0].display().to_string();
                if events
                    .send(LoadEvent::Progress(LoadProgress {
                        archive,
                        found: done,
                        ..LoadProgress::default()
                    }))
                    .await
                    .is_err()
                {
                    return;
                }
                tokio::time::sleep(pause).await;
            }
            let _ = events.send(LoadEvent::Done(LoadReport { found: count, ..LoadReport::default() })).await;
        })
    }
}

/// A loader that waits until its caller goes away.
struct Endless {
    ended: Arc<AtomicBool>,
}

impl Loader for Endless {
    fn load(&self, _: LoadRequest, events: async_channel::Sender<LoadEvent>) -> Loading {
        let ended = Arc::clone(&self.ended);
        Box::pin(async move {
            while !events.is_closed() {
                let _ = events.try_send(LoadEvent::Progress(LoadProgress::default()));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            ended.store(true, Ordering::SeqCst);
        })
    }
}

/// A loader that ends without a word.
struct Silent;

impl Loader for Silent {
    fn load(&self, _: LoadRequest, _: async_channel::Sender<LoadEvent>) -> Loading {
        Box::pin(async {})
    }
}

async fn site(loader: impl Loader + 'static) -> Site {
    Site::with(AppOptions { loader: Some(Arc::new(loader)), ..AppOptions::default() }).await
}

fn request() -> LoadRequest {
    LoadRequest {
        paths: vec!["/mail/é.pst".into()],
        custodian: "ann".into(),
        jobs: Some(2),
        ..LoadRequest::default()
    }
}

async fn next(lines: &mut Lines) -> Option<LoadEvent> {
    lines.next_raw().await.unwrap().map(|line| serde_json::from_slice(&line).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_tells_how_far_it_is_and_ends_with_its_report() {
    let site = site(Steps { count: 3, pause: Duration::ZERO }).await;
    for client in [site.client().await, Client::in_process(Arc::clone(&site.app))] {
        let mut lines = client.post("/local/load", &request()).await.unwrap().ok().await.unwrap().lines();
        for step in 0..3 {
            let Some(LoadEvent::Progress(progress)) = next(&mut lines).await else { panic!("no progress") };
            assert_eq!((progress.found, progress.archive.as_str()), (step, "/mail/é.pst"));
        }
        assert!(matches!(next(&mut lines).await, Some(LoadEvent::Done(report)) if report.found == 3));
        assert!(next(&mut lines).await.is_none());
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_goes_away_stops_his_load() {
    let ended = Arc::new(AtomicBool::new(false));
    let site = site(Endless { ended: Arc::clone(&ended) }).await;
    let mut answer = site.client().await.post("/local/load", &request()).await.unwrap();
    assert!(answer.chunk().await.unwrap().is_some());
    assert!(!ended.load(Ordering::SeqCst));
    drop(answer);
    tokio::time::timeout(Duration::from_secs(10), async {
        while !ended.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the load is told");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_ends_without_a_report_is_a_failure() {
    let site = site(Silent).await;
    let mut lines = site.client().await.post("/local/load", &request()).await.unwrap().lines();
    assert!(matches!(next(&mut lines).await, Some(LoadEvent::Failed { .. })));
    assert!(next(&mut lines).await.is_none());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_cannot_be_is_refused() {
    let site = Site::start().await;
    let client = site.client().await;
    let refused = client.post("/local/load", &request()).await.unwrap().ok().await.map(drop).unwrap_err();
    assert_eq!(refused.problem(), Some("conflict"));
    let odd = serde_json::json!({"paths": [], "patsh": 1});
    let refused = client.post("/local/load", &odd).await.unwrap().ok().await.map(drop).unwrap_err();
    assert_eq!(refused.problem(), Some("bad-request"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_segments_verify_seal_and_compact() {
    let site = Site::start().await;
    let client = site.client().await;
    let stats: Stats = client.get("/local/stats").await.unwrap().json().await.unwrap();
    assert_eq!((stats.emails, stats.unsealed.emails, stats.segments), (MAILS, MAILS, 0));
    assert_eq!((stats.shards.len(), stats.partial), (2, None));
    assert!(stats.memory.resident_bytes > 0 && stats.bytes_on_disk > 0);
    let nothing = serde_json::json!({});
    let sealed: Segments = client.post("/local/seal", &nothing).await.unwrap().json().await.unwrap();
    assert!(!sealed.segments.is_empty());
    assert_eq!(sealed.segments.iter().map(|segment| segment.emails).sum::<u64>(), MAILS);
    let compact: Segments = client.post("/local/compact", &nothing).await.unwrap().json().await.unwrap();
    assert_eq!(compact.segments.iter().map(|segment| segment.emails).sum::<u64>(), MAILS);
    let listed: Segments = client.get("/local/segments").await.unwrap().json().await.unwrap();
    assert_eq!(compact.attachments, Some(Collected::default()));
    assert_eq!(listed, Segments { attachments: None, ..compact });
    let stats: Stats = client.get("/local/stats").await.unwrap().json().await.unwrap();
    assert_eq!((stats.rows["email"], stats.rows["place"], stats.unsealed.emails), (MAILS, MAILS, 0));
    assert!(listed.segments[0].sections.iter().any(|section| section.name == "emails"));
    let verified: Verified = client.post("/local/verify", &nothing).await.unwrap().json().await.unwrap();
    assert!(verified.blocks > 0 && verified.damage.is_empty(), "{verified:?}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_listed_without_those_resolved() {
    let site = Site::start().await;
    let mut lines = site.client().await.get("/local/failures").await.unwrap().lines();
    let Some(Line::Item(line)) = lines.next().await.unwrap() else { panic!("no failure") };
    let failure: serde_json::Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(failure["archive"], ARCHIVE);
    assert_eq!((&failure["node"], &failure["code"]), (&7.into(), &"corrupt".into()));
    let Some(Line::End(end)) = lines.next().await.unwrap() else { panic!("more than one") };
    assert_eq!((end.count, end.partial), (1, None));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_gives_every_hit_with_its_text() {
    let site = Site::start().await;
    let client = site.client().await;
    for (query, expected) in [("", MAILS), ("from:bob@example.org", MAILS / 2), ("nothinglikeit", 0)] {
        let mut lines =
            client.get(&target("/local/export", &[("q", query)])).await.unwrap().ok().await.unwrap().lines();
        let mut seen = std::collections::BTreeSet::new();
        let end = loop {
            match lines.next().await.unwrap().unwrap() {
                Line::End(end) => break end,
                Line::Item(line) => {
                    let item: serde_json::Value = serde_json::from_slice(&line).unwrap();
                    assert!(item["body"].as_str().unwrap().contains("quick brown fox"));
                    assert!(item["headers"].as_str().unwrap().starts_with("Message-ID: <"));
                    assert_eq!(item["places"][0]["archive"], ARCHIVE);
                    seen.insert(item["id"].as_str().unwrap().to_owned());
                }
            }
        };
        assert_eq!((seen.len() as u64, end.count, end.partial), (expected, expected, None), "{query}");
    }
    let refused = client.get("/local/export?q=%22").await.unwrap().ok().await.map(drop).unwrap_err();
    assert_eq!(refused.problem(), Some("bad-query"));
    site.stop().await;
}
