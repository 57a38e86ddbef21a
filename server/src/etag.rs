//! Entity tags: a hash of what is answered, so that one who has it already is told so in a few bytes.

use hyper::HeaderMap;
use hyper::header::{HeaderValue, IF_NONE_MATCH};

/// The tag of some bytes.
pub(crate) fn of_bytes(bytes: &[u8]) -> Option<HeaderValue> {
    let hash = blake3::hash(bytes).to_hex();
    of_hex(hash.get(..32).unwrap_or_default())
}

/// The tag of a thing whose hash is known.
pub(crate) fn of_hex(hex: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{hex}\"")).ok()
}

/// Does the caller have it already? (Weak comparison, RFC 9110 13.1.2.)
pub(crate) fn matches(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let Ok(tag) = tag.to_str() else { return false };
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|candidate| candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list() {
        let tag = of_bytes(b"x").unwrap();
        let have = |text: String| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(&text).unwrap());
            matches(&headers, &tag)
        };
        let text = tag.to_str().unwrap();
        assert!(have(text.to_owned()) && have(format!("\"a\", W/{text}")) && have("*".to_owned()));
        assert!(!have("\"a\"".to_owned()) && !have(String::new()));
        assert!(!matches(&HeaderMap::new(), &tag));
    }
}
