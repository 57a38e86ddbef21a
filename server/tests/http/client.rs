//! A command gets the same whether a writer runs or not.

use crate::fixture::{MAILS, Site, hex, large};
use postlode_server::*;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_gives_what_the_process_gives() {
    let site = Site::start().await;
    let (socket, process) = (site.client().await, Client::in_process(Arc::clone(&site.app)));
    let (id, none) = (hex(0), "0".repeat(32));
    let targets = [
        target("/v1/search", &[("q", "release plan"), ("limit", "7")]),
        target("/v1/search", &[("q", "from:ann@example.org -subject:12"), ("sort", "date")]),
        target("/v1/search", &[("q", "(")]),
        format!("/v1/emails/{id}"),
        format!("/v1/emails/{id}/body"),
        format!("/v1/emails/{id}/raw"),
        format!("/v1/emails/{id}/attachments/0"),
        format!("/v1/emails/{id}/attachments/9"),
        format!("/v1/emails/{none}"),
        "/local/segments".into(),
        "/local/failures".into(),
        "/local/export?q=number3".into(),
        "/nowhere".into(),
        "/healthz".into(),
    ];
    for path in targets {
        let a = socket.get(&path).await.unwrap();
        let b = process.get(&path).await.unwrap();
        assert_eq!(a.status, b.status, "{path}");
        for name in ["content-type", "etag", "content-disposition", "cache-control"] {
            assert_eq!(a.headers.get(name), b.headers.get(name), "{path}: {name}");
        }
        assert_eq!(a.bytes().await.unwrap(), b.bytes().await.unwrap(), "{path}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_come_in_pieces() {
    let site = Site::start().await;
    let mut answer = site.client().await.get(&format!("/v1/emails/{}/attachments/0", hex(0))).await.unwrap();
    let (mut all, mut pieces) = (Vec::new(), 0);
    while let Some(piece) = answer.chunk().await.unwrap() {
        all.extend_from_slice(&piece);
        pieces += 1;
    }
    assert!(pieces > 1 && all == large());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_keep_their_type_and_their_words() {
    let site = Site::start().await;
    let error =
        site.client().await.get("/v1/search?limit=x").await.unwrap().ok().await.map(drop).unwrap_err();
    assert_eq!(error.problem(), Some("bad-parameter"));
    assert!(error.to_string().contains("limit"), "{error}");
    let answer = site.client().await.get("/v1/search?q=&limit=5").await.unwrap();
    let found: postlode_query::SearchAnswer = answer.json().await.unwrap();
    assert_eq!((found.hits.len(), found.total.value), (5, MAILS));
    assert!(matches!(site.client().await.get("no target").await, Err(ClientError::Request(_))));
    site.stop().await;
}

/// A snapshot beside the writer: no loader, no socket, reads all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_reads_and_refuses_to_write() {
    let site = Site::start().await;
    let snapshot = crate::fixture::open(&site.data, postlode_store::Access::Snapshot).await;
    let client = Client::in_process(App::new(crate::fixture::engine(&snapshot), AppOptions::default()));
    let stats: postlode_server::stats::Stats =
        client.get("/local/stats").await.unwrap().json().await.unwrap();
    assert_eq!(stats.emails, MAILS);
    let refused = client.post("/local/compact", &()).await.unwrap().ok().await.map(drop).unwrap_err();
    assert_eq!(refused.problem(), Some("conflict"));
    snapshot.close().await.unwrap();
    site.stop().await;
}
