//! What comes out of files of each format.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod made;

use made::*;
use postlode_extract::{Format, Limits, Note, extract};

fn only(notes: &[Note]) -> &str {
    assert_eq!(notes.len(), 1, "{notes:?}");
    notes[0].code
}

#[test]
fn documents() {
    let found = read(&docx(&paragraphs(2)), "a.docx");
    assert_eq!(found.format, Some(Format::Word));
    assert_eq!(found.notes, []);
    assert_eq!(found.text, "Paragraph 0 of Grüße & \tmore\nParagraph 1 of Grüße & \tmore\n\nA footnote");
    let body = "<w:p><mc:AlternateContent><mc:Choice><w:t>new</w:t></mc:Choice><mc:Fallback><w:t>old</w:t></mc:Fallback></mc:AlternateContent><w:br/><w:t>next</w:t><w:delText>gone</w:delText><w:instrText>PAGE</w:instrText></w:p>";
    assert_eq!(read(&docx(body), "").text, "new\nnext\n\nA footnote");
}

#[test]
fn workbooks() {
    let found = read(&xlsx(), "a.xlsx");
    assert_eq!((found.format, found.notes), (Some(Format::Sheet), vec![]));
    assert_eq!(found.text, "Budget\n\nItem\tRich\nIn <line\t2.5\t2024-03-05\t2024-03-06\tTRUE");
}

#[test]
fn presentations() {
    let found = read(&pptx(), "a.pptx");
    assert_eq!((found.format, found.notes), (Some(Format::Slides), vec![]));
    assert_eq!(found.text, "Two\nSecond\nline\n\nTen\nSecond\nline\n\nSay this");
}

#[test]
fn open_documents() {
    let found = read(&odt("<manifest/>"), "a.odt");
    assert_eq!((found.format, found.notes), (Some(Format::OpenDocument), vec![]));
    assert_eq!(found.text, "Title\nOne two\tthree\na\tb");
    let sealed = read(&odt("<manifest><encryption-data/></manifest>"), "a.odt");
    assert_eq!((only(&sealed.notes), sealed.text.as_str()), ("encrypted", ""));
}

#[test]
fn pages() {
    let first = "BT /F 12 Tf 50 700 Td (Gr\\374\\337e) Tj 0 -14 Td (a) Tj 200 0 Td (far) Tj ET q 1 0 0 1 50 600 cm /X Do Q";
    let second = "BT /F 1 Tf 12 0 0 12 50 700 Tm [(w)-20(or)10(d)-400(next)] TJ (.) Tj 3 Tr T* (unseen) ' ET";
    for packed in [false, true] {
        let found = read(&pdf(&[first, second], packed), "a.pdf");
        assert_eq!(found.format, Some(Format::Pdf));
        assert!(found.text.starts_with("Grüße\na far\nIn a form"), "{}", found.text);
        assert!(found.text.contains("A note\n\nword next."), "{}", found.text);
        assert!(found.text.contains("unseen"));
        // The form shows itself.
        assert!(found.notes.iter().all(|note| note.code == "refused"), "{:?}", found.notes);
    }
    let found = read(&pdf(&[&page(40)], true), "a.pdf");
    assert_eq!(found.notes, []);
    assert!(
        found.text.starts_with("Line 0 of the page, with some more words in it\nLine 1 of"),
        "{}",
        found.text
    );
}

#[test]
fn object_streams() {
    let found = read(&pdf_with_object_stream("BT /F 12 Tf 9 9 Td (Packed) Tj ET"), "a.pdf");
    assert_eq!((found.text.as_str(), found.notes), ("Packed", vec![]));
}

