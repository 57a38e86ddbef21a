//! Bodies as users see them.

use crate::charset::{decode, decode_html, decode_utf16};
use crate::engine::Inner;
use crate::error::QueryError;
use bytes::Bytes;
use postlode_format::id::Id;
use postlode_format::row::{ArchivedBody, ArchivedEmail, ArchivedRaw, ArchivedRawEncoding, access};
use postlode_store::StoreError;

/// MAPI's type of UTF-16 text.
const UNICODE: u16 = 0x1f;

/// The bodies of an email, decoded.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BodyView {
    /// Text made from the best body.
    pub text: String,
    /// HTML body as the source has it: hostile, never to be shown without cleaning.
    pub html: Option<String>,
    /// RTF body, decompressed.
    pub rtf: Option<String>,
    /// Transport headers.
    pub headers: Option<String>,
}

/// The bodies of one email.
pub(crate) async fn view(engine: &Inner, id: Id) -> Result<Option<BodyView>, QueryError> {
    let Some(found) = engine.found(id).await? else { return Ok(None) };
    let Some(bytes) = row(engine, id).await? else { return Ok(None) };
    let body = access::<ArchivedBody>(&bytes)?;
    let codepage = access::<ArchivedEmail>(&found.email)?.codepage.to_native();
    Ok(Some(BodyView {
        text: body.text().to_owned(),
        html: body.html.as_ref().map(|raw| html(raw, codepage)),
        rtf: decoded(body.rtf.as_ref(), codepage),
        headers: decoded(body.headers.as_ref(), codepage),
    }))
}

/// The body row of one email.
pub(crate) async fn row(engine: &Inner, id: Id) -> Result<Option<Bytes>, QueryError> {
    match engine.store.bodies(&[id]).await?.pop() {
        Some(Ok(body)) => Ok(body),
        Some(Err(missing)) => Err(StoreError::Missing(missing).into()),
        None => Ok(None),
    }
}

/// An HTML body as text.
pub fn html(raw: &ArchivedRaw, codepage: u32) -> String {
    match text_as_kept(raw) {
        Some(text) => text,
        None => decode_html(&raw.bytes, codepage),
    }
}

/// Any other body, or headers, as text.
pub fn decoded(raw: Option<&ArchivedRaw>, codepage: u32) -> Option<String> {
    raw.map(|raw| text_as_kept(raw).unwrap_or_else(|| decode(&raw.bytes, codepage)))
}

/// The text of a value that the source had in UTF-16.
fn text_as_kept(raw: &ArchivedRaw) -> Option<String> {
    match raw.encoding {
        ArchivedRawEncoding::Utf16AsUtf8 => Some(String::from_utf8_lossy(&raw.bytes).into_owned()),
        ArchivedRawEncoding::Verbatim if raw.value_type.to_native() == UNICODE => {
            Some(decode_utf16(&raw.bytes))
        }
        ArchivedRawEncoding::Verbatim => None,
    }
}
