//! Every archive of the corpus: what is in it, counted and listed.
//!
//! Needs the corpus (`POSTLODE_CORPUS`, by default `../shared/corpus` beside the workspace); says so where there is none.

mod common;

use common::{corpus, expected};
use postlode_mail::pst::{Archive, Item, PstError};

#[test]
fn counts_are_as_expected() {
    let Some(corpus) = corpus() else { return };
    let mut indexed = 0;
    for row in expected(&corpus) {
        let opened = Archive::open(&corpus.join("pst").join(&row.file));
        let Some((folders, items, attachments)) = row.counts else {
            let error = opened.expect_err(&row.file);
            assert!(matches!(error, PstError::Damaged { .. }), "{}: {error}", row.file);
            assert!(error.to_string().contains("checksum"), "{error}");
            continue;
        };
        let archive = opened.expect(&row.file);
        let listing = archive.list().expect(&row.file);
        assert!(listing.failures.is_empty(), "{}: {:?}", row.file, listing.failures);
        assert_eq!(listing.found(), items, "{}: items", row.file);
        let by_libpff = archive.list_by_libpff().expect(&row.file);
        if let Some(by_index) = archive.list_by_index() {
            assert_eq!(
                (&by_index.items, &by_index.folders),
                (&by_libpff.items, &by_libpff.folders),
                "{}",
                row.file
            );
            indexed += 1;
        }
        assert_eq!(listing.folders.len() as u64, folders, "{}: folders", row.file);
        let mut seen = 0;
        for item in &listing.items {
            let read = |item: &Item<'_>| item.read(u64::MAX).and_then(|_| item.attachments());
            seen += archive.with_item(item.nid, read).expect(&row.file).expect(&row.file) as u64;
        }
        assert_eq!(seen, attachments, "{}: attachments", row.file);
        assert_eq!(archive.info().record_key.len(), 16, "{}", row.file);
        assert!(archive.info().notes.is_empty(), "{}: {:?}", row.file, archive.info().notes);
    }
    // All but what has pages of 4 KiB or an encoding of its own.
    assert!(indexed >= 15, "{indexed} archives by their indexes");
}

#[test]
fn facts_of_an_archive_are_told() {
    let Some(corpus) = corpus() else { return };
    let info = |file: &str| Archive::open(&corpus.join("pst").join(file)).expect(file).info().clone();
    assert_eq!(info("emk__sample2.pst").kind, "pst-ansi");
    assert_eq!(info("emk__submessage.pst").kind, "pst-unicode");
    assert!(info("rjohnsondev__passworded.pst").password);
    assert!(!info("apache__testPST.pst").password);
    assert_eq!(info("apache__testPST.pst").name, "hong-thai.nguyen");
}

#[test]
fn an_open_descriptor_will_do() {
    let Some(corpus) = corpus() else { return };
    let path = corpus.join("pst/emk__submessage.pst");
    let file = std::fs::File::open(&path).unwrap();
    let archive = Archive::from_file(&file).unwrap();
    assert_eq!(archive.list().unwrap().found(), 1);
    assert_eq!(archive.info(), Archive::open(&path).unwrap().info());
}

#[test]
fn an_archive_cut_short_is_named_as_such() {
    let Some(corpus) = corpus() else { return };
    let whole = std::fs::read(corpus.join("pst/emk__submessage.pst")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.pst");
    for keep in [0, 3, 100, 563, 564, 600, 4096, 20_000] {
        std::fs::write(&path, &whole[..keep]).unwrap();
        let error = Archive::open(&path).expect_err("a part of an archive");
        assert_eq!(error.code(), "refused", "{keep}: {error}");
        assert!(!error.to_string().contains('\n'), "{error}");
        if keep >= 564 {
            assert!(error.to_string().contains("cut short"), "{keep}: {error}");
        }
    }
    // Half of it still has its tables: what is there is read, and the archive says that there should be more.
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let archive = Archive::open(&path).unwrap();
    assert!(archive.info().claimed_size > archive.info().size);
    let missing = Archive::open(&dir.path().join("none.pst")).unwrap_err();
    assert_eq!(missing.code(), "io");
    assert_eq!(Archive::open(dir.path()).unwrap_err().code(), "refused");
}