#[test]
fn a_font_that_says_what_its_codes_mean() {
    let map = "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def 1 begincodespacerange <0000> <ffff> endcodespacerange 2 beginbfchar <0001> <4F60> <0002> <597D> endbfchar endcmap end end";
    let objects = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>".to_vec(),
        stream("", b"BT /F 12 Tf 9 9 Td <00010002> Tj ET"),
        b"<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/ToUnicode 6 0 R/DescendantFonts[<</Type/Font/Subtype/CIDFontType2/BaseFont/X/DW 1000/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>>>]>>".to_vec(),
        stream("/Filter/FlateDecode", &zlib(map.as_bytes())),
    ];
    let found = read(&pdf_of(&objects, ""), "a.pdf");
    assert_eq!((found.text.as_str(), found.notes), ("你好", vec![]));
    // Japanese without a map of its own: the encoding is a known one.
    let mut japanese = objects.clone();
    japanese[3] = stream("", b"BT /F 12 Tf 9 9 Td <93FA967B> Tj ET");
    japanese[4] = b"<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/90ms-RKSJ-H/DescendantFonts[<</Type/Font/Subtype/CIDFontType0/BaseFont/X/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 2>>>>]>>".to_vec();
    assert_eq!(read(&pdf_of(&japanese, ""), "a.pdf").text, "日本");
    // Without either nobody can tell.
    let mut untold = objects.clone();
    untold[5] = b"null".to_vec();
    let found = read(&pdf_of(&untold, ""), "a.pdf");
    assert_eq!((found.text.as_str(), only(&found.notes)), ("", "unsupported"));
}

#[test]
fn a_pdf_with_a_password() {
    let found = read(&pdf_encrypted(), "a.pdf");
    assert_eq!((only(&found.notes), found.format), ("encrypted", Some(Format::Pdf)));
    let open = read(&pdf_sealed(), "a.pdf");
    assert_eq!((open.text.as_str(), open.notes), ("Sealed, but open", vec![]));
}

#[test]
fn a_pdf_without_its_table_is_mended() {
    let mut bytes = pdf(&["BT /F 12 Tf 9 9 Td (Mended) Tj ET"], true);
    let at = bytes.windows(9).position(|w| w == b"startxref").unwrap();
    bytes.truncate(at);
    assert!(read(&bytes, "a.pdf").text.starts_with("Mended"));
    let none = read(b"%PDF-1.4\nnothing", "a.pdf");
    assert_eq!(only(&none.notes), "corrupt");
}

#[test]
fn archives() {
    let inner = zip(&[("c.txt", b"Innermost".to_vec()), ("d.docx", docx("<w:p><w:t>Document</w:t></w:p>"))]);
    let bytes = zip(&[
        ("a.txt", b"Outer".to_vec()),
        ("in/b.zip", inner),
        ("p.png", b"\x89PNG\r\n\x1a\n\0\0\0".to_vec()),
        ("q.pdf", b"\0\0\0".to_vec()),
        ("m.eml", b"From: x\r\n\r\ny".to_vec()),
    ]);
    let found = read(&bytes, "x.zip");
    assert_eq!(found.format, Some(Format::Zip));
    assert_eq!(
        found.text,
        "a.txt\nOuter\n\nin/b.zip\n\nc.txt\nInnermost\n\nd.docx\n\nDocument\n\nA footnote\n\np.png\n\nq.pdf\n\nm.eml"
    );
    let notes: Vec<_> = found.notes.iter().map(|note| (note.code, note.what.as_str())).collect();
    assert_eq!(notes, [("corrupt", "x.zip/q.pdf"), ("unsupported", "x.zip/m.eml")]);
}

