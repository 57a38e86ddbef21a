//! The manifest of an export of messages: what each is, and the hash of its bytes.

use super::spreadsheet::safe;
use crate::error::Failure;

/// A message that was written, or could not be.
pub struct Entry {
    /// The file it is in.
    pub file: String,
    /// Where in the file its bytes begin.
    pub offset: u64,
    /// Bytes in the file.
    pub bytes: u64,
    /// Of the message as `/raw` gives it: of an EML file all bytes.
    pub sha256: String,
    /// `original` or `reconstructed`.
    pub form: String,
    pub id: String,
    /// The email that the query found first of those it is or holds.
    pub found: String,
    pub message_id: String,
    /// Why it could not be read, or nothing.
    pub error: String,
}

/// Makes rows of a manifest.
pub fn titles() -> Result<Vec<u8>, Failure> {
    row(&["file", "offset", "bytes", "sha256", "form", "id", "found", "message_id", "error"]
        .map(String::from))
}

impl Entry {
    /// Its row.
    pub fn row(&self) -> Result<Vec<u8>, Failure> {
        let fields = [
            self.file.clone(),
            self.offset.to_string(),
            self.bytes.to_string(),
            self.sha256.clone(),
            self.form.clone(),
            self.id.clone(),
            self.found.clone(),
            safe(&self.message_id),
            safe(&self.error),
        ];
        row(&fields)
    }
}

/// A row of a CSV file as of RFC 4180.
pub fn row(fields: &[String]) -> Result<Vec<u8>, Failure> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let failed = |error: String| Failure::Done(format!("a row cannot be written: {error}"));
    writer.write_record(fields).map_err(|error| failed(error.to_string()))?;
    writer.into_inner().map_err(|error| failed(error.to_string()))
}
