//! Documents of the store: small things with names that are no mail, in spaces of their own.
//!
//! What always holds: what is removed is gone for whoever asks; a space is listed in the order of the names' bytes.

use crate::engine::Inner;
use crate::error::QueryError;
use bytes::Bytes;
use postlode_format::row::{ArchivedDoc, Doc, Row, RowKind, access, doc_key, to_bytes};

/// Rows read at a time.
const PAGE: usize = 100;

/// The text of a document; `None` where there is none.
///
/// # Errors
/// Where the store fails.
pub async fn get(engine: &Inner, space: &str, name: &str) -> Result<Option<String>, QueryError> {
    let Some(row) = engine.store.get(RowKind::Doc, &doc_key(space, name)).await? else { return Ok(None) };
    let doc = access::<ArchivedDoc>(&row)?;
    Ok((!doc.removed).then(|| doc.json.as_str().to_owned()))
}

/// Keeps a document in the store, or that there is none any more.
///
/// # Errors
/// Where the store cannot be written.
pub async fn put(engine: &Inner, space: &str, name: &str, json: Option<String>) -> Result<(), QueryError> {
    let removed = json.is_none();
    let value = to_bytes(&Doc { json: json.unwrap_or_default(), removed })?;
    let key = doc_key(space, name).into();
    Ok(engine.store.put(vec![Row { kind: RowKind::Doc, key, value }]).await?)
}

/// Reads what a document's text says.
///
/// # Errors
/// Where it is not what its space has.
pub fn read<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, QueryError> {
    let why = "another version of postlode wrote it, and this one cannot read it";
    serde_json::from_str(json)
        .map_err(|_| postlode_format::FormatError::Malformed { what: "document", why }.into())
}

/// All documents of a space: name and text.
///
/// # Errors
/// Where the store fails, or some cannot be read.
pub async fn all(engine: &Inner, space: &str) -> Result<Vec<(String, String)>, QueryError> {
    let mut out = Vec::new();
    each(engine, space, |name, json| out.push((name.to_owned(), json.to_owned()))).await?;
    Ok(out)
}

/// How many documents a space has.
///
/// # Errors
/// As [`all`].
pub async fn count(engine: &Inner, space: &str) -> Result<usize, QueryError> {
    let mut count = 0usize;
    each(engine, space, |_, _| count = count.saturating_add(1)).await?;
    Ok(count)
}

async fn each(engine: &Inner, space: &str, mut each: impl FnMut(&str, &str)) -> Result<(), QueryError> {
    let prefix = doc_key(space, "");
    let mut after: Option<Bytes> = None;
    loop {
        let (rows, missing) = engine.store.rows(RowKind::Doc, &prefix, after.as_deref(), PAGE).await?;
        if let Some(missing) = missing.into_iter().next() {
            return Err(postlode_store::StoreError::Missing(missing).into());
        }
        for row in &rows {
            let doc = access::<ArchivedDoc>(&row.value)?;
            let name = row.key.get(prefix.len()..).map(String::from_utf8_lossy);
            if let Some(name) = name.filter(|_| !doc.removed) {
                each(&name, doc.json.as_str());
            }
        }
        match rows.last() {
            Some(last) if rows.len() >= PAGE => after = Some(last.key.clone()),
            _ => return Ok(()),
        }
    }
}
