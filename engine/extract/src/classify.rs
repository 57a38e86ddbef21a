//! What a file is, and who reads it: the attachment itself, or a file in an archive in it.
//!
//! What always holds: whatever happens while a file is read is noted with its path, a panic included, and whoever
//! called can go on with the next one.

use crate::archive::Archive;
use crate::detect::{self, Kind};
use crate::meter::{Fail, Meter, corrupt};
use crate::output::Output;
use crate::{Format, container, odf, office, ole, pdf, plain, tnef};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Reads a file that lies in `depth` archives. Notes what it cannot.
pub(crate) fn read(
    bytes: &[u8],
    name: &str,
    mime: &str,
    depth: u32,
    meter: &Meter<'_>,
    output: &mut Output,
) -> Option<Format> {
    let kind = detect::kind(bytes, name, mime);
    let mut format = match kind {
        Kind::Is(format) | Kind::Claims(format) => Some(format),
        Kind::Archive(_) => Some(Format::Archive),
        Kind::Mail | Kind::Nothing => None,
    };
    let inside = output.inside();
    // What a panic leaves half done here is text, which is then cut short.
    let read = catch_unwind(AssertUnwindSafe(|| by_kind(bytes, kind, depth, &mut format, meter, output)));
    output.back_to(inside);
    match read {
        Ok(Ok(())) => {}
        Ok(Err(fail)) => output.note(&fail),
        Err(_) => output.note(&Fail::Crashed("a fault in its reader ended the reading".to_owned())),
    }
    format
}

fn by_kind(
    bytes: &[u8],
    kind: Kind,
    depth: u32,
    format: &mut Option<Format>,
    meter: &Meter<'_>,
    output: &mut Output,
) -> Result<(), Fail> {
    let is = match kind {
        Kind::Is(format) => format,
        Kind::Claims(_) if bytes.is_empty() => return Err(corrupt("it is empty")),
        Kind::Claims(claimed) => {
            return Err(corrupt(format!("it is no {} file, as its name or type says", claimed.as_str())));
        }
        Kind::Archive(kind) => return Err(Fail::Unsupported(format!("{kind} archives are not opened"))),
        Kind::Mail if depth > 0 => {
            return Err(Fail::Unsupported("mails in archives are not read".to_owned()));
        }
        Kind::Mail | Kind::Nothing => return Ok(()),
    };
    if is != Format::Text && u64::try_from(bytes.len()).is_ok_and(|length| length > meter.limits.input) {
        return Err(Fail::Refused(format!("it is larger than {} bytes", meter.limits.input)));
    }
    match is {
        Format::Text => plain::text(bytes, meter, output),
        Format::Html => plain::html(bytes, meter, output),
        Format::Rtf => plain::rtf(bytes, meter, output),
        Format::Pdf => pdf::read(bytes, meter, output),
        Format::Ole => ole::read(bytes, format),
        Format::Tnef => tnef::read(bytes, depth, meter, output),
        _ => {
            let archive = Archive::open(bytes, meter)?;
            if let Some(package) = office::Package::of(&archive, meter)? {
                *format = Some(package.format);
                package.read(&archive, depth, meter, output)
            } else if odf::is(&archive, meter)? {
                *format = Some(Format::OpenDocument);
                odf::read(&archive, meter, output)
            } else {
                container::read(&archive, depth, meter, output)
            }
        }
    }
}
