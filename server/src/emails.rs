//! `/v1/emails/…`: one email, its bodies, its bytes, its attachments.

use crate::app::App;
use crate::body::{self, Body};
use crate::disposition;
use crate::etag;
use crate::params;
use crate::problem::{Problem, ProblemKind};
use crate::reply::Reply;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH};
use hyper::http::request::Parts;
use postlode_format::id::{Id, to_hex};
use postlode_query::{Attachment, EmlStream, QueryError, RawKind, Update};
use serde_json::json;

/// Says whether an EML is the message as it came.
const POSTLODE_RAW: HeaderName = HeaderName::from_static("postlode-raw");

fn no_email() -> Problem {
    Problem::not_found("email with this id")
}

/// Tells what one is, changes what is said of it, or deletes it.
pub(crate) async fn one(app: &App, id: Id, parts: &Parts, body: Body) -> Result<Reply, Problem> {
    match parts.method {
        Method::PATCH => {
            let update: Update = params::json(&parts.headers, body, app.limits.body_timeout).await?;
            let revision = expected(app, id, parts).await?;
            let said = app.engine.update(id, &update, revision).await?.ok_or_else(no_email)?;
            // It was changed, whatever becomes of it next.
            match app.engine.email(id).await {
                Ok(Some(detail)) => Reply::json(&detail),
                Ok(None) | Err(_) => Reply::json(&said),
            }
        }
        Method::DELETE => {
            let revision = expected(app, id, parts).await?;
            app.engine.delete(id, revision).await?.ok_or_else(no_email)?;
            Reply::json(&json!({ "deleted": true }))
        }
        _ => email(app, id).await,
    }
}

/// The revision that the caller thinks an email has: the number itself, or one of the entity tags of what he was told.
async fn expected(app: &App, id: Id, parts: &Parts) -> Result<Option<u64>, Problem> {
    let headers = parts.headers.get_all(IF_MATCH).iter();
    let wanted: Vec<&str> = headers
        .map(|value| value.to_str().unwrap_or("unreadable"))
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    if wanted.is_empty() || wanted.contains(&"*") {
        return Ok(None);
    }
    if let [one] = wanted.as_slice() {
        let bare = one.trim_matches('"');
        if bare.len() < 20 && !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(bare.parse().ok());
        }
    }
    let detail = app.engine.email(id).await?.ok_or_else(no_email)?;
    let json = serde_json::to_vec(&detail)
        .map_err(|error| Problem::new(ProblemKind::Internal, format!("the answer is no JSON: {error}")))?;
    let tag = etag::of_bytes(&json);
    let same = wanted.iter().any(|one| tag.as_ref().is_some_and(|tag| one.as_bytes() == tag.as_bytes()));
    match same {
        true => Ok(Some(detail.revision)),
        false => Err(QueryError::Changed { revision: detail.revision }.into()),
    }
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
