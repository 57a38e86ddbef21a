//! Text out of PDF, by hayro: its parser reads objects where they lie when they are asked for, its font reader knows
//! encodings and embedded fonts. The page's operators are followed here, for nothing but text.
//!
//! What always holds: what the libraries would unpack without bound was measured before they see it (`guard.rs`,
//! `stream.rs`, `font.rs`), as was what mending the file would cost (`cost.rs`); the clock is asked whenever the parser looks for an object.

mod cost;
mod font;
mod guard;
mod layout;
mod lex;
mod page;
mod stream;

use crate::meter::{Fail, Meter, corrupt};
use crate::output::Output;
use hayro_syntax::object::{Array, Dict, Object, String as PdfString};
use hayro_syntax::{DecryptionError, LoadPdfError, Pdf, PdfData};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Instant;

/// Most annotations and fields of a page.
const ANNOTATIONS: usize = 10_000;

pub(crate) fn read(bytes: &[u8], meter: &Meter<'_>, output: &mut Output) -> Result<(), Fail> {
    match catch_unwind(AssertUnwindSafe(|| guarded(bytes, meter, output))) {
        Ok(read) => read,
        Err(reason) if reason.is::<TimeIsUp>() => Err(Fail::Timeout),
        Err(_) => Err(Fail::Crashed("a fault in the reader of PDF ended the reading".to_owned())),
    }
}

/// What is thrown through the parser when the time is up.
struct TimeIsUp;

/// The bytes of the file, which the parser asks for whenever it looks for an object.
struct Watched {
    bytes: Vec<u8>,
    deadline: Option<Instant>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            // The parser knows no deadlines. It is not used again after this.
            resume_unwind(Box::new(TimeIsUp));
        }
        &self.bytes
    }
}

fn guarded(bytes: &[u8], meter: &Meter<'_>, output: &mut Output) -> Result<(), Fail> {
    cost::check(bytes, meter)?;
    let guarded = guard::disarm(bytes, meter)?;
    let watched = Watched { bytes: guarded.bytes, deadline: meter.deadline() };
    let pdf = Pdf::new(PdfData::from(Arc::new(watched))).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::UnsupportedAlgorithm) => {
            Fail::Encrypted("it is encrypted in a way that is not known".to_owned())
        }
        LoadPdfError::Decryption(_) => Fail::Encrypted("it is encrypted with a password".to_owned()),
        LoadPdfError::Invalid => corrupt("the PDF is damaged"),
    })?;
    if guarded.disarmed > 0 {
        let reason = format!("{} of its streams unpack to too much, and were left out", guarded.disarmed);
        output.note(&Fail::Memory(reason));
    }
    let mut reader = page::Reader::new(meter, output);
    for page in pdf.pages().iter() {
        meter.time()?;
        reader.page(page)?;
        annotations(page.raw(), reader.output())?;
    }
    reader.finish();
    if attached(&pdf) {
        output.note(&Fail::Unsupported("files that are attached to a PDF are not read".to_owned()));
    }
    Ok(())
}

/// Whether it has files attached.
fn attached(pdf: &Pdf) -> bool {
    let catalog = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id());
    let names = catalog.and_then(|catalog| catalog.get::<Dict<'_>>("Names"));
    names.is_some_and(|names| names.contains_key("EmbeddedFiles"))
}

/// What is written in notes on a page and in the fields of a form.
fn annotations(page: &Dict<'_>, output: &mut Output) -> Result<(), Fail> {
    let Some(annotations) = page.get::<Array<'_>>("Annots") else { return Ok(()) };
    for annotation in annotations.iter::<Dict<'_>>().take(ANNOTATIONS) {
        for key in ["Contents", "V"] {
            if let Some(Object::String(text)) = annotation.get::<Object<'_>>(key) {
                output.line()?;
                output.push(&text_string(&text))?;
                output.line()?;
            }
        }
    }
    Ok(())
}

/// A text string: in UTF-16 or UTF-8 where it begins so, else in a charset much like that of Windows.
fn text_string(text: &PdfString<'_>) -> std::string::String {
    let bytes = text.as_bytes();
    let encoding =
        encoding_rs::Encoding::for_bom(bytes).map_or(encoding_rs::WINDOWS_1252, |(found, _)| found);
    encoding.decode(bytes).0.into_owned()
}
