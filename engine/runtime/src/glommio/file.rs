//! Files through the ring: past the page cache, or through it where the file system refuses that.

use crate::disk::{ALIGN, AlignedBuf, DiskError, DiskFile, OpenMode};
use crate::disk::{check_aligned, cut_short, page_of};
use crate::folder::{PIECE, past_end};
use ::glommio::GlommioError;
use ::glommio::io::{BufferedFile, DmaFile, OpenOptions, ReadResult};
use bytes::Bytes;
use futures_lite::FutureExt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

/// One write at most: a buffer of this size comes from the memory registered with the ring.
const WRITE_PIECE: usize = 256 << 10;

/// An open file of one executor.
#[derive(Debug)]
pub struct GlommioFile {
    way: Way,
    path: PathBuf,
}

#[derive(Debug)]
enum Way {
    Direct(DmaFile),
    Cached(BufferedFile),
}

impl GlommioFile {
    pub(super) async fn open(path: PathBuf, mode: OpenMode) -> Result<Self, DiskError> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read).create_new(mode == OpenMode::Create).mode(0o600);
        let way = match open_direct(&options, &path).await {
            Ok(file) => Way::Direct(file),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                // The file system has no O_DIRECT. A new file was made before that showed: it is opened again.
                let opened = options.create_new(false).buffered_open(&path).await;
                Way::Cached(opened.map_err(|error| failed("open", &path, error))?)
            }
            Err(error) => return Err(DiskError::from_io("open", &path, &error)),
        };
        Ok(Self { way, path })
    }

    /// One read of at most [`PIECE`], fewer bytes at the end of the file only.
    async fn read_piece(&self, offset: u64, len: usize) -> Result<ReadResult, DiskError> {
        let read = match &self.way {
            Way::Direct(file) => file.read_at_aligned(offset, len).await,
            Way::Cached(file) => file.read_at(offset, len).await,
        };
        read.map_err(|error| failed("read", &self.path, error))
    }
}

/// What the system said, without glommio's own words around it.
fn io_error(error: GlommioError<()>) -> io::Error {
    error.raw_os_error().map_or_else(|| error.into(), io::Error::from_raw_os_error)
}

fn failed(operation: &'static str, path: &Path, error: GlommioError<()>) -> DiskError {
    DiskError::from_io(operation, path, &io_error(error))
}

/// glommio looks the path up once more after opening it, and panics if the file was removed meanwhile.
async fn open_direct(options: &OpenOptions, path: &Path) -> io::Result<DmaFile> {
    let opening = AssertUnwindSafe(options.dma_open(path)).catch_unwind().await;
    opening.map_or_else(
        |_| Err(std::fs::metadata(path).err().unwrap_or_else(|| io::Error::other("glommio panicked"))),
        |opened| opened.map_err(io_error),
    )
}

impl DiskFile for GlommioFile {
    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, DiskError> {
        if len == 0 {
            return Ok(Bytes::new());
        }
        let end = offset.checked_add(len as u64).filter(|end| *end <= i64::MAX.cast_unsigned());
        let end = end.ok_or_else(|| past_end(&self.path, offset, len))?;
        // A long read past the end is refused before memory is taken for it.
        if len > PIECE && self.size().await? < end {
            return Err(past_end(&self.path, offset, len));
        }
        // The cached way needs no whole pages, and is given them all the same.
        let (mut at, mut skip) = page_of(offset);
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let wanted = (skip + len - bytes.len()).next_multiple_of(ALIGN).min(PIECE);
            // A view of memory that stays on this thread: what leaves it is a copy.
            let got = self.read_piece(at, wanted).await?;
            let part = got.get(skip..got.len().min(skip + len - bytes.len())).unwrap_or_default();
            bytes.extend_from_slice(part);
            if got.len() < wanted && bytes.len() < len {
                return Err(past_end(&self.path, offset, len));
            }
            at += wanted as u64;
            skip = 0;
        }
        Ok(bytes.into())
    }

    async fn write_at(&self, offset: u64, buf: AlignedBuf) -> Result<(), DiskError> {
        check_aligned(&self.path, offset)?;
        let mut at = offset;
        for piece in buf.as_ref().chunks(WRITE_PIECE) {
            let written = match &self.way {
                Way::Direct(file) => {
                    // glommio writes from memory of its own alone.
                    let mut own = file.alloc_dma_buffer(piece.len());
                    own.as_bytes_mut().copy_from_slice(piece);
                    file.write_at(own, at).await
                }
                Way::Cached(file) => file.write_at(piece.to_vec(), at).await,
            };
            let written = written.map_err(|error| failed("write", &self.path, error))?;
            if written < piece.len() {
                return Err(cut_short(&self.path, at, written, piece.len()));
            }
            at += written as u64;
        }
        Ok(())
    }

    async fn sync(&self) -> Result<(), DiskError> {
        let synced = match &self.way {
            Way::Direct(file) => file.fdatasync().await,
            Way::Cached(file) => file.fdatasync().await,
        };
        synced.map_err(|error| failed("sync", &self.path, error))
    }

    async fn size(&self) -> Result<u64, DiskError> {
        let size = match &self.way {
            Way::Direct(file) => file.file_size().await,
            Way::Cached(file) => file.file_size().await,
        };
        size.map_err(|error| failed("stat", &self.path, error))
    }

    async fn close(self) -> Result<(), DiskError> {
        let closed = match self.way {
            Way::Direct(file) => file.close().await,
            Way::Cached(file) => file.close().await,
        };
        closed.map_err(|error| failed("close", &self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::glommio::LocalExecutorBuilder;

    /// Few file systems refuse O_DIRECT today, so the way through the page cache is tried by itself.
    #[test]
    fn through_the_page_cache() {
        if let Err(reason) = crate::probe::io_uring() {
            println!("NOT TESTED: {reason}");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        LocalExecutorBuilder::default().io_memory(1 << 16).make().unwrap().run(async move {
            let mut options = OpenOptions::new();
            let opened =
                options.read(true).write(true).create_new(true).mode(0o600).buffered_open(&path).await;
            let file = GlommioFile { way: Way::Cached(opened.unwrap()), path: path.clone() };
            let bytes: Vec<u8> = (0..3 * PIECE).map(|at| (at / 7) as u8).collect();
            file.write_at(0, AlignedBuf::copy_of(&bytes)).await.unwrap();
            file.sync().await.unwrap();
            for (offset, len) in [(0, 1), (4097, 9000), (5, 2 * PIECE + 9), (3 * PIECE - 1, 1)] {
                assert!(file.read_at(offset as u64, len).await.unwrap() == bytes[offset..offset + len]);
            }
            for (offset, len) in [(3 * PIECE, 1), (0, 3 * PIECE + 1), (3 * PIECE - 5, 6)] {
                let error = file.read_at(offset as u64, len).await.unwrap_err();
                assert_eq!(error.kind, crate::DiskErrorKind::Eof);
            }
            assert_eq!(file.size().await.unwrap(), bytes.len() as u64);
            file.close().await.unwrap();

            // One that is gone is an error, in whatever way glommio finds that out.
            std::fs::remove_file(&path).unwrap();
            let gone = GlommioFile::open(path, OpenMode::Read).await.unwrap_err();
            assert_eq!(gone.kind, crate::DiskErrorKind::NotFound);
        });
    }
}
