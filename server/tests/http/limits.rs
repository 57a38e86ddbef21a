//! Peers that are slow, greedy or many.

use crate::fixture::Site;
use crate::raw::{exchange, read};
use postlode_server::Limits;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SHORT: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(10);

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_come_ends_the_connection() {
    let site = Site::with_limits(Limits { head_timeout: SHORT, ..Limits::default() }).await;
    for begin in ["", "GET /heal", "GET /healthz HTTP/1.1\r\nHost: loc"] {
        let mut stream = TcpStream::connect(site.addr).await.unwrap();
        stream.write_all(begin.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let started = Instant::now();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the connection is ended");
        assert!(started.elapsed() >= SHORT / 2 && rest.is_empty(), "{begin:?} {rest:?}");
    }
    // One byte at a time does not help.
    let mut stream = TcpStream::connect(site.addr).await.unwrap();
    let started = Instant::now();
    while stream.write_all(b"G").await.is_ok() {
        assert!(started.elapsed() < PATIENCE, "dripping keeps the connection");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Nor does idling after an answer.
    let mut stream = TcpStream::connect(site.addr).await.unwrap();
    stream.write_all(get("/healthz").as_bytes()).await.unwrap();
    let mut all = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("an idle connection is ended").unwrap();
    assert!(all.starts_with(b"HTTP/1.1 200"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_a_problem() {
    let site = Site::with_limits(Limits { body_timeout: SHORT, ..Limits::default() }).await;
    let bytes = "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    let mut stream = TcpStream::connect(site.addr).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let got = read(&mut stream).await;
    assert!(
        got.statuses() == [408] && got.closed && got.text().contains("problem:request-timeout"),
        "{got:?}"
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_refused_before_and_while_it_is_read() {
    let site = Site::start().await;
    let head = "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let told = exchange(site.addr, format!("{head}Content-Length: 1048577\r\n\r\n").as_bytes()).await;
    assert!(told.statuses() == [413] && told.closed, "{told:?}");
    let mut bytes = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..17 {
        bytes.extend_from_slice(b"10000\r\n");
        bytes.extend_from_slice(&[b' '; 0x10000]);
        bytes.extend_from_slice(b"\r\n");
    }
    let got = exchange(site.addr, &bytes).await;
    assert!(got.closed && (got.statuses().is_empty() || got.statuses() == [413]), "{:?}", got.statuses());
    // At the limit it is read (and is no JSON).
    let blank = " ".repeat(1 << 20);
    let got =
        exchange(site.addr, format!("{head}Content-Length: {}\r\n\r\n{blank}", blank.len()).as_bytes()).await;
    assert_eq!(got.statuses(), [400]);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_limit_are_told_to_come_back() {
    let limits = Limits { in_flight: 1, body_timeout: 3 * PATIENCE, ..Limits::default() };
    let site = Site::with_limits(limits).await;
    let mut slow = TcpStream::connect(site.addr).await.unwrap();
    let head = "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    // The one place was looked for by asking until an answer was 503: where such a request came
    // first, the slow one was refused instead, and the test waited for nothing. Who is asked for
    // its body has the place.
    let mut asked = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    let _ = timeout(PATIENCE, slow.read_exact(&mut asked)).await.expect("it is asked for its body").unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    let busy = exchange(site.addr, get("/").as_bytes()).await;
    let text = busy.text();
    assert_eq!(busy.statuses(), [503]);
    assert!(text.contains("retry-after: 1\r\n") && text.contains("problem:busy"), "{text}");
    assert_eq!(exchange(site.addr, get("/healthz").as_bytes()).await.statuses(), [200]);
    assert_eq!(exchange(site.addr, get("/metrics").as_bytes()).await.statuses(), [200]);
    assert_eq!(site.client().await.get("/local/stats").await.unwrap().status, 200);
    drop(slow);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_takes_too_long_is_a_problem() {
    let site = Site::with_limits(Limits { request_timeout: SHORT, ..Limits::default() }).await;
    let head = "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let mut stream = TcpStream::connect(site.addr).await.unwrap();
    stream.write_all(format!("{head}Content-Length: 2\r\n\r\n").as_bytes()).await.unwrap();
    let got = read(&mut stream).await;
    assert!(got.statuses() == [503] && got.text().contains("problem:deadline"), "{}", got.text());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_wait_their_turn() {
    let site = Site::with_limits(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = TcpStream::connect(site.addr).await.unwrap();
    first.write_all(get("/healthz").as_bytes()).await.unwrap();
    assert_eq!(read(&mut first).await.statuses(), [200]);
    let mut second = TcpStream::connect(site.addr).await.unwrap();
    second.write_all(get("/healthz").as_bytes()).await.unwrap();
    assert!(read(&mut second).await.bytes.is_empty());
    drop(first);
    assert_eq!(read(&mut second).await.statuses(), [200]);
    drop(second);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_loses_its_connection() {
    let site = Site::with_limits(Limits { write_timeout: SHORT, ..Limits::default() }).await;
    let mut greedy = TcpStream::connect(site.addr).await.unwrap();
    let path = format!("/v1/emails/{}/attachments/0", crate::fixture::hex(0));
    greedy.write_all(get(&path).as_bytes()).await.unwrap();
    // The count of requests in flight falls to the one that asks for it.
    let client = site.client().await;
    let started = Instant::now();
    let mut seen = false;
    loop {
        let page = client.get("/metrics").await.unwrap().bytes().await.unwrap();
        let page = String::from_utf8_lossy(&page).into_owned();
        seen |= page.contains("requests_in_flight 2\n");
        if seen && page.contains("requests_in_flight 1\n") {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "it still holds its connection");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut rest = Vec::new();
    let _ = greedy.read_to_end(&mut rest).await;
    assert!(rest.len() < crate::fixture::LARGE);
    site.stop().await;
}
