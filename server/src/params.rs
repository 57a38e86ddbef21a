//! What requests bring beside their path: query parameters and JSON bodies, both bounded and strict.

use crate::body::{self, Body, WholeError};
use crate::limits::{MAX_JSON, MAX_PARAMETERS};
use crate::percent;
use crate::problem::{Problem, ProblemKind};
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde::de::DeserializeOwned;
use std::str::FromStr;
use std::time::Duration;

/// Parameters of a query string that nobody has taken yet.
pub(crate) struct Params {
    left: Vec<(String, String)>,
}

impl Params {
    /// Splits and decodes a query string.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut left: Vec<(String, String)> = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            if left.len() == MAX_PARAMETERS {
                let detail = format!("more than {MAX_PARAMETERS} parameters");
                return Err(Problem::new(ProblemKind::BadRequest, detail));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = |text| {
                percent::decode(text, true).map_err(|error| {
                    Problem::new(ProblemKind::BadRequest, format!("malformed query string: {error}"))
                })
            };
            let (name, value) = (decoded(name)?, decoded(value)?);
            if left.iter().any(|(other, _)| *other == name) {
                return Err(Problem::parameter(&name, "given more than once"));
            }
            left.push((name, value));
        }
        Ok(Self { left })
    }

    /// Takes a parameter out, if it was given.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.left.iter().position(|(other, _)| other == name)?;
        Some(self.left.swap_remove(at).1)
    }

    /// Takes a parameter of another type than text; `want` says what it should be.
    pub(crate) fn take_as<T: FromStr>(&mut self, name: &str, want: &str) -> Result<Option<T>, Problem> {
        let value = self.take(name);
        value
            .map(|value| {
                value.parse().map_err(|_| Problem::parameter(name, format_args!("{value:?} is not {want}")))
            })
            .transpose()
    }

    /// Takes a parameter whose values are words that JSON knows too.
    pub(crate) fn take_word<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let value = self.take(name);
        value
            .map(|value| {
                let word = serde_json::Value::String(value);
                serde_json::from_value(word).map_err(|error| Problem::parameter(name, error))
            })
            .transpose()
    }

    /// Refuses what is left.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::parameter(name, "unknown parameter")),
        }
    }
}

/// Reads a whole JSON body.
pub(crate) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    patience: Duration,
) -> Result<T, Problem> {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        let detail = "send the header Content-Type: application/json";
        return Err(Problem::new(ProblemKind::UnsupportedMediaType, detail));
    }
    let bytes = match tokio::time::timeout(patience, bounded(headers, body)).await {
        Ok(bytes) => bytes?,
        Err(_) => {
            let detail = format!("its body did not arrive within {} seconds", patience.as_secs());
            return Err(Problem::new(ProblemKind::RequestTimeout, detail));
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| Problem::new(ProblemKind::BadRequest, error.to_string()))
}

async fn bounded(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(ProblemKind::TooLarge, format!("at most {MAX_JSON} bytes"));
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_JSON as u64) {
        return Err(too_large());
    }
    match body::whole(body, MAX_JSON).await {
        Ok(bytes) => Ok(bytes),
        Err(WholeError::TooLarge) => Err(too_large()),
        Err(WholeError::Broken(error)) => {
            Err(Problem::new(ProblemKind::BadRequest, format!("the body could not be read: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind<T>(result: Result<T, Problem>) -> ProblemKind {
        result.map(|_| ()).unwrap_err().kind()
    }

    #[test]
    fn parameters_are_taken_once_and_the_rest_is_refused() {
        let mut params = Params::parse(Some("q=a%20b+c&limit=5&x=&&flag")).unwrap();
        assert_eq!(params.take("q").as_deref(), Some("a b c"));
        assert_eq!(params.take("q"), None);
        assert_eq!(params.take_as::<usize>("limit", "a number").unwrap(), Some(5));
        assert_eq!(params.take("flag").as_deref(), Some(""));
        assert_eq!(kind(params.finish()), ProblemKind::BadParameter);
        Params::parse(None).unwrap().finish().unwrap();
    }

    #[test]
    fn malformed_strings_are_refused() {
        assert_eq!(kind(Params::parse(Some("q=%"))), ProblemKind::BadRequest);
        assert_eq!(kind(Params::parse(Some("q=%c3"))), ProblemKind::BadRequest);
        assert_eq!(kind(Params::parse(Some("q=1&q=2"))), ProblemKind::BadParameter);
        let many: String = (0..40).map(|n| format!("p{n}=&")).collect();
        assert_eq!(kind(Params::parse(Some(&many))), ProblemKind::BadRequest);
        let mut params = Params::parse(Some("limit=-1&mode=psychic")).unwrap();
        assert_eq!(kind(params.take_as::<usize>("limit", "a number")), ProblemKind::BadParameter);
        assert_eq!(kind(params.take_word::<postlode_query::Mode>("mode")), ProblemKind::BadParameter);
    }
}
