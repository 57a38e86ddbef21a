//! A ZIP archive in memory: its files by name.
//!
//! rawzip reads the directory in place; what is kept of it is bounded here. What always holds: no more files are
//! listed than the limits let be read, and no file is unpacked but through [`Unpack`].

use crate::meter::{Fail, Meter, corrupt};
use crate::unpack::Unpack;
use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveEntryWayfinder, ZipSliceArchive};
use std::io::Read;

/// Longest name of a file that is kept whole.
const NAME: usize = 4096;

pub(crate) struct Archive<'a> {
    zip: ZipSliceArchive<&'a [u8]>,
    pub(crate) files: Vec<File>,
    /// Why there may be more files than those listed.
    pub(crate) more: Option<Fail>,
}

pub(crate) struct File {
    pub(crate) name: String,
    place: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    encrypted: bool,
}

/// The bytes of a file as they are packed, behind what unpacks them.
pub(crate) enum Packed<'a> {
    Stored(&'a [u8]),
    Deflated(Box<DeflateDecoder<&'a [u8]>>),
}

impl Read for Packed<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Stored(bytes) => bytes.read(into),
            Self::Deflated(decoder) => decoder.read(into),
        }
    }
}

impl<'a> Archive<'a> {
    pub(crate) fn open(bytes: &'a [u8], meter: &Meter<'_>) -> Result<Self, Fail> {
        let zip = ZipArchive::from_slice(bytes).map_err(|error| broken(&error))?;
        let most = usize::try_from(meter.limits.entries).unwrap_or(usize::MAX);
        let (mut files, mut more) = (Vec::new(), None);
        let mut entries = zip.entries();
        loop {
            let entry = match entries.next_entry() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(error) => {
                    more = Some(broken(&error));
                    break;
                }
            };
            if entry.is_dir() {
                continue;
            }
            if files.len() >= most {
                more = Some(Fail::Refused(format!("it holds more than {most} files")));
                break;
            }
            files.push(File {
                name: name(entry.file_path().as_bytes(), entry.flags().is_utf8()),
                place: entry.wayfinder(),
                method: entry.compression_method(),
                encrypted: entry.flags().is_encrypted(),
            });
        }
        if files.is_empty()
            && let Some(fail) = more
        {
            return Err(fail);
        }
        Ok(Self { zip, files, more })
    }

    /// The file of a name. Names are those of parts of documents, in which case does not count.
    pub(crate) fn find(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| file.name.eq_ignore_ascii_case(name))
    }

    /// A reader of what a file unpacks to.
    pub(crate) fn read<'m, 'l>(
        &self,
        file: &File,
        meter: &'m Meter<'l>,
    ) -> Result<Unpack<'m, 'l, Packed<'a>>, Fail> {
        if file.encrypted {
            return Err(Fail::Encrypted("it is encrypted".to_owned()));
        }
        let bytes: &'a [u8] = self.zip.get_ref();
        let entry = self.zip.get_entry(file.place).map_err(|error| broken(&error))?;
        let (start, end) = entry.compressed_data_range();
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let packed = range.and_then(|(start, end)| bytes.get(start..end));
        let packed = packed.ok_or_else(|| corrupt("it lies outside of its archive"))?;
        let size = u64::try_from(packed.len()).unwrap_or(u64::MAX);
        let packed = match file.method {
            CompressionMethod::STORE => Packed::Stored(packed),
            CompressionMethod::DEFLATE => Packed::Deflated(Box::new(DeflateDecoder::new(packed))),
            method => return Err(Fail::Unsupported(format!("it is packed by {method}"))),
        };
        Ok(Unpack::new(packed, size, meter))
    }

    /// All that a file unpacks to, where it is at most `most` bytes.
    pub(crate) fn all(&self, file: &File, most: u64, meter: &Meter<'_>) -> Result<Vec<u8>, Fail> {
        self.read(file, meter)?.all(most)
    }
}

fn broken(error: &rawzip::Error) -> Fail {
    corrupt(format!("the ZIP archive is damaged: {error}"))
}

/// The name of a file. Old archives name no charset: UTF-8 where it is, else that of DOS.
fn name(bytes: &[u8], utf8: bool) -> String {
    let bytes = bytes.get(..bytes.len().min(NAME)).unwrap_or_default();
    match core::str::from_utf8(bytes) {
        Ok(name) => name.to_owned(),
        Err(_) if utf8 => String::from_utf8_lossy(bytes).into_owned(),
        // The charset of DOS is none that the web knows; the nearest has letters where it has them.
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}
