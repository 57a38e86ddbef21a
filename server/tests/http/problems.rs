//! Each type of problem, brought about.

use crate::fixture::{Site, hex};
use crate::raw::exchange;
use crate::routes::{Answer, ask, get};
use hyper::{Method, StatusCode};
use postlode_server::{Problem, ProblemKind};
use postlode_store::{Missing, StoreError};
use std::collections::HashSet;

fn check(answer: &Answer, kind: ProblemKind) {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{kind:?}");
    let document = answer.json();
    assert_eq!(document["type"], kind.uri(), "{document}");
    assert_eq!(answer.status, kind.status());
    assert_eq!(document["status"], kind.status().as_u16());
    assert!(document["title"].is_string() && document["detail"].is_string(), "{document}");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_cannot_be_answered() {
    let site = Site::start().await;
    let (id, none) = (hex(0), "0".repeat(32));
    use ProblemKind::*;
    for (path, kind) in [
        ("/v1/search?q=%22open", BadQuery),
        ("/v1/search?q=((", BadQuery),
        ("/v1/search?limit=0", BadParameter),
        ("/v1/search?limit=1001", BadParameter),
        ("/v1/search?limit=-1", BadParameter),
        ("/v1/search?limit=x", BadParameter),
        ("/v1/search?mode=psychic", BadParameter),
        ("/v1/search?sort=colour", BadParameter),
        ("/v1/search?tz=Mars/Olympus", BadParameter),
        ("/v1/search?q=a&q=b", BadParameter),
        ("/v1/search?qq=a", BadParameter),
        ("/v1/search?q=%zz", BadRequest),
        ("/v1/search?q=%ff", BadRequest),
        ("/v1/search?cursor=nonsense", BadCursor),
        ("/v1/%c0%af", BadRequest),
        ("/v1/nothing", NotFound),
        ("/local/stats", NotFound),
        ("/local/nothing", NotFound),
        (&format!("/v1/emails/{none}"), NotFound),
        (&format!("/v1/emails/{none}/body"), NotFound),
        (&format!("/v1/emails/{none}/raw"), NotFound),
        (&format!("/v1/emails/{none}/attachments/0"), NotFound),
        (&format!("/v1/emails/{id}/attachments/7"), NotFound),
        ("/v1/emails/xyz", NotFound),
        (&format!("/v1/emails/{id}?x=1"), BadParameter),
    ] {
        check(&get(&site, path).await, kind);
    }
    let open = get(&site, "/v1/search?q=%22open").await.json();
    assert!(open["position"].as_u64().unwrap() >= 1, "{open}");
    assert_eq!(get(&site, "/v1/search?limit=x").await.json()["parameter"], "limit");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local_routes_look_like_any_other_that_is_not_there() {
    let site = Site::start().await;
    let (local, other) = (get(&site, "/local/stats").await, get(&site, "/other/stats").await);
    assert_eq!(local.body, other.body);
    let posted = ask(&site, Method::POST, "/local/load", &[("content-type", "application/json")], "{}").await;
    check(&posted, ProblemKind::NotFound);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cannot_be_read() {
    let site = Site::start().await;
    let json = ("content-type", "application/json");
    for (headers, body, kind) in [
        (&[json][..], "{\"q\":\"a\",\"unknown\":1}", ProblemKind::BadRequest),
        (&[json], "{\"q\":\"a\",\"q\":\"b\"}", ProblemKind::BadRequest),
        (&[json], "{\"limit\":\"x\"}", ProblemKind::BadRequest),
        (&[json], "{\"limit\":0}", ProblemKind::BadParameter),
        (&[json], "", ProblemKind::BadRequest),
        (&[json], "[", ProblemKind::BadRequest),
        (&[json], &"[".repeat(100_000), ProblemKind::BadRequest),
        (&[], "{}", ProblemKind::UnsupportedMediaType),
        (&[("content-type", "text/plain")], "{}", ProblemKind::UnsupportedMediaType),
    ] {
        check(&ask(&site, Method::POST, "/v1/search", headers, body).await, kind);
    }
    check(&ask(&site, Method::POST, "/v1/search?q=a", &[json], "{}").await, ProblemKind::BadParameter);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_a_route_does_not_take() {
    let site = Site::start().await;
    let email = format!("/v1/emails/{}", hex(0));
    for (method, path, allow) in [
        (Method::DELETE, "/v1/search", "GET, HEAD, POST"),
        (Method::POST, email.as_str(), "GET, HEAD, PATCH, DELETE"),
        (Method::PUT, "/", "GET, HEAD"),
        (Method::OPTIONS, "/metrics", "GET, HEAD"),
        (Method::TRACE, "/healthz", "GET, HEAD"),
        (Method::from_bytes(b"get").unwrap(), "/healthz", "GET, HEAD"),
    ] {
        let answer = ask(&site, method, path, &[], "").await;
        check(&answer, ProblemKind::MethodNotAllowed);
        assert_eq!(answer.header("allow"), allow);
    }
    let client = site.client().await;
    let refused = client.get("/local/compact").await.unwrap();
    assert_eq!(
        (refused.status, refused.headers["allow"].to_str().unwrap()),
        (StatusCode::METHOD_NOT_ALLOWED, "POST")
    );
    site.stop().await;
}

/// A page whose name was made to lead to the loopback must not read the mail there.
#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_this_server_is_not() {
    let options = postlode_server::AppOptions { hosts: vec!["mail.corp".into()], ..Default::default() };
    let site = Site::with(options).await;
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:8700", ""]
    {
        check(&ask(&site, Method::GET, "/healthz", &[("host", host)], "").await, ProblemKind::Misdirected);
    }
    for host in ["localhost", "LOCALHOST:8700", "127.0.0.1:1", "[::1]:8700", "10.1.2.3", "mail.corp:80"] {
        let answer = ask(&site, Method::GET, "/healthz", &[("host", host)], "").await;
        assert_eq!(answer.status, StatusCode::OK, "{host}");
    }
    for (bytes, status) in [
        ("GET /healthz HTTP/1.1\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        ("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 421),
        ("GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        ("GET /healthz HTTP/1.0\r\n\r\n", 200),
    ] {
        assert_eq!(exchange(site.addr, bytes.as_bytes()).await.statuses(), [status], "{bytes}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_closed() {
    let site = Site::start().await;
    site.store.close().await.unwrap();
    for path in ["/readyz", "/v1/search?q=fox", &format!("/v1/emails/{}", hex(1))] {
        check(&get(&site, path).await, ProblemKind::Unavailable);
    }
    assert_eq!(get(&site, "/healthz").await.status, StatusCode::OK);
    let metrics = get(&site, "/metrics").await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("postlode_store_up 0\n"));
    site.stop().await;
}

/// The ones that a healthy store cannot be brought to give come from its errors alone.
#[test]
fn every_error_of_the_engine_has_a_type() {
    use postlode_query::QueryError;
    use postlode_runtime::{DiskError, DiskErrorKind};
    let disk = |kind| DiskError::new(kind, "write", std::path::Path::new("log/1"), "no");
    let missing = Missing { segment: Some(3), section: "bodies".into(), reason: "checksum".into() };
    let cases = [
        (QueryError::StaleCursor, ProblemKind::StaleCursor),
        (QueryError::Internal("x"), ProblemKind::Internal),
        (QueryError::Busy, ProblemKind::Busy),
        (StoreError::Busy.into(), ProblemKind::Busy),
        (StoreError::from(disk(DiskErrorKind::Full)).into(), ProblemKind::Full),
        (StoreError::from(disk(DiskErrorKind::Io)).into(), ProblemKind::Unavailable),
        (StoreError::Missing(missing).into(), ProblemKind::Damaged),
        (StoreError::ReadOnly.into(), ProblemKind::Conflict),
        (StoreError::Poisoned("x".into()).into(), ProblemKind::Unavailable),
    ];
    for (error, kind) in cases {
        let problem = Problem::from(error);
        assert_eq!(problem.kind(), kind, "{problem}");
        if kind == ProblemKind::Damaged {
            assert_eq!(problem.document()["missing"][0]["segment"], "0000000000000003");
        }
    }
}

#[test]
fn types_are_distinct() {
    let uris: HashSet<String> = ProblemKind::ALL.into_iter().map(ProblemKind::uri).collect();
    assert_eq!(uris.len(), ProblemKind::ALL.len());
}
