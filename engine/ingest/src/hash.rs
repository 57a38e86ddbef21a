//! SHA-256 of a source, streamed.

use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// SHA-256 and length of a file, read from its start without moving its position. `None` when `go_on`, which is told
/// the bytes read so far, says no.
pub(crate) fn sha256(file: &File, mut go_on: impl FnMut(u64) -> bool) -> io::Result<Option<([u8; 32], u64)>> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; PIECE];
    let mut at = 0u64;
    loop {
        if !go_on(at) {
            return Ok(None);
        }
        let count = match file.read_at(&mut buffer, at) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(buffer.get(..count).unwrap_or_default());
        at = at.saturating_add(count as u64);
    }
    Ok(Some((hasher.finalize().into(), at)))
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    postlode_format::id::to_hex(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_longer_than_one_piece_is_hashed_whole() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes = vec![7u8; PIECE + 3];
        file.write_all(&bytes).unwrap();
        let (hash, length) = sha256(&file, |_| true).unwrap().unwrap();
        assert_eq!(length, bytes.len() as u64);
        assert_eq!(hash, <[u8; 32]>::from(Sha256::digest(&bytes)));
        assert_eq!(sha256(&file, |at| at == 0).unwrap(), None);
    }
}
