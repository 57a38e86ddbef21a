//! The handle through which everything is asked.

use crate::error::QueryError;
use crate::model::{AttachmentInfo, EmailDetail, ExportItem, Partial, SearchAnswer, SearchRequest};
use bytes::Bytes;
use postlode_format::id::Id;
use postlode_runtime::CpuPool;
use postlode_store::Store;

/// A query engine over one store. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    store: Store,
    cpu: CpuPool,
}

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

/// What the bytes of an EML are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RawKind {
    /// The message as it came.
    Original,
    /// Written anew from the properties of the source.
    Reconstructed,
}

/// An email as an RFC 5322 message, in pieces of bounded size.
pub struct EmlStream {}

impl EmlStream {
    /// What its bytes are.
    #[must_use]
    pub fn kind(&self) -> RawKind {
        unimplemented!()
    }

    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// Where an attachment's bytes cannot be read.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, QueryError> {
        unimplemented!()
    }
}

/// The bytes of one attachment, in pieces of at most a megabyte.
pub struct Attachment {}

impl Attachment {
    /// What it is.
    #[must_use]
    pub fn info(&self) -> &AttachmentInfo {
        unimplemented!()
    }

    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// Where its bytes cannot be read.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, QueryError> {
        unimplemented!()
    }
}

/// All hits of a query with their text, in (date, id) order, oldest first.
pub struct Export {}

impl Export {
    /// The next email; `None` after the last.
    ///
    /// # Errors
    /// Where the store fails as a whole; emails that cannot be read are left out and named in [`Export::partial`].
    pub async fn next(&mut self) -> Result<Option<ExportItem>, QueryError> {
        unimplemented!()
    }

    /// What was left out so far; whole after the last email.
    #[must_use]
    pub fn partial(&self) -> Partial {
        unimplemented!()
    }
}

impl Engine {
    /// An engine over `store` that searches text on `cpu`.
    #[must_use]
    pub fn new(store: Store, cpu: CpuPool) -> Self {
        Self { store, cpu }
    }

    /// The store it asks.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Searches.
    ///
    /// # Errors
    /// Any [`QueryError`].
    pub async fn search(&self, request: SearchRequest) -> Result<SearchAnswer, QueryError> {
        let _ = (request, &self.cpu);
        unimplemented!()
    }

    /// All metadata of one email; `None` where there is none, or it was deleted.
    ///
    /// # Errors
    /// Where the store fails or its rows are damaged.
    pub async fn email(&self, id: Id) -> Result<Option<EmailDetail>, QueryError> {
        let _ = id;
        unimplemented!()
    }

    /// The bodies of one email.
    ///
    /// # Errors
    /// As [`Engine::email`].
    pub async fn body(&self, id: Id) -> Result<Option<BodyView>, QueryError> {
        let _ = id;
        unimplemented!()
    }

    /// One email as an RFC 5322 message.
    ///
    /// # Errors
    /// As [`Engine::email`].
    pub async fn raw(&self, id: Id) -> Result<Option<EmlStream>, QueryError> {
        let _ = id;
        unimplemented!()
    }

    /// One attachment's bytes; `None` where the email has none of that number, or it has no bytes.
    ///
    /// # Errors
    /// As [`Engine::email`].
    pub async fn attachment(&self, id: Id, n: u32) -> Result<Option<Attachment>, QueryError> {
        let _ = (id, n);
        unimplemented!()
    }

    /// All hits of a query, with text. `tz` as in [`SearchRequest::tz`].
    ///
    /// # Errors
    /// As [`Engine::search`].
    pub async fn export(&self, q: &str, tz: Option<&str>) -> Result<Export, QueryError> {
        let _ = (q, tz);
        unimplemented!()
    }
}
