//! Stopping: what runs ends well, what comes is refused, and nothing waits for ever.

use crate::fixture::Site;
use crate::local::Steps;
use postlode_server::lines::Lines;
use postlode_server::*;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn request() -> LoadRequest {
    LoadRequest { paths: vec!["/x".into()], ..LoadRequest::default() }
}

async fn all(mut lines: Lines) -> Result<Vec<LoadEvent>, ClientError> {
    let mut events = Vec::new();
    while let Some(line) = lines.next_raw().await? {
        events.push(serde_json::from_slice(&line).unwrap());
    }
    Ok(events)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_streams_is_sent_to_its_end() {
    let steps = Steps { count: 20, pause: Duration::from_millis(50) };
    let site = Site::with(AppOptions { loader: Some(Arc::new(steps)), ..AppOptions::default() }).await;
    let answer = site.client().await.post("/local/load", &request()).await.unwrap().ok().await.unwrap();
    let reading = tokio::spawn(all(answer.lines()));
    let idle = TcpStream::connect(site.addr).await.unwrap();
    let (addr, data) = (site.addr, site.data.clone());
    site.shutdown.trigger();
    let stopped = tokio::spawn(site.stop());
    let events = reading.await.unwrap().unwrap();
    assert_eq!(events.len(), 21);
    assert!(matches!(events.last(), Some(LoadEvent::Done(_))));
    stopped.await.unwrap();
    drop(idle);
    assert!(TcpStream::connect(addr).await.is_err());
    assert!(Client::socket(&data).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_end_is_cut_off() {
    let steps = Steps { count: u64::MAX, pause: Duration::from_millis(20) };
    let limits = Limits { drain_timeout: Duration::from_millis(300), ..Limits::default() };
    let site =
        Site::with(AppOptions { limits, loader: Some(Arc::new(steps)), ..AppOptions::default() }).await;
    let answer = site.client().await.post("/local/load", &request()).await.unwrap();
    let reading = tokio::spawn(all(answer.lines()));
    let started = Instant::now();
    site.stop().await;
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(
        matches!(reading.await.unwrap(), Err(ClientError::Broken(_))),
        "a cut answer is not taken for whole"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_in_the_middle_of_a_request_does_not_hold_up_the_stop() {
    let limits = Limits { drain_timeout: Duration::from_millis(500), ..Limits::default() };
    let site = Site::with_limits(limits).await;
    let mut stream = TcpStream::connect(site.addr).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
    let mut kept = TcpStream::connect(site.addr).await.unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut byte = [0];
    kept.read_exact(&mut byte).await.unwrap();
    let started = Instant::now();
    site.stop().await;
    assert!(started.elapsed() < Duration::from_secs(10));
    let mut rest = Vec::new();
    kept.read_to_end(&mut rest).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_says_that_the_server_stops() {
    let site = Site::start().await;
    let client = Client::in_process(Arc::clone(&site.app));
    assert_eq!(client.get("/readyz").await.unwrap().status, 200);
    site.app.start_draining();
    let error = client.get("/readyz").await.unwrap().ok().await.map(drop).unwrap_err();
    assert_eq!(error.problem(), Some("unavailable"));
    assert_eq!(client.get("/healthz").await.unwrap().status, 200);
    site.stop().await;
}
