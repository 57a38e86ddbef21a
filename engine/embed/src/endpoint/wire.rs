//! What is sent, and what of an answer is believed.

use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Request<'r> {
    model: &'r str,
    input: &'r [&'r str],
    encoding_format: &'r str,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    #[serde(default)]
    index: Option<usize>,
    /// What some servers make of a number that is none is null.
    embedding: Vec<Option<f32>>,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// All of it.
    Answer(String),
    /// The vector of some text.
    Vector(&'static str),
}

/// The body of a request.
pub fn request(model: &str, texts: &[&str]) -> Vec<u8> {
    let request = Request { model, input: texts, encoding_format: "float" };
    // Strings and a list of them always have a form in JSON.
    serde_json::to_vec(&request).unwrap_or_default()
}

/// The vectors in an answer, in the order of the texts.
///
/// # Errors
/// Anything but one vector of finite numbers for each text.
pub fn vectors(body: &[u8], texts: usize) -> Result<Vec<Vec<f32>>, Wrong> {
    // What the parser says has parts of the answer in it, which may be long, and anything.
    let answer: Answer = serde_json::from_slice(body).map_err(|error| {
        let (what, line, column) = (error.classify(), error.line(), error.column());
        Wrong::Answer(format!("its answer is none: {what:?}, at line {line}, column {column}"))
    })?;
    if answer.data.len() != texts {
        let have = answer.data.len();
        return Err(Wrong::Answer(format!("it gave {have} vectors for {texts} texts")));
    }
    let mut out: Vec<Option<Vec<Option<f32>>>> = vec![None; texts];
    for (at, one) in answer.data.into_iter().enumerate() {
        let at = one.index.unwrap_or(at);
        match out.get_mut(at) {
            Some(slot @ None) => *slot = Some(one.embedding),
            Some(_) => return Err(Wrong::Answer(format!("it gave two vectors for text {at}"))),
            None => return Err(Wrong::Answer(format!("it gave a vector for text {at} of {texts}"))),
        }
    }
    let out: Vec<Vec<Option<f32>>> = out.into_iter().flatten().collect();
    let dimensions = out.first().map_or(0, Vec::len);
    if out.iter().any(|vector| vector.len() != dimensions) {
        return Err(Wrong::Answer("its vectors are of different lengths".to_owned()));
    }
    if out.iter().flatten().any(|value| value.is_none_or(|value| !value.is_finite())) {
        return Err(Wrong::Vector("the vector is not of finite numbers"));
    }
    Ok(out.into_iter().map(|vector| vector.into_iter().flatten().collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_in_the_order_of_the_texts() {
        let answer = br#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}],"usage":{}}"#;
        assert_eq!(vectors(answer, 2), Ok(vec![vec![1.0], vec![2.0]]));
        let without = br#"{"data":[{"embedding":[1]},{"embedding":[2]}]}"#;
        assert_eq!(vectors(without, 2), Ok(vec![vec![1.0], vec![2.0]]));
    }

    #[test]
    fn anything_else_is_refused() {
        for (answer, part) in [
            ("{}", "none"),
            ("<html>", "none"),
            (r#"{"data":[]}"#, "0 vectors for 2"),
            (r#"{"data":[{"embedding":[1]}]}"#, "1 vectors for 2"),
            (r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}"#, "two vectors"),
            (r#"{"data":[{"index":0,"embedding":[1]},{"index":7,"embedding":[1]}]}"#, "text 7"),
            (r#"{"data":[{"embedding":[1]},{"embedding":[1,2]}]}"#, "different lengths"),
            (r#"{"data":[{"embedding":[1]},{"embedding":[NaN]}]}"#, "none"),
            (r#"{"data":[{"embedding":[1]},{"embedding":"AAAA"}]}"#, "none"),
        ] {
            let Err(Wrong::Answer(why)) = vectors(answer.as_bytes(), 2) else { panic!("{answer}") };
            assert!(why.contains(part), "{answer}: {why}");
        }
        // Beyond what a float of 32 bits can hold, and none.
        for value in ["1e39", "null"] {
            let answer = format!(r#"{{"data":[{{"embedding":[{value}]}}]}}"#);
            assert!(matches!(vectors(answer.as_bytes(), 1), Err(Wrong::Vector(_))), "{value}");
        }
        // What an answer holds is in no error.
        let Err(Wrong::Answer(why)) = vectors(br#"{"data":"sk-secret"}"#, 1) else { panic!() };
        assert!(!why.contains("secret"), "{why}");
    }
}
