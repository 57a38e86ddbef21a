//! Reading files of mail: by position, never more at once than a limit allows.

use super::error::RfcError;
use super::limits::MAX_MESSAGE;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// The whole of a file that is one message.
///
/// # Errors
/// [`RfcError::Limit`] for a file larger than any real message, [`RfcError::Io`] where it cannot be read.
pub fn whole(file: &File) -> Result<Vec<u8>, RfcError> {
    let size = file.metadata()?.len();
    if size > MAX_MESSAGE {
        return Err(RfcError::Limit { what: "size of the message", have: size, limit: MAX_MESSAGE });
    }
    let mut bytes = Vec::new();
    fill(file, &mut bytes, 0, size)?;
    Ok(bytes)
}

/// Makes a buffer so many bytes of a file. The caller has checked the length against a limit.
pub(super) fn fill(file: &File, buffer: &mut Vec<u8>, offset: u64, length: u64) -> Result<(), RfcError> {
    buffer.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
    Ok(file.read_exact_at(buffer, offset)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"Subject: a\n").unwrap();
        assert_eq!(whole(&file).unwrap(), b"Subject: a\n");
        file.set_len(MAX_MESSAGE + 1).unwrap();
        assert_eq!(whole(&file).unwrap_err().code(), "memory");
    }
}
