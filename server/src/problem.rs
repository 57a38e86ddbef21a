//! Every error of the API: its stable type, its status, and how it is written (RFC 9457).
//!
//! PROBLEMS.md lists the types for users; a test keeps the list complete.

use crate::body::{self, Body};
use hyper::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use postlode_query::{MissingPart, QueryError};
use postlode_store::StoreError;
use serde_json::{Map, Value, json};

/// What begins every type.
pub const TYPE_PREFIX: &str = "urn:postlode:problem:";

/// The kinds of problems. Their names never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The query cannot be read; `position` says where.
    BadQuery,
    /// A parameter is unknown, given twice, or has a value that cannot be used.
    BadParameter,
    /// The cursor is not one that was given for this query.
    BadCursor,
    /// The request is malformed: its encoding or its JSON.
    BadRequest,
    /// There is no such thing, or the caller may not see it.
    NotFound,
    /// There is such a thing, but it does not take this method.
    MethodNotAllowed,
    /// The request did not arrive in time.
    RequestTimeout,
    /// It cannot be done to the store as it was opened.
    Conflict,
    /// It is under holds, and is not deleted.
    Held,
    /// The cursor was good once and is too old now.
    StaleCursor,
    /// It was changed since the caller looked at it.
    Changed,
    /// The request's body is too large.
    TooLarge,
    /// The request's target is too long.
    TargetTooLong,
    /// The query would take more memory than one may have.
    TooMuch,
    /// The request's body is no JSON.
    UnsupportedMediaType,
    /// The `Host` header names no host that this server answers for.
    Misdirected,
    /// A fault of ours.
    Internal,
    /// What was asked for lies in damaged bytes; `missing` names them.
    Damaged,
    /// Too much to do.
    Busy,
    /// No answer within the time for one.
    Deadline,
    /// The store cannot be used.
    Unavailable,
    /// The disk is full.
    Full,
}

impl ProblemKind {
    /// All of them.
    pub const ALL: [ProblemKind; 22] = [
        Self::BadQuery,
        Self::BadParameter,
        Self::BadCursor,
        Self::BadRequest,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::Conflict,
        Self::Held,
        Self::StaleCursor,
        Self::Changed,
        Self::TooLarge,
        Self::TargetTooLong,
        Self::UnsupportedMediaType,
        Self::Misdirected,
        Self::TooMuch,
        Self::Internal,
        Self::Damaged,
        Self::Busy,
        Self::Deadline,
        Self::Unavailable,
        Self::Full,
    ];

    /// Name (the end of its type), status and title.
    fn facts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::BadQuery => ("bad-query", StatusCode::BAD_REQUEST, "The query cannot be read"),
            Self::BadParameter => ("bad-parameter", StatusCode::BAD_REQUEST, "A parameter cannot be used"),
            Self::BadCursor => ("bad-cursor", StatusCode::BAD_REQUEST, "The cursor cannot be used"),
            Self::BadRequest => ("bad-request", StatusCode::BAD_REQUEST, "The request is malformed"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "There is no such thing"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed here")
            }
            Self::RequestTimeout => {
                ("request-timeout", StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time")
            }
            Self::Conflict => ("conflict", StatusCode::CONFLICT, "It cannot be done now"),
            Self::Held => ("held", StatusCode::CONFLICT, "It is under holds"),
            Self::Changed => ("changed", StatusCode::PRECONDITION_FAILED, "It was changed since"),
            Self::StaleCursor => ("stale-cursor", StatusCode::GONE, "The cursor is too old"),
            Self::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "The request's body is too large"),
            Self::TargetTooLong => {
                ("target-too-long", StatusCode::URI_TOO_LONG, "The request's target is too long")
            }
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body must be JSON")
            }
            Self::Misdirected => {
                ("misdirected", StatusCode::MISDIRECTED_REQUEST, "This server does not answer for that host")
            }
            Self::TooMuch => ("too-much", StatusCode::UNPROCESSABLE_ENTITY, "The query matches too much"),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "A fault of the server"),
            Self::Damaged => {
                ("damaged", StatusCode::INTERNAL_SERVER_ERROR, "What was asked for is damaged on the disk")
            }
            Self::Busy => ("busy", StatusCode::SERVICE_UNAVAILABLE, "Busy: try again in a moment"),
            Self::Deadline => ("deadline", StatusCode::SERVICE_UNAVAILABLE, "It took too long"),
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "The store cannot be used"),
            Self::Full => ("full", StatusCode::INSUFFICIENT_STORAGE, "The disk is full"),
        }
    }

    /// The end of its type.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// Its type.
    #[must_use]
    pub fn uri(self) -> String {
        format!("{TYPE_PREFIX}{}", self.name())
    }

    /// Its status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.facts().1
    }

    /// Its title: the same for all problems of the kind.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.facts().2
    }
}

