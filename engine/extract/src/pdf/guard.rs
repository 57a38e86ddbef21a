//! Streams that the parser itself unpacks: object streams and cross-reference streams. It does so without bound, so
//! they are measured before it sees the file, and spoilt where they are too much.
//!
//! What always holds: what could be such a stream, and is not surely small, begins with bytes that no filter unpacks.
//! All other streams are measured by `stream.rs` when they are read.

use super::lex::{self, Head, Packing};
use super::stream::{Counted, inflate};
use crate::meter::{Fail, Meter};
use memchr::memmem;

/// Most bytes that one such stream unpacks to.
const STREAM: u64 = 16 << 20;
/// Most bytes that they unpack to together.
const STREAMS: u64 = 48 << 20;
/// Most bytes of a cross-reference stream: each one may be an entry.
const XREF: u64 = 4 << 20;
/// Most bytes of such streams as they are packed in an encrypted file, where they cannot be measured: at worst, each is a
/// thousand.
const ENCRYPTED: u64 = 256 << 10;
/// Longest dictionary that is looked at.
const LONGEST: usize = 64 << 10;
/// Bytes of damaged streams that are let pass: more lenient readers may go on.
const DAMAGED: usize = 16 << 10;
/// What a spoilt stream begins with.
const SPOILT: u8 = 0xff;

pub(super) struct Guarded {
    pub(super) bytes: Vec<u8>,
    /// Streams that were spoilt.
    pub(super) disarmed: usize,
}

pub(super) fn disarm(file: &[u8], meter: &Meter<'_>) -> Result<Guarded, Fail> {
    let mut bytes = file.to_vec();
    let encrypted = is_encrypted(file);
    let (mut disarmed, mut sum, mut sealed, mut before) = (0_usize, 0_u64, 0_u64, 0_usize);
    for at in memmem::find_iter(file, b"stream") {
        meter.time()?;
        let start = at.saturating_add(6);
        let window = file.get(before..at).unwrap_or_default();
        before = start;
        if window.ends_with(b"end") {
            continue;
        }
        let head = head(window);
        let special = head.map_or_else(|| may_be_special(window), |head| head.special);
        if !special {
            continue;
        }
        let data = after_line_end(file.get(start..).unwrap_or_default());
        let size = match head {
            None => None,
            Some(head) if encrypted && !head.xref => {
                let end = memmem::find(data, b"endstream").unwrap_or(data.len());
                sealed = sealed.saturating_add(u64::try_from(end).unwrap_or(u64::MAX));
                if sealed > ENCRYPTED {
                    return Err(Fail::Memory("it is encrypted, and packs too much".to_owned()));
                }
                Some(0)
            }
            Some(head) => measure(head, data, meter)?,
        };
        sum = sum.saturating_add(size.unwrap_or(0));
        if size.is_none() || sum > STREAMS {
            let place = file.len().saturating_sub(data.len());
            if let Some(spoilt) = bytes.get_mut(place..place.saturating_add(16).min(file.len())) {
                spoilt.fill(SPOILT);
            }
            // Pictures are not missed.
            let picture =
                memmem::find(window.get(window.len().saturating_sub(4096)..).unwrap_or(window), b"/Image");
            disarmed = disarmed.saturating_add(usize::from(picture.is_none()));
        }
    }
    Ok(Guarded { bytes, disarmed })
}

/// Bytes that a stream unpacks to; none where that is too much, or cannot be told.
fn measure(head: Head, data: &[u8], meter: &Meter<'_>) -> Result<Option<u64>, Fail> {
    let most = if head.xref { XREF } else { STREAM };
    match head.packing {
        Packing::Plain => {
            let end = memmem::find(data, b"endstream").unwrap_or(data.len());
            Ok(u64::try_from(end).ok().filter(|size| *size <= most))
        }
        Packing::Flate => {
            let Counted { out, taken, whole, over } = inflate(data, most, None, &mut |_| meter.time())?;
            let rest = data.get(taken..).unwrap_or_default();
            let left = memmem::find(rest, b"endstream").unwrap_or(rest.len());
            Ok((!over && (whole || left <= DAMAGED)).then_some(out))
        }
        Packing::Other => Ok(None),
    }
}

