//! `/local/record`: the records of one email as the store has them, for whoever writes them into another format.
//!
//! ```text
//! email: length u32, its record; body: length u32, its record (nothing: it has none)
//! ```
//! Numbers are little-endian. The records are those of `format-spec`.

use crate::app::App;
use crate::body;
use crate::problem::Problem;
use crate::reply::Reply;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use postlode_format::id::from_hex;

/// Both records of an email, as they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// An rkyv [`postlode_format::row::Email`].
    pub email: Bytes,
    /// An rkyv [`postlode_format::row::Body`].
    pub body: Option<Bytes>,
}

impl Records {
    /// Reads them; `None` where the bytes are not such.
    #[must_use]
    pub fn read(mut bytes: Bytes) -> Option<Self> {
        let mut part = || {
            let length = usize::try_from(bytes.try_get_u32_le().ok()?).ok()?;
            (length <= bytes.len()).then(|| bytes.split_to(length))
        };
        let (email, body) = (part()?, part()?);
        bytes.is_empty().then(|| Self { email, body: (!body.is_empty()).then_some(body) })
    }

    fn write(&self) -> Bytes {
        let mut out = BytesMut::new();
        for part in [Some(&self.email), self.body.as_ref()] {
            let part = part.map_or(&[][..], AsRef::as_ref);
            // A record has at most `MAX_VALUE` bytes.
            out.put_u32_le(u32::try_from(part.len()).unwrap_or(u32::MAX));
            out.put_slice(part);
        }
        out.freeze()
    }
}

/// Gives them.
pub(crate) async fn answer(app: &App, id: Option<&str>) -> Result<Reply, Problem> {
    let nobody = || Problem::not_found("email with this id");
    let id = id.and_then(from_hex).ok_or_else(nobody)?;
    let record = app.engine.record(id).await?.ok_or_else(nobody)?;
    let records = Records { email: record.email, body: record.body };
    Ok(Reply::bytes("application/octet-stream", body::full(records.write())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_nothing_else_does() {
        for body in [None, Some(Bytes::from_static(b"body"))] {
            let records = Records { email: Bytes::from_static(b"email"), body };
            let bytes = records.write();
            assert_eq!(Records::read(bytes.clone()), Some(records));
            for end in 0..bytes.len() {
                assert_eq!(Records::read(bytes.slice(..end)), None, "{end}");
            }
        }
        assert_eq!(Records::read(Bytes::from_static(&[0xff; 9])), None);
    }
}
