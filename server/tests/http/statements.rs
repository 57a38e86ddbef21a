//! Prepared statements over HTTP.

use crate::fixture::Site;
use crate::routes::{Answer, ask, get};
use hyper::Method;
use serde_json::json;

const JSON: (&str, &str) = ("content-type", "application/json");

async fn post(site: &Site, path: &str, body: &serde_json::Value) -> Answer {
    ask(site, Method::POST, path, &[JSON], &body.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_prepared_once_and_executed_with_values() {
    let site = Site::start().await;
    let text = "from:$1 $2";
    let told = post(&site, "/v1/statements", &json!({ "q": text })).await.json();
    let params = json!([{ "n": 1, "fields": ["from"] }, { "n": 2, "fields": ["text"] }]);
    assert_eq!((&told["q"], &told["params"]), (&json!(text), &params));
    let path = format!("/v1/statements/{}", told["id"].as_str().unwrap());
    assert_eq!(get(&site, &path).await.json(), told);
    assert_eq!(post(&site, "/v1/statements", &json!({ "q": text })).await.json(), told);
    let execute = format!("{path}/execute");
    let body = json!({ "params": ["bob@example.org", "fox"], "limit": 3, "sort": "date", "mode": "keyword" });
    let executed = post(&site, &execute, &body).await.json();
    let search = json!({ "q": "from:bob@example.org fox", "limit": 3, "sort": "date", "mode": "keyword" });
    let searched = post(&site, "/v1/search", &search).await.json();
    assert!(!executed["hits"].as_array().unwrap().is_empty());
    assert_eq!(executed, searched);
    assert_eq!(ask(&site, Method::DELETE, &path, &[], "").await.status, 200);
    assert_eq!(get(&site, &path).await.status, 404);
    assert_eq!(ask(&site, Method::DELETE, &path, &[], "").await.status, 404);
    assert_eq!(post(&site, "/v1/statements", &json!({ "q": text })).await.json(), told, "and back");
    assert_eq!(get(&site, &path).await.json(), told);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_a_problem() {
    let site = Site::start().await;
    let kind = |answer: Answer| {
        let problem = answer.json();
        (answer.status.as_u16(), problem["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned())
    };
    let of = |status: u16, kind: &str| (status, kind.to_owned());
    let told = post(&site, "/v1/statements", &json!({ "q": "after:$1" })).await.json();
    let execute = format!("/v1/statements/{}/execute", told["id"].as_str().unwrap());
    let bad = [json!({}), json!({ "params": ["someday"] }), json!({ "params": [["2020"]] })];
    for body in bad {
        assert_eq!(kind(post(&site, &execute, &body).await), of(400, "bad-parameter"), "{body}");
    }
    assert_eq!(kind(post(&site, &execute, &json!({ "q": "x" })).await), of(400, "bad-request"));
    assert_eq!(kind(post(&site, "/v1/statements", &json!({ "q": "(" })).await), of(400, "bad-query"));
    assert_eq!(kind(post(&site, "/v1/statements", &json!({ "q": "$2" })).await), of(400, "bad-parameter"));
    let nobody = format!("/v1/statements/{}/execute", "0".repeat(32));
    assert_eq!(kind(post(&site, &nobody, &json!({})).await), of(404, "not-found"));
    assert_eq!(kind(get(&site, "/v1/statements/xyz").await), of(404, "not-found"));
    assert_eq!(kind(get(&site, "/v1/statements").await), of(405, "method-not-allowed"));
    site.stop().await;
}
