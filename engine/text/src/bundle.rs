//! The bundle: the files of one index as the bytes of one section.
//!
//! ```text
//! files     one after the other, as they are
//! table     for each file: name_len u8, name (ASCII), offset u64, length u64
//! footer    table_len u32, files u16, version u16, analysis u16, zero u16, magic "PLTB"      (16 bytes)
//! ```
//!
//! Numbers are little-endian. `version` is of this layout and of the index's fields, `analysis` is of the rule of
//! words: queries must be cut into words as the mails were. The blocks of the section carry the checksums. What
//! always holds: every offset and length is checked against the section before it is used, names are distinct,
//! and one index always gives the same bytes (the index's random name is replaced by a fixed one).

use crate::error::TextError;
use std::collections::BTreeMap;
use std::io::Write;

/// Version of the layout and of the fields. Version 1 had the first seven fields.
pub const VERSION: u16 = 2;
/// Version of the rule of words.
pub const ANALYSIS: u16 = 1;
/// Bytes of the footer.
pub const FOOTER: usize = 16;
/// Most files of one bundle.
pub const MAX_FILES: usize = 64;
/// Longest name of a file, in bytes.
pub const MAX_NAME: usize = 128;

const MAGIC: [u8; 4] = *b"PLTB";

/// Where the files of a bundle are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    files: BTreeMap<String, (u64, u64)>,
    version: u16,
}

impl Table {
    /// Has its index all fields that there are now?
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.version == VERSION
    }

    /// Offset and length of a file.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<(u64, u64)> {
        self.files.get(name).copied()
    }

    /// Names with offsets and lengths.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.files.iter().map(|(name, (at, len))| (name.as_str(), *at, *len))
    }
}

/// Puts files into a bundle, one after the other, so that no two need be in memory.
pub struct Bundler<'o> {
    out: &'o mut dyn Write,
    table: Vec<u8>,
    written: u64,
    files: u16,
}

impl<'o> Bundler<'o> {
    /// Begins a bundle.
    pub fn new(out: &'o mut dyn Write) -> Self {
        Self { out, table: Vec::new(), written: 0, files: 0 }
    }

    /// Adds a file. No two may have one name.
    ///
    /// # Errors
    /// [`TextError::Bundle`] where there are too many, or the name cannot be kept; what `out` gives.
    pub fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), TextError> {
        if usize::from(self.files) >= MAX_FILES {
            return Err(TextError::Bundle("too many files"));
        }
        let name_len = u8::try_from(name.len()).ok().filter(|_| name.len() <= MAX_NAME && name.is_ascii());
        self.table.push(name_len.ok_or(TextError::Bundle("a file's name is too long or not ASCII"))?);
        self.table.extend_from_slice(name.as_bytes());
        self.table.extend_from_slice(&self.written.to_le_bytes());
        self.table.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.out.write_all(bytes)?;
        self.written = self.written.saturating_add(bytes.len() as u64);
        self.files = self.files.saturating_add(1);
        Ok(())
    }

    /// Ends it with its table.
    ///
    /// # Errors
    /// What `out` gives.
    pub fn finish(self) -> Result<(), TextError> {
        let table_len =
            u32::try_from(self.table.len()).map_err(|_| TextError::Bundle("the table is too long"))?;
        let mut end = self.table;
        end.extend_from_slice(&table_len.to_le_bytes());
        for number in [self.files, VERSION, ANALYSIS, 0] {
            end.extend_from_slice(&number.to_le_bytes());
        }
        end.extend_from_slice(&MAGIC);
        Ok(self.out.write_all(&end)?)
    }
}

