//! Percent-encoding, strict: what is not well-formed is refused rather than guessed at.

use std::fmt::Write;

/// Why an encoded text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PercentError {
    /// A `%` without two hex digits.
    #[error("a % must be followed by two hex digits")]
    Digits,
    /// The decoded bytes are no UTF-8.
    #[error("the decoded bytes are not UTF-8")]
    Utf8,
}

/// Decodes; `plus` makes a `+` a blank, as in query strings.
pub(crate) fn decode(text: &str, plus: bool) -> Result<String, PercentError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else { return Err(PercentError::Digits) };
                u8::try_from((high << 4) | low).map_err(|_| PercentError::Digits)?
            }
            b'+' if plus => b' ',
            other => other,
        });
    }
    String::from_utf8(out).map_err(|_| PercentError::Utf8)
}

/// Encodes everything but letters, digits and `-._~`: safe in a path segment, a query and RFC 8187 values.
pub(crate) fn encode_into(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            other => drop(write!(out, "%{other:02X}")),
        }
    }
}

/// A name as one part of a path.
#[must_use]
pub fn path_part(name: &str) -> String {
    let mut out = String::new();
    encode_into(&mut out, name);
    out
}

/// A request target: `path`, which is taken as it is, and parameters, which are encoded.
#[must_use]
pub fn target(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut out = path.to_owned();
    for (number, (name, value)) in parameters.iter().enumerate() {
        out.push(if number == 0 { '?' } else { '&' });
        encode_into(&mut out, name);
        out.push('=');
        encode_into(&mut out, value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_comes_back() {
        let text = "a b+c&d=é%/?#\u{202e}\n";
        let encoded = target("/x", &[("q", text), ("z", "")]);
        let (_, query) = encoded.split_once("?q=").unwrap();
        let (value, rest) = query.split_once('&').unwrap();
        assert_eq!(decode(value, true).unwrap(), text);
        assert_eq!(decode(value, false).unwrap(), text);
        assert_eq!(rest, "z=");
        assert!(encoded.is_ascii());
    }

    #[test]
    fn malformed_is_refused() {
        assert_eq!(decode("a%", true), Err(PercentError::Digits));
        assert_eq!(decode("%4", true), Err(PercentError::Digits));
        assert_eq!(decode("%zz", true), Err(PercentError::Digits));
        assert_eq!(decode("%+1", true), Err(PercentError::Digits));
        assert_eq!(decode("%ff", true), Err(PercentError::Utf8));
        assert_eq!(decode("a+b", true).unwrap(), "a b");
        assert_eq!(decode("a+b", false).unwrap(), "a+b");
    }
}
