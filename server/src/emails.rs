//! `/v1/emails/…`: one email, its bodies, its bytes, its attachments.

use crate::app::App;
use crate::body::{self, Body};
use crate::disposition;
use crate::etag;
use crate::problem::Problem;
use crate::reply::Reply;
use bytes::Bytes;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use postlode_format::id::{Id, to_hex};
use postlode_query::{Attachment, EmlStream, QueryError, RawKind};

/// Says whether an EML is the message as it came.
const POSTLODE_RAW: HeaderName = HeaderName::from_static("postlode-raw");

fn no_email() -> Problem {
    Problem::not_found("email with this id")
}

/// All metadata.
pub(crate) async fn email(app: &App, id: Id) -> Result<Reply, Problem> {
    let detail = app.engine.email(id).await?.ok_or_else(no_email)?;
    Reply::json(&detail)
}

/// The bodies, as JSON: a hostile HTML body is a string in it, and nothing that a browser shows.
pub(crate) async fn body(app: &App, id: Id) -> Result<Reply, Problem> {
    let bodies = app.engine.body(id).await?.ok_or_else(no_email)?;
    Reply::json(&bodies)
}

/// The message as EML.
pub(crate) async fn raw(app: &App, id: Id) -> Result<Reply, Problem> {
    let eml = app.engine.raw(id).await?.ok_or_else(no_email)?;
    let kind = match eml.kind() {
        RawKind::Original => HeaderValue::from_static("original"),
        RawKind::Reconstructed => HeaderValue::from_static("reconstructed"),
    };
    let name = format!("{}.eml", to_hex(&id));
    let body = pieces(eml).await?;
    Ok(Reply::bytes("message/rfc822", body)
        .header(CONTENT_DISPOSITION, disposition::attachment(&name, "message.eml"))
        .header(POSTLODE_RAW, kind))
}

/// Emails that are similar where nobody says how many.
const SIMILAR: usize = 20;

/// The emails nearest in meaning, as the answer to a search.
pub(crate) async fn similar(app: &App, id: Id, limit: Option<usize>) -> Result<Reply, Problem> {
    let answer = app.engine.similar(id, limit.unwrap_or(SIMILAR)).await?.ok_or_else(no_email)?;
    Reply::json(&answer)
}

/// One attachment, as a download.
pub(crate) async fn attachment(app: &App, id: Id, n: u32) -> Result<Reply, Problem> {
    let attachment = app
        .engine
        .attachment(id, n)
        .await?
        .ok_or_else(|| Problem::not_found("attachment with bytes of this number"))?;
    let info = attachment.info().clone();
    let body = pieces(attachment).await?;
    let name = disposition::attachment(&info.name, &format!("attachment-{n}"));
    let mut reply = Reply::bytes("application/octet-stream", body)
        .header(CONTENT_TYPE, disposition::media_type(&info.mime))
        .header(CONTENT_DISPOSITION, name);
    if let Some(tag) = info.sha256.as_deref().and_then(etag::of_hex) {
        reply = reply.header(ETAG, tag);
    }
    Ok(reply)
}

/// Something read piece by piece.
trait Pieces: Send + 'static {
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, QueryError>> + Send;
}

impl Pieces for EmlStream {
    async fn next(&mut self) -> Result<Option<Bytes>, QueryError> {
        self.next_chunk().await
    }
}

impl Pieces for Attachment {
    async fn next(&mut self) -> Result<Option<Bytes>, QueryError> {
        self.next_chunk().await
    }
}

/// Streams. The first piece is read before anything is answered, so that damage there is a problem document; later
/// damage breaks the connection.
async fn pieces<P: Pieces>(mut source: P) -> Result<Body, Problem> {
    let first = source.next().await?;
    Ok(body::unfold((first, source), |(ready, mut source)| async move {
        let Some(piece) = ready else { return Ok(None) };
        let next = source.next().await?;
        Ok(Some((piece, (next, source))))
    }))
}