/// The dictionary before a stream, where it is understood: it begins after the number of its object.
fn head(window: &[u8]) -> Option<Head> {
    let tail = window.get(window.len().saturating_sub(LONGEST)..).unwrap_or(window);
    let object = memmem::rfind(tail, b"obj")?;
    let line = tail.get(..object)?;
    let line_start = line.iter().rposition(|b| matches!(b, b'\n' | b'\r')).unwrap_or(0);
    // Within a comment nothing begins.
    if line.get(line_start..)?.contains(&b'%') {
        return None;
    }
    lex::head(tail.get(object.checked_add(3)?..)?)
}

/// Whether a dictionary that is not understood may have the keys of such a stream.
fn may_be_special(window: &[u8]) -> bool {
    names(window).any(|name| name == b"First" || name == b"W")
}

fn is_encrypted(file: &[u8]) -> bool {
    names(file).any(|name| name == b"Encrypt")
}

/// The names in bytes, with their escapes resolved; those that are too long to be of interest are not.
fn names(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    memchr::memchr_iter(b'/', bytes).filter_map(|at| {
        let rest = bytes.get(at.checked_add(1)?..)?;
        let near = rest.get(..rest.len().min(24)).unwrap_or(rest);
        let end =
            near.iter().position(|b| matches!(b, 0 | 9 | 10 | 12 | 13 | 32) || b"()<>[]{}/%".contains(b));
        Some(lex::unescaped(near.get(..end.unwrap_or(near.len()))?))
    })
}

fn after_line_end(bytes: &[u8]) -> &[u8] {
    bytes
        .strip_prefix(b"\r\n")
        .or_else(|| bytes.strip_prefix(b"\n"))
        .or_else(|| bytes.strip_prefix(b"\r"))
        .unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use std::io::Read;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        flate2::read::ZlibEncoder::new(bytes, flate2::Compression::best()).read_to_end(&mut out).unwrap();
        out
    }

    fn disarmed(head: &str, data: &[u8]) -> usize {
        let limits = Limits::default();
        let mut file = format!("%PDF-1.5\n1 0 obj\n{head}\nstream\n").into_bytes();
        file.extend_from_slice(data);
        file.extend_from_slice(b"\nendstream\nendobj\n");
        let guarded = disarm(&file, &Meter::new(&limits)).unwrap();
        assert_eq!(guarded.disarmed > 0, guarded.bytes != file);
        guarded.disarmed
    }

    #[test]
    fn only_what_is_surely_small_stays() {
        let small = packed(b"1 0 2 5 <<>> <<>>");
        let bomb = packed(&vec![b' '; 20 << 20]);
        assert_eq!(disarmed("<</First 8/N 2/Filter/FlateDecode>>", &small), 0);
        assert_eq!(disarmed("<</First 8/N 2/Filter/FlateDecode>>", &bomb), 1);
        assert_eq!(disarmed("<</W[1 1 1]/Filter/FlateDecode>>", &packed(&vec![1; 5 << 20])), 1);
        assert_eq!(disarmed("<</First 8/N 2/Filter[/FlateDecode/FlateDecode]>>", &small), 1);
        assert_eq!(disarmed("<</First 8/N 2/Filter 9 0 R>>", &small), 1);
        assert_eq!(disarmed("<</F#69rst 8/N 2/Filter 9 0 R>>", &small), 1);
        assert_eq!(disarmed("<</First 8/N 2/Filter[/Fl/Fl]/X(1 0 obj<<)>>", &small), 1);
        assert_eq!(disarmed("<</First 8/N 2/Filter[/Fl/Fl] %1 0 obj<<\n>>", &small), 1);
        // What the parser does not unpack is measured when it is read.
        assert_eq!(disarmed("<</Filter/FlateDecode>>", &bomb), 0);
        assert_eq!(disarmed("<</Filter[/FlateDecode/FlateDecode]>>", &bomb), 0);
    }
}
