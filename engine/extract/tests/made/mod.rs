//! Files of the formats, made here.

#![allow(dead_code, reason = "each test binary takes what it needs")]

use flate2::Compression;
use flate2::read::{DeflateEncoder, ZlibEncoder};
use postlode_extract::{Extracted, Limits, extract};
use std::io::{Read, Write};

pub fn read(bytes: &[u8], name: &str) -> Extracted {
    extract(bytes, name, "", &Limits::default())
}

pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ZlibEncoder::new(bytes, Compression::best()).read_to_end(&mut out).unwrap();
    out
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    DeflateEncoder::new(bytes, Compression::best()).read_to_end(&mut out).unwrap();
    out
}

/// A ZIP archive of deflated files.
pub fn zip<N: AsRef<str>, B: AsRef<[u8]>>(files: &[(N, B)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut out);
    for (name, bytes) in files {
        let method = rawzip::CompressionMethod::DEFLATE;
        let file = archive.new_file(name.as_ref()).compression_method(method);
        let (mut entry, config) = file.start().unwrap();
        // Packed beforehand: what the writer is told is the size and the checksum of what was packed.
        let mut writer = config.wrap(flate2::write::DeflateEncoder::new(&mut entry, Compression::best()));
        writer.write_all(bytes.as_ref()).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    out
}

/// A ZIP archive of one stored file.
pub fn stored(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut out);
    let (mut entry, config) = archive.new_file(name).start().unwrap();
    let mut writer = config.wrap(&mut entry);
    writer.write_all(bytes).unwrap();
    let (_, descriptor) = writer.finish().unwrap();
    entry.finish(descriptor).unwrap();
    archive.finish().unwrap();
    out
}

