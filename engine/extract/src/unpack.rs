//! Reading what is packed, within the limits.
//!
//! What always holds: no byte comes out that was not counted before; sizes that a file declares are not looked at;
//! why reading ended comes out with the error it ended in.

use crate::meter::{Fail, Meter, corrupt};
use std::cell::Cell;
use std::io::{self, BufRead, Read};

/// Bytes taken from a decompressor at a time.
const PIECE: usize = 32 << 10;
/// Bytes from which on the ratio counts.
const FREE: u64 = 1 << 20;
/// Most bytes of one token: what a reader holds at once.
const TOKEN: u64 = 16 << 20;

/// A reader of what is packed in `packed` bytes.
pub(crate) struct Unpack<'m, 'l, R> {
    inner: R,
    meter: &'m Meter<'l>,
    packed: u64,
    out: u64,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes taken since the last token, kept with who reads tokens.
    token: Option<&'m Cell<u64>>,
    endless: bool,
}

impl<'m, 'l, R: Read> Unpack<'m, 'l, R> {
    pub(crate) fn new(inner: R, packed: u64, meter: &'m Meter<'l>) -> Self {
        let buffer = vec![0; PIECE].into_boxed_slice();
        Self { inner, meter, packed, out: 0, buffer, start: 0, end: 0, token: None, endless: false }
    }

    /// Limits what is taken between two times that `token` is set back to nothing.
    pub(crate) fn with_token(mut self, token: &'m Cell<u64>) -> Self {
        self.token = Some(token);
        self
    }

    fn fill(&mut self) -> Result<(), Fail> {
        if self.endless {
            return Err(Fail::Memory("a single piece of it is too long".to_owned()));
        }
        let read = loop {
            match self.inner.read(&mut self.buffer) {
                Ok(read) => break read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(fail_of(error)),
            }
        };
        (self.start, self.end) = (0, read);
        self.meter.unpacked(read)?;
        self.out = self.out.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        let most = self.packed.saturating_mul(self.meter.limits.ratio).max(FREE);
        if self.out > most {
            let ratio = self.meter.limits.ratio;
            return Err(Fail::Refused(format!("it unpacks to more than {ratio} times its size")));
        }
        Ok(())
    }

    /// Everything, at most `most` bytes of it.
    pub(crate) fn all(&mut self, most: u64) -> Result<Vec<u8>, Fail> {
        let bytes = self.prefix(most)?;
        match self.fill_buf().map_err(fail_of)? {
            [] => Ok(bytes),
            _ => Err(Fail::Refused(format!("it unpacks to more than {most} bytes"))),
        }
    }

    /// The first bytes, at most `most` and a little less where there are more.
    pub(crate) fn prefix(&mut self, most: u64) -> Result<Vec<u8>, Fail> {
        let mut bytes = Vec::new();
        loop {
            let piece = self.fill_buf().map_err(fail_of)?;
            let length = piece.len();
            let sum = u64::try_from(bytes.len().saturating_add(length)).unwrap_or(u64::MAX);
            if piece.is_empty() || sum > most {
                return Ok(bytes);
            }
            bytes.extend_from_slice(piece);
            self.consume(length);
        }
    }
}

impl<R: Read> Read for Unpack<'_, '_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let length = piece.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..length), piece.get(..length)) {
            to.copy_from_slice(from);
        }
        self.consume(length);
        Ok(length)
    }
}

impl<R: Read> BufRead for Unpack<'_, '_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start >= self.end {
            self.fill().map_err(carried)?;
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.start = self.start.saturating_add(amount).min(self.end);
        if let Some(token) = self.token {
            let all = token.get().saturating_add(u64::try_from(amount).unwrap_or(u64::MAX));
            token.set(all);
            if all > TOKEN {
                // The next piece is a failure.
                (self.start, self.end, self.endless) = (0, 0, true);
            }
        }
    }
}

/// A failure on its way through a library that knows only those of input and output.
#[derive(Debug)]
struct Carried(Fail);

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.code())
    }
}

impl std::error::Error for Carried {}

pub(crate) fn carried(fail: Fail) -> io::Error {
    io::Error::other(Carried(fail))
}

/// The failure that an error carries; any other error is damage.
pub(crate) fn fail_of(error: io::Error) -> Fail {
    fail_in(&error)
}

/// The same of one that is shared.
pub(crate) fn fail_in(error: &io::Error) -> Fail {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Carried>()) {
        Some(Carried(fail)) => fail.clone(),
        None => corrupt(format!("it does not unpack: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use flate2::read::DeflateEncoder;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        DeflateEncoder::new(bytes, flate2::Compression::best()).read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn bombs_are_refused_by_ratio_and_by_sum() {
        let bomb = packed(&vec![0; 8 << 20]);
        let open = |limits: &Limits, most| {
            let meter = Meter::new(limits);
            let size = u64::try_from(bomb.len()).unwrap();
            Unpack::new(flate2::read::DeflateDecoder::new(&bomb[..]), size, &meter).all(most)
        };
        let limits = Limits::default();
        assert!(
            matches!(open(&limits, u64::MAX), Err(Fail::Refused(reason)) if reason.contains("200 times"))
        );
        let loose = Limits { ratio: 10_000, ..limits.clone() };
        assert_eq!(open(&loose, u64::MAX).unwrap().len(), 8 << 20);
        assert!(matches!(open(&loose, 1 << 20), Err(Fail::Refused(_))));
        let small = Limits { unpacked: 1 << 20, ..loose.clone() };
        assert!(matches!(open(&small, u64::MAX), Err(Fail::Spent(_))));
        let short = Limits { time: std::time::Duration::ZERO, ..loose };
        assert_eq!(open(&short, u64::MAX), Err(Fail::Timeout));
    }

    #[test]
    fn damage_is_damage() {
        let limits = Limits::default();
        let meter = Meter::new(&limits);
        let mut unpack = Unpack::new(flate2::read::DeflateDecoder::new(&[0xff; 9][..]), 9, &meter);
        assert!(matches!(unpack.all(100), Err(Fail::Corrupt(_))));
    }
}
