//! Answers as lines of JSON: how they are written, and how they are read again.
//!
//! What always holds: the last line is `{"end":{"count":…,"partial":…}}`, so that an answer which ends without it
//! was cut short. No other line begins with `{"end":`. (Lines of a load end otherwise: see [`crate::load`].)

use crate::body::Body;
use crate::client::ClientError;
use crate::limits::{CHUNK, MAX_LINE};
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use postlode_query::Partial;
use serde::{Deserialize, Serialize};

/// The last line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Lines before this one.
    pub count: u64,
    /// What is missing among them; null where nothing is.
    pub partial: Option<Partial>,
}

#[derive(Serialize, Deserialize)]
struct EndLine {
    end: End,
}

/// A line as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// One of the lines that were asked for, without its line end.
    Item(Bytes),
    /// The last line: all is there.
    End(End),
}

/// Gathers lines into chunks.
#[derive(Default)]
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    count: u64,
}

impl LineBuffer {
    /// Adds a line.
    pub(crate) fn push(&mut self, value: &impl Serialize) -> Result<(), serde_json::Error> {
        serde_json::to_writer(&mut self.bytes, value)?;
        self.bytes.push(b'\n');
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// Adds the last line.
    pub(crate) fn end(&mut self, partial: Partial) -> Result<(), serde_json::Error> {
        let partial = if partial.is_empty() { None } else { Some(partial) };
        let end = End { count: self.count, partial };
        self.push(&EndLine { end })
    }

    /// Enough for a chunk.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= CHUNK
    }

    /// What was gathered.
    pub(crate) fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.bytes))
    }
}

/// Reads an answer line by line.
pub struct Lines {
    body: Body,
    buffer: BytesMut,
    /// Bytes of the buffer that are known to hold no line end.
    searched: usize,
    ended: bool,
}

impl Lines {
    /// Lines of a body.
    #[must_use]
    pub fn new(body: Body) -> Self {
        Self { body, buffer: BytesMut::new(), searched: 0, ended: false }
    }

    /// The next line, without its line end; `None` where the body ends.
    ///
    /// # Errors
    /// Where the connection broke, or a line is above [`MAX_LINE`].
    pub async fn next_raw(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let fresh = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched.saturating_add(at)).freeze();
                self.buffer.advance(1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.searched > MAX_LINE {
                return Err(ClientError::Malformed(format!("a line above {MAX_LINE} bytes")));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(ClientError::Broken(error.to_string())),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(ClientError::Broken("the last line is cut short".to_owned())),
            }
        }
    }

    /// The next line of an answer that closes with an end line; `None` after that.
    ///
    /// # Errors
    /// As [`Lines::next_raw`], and where the answer ends without its end line.
    pub async fn next(&mut self) -> Result<Option<Line>, ClientError> {
        if self.ended {
            return Ok(None);
        }
        let Some(line) = self.next_raw().await? else {
            return Err(ClientError::Broken("the answer ended early".to_owned()));
        };
        if !line.starts_with(b"{\"end\":") {
            return Ok(Some(Line::Item(line)));
        }
        self.ended = true;
        let end: EndLine =
            serde_json::from_slice(&line).map_err(|error| ClientError::Malformed(error.to_string()))?;
        Ok(Some(Line::End(end.end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::block_on;
    use serde_json::json;

    /// A body that comes in pieces of `size` bytes.
    fn pieces(bytes: Bytes, size: usize) -> Body {
        crate::body::unfold(bytes, move |mut rest| async move {
            if rest.is_empty() {
                return Ok(None);
            }
            let piece = rest.split_to(size.min(rest.len()));
            Ok(Some((piece, rest)))
        })
    }

    #[test]
    fn lines_come_back_however_they_are_cut() {
        let mut buffer = LineBuffer::default();
        buffer.push(&json!({"id": "a\nb"})).unwrap();
        buffer.push(&json!({"id": "end"})).unwrap();
        buffer.end(Partial { reasons: vec!["x".into()], missing: Vec::new() }).unwrap();
        let bytes = buffer.take();
        for size in 1..bytes.len() {
            let mut lines = Lines::new(pieces(bytes.clone(), size));
            let mut items = 0;
            let end = loop {
                match block_on(lines.next()).unwrap().unwrap() {
                    Line::Item(line) => {
                        items += 1;
                        assert!(
                            serde_json::from_slice::<serde_json::Value>(&line).unwrap()["id"].is_string()
                        );
                    }
                    Line::End(end) => break end,
                }
            };
            assert_eq!((items, end.count), (2, 2));
            assert_eq!(end.partial.unwrap().reasons, ["x"]);
            assert_eq!(block_on(lines.next()).unwrap(), None);
        }
    }

    #[test]
    fn a_cut_answer_is_an_error() {
        for text in ["", "{\"id\":1}\n", "{\"id\":1}\n{\"end\":{\"count\":1,\"partial\":null}}"] {
            let mut lines = Lines::new(pieces(Bytes::from_static(text.as_bytes()), 3));
            let last = loop {
                match block_on(lines.next()) {
                    Ok(Some(Line::Item(_))) => {}
                    other => break other,
                }
            };
            assert!(matches!(last, Err(ClientError::Broken(_))), "{text:?} {last:?}");
        }
    }
}
