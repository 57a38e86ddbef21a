//! What is said of mail, holds and saved searches over HTTP.

use crate::fixture::{MAILS, Site, hex};
use crate::routes::{Answer, ask, get};
use hyper::Method;
use postlode_server::lines::Line;
use postlode_server::{Client, UpdateMany};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn send(site: &Site, method: Method, path: &str, body: &Value) -> Answer {
    ask(site, method, path, &[JSON], &body.to_string()).await
}

async fn patch(site: &Site, n: u64, matching: &str, body: &Value) -> Answer {
    let path = format!("/v1/emails/{}", hex(n));
    ask(site, Method::PATCH, &path, &[JSON, ("if-match", matching)], &body.to_string()).await
}

fn kind(answer: &Answer) -> (u16, String) {
    let problem = answer.json();
    (answer.status.as_u16(), problem["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_is_changed_as_it_was_seen() {
    let site = Site::start().await;
    let path = format!("/v1/emails/{}", hex(3));
    let tag = get(&site, &path).await.header("etag").to_owned();
    let body = json!({ "tags": { "add": ["hot", "to do"] }, "note": "see 4" });
    let changed = patch(&site, 3, &tag, &body).await.json();
    assert_eq!(changed["tags"], json!(["hot", "to do"]));
    assert_eq!((&changed["note"], &changed["revision"]), (&json!("see 4"), &json!(1)));
    // By the tag that he was given first, and by a revision that is past.
    for old in [tag.as_str(), "\"0\"", "0"] {
        let refused = patch(&site, 3, old, &body).await;
        assert_eq!(kind(&refused), (412, "changed".to_owned()), "{old}");
        assert_eq!(refused.json()["revision"], 1);
    }
    let tag = get(&site, &path).await.header("etag").to_owned();
    for (new, now) in ["*", "\"1\"", "1", tag.as_str()].into_iter().zip(["", "", "", "x"]) {
        // All but the last change nothing, so each has what it expects.
        let body =
            if now.is_empty() { json!({ "tags": { "add": ["HOT"] } }) } else { json!({ "note": now }) };
        assert_eq!(patch(&site, 3, new, &body).await.status, 200, "{new}");
    }
    let found = get(&site, "/v1/search?q=tag:hot&facets=tag").await.json();
    assert_eq!((&found["hits"][0]["id"], found["hits"].as_array().unwrap().len()), (&json!(hex(3)), 1));
    assert_eq!(found["facets"]["tag"]["values"][0], json!({ "value": "hot", "count": 1 }));
    for bad in [json!({}), json!({ "tags": { "add": [""] } }), json!({ "holds": { "add": ["none"] } })] {
        assert_eq!(kind(&patch(&site, 3, "*", &bad).await), (400, "bad-parameter".to_owned()), "{bad}");
    }
    assert_eq!(kind(&patch(&site, 3, "*", &json!({ "tag": "x" })).await), (400, "bad-request".to_owned()));
    assert_eq!(kind(&patch(&site, 999, "*", &json!({ "note": "x" })).await), (404, "not-found".to_owned()));
    // Plain forms, which another site's page could send, are refused.
    assert_eq!(ask(&site, Method::PATCH, &path, &[], "{}").await.status, 415);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_keeps_mail_from_being_deleted() {
    let site = Site::start().await;
    let hold = "/v1/holds/Smith%20%2F%20Jones";
    let made = send(&site, Method::PUT, hold, &json!({ "reason": "a letter" })).await.json();
    assert_eq!((&made["name"], &made["reason"]), (&json!("Smith / Jones"), &json!("a letter")));
    assert_eq!(patch(&site, 5, "*", &json!({ "holds": { "add": ["Smith / Jones"] } })).await.status, 200);
    let path = format!("/v1/emails/{}", hex(5));
    let refused = ask(&site, Method::DELETE, &path, &[], "").await;
    assert_eq!(kind(&refused), (409, "held".to_owned()));
    assert_eq!(refused.json()["holds"], json!(["Smith / Jones"]));
    assert_eq!(get(&site, "/v1/holds").await.json()["holds"][0]["emails"], 1);
    assert_eq!(ask(&site, Method::DELETE, hold, &[], "").await.json(), json!({ "released": 1 }));
    assert_eq!(get(&site, hold).await.status, 404);
    assert_eq!(ask(&site, Method::DELETE, &path, &[], "").await.json(), json!({ "deleted": true }));
    assert_eq!(ask(&site, Method::DELETE, &path, &[], "").await.status, 404);
    assert_eq!(get(&site, &path).await.status, 404);
    assert_eq!(get(&site, "/v1/search?q=").await.json()["total"]["value"], MAILS - 1);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_saved_asked_for_and_removed() {
    let site = Site::start().await;
    let path = "/v1/searches/Quick%20foxes";
    let search = json!({ "q": "fox from:bob@example.org", "limit": 3, "mode": "keyword" });
    let saved = send(&site, Method::PUT, path, &search).await.json();
    assert_eq!((&saved["name"], &saved["search"]["q"]), (&json!("Quick foxes"), &search["q"]));
    assert_eq!(get(&site, path).await.json(), saved);
    assert_eq!(get(&site, "/v1/searches").await.json(), json!({ "searches": [saved], "unreadable": [] }));
    // What is kept can be asked as it is.
    let asked = send(&site, Method::POST, "/v1/search", &saved["search"]).await.json();
    assert_eq!(asked, send(&site, Method::POST, "/v1/search", &search).await.json());
    let bad = send(&site, Method::PUT, path, &json!({ "q": "(" })).await;
    assert_eq!(kind(&bad), (400, "bad-query".to_owned()));
    assert_eq!(ask(&site, Method::DELETE, path, &[], "").await.status, 200);
    assert_eq!(kind(&get(&site, path).await), (404, "not-found".to_owned()));
    let long = format!("/v1/searches/{}", "x".repeat(300));
    assert_eq!(get(&site, &long).await.status, 404);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_changed_line_by_line() {
    let site = Site::start().await;
    let client: Client = site.client().await;
    let update = serde_json::from_value(json!({ "tags": { "add": ["bob"] } })).unwrap();
    let request = UpdateMany { q: "from:bob@example.org".into(), tz: None, update };
    let mut lines = client.post("/local/update", &request).await.unwrap().ok().await.unwrap().lines();
    let mut last = Value::Null;
    loop {
        match lines.next().await.unwrap().unwrap() {
            Line::Item(line) => last = serde_json::from_slice(&line).unwrap(),
            Line::End(end) => break assert!(end.partial.is_none()),
        }
    }
    assert_eq!((&last["found"], &last["changed"]), (&json!(MAILS / 2), &json!(MAILS / 2)));
    assert_eq!(get(&site, "/v1/search?q=tag:bob").await.json()["total"]["value"], MAILS / 2);
    assert_eq!(ask(&site, Method::POST, "/local/update", &[JSON], "{}").await.status, 404, "not over TCP");
    site.stop().await;
}
