//! The files in an archive, one after the other.
//!
//! What always holds: of a file that is no text nor of a known format only the beginning is unpacked; a file that
//! cannot be read costs that file.

use crate::archive::{Archive, File};
use crate::detect::{self, Kind};
use crate::meter::{Fail, Meter};
use crate::output::Output;
use crate::unpack::fail_of;
use crate::{Format, classify, plain};
use std::io::BufRead;

pub(crate) fn read(
    archive: &Archive<'_>,
    depth: u32,
    meter: &Meter<'_>,
    output: &mut Output,
) -> Result<(), Fail> {
    if depth > meter.limits.depth {
        return Err(Fail::Refused(format!("it lies in more than {} archives", meter.limits.depth)));
    }
    for file in &archive.files {
        meter.entry()?;
        output.part()?;
        output.push(&file.name)?;
        output.line()?;
        output.enter(&file.name);
        let read = one(archive, file, depth, meter, output);
        if let Err(fail) = &read {
            output.note(fail);
        }
        output.leave();
        // What ends all was noted where it happened.
        if read.is_err_and(|fail| fail.ends_all()) || meter.is_spent() || output.room() == 0 {
            return Ok(());
        }
    }
    archive.more.clone().map_or(Ok(()), Err)
}

/// Reads one file, in a path that was entered.
pub(crate) fn one(
    archive: &Archive<'_>,
    file: &File,
    depth: u32,
    meter: &Meter<'_>,
    output: &mut Output,
) -> Result<(), Fail> {
    let mut unpack = archive.read(file, meter)?;
    let start = unpack.fill_buf().map_err(fail_of)?;
    let bytes = match detect::kind(start, &file.name, "") {
        Kind::Nothing => return Ok(()),
        Kind::Is(Format::Text) => unpack.prefix(plain::needed(output).saturating_add(1 << 16))?,
        _ => unpack.all(meter.limits.input)?,
    };
    classify::read(&bytes, &file.name, "", depth.saturating_add(1), meter, output);
    Ok(())
}
