//! What a handler gives: content, and how it is finished into a response.

use crate::body::{self, Body};
use crate::etag;
use crate::problem::{Problem, ProblemKind};
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode};
use serde::Serialize;

/// The answer of a handler that found no problem.
pub(crate) struct Reply {
    headers: HeaderMap,
    content: Content,
}

enum Content {
    /// There already: gets a length, and an entity tag.
    Whole(Bytes),
    /// Made while it is sent.
    Stream(Body),
}

/// Mail is for whoever asked, and may be kept if it is asked for again each time.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

impl Reply {
    fn new(media: &'static str, cache: HeaderValue, content: Content) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        headers.insert(CACHE_CONTROL, cache);
        Self { headers, content }
    }

    /// A JSON document.
    pub(crate) fn json(value: &impl Serialize) -> Result<Self, Problem> {
        let json = serde_json::to_vec(value).map_err(|error| {
            Problem::new(ProblemKind::Internal, format!("the answer is no JSON: {error}"))
        })?;
        Ok(Self::new("application/json", PRIVATE, Content::Whole(json.into())))
    }

    /// A small text that is never kept.
    pub(crate) fn text(media: &'static str, text: impl Into<Bytes>) -> Self {
        Self::new(media, NO_STORE, Content::Whole(text.into()))
    }

    /// Bytes of a message or an attachment.
    pub(crate) fn bytes(media: &'static str, body: Body) -> Self {
        Self::new(media, PRIVATE, Content::Stream(body))
    }

    /// Lines of JSON.
    pub(crate) fn lines(body: Body) -> Self {
        Self::new("application/x-ndjson", NO_STORE, Content::Stream(body))
    }

    /// Sets a header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The response to the request that `parts` began.
    pub(crate) fn finish(self, parts: &Parts) -> Response<Body> {
        let Self { mut headers, content } = self;
        let reading = parts.method == Method::GET || parts.method == Method::HEAD;
        if let Content::Whole(bytes) = &content {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            let storable = headers.get(CACHE_CONTROL) != Some(&NO_STORE);
            if let (true, true, Some(tag)) = (reading, storable, etag::of_bytes(bytes)) {
                headers.insert(ETAG, tag);
            }
        }
        let known = headers.get(ETAG).is_some_and(|tag| reading && etag::matches(&parts.headers, tag));
        let mut response = if known {
            headers.remove(CONTENT_LENGTH);
            headers.remove(CONTENT_TYPE);
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            Response::new(match content {
                Content::Whole(bytes) => body::full(bytes),
                Content::Stream(body) => body,
            })
        };
        *response.headers_mut() = headers;
        response
    }
}