/// One error, as it is told to the caller.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem with a sentence on this one case.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let problem = Self { kind, detail: detail.into(), members: Map::new(), headers: Vec::new() };
        match kind {
            ProblemKind::Busy => problem.header(RETRY_AFTER, HeaderValue::from_static("1")),
            ProblemKind::Deadline | ProblemKind::Unavailable => {
                problem.header(RETRY_AFTER, HeaderValue::from_static("5"))
            }
            // Part of the body may still be on its way: the connection cannot be used again.
            ProblemKind::TooLarge | ProblemKind::RequestTimeout => {
                problem.header(CONNECTION, HeaderValue::from_static("close"))
            }
            _ => problem,
        }
    }

    /// A member of the document beside the standard ones.
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Nothing of that name.
    #[must_use]
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(ProblemKind::NotFound, format!("there is no {what}"))
    }

    /// A parameter that cannot be used.
    #[must_use]
    pub fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::new(ProblemKind::BadParameter, format!("{name}: {why}")).member("parameter", name)
    }

    /// A method that the route does not take; `allow` lists those it takes.
    #[must_use]
    pub fn method(allow: &'static str) -> Self {
        Self::new(ProblemKind::MethodNotAllowed, format!("allowed here: {allow}"))
            .header(ALLOW, HeaderValue::from_static(allow))
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> Value {
        let mut document = json!({
            "type": self.kind.uri(),
            "title": self.kind.title(),
            "status": self.kind.status().as_u16(),
            "detail": self.detail,
        });
        if let Some(all) = document.as_object_mut() {
            // The standard members come first and are not replaced.
            for (name, value) in &self.members {
                all.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        document
    }

    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(body::full(self.document().to_string()));
        *response.status_mut() = self.kind.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        response
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.title(), self.detail)
    }
}

impl std::error::Error for Problem {}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let detail = error.to_string();
        match error {
            QueryError::Syntax(syntax) => {
                let problem = Self::new(ProblemKind::BadQuery, detail).member("position", syntax.position);
                match syntax.suggestion {
                    Some(suggestion) => problem.member("suggestion", suggestion),
                    None => problem,
                }
            }
            QueryError::Parameter { parameter, why } => Self::parameter(parameter, why),
            QueryError::BadCursor(_) => Self::new(ProblemKind::BadCursor, detail),
            QueryError::StaleCursor => Self::new(ProblemKind::StaleCursor, detail),
            QueryError::TooMuch { .. } => Self::new(ProblemKind::TooMuch, detail),
            QueryError::Changed { revision } => {
                Self::new(ProblemKind::Changed, detail).member("revision", revision)
            }
            QueryError::Held { holds } => Self::new(ProblemKind::Held, detail).member("holds", holds),
            QueryError::Busy => Self::new(ProblemKind::Busy, detail),
            QueryError::Store(error) => error.into(),
            QueryError::Row(_) => Self::new(ProblemKind::Damaged, detail).member("missing", json!([])),
            QueryError::Internal(_) => Self::new(ProblemKind::Internal, detail),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::Busy => Self::new(ProblemKind::Busy, detail),
            StoreError::Full(_) => Self::new(ProblemKind::Full, detail),
            StoreError::ReadOnly => Self::new(ProblemKind::Conflict, detail),
            StoreError::Refused(_) => Self::new(ProblemKind::BadRequest, detail),
            StoreError::Missing(missing) => {
                let part = MissingPart::from(missing);
                Self::new(ProblemKind::Damaged, detail).member("missing", json!([part]))
            }
            StoreError::Disk(_)
            | StoreError::Locked(_)
            | StoreError::Format { .. }
            | StoreError::Unusable(_)
            | StoreError::Replaced(_)
            | StoreError::Poisoned(_)
            | StoreError::Closed => Self::new(ProblemKind::Unavailable, detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_md_lists_every_type_with_its_status_and_no_other() {
        let page = include_str!("../PROBLEMS.md");
        let rows: Vec<(&str, &str)> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .filter_map(|line| line.split_once("` | "))
            .map(|(name, rest)| (name, rest.split(' ').next().unwrap()))
            .collect();
        let all: Vec<(String, String)> = ProblemKind::ALL
            .iter()
            .map(|kind| (kind.name().to_owned(), kind.status().as_u16().to_string()))
            .collect();
        assert_eq!(rows, all.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>());
    }

    #[test]
    fn a_member_cannot_hide_a_standard_one() {
        let document = Problem::new(ProblemKind::Busy, "x").member("status", 200).document();
        assert_eq!(document["status"], 503);
    }
}
