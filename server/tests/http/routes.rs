//! Every route over TCP: what it answers, and the headers that keep it safe.

use crate::fixture::{HOSTILE, MAILS, Site, hex, large};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use postlode_server::target;
use serde_json::{Value, json};
use tokio::net::TcpStream;

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub async fn ask(site: &Site, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let stream = TcpStream::connect(site.addr).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

pub async fn get(site: &Site, path: &str) -> Answer {
    ask(site, Method::GET, path, &[], "").await
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

#[tokio::test(flavor = "multi_thread")]
async fn search_by_parameters_and_by_json_is_the_same() {
    let site = Site::start().await;
    let by_get = get(
        &site,
        &target("/v1/search", &[("q", "from:bob@example.org fox"), ("limit", "3"), ("sort", "date")]),
    )
    .await;
    let body = json!({"q": "from:bob@example.org fox", "limit": 3, "sort": "date"}).to_string();
    let by_post = ask(&site, Method::POST, "/v1/search", &[JSON], &body).await;
    assert_eq!((by_get.status, by_post.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(by_get.json(), by_post.json());
    let answer = by_get.json();
    assert_eq!(answer["hits"].as_array().unwrap().len(), 3);
    assert_eq!(answer["hits"][0]["id"], hex(MAILS - 1));
    assert_eq!(answer["total"], json!({"value": MAILS / 2, "relation": "eq"}));
    for member in ["next_cursor", "facets", "partial"] {
        assert!(answer.get(member).is_some(), "{member}");
    }
    assert_eq!(by_get.header("content-type"), "application/json");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_lead_through_everything_once() {
    let site = Site::start().await;
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut parameters = vec![("q", ""), ("limit", "7")];
        if let Some(cursor) = &cursor {
            parameters.push(("cursor", cursor));
        }
        let page = get(&site, &target("/v1/search", &parameters)).await.json();
        seen.extend(
            page["hits"].as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    let expected: Vec<String> = (0..MAILS).rev().map(hex).collect();
    assert_eq!(seen, expected);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_email_and_its_parts() {
    let site = Site::start().await;
    let id = hex(0);
    let detail = get(&site, &format!("/v1/emails/{id}")).await;
    assert_eq!(detail.json()["subject"], "Release plan 0");
    assert_eq!(detail.json()["places"].as_array().unwrap().len(), 1);
    assert_eq!(detail.json()["attachments"].as_array().unwrap().len(), 2);
    let upper = get(&site, &format!("/v1/emails/{}", id.to_uppercase())).await;
    assert_eq!(upper.json(), detail.json());
    let body = get(&site, &format!("/v1/emails/{id}/body")).await.json();
    assert!(body["text"].as_str().unwrap().contains("number0"));
    let raw = get(&site, &format!("/v1/emails/{id}/raw")).await;
    assert_eq!(raw.header("content-type"), "message/rfc822");
    assert_eq!(raw.header("postlode-raw"), "reconstructed");
    assert_eq!(raw.header("content-disposition").split(';').next(), Some("attachment"));
    assert!(String::from_utf8_lossy(&raw.body).contains("Release plan 0"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_are_downloads_and_never_pages() {
    let site = Site::start().await;
    let id = hex(0);
    let pdf = get(&site, &format!("/v1/emails/{id}/attachments/0")).await;
    assert_eq!(pdf.header("content-type"), "application/pdf");
    assert!(pdf.header("content-disposition").ends_with("filename*=UTF-8''rapport%20%C3%A9.pdf"));
    assert!(pdf.body == large());
    assert_eq!(pdf.header("etag"), format!("\"{}\"", "07".repeat(32)));
    let html = get(&site, &format!("/v1/emails/{id}/attachments/1")).await;
    assert_eq!(html.header("content-type"), "application/octet-stream");
    assert_eq!(html.header("x-content-type-options"), "nosniff");
    assert_eq!(
        html.header("content-disposition"),
        "attachment; filename=\"_e_vil.html\"; filename*=UTF-8''_e_vil.html"
    );
    assert!(html.header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(html.body, HOSTILE);
    for n in ["2", "x", "-1", "4294967296"] {
        let none = get(&site, &format!("/v1/emails/{id}/attachments/{n}")).await;
        assert_eq!(none.status, StatusCode::NOT_FOUND, "{n}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_has_is_not_sent_again() {
    let site = Site::start().await;
    let id = hex(0);
    for path in
        [format!("/v1/emails/{id}"), "/v1/search?q=fox".into(), format!("/v1/emails/{id}/attachments/0")]
    {
        let first = get(&site, &path).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.len() > 10, "{path}");
        let again = ask(&site, Method::GET, &path, &[("if-none-match", &tag)], "").await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        assert_eq!(again.header("etag"), tag);
        let other = ask(&site, Method::GET, &path, &[("if-none-match", "\"other\"")], "").await;
        assert_eq!(other.status, StatusCode::OK);
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_the_body() {
    let site = Site::start().await;
    for path in
        ["/", "/healthz", "/v1/search?q=fox", "/nowhere", &format!("/v1/emails/{}/attachments/0", hex(0))]
    {
        let (get, head) = (get(&site, path).await, ask(&site, Method::HEAD, path, &[], "").await);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for name in ["content-type", "etag", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_headers_that_keep_browsers_safe() {
    let site = Site::start().await;
    for path in ["/", "/healthz", "/readyz", "/metrics", "/v1/search", "/nowhere", "/v1/search?limit=x"] {
        let answer = get(&site, path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
        assert!(answer.header("server-timing").starts_with("app;dur="));
        assert!(!answer.header("cache-control").is_empty(), "{path}");
        assert!(answer.header("access-control-allow-origin").is_empty());
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_front_page_tells_where_to_go() {
    let site = Site::start().await;
    let page = get(&site, "/").await;
    let text = String::from_utf8_lossy(&page.body).into_owned();
    let links: Vec<&str> =
        text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links.len(), 4);
    for link in links {
        assert_eq!(get(&site, &link.replace("&amp;", "&")).await.status, StatusCode::OK, "{link}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened() {
    let site = Site::start().await;
    site.store.seal().await.unwrap();
    get(&site, "/healthz").await;
    get(&site, "/nowhere/at/all").await;
    let page = get(&site, "/metrics").await;
    assert!(page.header("content-type").starts_with("application/openmetrics-text"));
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    for line in [
        "postlode_http_request_duration_seconds_count{route=\"/healthz\",status=\"2xx\"} 1",
        "postlode_http_request_duration_seconds_count{route=\"other\",status=\"4xx\"} 1",
        "postlode_http_requests_in_flight 1",
        "postlode_store_up 1\n",
        "postlode_store_emails 40\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    for name in [
        "postlode_store_log_sync_seconds_total{shard=\"0\"}",
        "postlode_store_log_sync_duration_seconds_bucket{le=\"0.0001\"} ",
        "postlode_store_log_sync_duration_seconds_bucket{le=\"+Inf\"} ",
        "postlode_store_log_sync_duration_seconds_count ",
        "postlode_store_stalls_total{shard=\"1\"} 0\n",
        "postlode_store_sealed_rows ",
        "postlode_store_cache_hits_total{shard=\"1\"}",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
    ] {
        assert!(text.contains(name), "{name} is not in\n{text}");
    }
    assert!(!text.contains("nowhere"));
    site.stop().await;
}
