//! Bodies of requests and answers: one type for all, whole or streamed.

use bytes::{Bytes, BytesMut};
use futures_lite::stream::{Stream, try_unfold};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use std::future::Future;

/// Why a body ended early.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body. A stream that ends by an error breaks the connection, so that its reader cannot take it for whole.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A body that is there already.
#[must_use]
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body without content.
#[must_use]
pub fn empty() -> Body {
    full(Bytes::new())
}

/// A body of any kind that hyper has.
pub fn boxed<B>(body: B) -> Body
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    body.map_err(Into::into).boxed_unsync()
}

/// Why a body could not be read whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WholeError {
    /// It is larger than it may be.
    #[error("it is too large")]
    TooLarge,
    /// It ended early.
    #[error("{0}")]
    Broken(BodyError),
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn whole(mut body: Body, limit: usize) -> Result<Bytes, WholeError> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(WholeError::Broken)?.into_data() else { continue };
        if data.len() > limit.saturating_sub(read.len()) {
            return Err(WholeError::TooLarge);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

/// A body made piece by piece, each only when the reader has taken the one before. `step` gives `None` at the end.
pub(crate) fn unfold<T, F, Fut>(state: T, step: F) -> Body
where
    T: Send + 'static,
    F: FnMut(T) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Option<(Bytes, T)>, BodyError>> + Send + 'static,
{
    stream(try_unfold(state, step))
}

fn stream(pieces: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static) -> Body {
    use futures_lite::StreamExt;
    StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync()
}