#[test]
fn documents_in_documents() {
    let bytes = zip(&[
        ("[Content_Types].xml", b"<Types/>".to_vec()),
        ("word/document.xml", b"<w:p><w:t>Outer</w:t></w:p>".to_vec()),
        ("word/embeddings/sheet.xlsx", xlsx()),
        ("word/embeddings/oleObject1.bin", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".repeat(100)),
    ]);
    let found = read(&bytes, "a.docx");
    assert!(found.text.starts_with("Outer\n\nBudget\n\nItem\tRich"), "{}", found.text);
    assert_eq!((found.format, found.notes), (Some(Format::Word), vec![]));
    let mut attached = pdf(&["BT /F 9 Tf 9 9 Td (x) Tj ET"], false);
    let at = attached.windows(8).position(|w| w == b"/Catalog").unwrap();
    attached.splice(at + 8..at + 8, b"/Names<</EmbeddedFiles<<>>>>".iter().copied());
    let found = read(&attached, "a.pdf");
    assert!(found.text.starts_with('x'));
    assert_eq!(only(&found.notes), "unsupported");
}

#[test]
fn what_is_not_opened_is_named() {
    for (bytes, name, code) in [
        (&b"7z\xbc\xaf\x27\x1c\0\x04"[..], "a.7z", "unsupported"),
        (b"PK\x03\x04 broken", "a.zip", "corrupt"),
        (b"PK\x03\x04 broken", "a.docx", "corrupt"),
        (b"\0\0", "a.xlsx", "corrupt"),
        (b"", "a.pdf", "corrupt"),
    ] {
        let found = read(bytes, name);
        assert_eq!(only(&found.notes), code, "{name}");
        assert!(found.format.is_some());
    }
    let found = extract(b"Subject: x\r\n\r\ny", "a", "message/rfc822", &Limits::default());
    assert_eq!(found, postlode_extract::Extracted::default());
}

#[test]
fn a_damaged_part_costs_that_part() {
    let bytes = zip(&[
        ("[Content_Types].xml", "<broken"),
        ("word/document.xml", "<w:p><w:t>Here</w:t></w:p><w:p"),
        ("word/footnotes.xml", "<w:p><w:t>and here</w:t></w:p>"),
    ]);
    let found = read(&bytes, "a.docx");
    assert_eq!(found.text, "Here\n\nand here");
    assert_eq!((only(&found.notes), found.notes[0].what.as_str()), ("corrupt", "a.docx/word/document.xml"));
    let empty = zip(&[("[Content_Types].xml", "<Types/>"), ("word/styles.xml", "<x/>")]);
    assert_eq!(only(&read(&empty, "a.docx").notes), "corrupt");
}

#[test]
fn parts_in_another_charset() {
    let text = "<?xml version='1.0' encoding='UTF-16'?><w:p><w:t>Grüße</w:t></w:p>";
    let mut part = b"\xff\xfe".to_vec();
    part.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    let bytes = zip(&[("[Content_Types].xml", b"<Types/>".to_vec()), ("word/document.xml", part)]);
    assert_eq!(read(&bytes, "a.docx").text, "Grüße");
}

#[test]
fn messages_of_outlook_in_an_attachment() {
    let found = read(&winmail(), "winmail.dat");
    assert_eq!((found.format, found.notes), (Some(Format::Tnef), vec![]));
    let expected = "Тема\n\nGrüße from Outlook\n\nlong name.txt\nPlain words\n\na.docx\n\nParagraph 0 of Grüße & \tmore\n\n\
                    A footnote\n\nInner\nInner subject\n\nInner body\n\ndeep.txt\nDeep text";
    assert_eq!(found.text, expected);

    let html = tnef(&[(1, 0x0006_9003, properties(&[(0x102, 0x1013, b"<p>Only HTML".to_vec())]))]);
    assert_eq!(read(&html, "winmail.dat").text, "Only HTML");
    let packed =
        [&14u32.to_le_bytes()[..], &14u32.to_le_bytes(), b"MELA", &[0; 4], b"{\\rtf1 In RTF}"].concat();
    let rtf = tnef(&[(1, 0x0006_9003, properties(&[(0x102, 0x1009, packed)]))]);
    assert_eq!(read(&rtf, "winmail.dat").text, "In RTF");

    // Damage is named, and what can be read is.
    let mut broken = winmail();
    let at = broken.windows(5).position(|bytes| bytes == b"Plain").unwrap();
    broken[at] = b'p';
    let found = read(&broken, "winmail.dat");
    assert_eq!(only(&found.notes), "corrupt");
    assert!(found.text.contains("plain words") && found.text.contains("Deep text"));
    broken.truncate(at);
    let found = read(&broken, "winmail.dat");
    assert!(found.notes.iter().all(|note| note.code == "corrupt") && found.text.contains("Outlook"));
    assert_eq!(
        only(&extract(b"\x01\x02\0", "winmail.dat", "application/ms-tnef", &Limits::default()).notes),
        "corrupt"
    );

    // One in the other, deeper than is read.
    let mut nested = tnef(&[]);
    for _ in 0..10 {
        nested = tnef(&[(2, 0x0006_9002, vec![]), (2, 0x0006_800f, nested)]);
    }
    assert_eq!(only(&read(&nested, "winmail.dat").notes), "refused");
}