/// A bundle of these files.
///
/// # Errors
/// As [`Bundler::file`].
pub fn write(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, TextError> {
    let mut out = Vec::new();
    let mut bundle = Bundler::new(&mut out);
    for (name, bytes) in files {
        bundle.file(name, bytes)?;
    }
    bundle.finish()?;
    Ok(out)
}

/// Reads the table of a bundle of `len` bytes through `read`, which gives exactly the bytes asked for.
///
/// # Errors
/// [`TextError::Bundle`] for bytes that break the layout, [`TextError::Newer`] for those of a newer one, and what
/// `read` says.
pub fn read_table(
    len: u64,
    mut read: impl FnMut(u64, usize) -> Result<Vec<u8>, TextError>,
) -> Result<Table, TextError> {
    let footer_at = len.checked_sub(FOOTER as u64).ok_or(TextError::Bundle("it is too short"))?;
    let footer = read(footer_at, FOOTER)?;
    let &[l0, l1, l2, l3, c0, c1, v0, v1, a0, a1, _, _, m0, m1, m2, m3] = footer.as_slice() else {
        return Err(TextError::Bundle("it is too short"));
    };
    if [m0, m1, m2, m3] != MAGIC {
        return Err(TextError::Bundle("it does not end as one"));
    }
    for (found, known) in [(u16::from_le_bytes([v0, v1]), VERSION), (u16::from_le_bytes([a0, a1]), ANALYSIS)]
    {
        if found > known {
            return Err(TextError::Newer { found, known });
        }
    }
    let count = usize::from(u16::from_le_bytes([c0, c1]));
    let table_len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let table_at =
        footer_at.checked_sub(table_len as u64).ok_or(TextError::Bundle("its table is too long"))?;
    if count > MAX_FILES || table_len > MAX_FILES.saturating_mul(MAX_NAME.saturating_add(17)) {
        return Err(TextError::Bundle("its table is too long"));
    }
    let bytes = read(table_at, table_len)?;
    let mut rest = bytes.as_slice();
    let mut table = Table { version: u16::from_le_bytes([v0, v1]), ..Table::default() };
    for _ in 0..count {
        let (name, at, len) = entry(&mut rest).ok_or(TextError::Bundle("its table is cut short"))?;
        if at.checked_add(len).is_none_or(|end| end > table_at) {
            return Err(TextError::Bundle("a file lies outside it"));
        }
        if table.files.insert(name, (at, len)).is_some() {
            return Err(TextError::Bundle("two files have one name"));
        }
    }
    if !rest.is_empty() {
        return Err(TextError::Bundle("its table is too long"));
    }
    Ok(table)
}

fn entry(rest: &mut &[u8]) -> Option<(String, u64, u64)> {
    let (&name_len, tail) = rest.split_first()?;
    let (name, tail) = tail.split_at_checked(usize::from(name_len))?;
    let (at, tail) = tail.split_first_chunk::<8>()?;
    let (len, tail) = tail.split_first_chunk::<8>()?;
    *rest = tail;
    let name = core::str::from_utf8(name).ok()?.to_owned();
    Some((name, u64::from_le_bytes(*at), u64::from_le_bytes(*len)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table_of(bytes: &[u8]) -> Result<Table, TextError> {
        read_table(bytes.len() as u64, |at, len| {
            let at = usize::try_from(at).unwrap();
            bytes.get(at..at + len).map(<[u8]>::to_vec).ok_or(TextError::Bundle("outside"))
        })
    }

    proptest! {
        #[test]
        fn what_was_put_in_is_found(files in proptest::collection::btree_map("[a-z.]{1,20}", any::<Vec<u8>>(), 0..10)) {
            let bytes = write(&files).unwrap();
            let table = table_of(&bytes).unwrap();
            prop_assert_eq!(table.files().count(), files.len());
            for (name, content) in &files {
                let (at, len) = table.get(name).unwrap();
                prop_assert_eq!(&bytes[at as usize..][..len as usize], content.as_slice());
            }
        }

        #[test]
        fn changed_bytes_are_survived(files in proptest::collection::btree_map("[a-z.]{1,20}", any::<Vec<u8>>(), 0..4),
            at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let mut bytes = write(&files).unwrap();
            let n = bytes.len();
            bytes[at.index(n)] = byte;
            drop(table_of(&bytes));
            bytes.truncate(cut.index(n));
            drop(table_of(&bytes));
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            drop(table_of(&bytes));
        }
    }

    #[test]
    fn a_newer_bundle_says_so() {
        let mut bytes = write(&BTreeMap::new()).unwrap();
        let at = bytes.len() - 10;
        bytes[at] = 9;
        assert!(matches!(table_of(&bytes), Err(TextError::Newer { found: 9, .. })));
    }
}
