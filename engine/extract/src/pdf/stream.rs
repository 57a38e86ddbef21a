//! Unpacking the streams of a PDF within bounds.
//!
//! What always holds: a stream is handed to the library to unpack only where it is known to be small enough: because
//! the worst that its filters can do is, or because it was unpacked before, counting.

use crate::meter::{Fail, Meter, corrupt};
use flate2::{Decompress, FlushDecompress, Status};
use hayro_syntax::Filter;
use hayro_syntax::object::{Array, Dict, Stream};

/// Most bytes of one stream.
const MOST: u64 = 32 << 20;
/// Largest number in the parameters of a filter.
const PARAMETER: i64 = 1 << 20;

/// What came of unpacking.
pub(super) struct Counted {
    /// Bytes that came out.
    pub(super) out: u64,
    /// Bytes that went in.
    pub(super) taken: usize,
    /// It came to its end.
    pub(super) whole: bool,
    /// It was stopped at the most that may come out.
    pub(super) over: bool,
}

/// Unpacks deflated bytes with or without a zlib head, at most `most` and a little. `each` counts what comes out.
pub(super) fn inflate(
    data: &[u8],
    most: u64,
    mut keep: Option<&mut Vec<u8>>,
    each: &mut dyn FnMut(usize) -> Result<(), Fail>,
) -> Result<Counted, Fail> {
    // Checksums are not looked at: streams that are cut short are read as far as they go.
    let zlib = matches!(data, [cmf, flags, ..] if cmf & 0x0f == 8 && flags & 0x20 == 0
        && u16::from_be_bytes([*cmf, *flags]).is_multiple_of(31));
    let mut taken = if zlib { 2 } else { 0 };
    let mut decompress = Decompress::new(false);
    let mut buffer = vec![0; 64 << 10].into_boxed_slice();
    let mut counted = Counted { out: 0, taken, whole: false, over: false };
    loop {
        let (before_in, before_out) = (decompress.total_in(), decompress.total_out());
        let input = data.get(taken..).unwrap_or_default();
        let status = decompress.decompress(input, &mut buffer, FlushDecompress::None);
        let read = usize::try_from(decompress.total_in().saturating_sub(before_in)).unwrap_or(usize::MAX);
        let wrote = usize::try_from(decompress.total_out().saturating_sub(before_out)).unwrap_or(usize::MAX);
        taken = taken.saturating_add(read);
        each(wrote)?;
        if let (Some(keep), Some(piece)) = (keep.as_deref_mut(), buffer.get(..wrote)) {
            keep.extend_from_slice(piece);
        }
        (counted.out, counted.taken) = (decompress.total_out(), taken);
        counted.over = counted.out > most;
        match status {
            Ok(Status::StreamEnd) => {
                counted.whole = true;
                return Ok(counted);
            }
            Ok(_) if counted.over || (read == 0 && wrote == 0) => return Ok(counted),
            Ok(_) => {}
            Err(_) => return Ok(counted),
        }
    }
}

/// What a filter can make of a byte, at worst.
fn worst(filter: Filter) -> u64 {
    match filter {
        Filter::FlateDecode => 1032,
        Filter::LzwDecode => 4096,
        Filter::RunLengthDecode => 64,
        Filter::Ascii85Decode => 4,
        _ => 1,
    }
}

/// Whether a stream may be handed to the library to unpack.
pub(super) fn fits(stream: &Stream<'_>, meter: &Meter<'_>) -> Result<(), Fail> {
    opened(stream, meter, None).map(drop)
}

/// What a stream unpacks to, and whether it came to its end.
pub(super) fn decode(stream: &Stream<'_>, meter: &Meter<'_>) -> Result<(Vec<u8>, bool), Fail> {
    let mut bytes = Vec::new();
    if let Some(whole) = opened(stream, meter, Some(&mut bytes))? {
        return Ok((bytes, whole));
    }
    let bytes = stream.decoded_data().map_err(|_| corrupt("a stream does not unpack"))?.into_owned();
    meter.unpacked(bytes.len())?;
    Ok((bytes, true))
}

/// Makes sure that a stream is small enough. `Some`: it was unpacked to see that, and whether it came to its end.
fn opened(stream: &Stream<'_>, meter: &Meter<'_>, keep: Option<&mut Vec<u8>>) -> Result<Option<bool>, Fail> {
    let dict = stream.dict();
    let mut predicted = false;
    for key in ["DP", "DecodeParms"] {
        if let Some(parameters) = dict.get::<Dict<'_>>(key) {
            predicted |= check(&parameters)?;
        } else if let Some(all) = dict.get::<Array<'_>>(key) {
            for parameters in all.iter::<Dict<'_>>() {
                predicted |= check(&parameters)?;
            }
        }
    }
    let filters = stream.filters();
    let raw = stream.raw_data();
    let size = u64::try_from(raw.len()).unwrap_or(u64::MAX);
    let worst = filters.iter().fold(size, |size, filter| size.saturating_mul(worst(*filter)));
    let one_flate = matches!(filters.as_slice(), [Filter::FlateDecode]);
    if one_flate && (!predicted && keep.is_some() || worst > MOST) {
        let counted = inflate(&raw, MOST, keep.filter(|_| !predicted), &mut |wrote| meter.unpacked(wrote))?;
        if counted.over {
            return Err(large());
        }
        // The library's own reader goes on where this one sees damage: what is left must be small at worst.
        let left = raw.len().saturating_sub(counted.taken);
        if !counted.whole && u64::try_from(left).unwrap_or(u64::MAX).saturating_mul(1032) > MOST {
            return Err(corrupt("a stream does not unpack"));
        }
        return Ok((!predicted).then_some(counted.whole));
    }
    if worst > MOST { Err(large()) } else { Ok(None) }
}

/// Whether parameters are within bounds, and tell of a predictor.
fn check(parameters: &Dict<'_>) -> Result<bool, Fail> {
    for key in ["Columns", "Colors", "BitsPerComponent"] {
        let number = parameters.get::<hayro_syntax::object::Number>(key);
        if number.is_some_and(|number| !(0..=PARAMETER).contains(&number.as_i64())) {
            return Err(large());
        }
    }
    let predictor = parameters.get::<hayro_syntax::object::Number>("Predictor");
    Ok(predictor.is_some_and(|predictor| predictor.as_i64() != 1))
}

fn large() -> Fail {
    Fail::Memory(format!("a stream unpacks to more than {MOST} bytes"))
}
