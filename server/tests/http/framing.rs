//! Where one request ends and the next begins must never be in doubt: whoever can make two servers disagree on it
//! can smuggle a request past the first. So every doubtful framing gets one answer at most, and a closed connection.

use crate::fixture::Site;
use crate::raw::exchange;

/// A second request, hidden in the body of the first: it must never be answered.
const HIDDEN: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn post(headers: &str, body: &str) -> String {
    format!(
        "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}\r\n{body}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn doubtful_framing_is_refused_and_ends_the_connection() {
    let site = Site::start().await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    let cases = [
        ("differing lengths", post("Content-Length: 3\r\nContent-Length: 5\r\n", HIDDEN)),
        ("a list of lengths", post("Content-Length: 3, 5\r\n", HIDDEN)),
        ("a signed length", post("Content-Length: +2\r\n", "{}")),
        ("a negative length", post("Content-Length: -1\r\n", HIDDEN)),
        ("a length that is no number", post("Content-Length: 0x10\r\n", HIDDEN)),
        ("a length beyond numbers", post("Content-Length: 99999999999999999999\r\n", HIDDEN)),
        ("a coding that is not chunked", post("Transfer-Encoding: xchunked\r\n", HIDDEN)),
        ("chunked, but not last", post("Transfer-Encoding: chunked, identity\r\n", HIDDEN)),
        ("a coding in HTTP/1.0", post(chunked, "0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0")),
        ("a blank before the colon", post("Content-Length : 2\r\n", "{}")),
        ("a folded header", post("X-A: b\r\n c\r\nContent-Length: 2\r\n", "{}")),
        ("a NUL in a header", post("X-A: b\0c\r\nContent-Length: 2\r\n", "{}")),
        ("a bare CR in a header", post("X-A: b\rContent-Length: 2\r\n", "{}")),
        ("a header without a colon", post("nonsense\r\n", "")),
        ("blanks in the target", "GET /v1/search?q=a b HTTP/1.1\r\nHost: localhost\r\n\r\n".into()),
        ("an unknown version", "GET / HTTP/3.0\r\nHost: localhost\r\n\r\n".into()),
        ("HTTP/0.9", "GET /\r\n\r\n".into()),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        ("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03\r\n\r\n".into()),
    ];
    for (name, bytes) in cases {
        let got = exchange(site.addr, bytes.as_bytes()).await;
        let statuses = got.statuses();
        assert!(got.closed, "{name}: kept open after {statuses:?}");
        assert!(statuses.is_empty() || statuses == [400], "{name}: {statuses:?}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_beside_chunks_is_ignored_and_nothing_follows() {
    let site = Site::start().await;
    for headers in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let got = exchange(site.addr, post(headers, &format!("0\r\n\r\n{HIDDEN}")).as_bytes()).await;
        assert!(got.closed && got.statuses() == [400], "{headers} {got:?}");
        assert!(!got.text().contains("alive"));
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_chunks_end_the_connection() {
    let site = Site::start().await;
    for body in [
        "fffffffffffffffff\r\n",
        "-1\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "2 x\r\n{}\r\n0\r\n\r\n",
        "2\n{}\n0\n\n",
        "zz\r\n",
    ] {
        let got = exchange(
            site.addr,
            post("Transfer-Encoding: chunked\r\n", &format!("{body}{HIDDEN}")).as_bytes(),
        )
        .await;
        assert!(got.closed, "{body:?} {got:?}");
        assert!(got.statuses().len() <= 1 && !got.text().contains("alive"), "{body:?} {got:?}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bare_line_feeds_end_lines_as_the_standard_allows() {
    let site = Site::start().await;
    let got = exchange(site.addr, b"GET /healthz HTTP/1.1\nHost: localhost\n\n").await;
    assert_eq!(got.statuses(), [200]);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_a_row_are_answered_in_order() {
    let site = Site::start().await;
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let bytes = one("/healthz") + &one("/nowhere") + &one("/healthz") + &post("Content-Length: 1\r\n", "x");
    let got = exchange(site.addr, bytes.as_bytes()).await;
    assert_eq!(got.statuses(), [200, 404, 200, 400]);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_waits_to_be_asked_for_is_asked_for() {
    let site = Site::start().await;
    let head = "Expect: 100-continue\r\nContent-Length: 1\r\n";
    let got = exchange(site.addr, post(head, "x").as_bytes()).await;
    assert_eq!(got.statuses(), [100, 400]);
    // One that is refused by its head alone is not.
    let head = "Expect: 100-continue\r\nContent-Length: 99999999\r\n";
    let got = exchange(site.addr, post(head, "").as_bytes()).await;
    assert_eq!(got.statuses(), [413]);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_have_a_size() {
    let site = Site::start().await;
    let get =
        |target: &str, headers: &str| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    let many: String = (0..100).map(|n| format!("X-{n}: a\r\n")).collect();
    for (name, bytes, status) in [
        ("a long target", get(&format!("/v1/search?q={}", "a".repeat(20 << 10)), ""), 414),
        ("a longer target", get(&format!("/{}", "a".repeat(70 << 10)), ""), 431),
        ("a long header", get("/healthz", &format!("X-A: {}\r\n", "a".repeat(40 << 10))), 431),
        ("many headers", get("/healthz", &many), 431),
    ] {
        let got = exchange(site.addr, bytes.as_bytes()).await;
        assert_eq!(got.statuses(), [status], "{name}");
    }
    site.stop().await;
}