/// A TNEF stream: an attribute is a level, an id and a value.
pub fn tnef(attributes: &[(u8, u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"\x78\x9f\x3e\x22\x01\x00".to_vec();
    for (level, id, value) in attributes {
        out.push(*level);
        out.extend(id.to_le_bytes());
        out.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        out.extend(value);
        let sum = value.iter().fold(0u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
        out.extend(sum.to_le_bytes());
    }
    out
}

/// A list of MAPI properties: type, id, value; what stands before the value of a named one is in `id` already.
pub fn properties(list: &[(u16, u16, Vec<u8>)]) -> Vec<u8> {
    let mut out = u32::try_from(list.len()).unwrap().to_le_bytes().to_vec();
    for (kind, id, value) in list {
        out.extend(kind.to_le_bytes());
        out.extend(id.to_le_bytes());
        if *id >= 0x8000 {
            // Named by a string.
            out.extend([7; 16]);
            out.extend([1, 0, 0, 0, 6, 0, 0, 0]);
            out.extend(b"A\0b\0\0\0\0\0");
        }
        if matches!(kind, 0x0d | 0x1e | 0x1f | 0x102) {
            out.extend([1, 0, 0, 0]);
            out.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        }
        out.extend(value);
        out.extend(std::iter::repeat_n(0, value.len().next_multiple_of(4) - value.len()));
    }
    out
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// A `winmail.dat` with a body, two files, and a message that holds one more.
pub fn winmail() -> Vec<u8> {
    let inner = tnef(&[
        (1, 0x0001_8004, b"Inner subject\0".to_vec()),
        (1, 0x0002_800c, b"Inner body\0".to_vec()),
        (2, 0x0006_9002, vec![0; 14]),
        (2, 0x0001_8010, b"deep.txt\0".to_vec()),
        (2, 0x0006_800f, b"Deep text".to_vec()),
    ]);
    let object = [&[9u8; 16][..], &inner].concat();
    tnef(&[
        (1, 0x0008_9006, vec![0, 0, 1, 0]),
        (1, 0x0006_9007, vec![0xe3, 4, 0, 0, 0, 0, 0, 0]),
        (1, 0x0001_8004, "Тема\0".chars().map(cp1251).collect()),
        (
            1,
            0x0006_9003,
            properties(&[
                (0x0003, 0x0017, vec![1, 0, 0, 0]),
                (0x0040, 0x0039, vec![0; 8]),
                (0x001f, 0x8005, wide("a named one")),
                (0x001f, 0x1000, wide("Grüße from Outlook")),
            ]),
        ),
        (2, 0x0006_9002, vec![0; 14]),
        (2, 0x0001_8010, b"LONGNA~1.TXT\0".to_vec()),
        (2, 0x0006_800f, b"Plain words".to_vec()),
        (2, 0x0006_9005, properties(&[(0x001f, 0x3707, wide("long name.txt"))])),
        (2, 0x0006_9002, vec![0; 14]),
        (2, 0x0006_800f, docx(&paragraphs(1))),
        (2, 0x0006_9005, properties(&[(0x001e, 0x3707, b"a.docx\0".to_vec())])),
        (2, 0x0006_9002, vec![0; 14]),
        (2, 0x0006_9005, properties(&[(0x000d, 0x3701, object), (0x001e, 0x3001, b"Inner\0".to_vec())])),
    ])
}

fn cp1251(c: char) -> u8 {
    match c {
        'Т' => 0xd2,
        'е' => 0xe5,
        'м' => 0xec,
        'а' => 0xe0,
        _ => 0,
    }
}

fn types(parts: &[(&str, &str)]) -> String {
    let parts: String = parts
        .iter()
        .map(|(part, kind)| format!("<Override PartName=\"{part}\" ContentType=\"{kind}\"/>"))
        .collect();
    format!("<?xml version=\"1.0\"?><Types>{parts}</Types>")
}

const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.";

/// A document; `body` is what is in its body.
pub fn docx(body: &str) -> Vec<u8> {
    let (main, notes) = (format!("{WORD}document.main+xml"), format!("{WORD}footnotes+xml"));
    zip(&[
        ("[Content_Types].xml", types(&[("/word/document2.xml", &main), ("/word/footnotes.xml", &notes)])),
        ("word/document2.xml", format!("<w:document xmlns:w='w'><w:body>{body}</w:body></w:document>")),
        ("word/footnotes.xml", "<w:footnotes><w:p><w:t>A footnote</w:t></w:p></w:footnotes>".to_owned()),
        ("word/media/image1.png", "\u{1}\u{2}".to_owned()),
    ])
}

pub fn paragraphs(count: usize) -> String {
    (0..count)
        .map(|n| format!("<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>Paragraph {n} of Grüße &amp; </w:t></w:r><w:r><w:tab/><w:t>more</w:t></w:r></w:p>"))
        .collect()
}

pub fn xlsx() -> Vec<u8> {
    zip(&[
        ("[Content_Types].xml", types(&[])),
        (
            "xl/workbook.xml",
            "<workbook><workbookPr/><sheets><sheet name=\"Budget\"/></sheets></workbook>".to_owned(),
        ),
        (
            "xl/styles.xml",
            "<styleSheet><numFmts><numFmt numFmtId=\"164\" formatCode=\"d. mmm\"/></numFmts><cellStyleXfs><xf numFmtId=\"14\"/></cellStyleXfs><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"164\"/></cellXfs></styleSheet>".to_owned(),
        ),
        (
            "xl/sharedStrings.xml",
            "<sst><si><t>Item</t></si><si><r><t>Ri</t></r><r><t>ch</t></r><rPh><t>no</t></rPh></si></sst>".to_owned(),
        ),
        (
            "xl/worksheets/sheet1.xml",
            "<worksheet><sheetData><row><c t=\"s\"><v>0</v></c><c t=\"s\"><v>1</v></c><c t=\"s\"><v>9</v></c></row>\
             <row><c t=\"inlineStr\"><is><t>In &lt;line</t></is></c><c><f>1+1</f><v>2.5</v></c><c s=\"1\"><v>45356</v></c><c s=\"2\"><v>45357</v></c><c t=\"b\"><v>1</v></c></row></sheetData></worksheet>".to_owned(),
        ),
    ])
}

pub fn pptx() -> Vec<u8> {
    let slide = |text: &str| {
        format!(
            "<p:sld><a:p><a:r><a:t>{text}</a:t></a:r></a:p><a:p><a:r><a:t>Second</a:t></a:r><a:br/><a:r><a:t>line</a:t></a:r></a:p></p:sld>"
        )
    };
    zip(&[
        ("[Content_Types].xml", types(&[])),
        ("ppt/slides/slide10.xml", slide("Ten")),
        ("ppt/slides/slide2.xml", slide("Two")),
        ("ppt/slides/_rels/slide2.xml.rels", "<t>no</t>".to_owned()),
        ("ppt/notesSlides/notesSlide1.xml", "<p:notes><a:p><a:t>Say this</a:t></a:p></p:notes>".to_owned()),
    ])
}

pub fn odt(manifest: &str) -> Vec<u8> {
    zip(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("META-INF/manifest.xml", manifest),
        (
            "content.xml",
            "<office:text><text:h>Title</text:h><text:p>One<text:s/>two<text:tab/>three</text:p><table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell><table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table></office:text>",
        ),
    ])
}

/// A PDF of objects, the first of which is the catalog; with a table of where they are.
pub fn pdf_of(objects: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let mut out = b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut places = Vec::new();
    for (at, object) in objects.iter().enumerate() {
        places.push(out.len());
        out.extend_from_slice(format!("{} 0 obj\n", at + 1).as_bytes());
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    }
    let start = out.len();
    out.extend_from_slice(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).as_bytes());
    for place in places {
        out.extend_from_slice(format!("{place:010} 00000 n \n").as_bytes());
    }
    let size = objects.len() + 1;
    out.extend_from_slice(
        format!("trailer\n<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{start}\n%%EOF\n").as_bytes(),
    );
    out
}

pub fn stream(dict: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("<<{dict}/Length {}>>\nstream\n", bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\nendstream");
    out
}

/// A PDF whose pages show these contents, with a Helvetica as `/F` and one form as `/X`.
pub fn pdf(contents: &[&str], packed: bool) -> Vec<u8> {
    let kids: String = (0..contents.len()).map(|n| format!("{} 0 R ", 5 + 2 * n)).collect();
    let mut objects = vec![
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        format!("<</Type/Pages/Count {}/Kids[{kids}]/MediaBox[0 0 600 800]/Resources<</Font<</F 3 0 R>>/XObject<</X 4 0 R>>>>>>", contents.len()).into_bytes(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_vec(),
        stream("/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Matrix[1 0 0 1 0 -50]", b"BT /F 12 Tf (In a form) Tj ET /X Do"),
    ];
    for (n, content) in contents.iter().enumerate() {
        objects.push(
            format!("<</Type/Page/Parent 2 0 R/Contents {} 0 R/Annots[<</Contents(A note)>>]>>", 6 + 2 * n)
                .into_bytes(),
        );
        objects.push(if packed {
            stream("/Filter/FlateDecode", &zlib(content.as_bytes()))
        } else {
            stream("", content.as_bytes())
        });
    }
    pdf_of(&objects, "")
}

/// A page of text: lines of words, most of them in arrays with gaps.
pub fn page(lines: usize) -> String {
    let mut out = "BT /F 11 Tf 14 TL 50 750 Td\n".to_owned();
    for n in 0..lines {
        out.push_str(&format!(
            "[(Line )-10({n})-300(of)-300(the pa)20(ge, with some more words in it)] TJ T*\n"
        ));
    }
    out.push_str("ET\n");
    out
}

/// A PDF with its objects in an object stream, behind a cross-reference stream.
pub fn pdf_with_object_stream(content: &str) -> Vec<u8> {
    let inside = [
        (1, "<</Type/Catalog/Pages 2 0 R>>"),
        (2, "<</Type/Pages/Count 1/Kids[3 0 R]>>"),
        (
            3,
            "<</Type/Page/Parent 2 0 R/Contents 5 0 R/Resources<</Font<</F<</Type/Font/Subtype/TrueType/BaseFont/Arial/Encoding/WinAnsiEncoding>>>>>>>>",
        ),
    ];
    let (mut numbers, mut bodies) = (String::new(), String::new());
    for (number, body) in inside {
        numbers.push_str(&format!("{number} {} ", bodies.len()));
        bodies.push_str(body);
        bodies.push(' ');
    }
    let packed = zlib(format!("{numbers}{bodies}").as_bytes());
    let head = format!("/Type/ObjStm/N 3/First {}/Filter/FlateDecode", numbers.len());
    let mut out = b"%PDF-1.5\n".to_vec();
    let mut places = Vec::new();
    for (number, object) in
        [(4, stream(&head, &packed)), (5, stream("/Filter/FlateDecode", &zlib(content.as_bytes())))]
    {
        places.push(u16::try_from(out.len()).unwrap());
        out.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
        out.extend_from_slice(&object);
        out.extend_from_slice(b"\nendobj\n");
    }
    let start = out.len();
    let mut entries = vec![0, 0, 0, 0];
    for index in 0..3 {
        entries.extend_from_slice(&[2, 0, 4, index]);
    }
    for place in places.into_iter().chain([u16::try_from(start).unwrap()]) {
        let [high, low] = place.to_be_bytes();
        entries.extend_from_slice(&[1, high, low, 0]);
    }
    out.extend_from_slice(b"6 0 obj\n");
    out.extend_from_slice(&stream(
        "/Type/XRef/Size 7/W[1 2 1]/Root 1 0 R/Filter/FlateDecode",
        &zlib(&entries),
    ));
    out.extend_from_slice(format!("\nendobj\nstartxref\n{start}\n%%EOF\n").as_bytes());
    out
}

/// A PDF that a password keeps.
pub fn pdf_encrypted() -> Vec<u8> {
    let objects = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Count 0/Kids[]>>".to_vec(),
        format!("<</Filter/Standard/V 2/R 3/Length 128/P -44/O<{0}>/U<{0}>>>", "5a".repeat(32)).into_bytes(),
    ];
    pdf_of(
        &objects,
        "/Encrypt 3 0 R/ID[<00112233445566778899aabbccddeeff><00112233445566778899aabbccddeeff>]",
    )
}

/// A PDF that is encrypted for whoever has no password: its owner only forbids to change it.
pub fn pdf_sealed() -> Vec<u8> {
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let owner = "36451bd39d753b7c1d10922c28e6665aa4f3353fb0348b536893e3b1db5c579b";
    let user = "b66cc9fa816f6b9af57980ae01d2f14400000000000000000000000000000000";
    let content = "95da756d0a267da3a1b86baa1933b794cc305905345c8bfd4273205cdad93b3d78fb9c581061b49e0df121";
    let objects = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/Contents 4 0 R>>".to_vec(),
        stream("", &bytes(content)),
        format!("<</Filter/Standard/V 2/R 3/Length 128/P -44/O<{owner}>/U<{user}>>>").into_bytes(),
    ];
    pdf_of(
        &objects,
        "/Encrypt 5 0 R/ID[<00112233445566778899aabbccddeeff><00112233445566778899aabbccddeeff>]",
    )
}

/// Raw deflated bytes, for archives that are put together by hand.
pub fn raw(bytes: &[u8]) -> Vec<u8> {
    deflate(bytes)
}
