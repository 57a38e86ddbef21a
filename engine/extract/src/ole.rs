//! OLE compound files: what they hold, by the names of their streams.
//!
//! Their content is not read: the readers of the old office formats that there are allocate by lengths that the files
//! declare. What always holds: the names are found wherever they lie, so a damaged directory does not hide them.

use crate::Format;
use crate::meter::{Fail, corrupt};
use memchr::memmem;

/// Names of streams, and what has them. The first that is found counts.
const STREAMS: &[(&str, Kind)] = &[
    ("EncryptedPackage", Kind::Encrypted),
    ("WordDocument", Kind::Old("Word")),
    ("PowerPoint Document", Kind::Old("PowerPoint")),
    ("Workbook", Kind::Old("Excel")),
    ("Book", Kind::Old("Excel")),
    ("__properties_version1.0", Kind::Old("Outlook")),
    ("VisioDocument", Kind::Old("Visio")),
];

#[derive(Clone, Copy)]
enum Kind {
    Encrypted,
    Old(&'static str),
}

pub(crate) fn read(bytes: &[u8], format: &mut Option<Format>) -> Result<(), Fail> {
    if bytes.len() < 512 {
        return Err(corrupt("the compound file is cut short"));
    }
    for (name, kind) in STREAMS {
        // A directory entry begins with its name, in UTF-16, with a zero after it.
        let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        entry.extend_from_slice(&[0, 0]);
        let found = memmem::find_iter(bytes, &entry).any(|at| at.is_multiple_of(128));
        match kind {
            Kind::Encrypted if found => {
                return Err(Fail::Encrypted("the document is encrypted".to_owned()));
            }
            Kind::Old(program) if found => {
                return Err(Fail::Unsupported(format!("files of the old format of {program} are not read")));
            }
            _ => {}
        }
    }
    // Thumbnails, installers and the like.
    *format = None;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{Extracted, Format, Limits, extract};

    fn ole(stream: &str) -> Extracted {
        let mut bytes = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
        bytes.resize(1024, 0);
        bytes.extend(stream.encode_utf16().flat_map(u16::to_le_bytes));
        bytes.resize(2048, 0);
        extract(&bytes, "a.doc", "", &Limits::default())
    }

    #[test]
    fn old_and_encrypted_documents_are_named() {
        assert_eq!(ole("EncryptedPackage").notes[0].code, "encrypted");
        for (stream, program) in [("WordDocument", "Word"), ("Book", "Excel"), ("Workbook", "Excel")] {
            let found = ole(stream);
            assert_eq!((found.notes[0].code, found.format), ("unsupported", Some(Format::Ole)));
            assert!(found.notes[0].reason.contains(program));
        }
        assert_eq!(ole("Catalog"), Extracted::default());
        let short = extract(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.doc", "", &Limits::default());
        assert_eq!(short.notes[0].code, "corrupt");
    }
}
