//! Files that are made to cost: each one ends in time, in little memory, and with a note where something was left out.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod made;

use made::*;
use postlode_extract::{Extracted, Limits, extract};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Counts what is allocated. What a reader took at most is what a process with little memory must have.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn add(bytes: usize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(held, Ordering::Relaxed);
}

// SAFETY: everything is left to the system's allocator; only sizes are counted here.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the promises.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the promises.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bytes that reading may take at most beside the file itself.
const MEMORY: usize = 400 << 20;

fn cost(what: &str, bytes: &[u8], name: &str) -> Extracted {
    let limits = Limits { time: Duration::from_secs(3), ..Limits::default() };
    let held = HELD.load(Ordering::Relaxed);
    MOST.store(held, Ordering::Relaxed);
    let start = Instant::now();
    let found = extract(bytes, name, "", &limits);
    let (time, most) = (start.elapsed(), MOST.load(Ordering::Relaxed).saturating_sub(held));
    let codes: Vec<_> = found.notes.iter().map(|note| note.code).take(3).collect();
    println!("{what}: {} KB, {time:?}, {} MB, {codes:?}", bytes.len() >> 10, most >> 20);
    assert!(time < Duration::from_secs(8), "{what} took {time:?}");
    assert!(most < MEMORY, "{what} took {most} bytes");
    assert!(found.text.len() <= limits.text);
    found
}

fn code(found: &Extracted) -> &str {
    found.notes.first().map_or("", |note| note.code)
}

/// A PDF of one page with these objects after the page's, from the fourth on.
fn page_with(resources: &str, contents: Vec<u8>, more: &[Vec<u8>]) -> Vec<u8> {
    let mut objects = vec![
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>".to_vec(),
        format!("<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<<{resources}>>>>").into_bytes(),
        contents,
    ];
    objects.extend_from_slice(more);
    pdf_of(&objects, "")
}

/// One after the other, because memory is counted for the whole process.
#[test]
fn everything_that_is_made_to_cost() {
    zips();
    markup();
    pdf_structure();
    pdf_streams();
    pdf_fonts();
}

fn zips() {
    let bomb = cost("a thousand to one", &zip(&[("a.txt", vec![b'a'; 64 << 20])]), "a.zip");
    assert!(matches!(code(&bomb), "refused"));
    let spaced = zip(&[("a.docx", docx(&" ".repeat(100 << 20)))]);
    assert_eq!(code(&cost("a document of blanks", &spaced, "a.zip")), "memory");
    let mut nested = zip(&[("a.txt", "deep")]);
    for _ in 0..8 {
        nested = zip(&[("a.zip", nested.clone()), ("b.zip", nested)]);
    }
    let found = cost("archives in archives", &nested, "a.zip");
    assert!(found.notes.iter().any(|note| note.reason.contains("3 archives")));
    let mut chain = stored("a.txt", b"deep");
    for _ in 0..1000 {
        chain = stored("a.zip", &chain);
    }
    assert_eq!(code(&cost("a long chain of archives", &chain, "a.zip")), "refused");
    let many: Vec<_> = (0..70_000).map(|n| (format!("{n}.txt"), b"x")).collect();
    let found = cost("many files", &zip(&many), "a.zip");
    assert!(found.notes.iter().any(|note| note.reason.contains("10000 files")));
    assert!(found.text.contains("9999.txt"));
    // All entries of the directory lie over the same packed bytes.
    let packed = raw(&b"word ".repeat(10 << 20));
    let (mut over, mut directory) = (Vec::new(), Vec::new());
    let size = u32::try_from(packed.len()).unwrap().to_le_bytes();
    over.extend_from_slice(b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0");
    over.extend_from_slice(&size);
    over.extend_from_slice(&size);
    over.extend_from_slice(b"\x05\0\0\0a.txt");
    over.extend_from_slice(&packed);
    for _ in 0..5000 {
        directory.extend_from_slice(b"PK\x01\x02\x14\0\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0");
        directory.extend_from_slice(&size);
        directory.extend_from_slice(&size);
        directory.extend_from_slice(b"\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a.txt");
    }
    let place = u32::try_from(over.len()).unwrap();
    let length = u32::try_from(directory.len()).unwrap();
    over.extend_from_slice(&directory);
    over.extend_from_slice(b"PK\x05\x06\0\0\0\0\x88\x13\x88\x13");
    over.extend_from_slice(&length.to_le_bytes());
    over.extend_from_slice(&place.to_le_bytes());
    over.extend_from_slice(b"\0\0");
    cost("files that lie over each other", &over, "a.zip");
}

fn markup() {
    let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]><w:p><w:t>&c;end</w:t></w:p>";
    let part =
        |xml: String| zip(&[("[Content_Types].xml", "<Types/>".to_owned()), ("word/document.xml", xml)]);
    assert_eq!(cost("entities", &part(laughs.to_owned()), "a.docx").text, "end");
    let deep = format!("{}<w:t>deep</w:t>", "<w:p>".repeat(2_000_000));
    cost("deep XML", &part(deep), "a.docx");
    let long = format!("<w:t a='{}'/>", (0..3_000_000_u32).map(|n| format!("{n:x} ")).collect::<String>());
    assert_eq!(code(&cost("a long attribute", &part(long), "a.docx")), "memory");
    let strings = format!("<sst><si><t>{}</t></si></sst>", "long ".repeat(100_000));
    let cells = "<row><c t='s'><v>0</v></c></row>".repeat(200_000);
    let book = zip(&[
        ("[Content_Types].xml", "<Types/>".to_owned()),
        ("xl/sharedStrings.xml", strings),
        (
            "xl/worksheets/sheet1.xml",
            format!("<sheetData><row r='1048576'><c r='XFD1048576'><v>1</v></c></row>{cells}</sheetData>"),
        ),
    ]);
    assert_eq!(code(&cost("a string in many cells", &book, "a.xlsx")), "refused");
    cost("deep HTML", "<div>".repeat(2_000_000).as_bytes(), "a.html");
    cost("deep RTF", format!("{{\\rtf1 {}", "{".repeat(4_000_000)).as_bytes(), "a.rtf");
    let noise: Vec<u8> =
        (0..30_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x80).collect();
    cost("text in no charset", &noise, "a.txt");
}

fn pdf_structure() {
    let object =
        |object: &str| pdf_of(&[b"<</Type/Catalog/Pages 2 0 R>>".to_vec(), object.as_bytes().to_vec()], "");
    for (open, name) in
        [("[", "arrays"), ("<</A", "dictionaries"), ("(", "strings"), ("<</Type/Pages/Kids[", "trees")]
    {
        let deep = open.repeat(200_000);
        cost(&format!("deep {name}"), &object(&deep), "a.pdf");
        cost(&format!("deep {name} in a tree"), &object(&format!("<</Type/Pages/Kids[{deep}")), "a.pdf");
        cost(&format!("deep {name} on a page"), &pdf(&[&deep], true), "a.pdf");
        cost(&format!("deep {name} in a string"), &pdf(&[&format!("BT [{deep}")], true), "a.pdf");
    }
    cost("a tree that is its own kid", &object("<</Type/Pages/Kids[2 0 R 2 0 R 2 0 R]>>"), "a.pdf");
    let mut tree = vec![b"<</Type/Catalog/Pages 2 0 R>>".to_vec()];
    for n in 2..200_000 {
        tree.push(format!("<</Type/Pages/Kids[{} 0 R]>>", n + 1).into_bytes());
    }
    cost("a deep tree", &pdf_of(&tree, ""), "a.pdf");
    let twice = format!("<</Type/Pages/Kids[{}]>>", "<</Type/Page/Contents 3 0 R>>".repeat(100_000));
    let shared = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        twice.into_bytes(),
        stream("/Filter/FlateDecode", &zlib(&b"1 ".repeat(1 << 20))),
    ];
    cost("pages of one content", &pdf_of(&shared, ""), "a.pdf");
    cost("references in a circle", &object("2 0 R"), "a.pdf");
    cost("objects in strings", format!("%PDF-1.4\n{}", "1 0 obj (".repeat(5_000)).as_bytes(), "a.pdf");
    cost(
        "streams without an end",
        format!("%PDF-1.4\n{}", "1 0 obj<</Length 9>>stream\n".repeat(5_000)).as_bytes(),
        "a.pdf",
    );
    for piece in ["1 0 obj <</A(", "1 0 obj <</A% ", "<</A 1 ", "1 0 obj<</Type/ObjStm>>stream "] {
        let file = format!("%PDF-1.4\n{}", piece.repeat(200_000));
        assert_eq!(
            code(&cost(&format!("objects within each other: {piece}"), file.as_bytes(), "a.pdf")),
            "refused"
        );
    }
    let forms = "<</X 5 0 R/Y 5 0 R/Z 5 0 R>>";
    let form = stream("/Subtype/Form", &b"/X Do /Y Do /Z Do ".repeat(100));
    let bytes = page_with(&format!("/XObject{forms}"), stream("", b"/X Do"), &[form]);
    assert_eq!(code(&cost("forms in forms", &bytes, "a.pdf")), "refused");
    let mut chain = vec![b"<</Type/Catalog/Pages 2 0 R>>".to_vec()];
    for n in 2..200_000 {
        chain.push(format!("{} 0 R", n + 1).into_bytes());
    }
    cost("a chain of references", &pdf_of(&chain, ""), "a.pdf");
    for key in ["Resources", "Contents", "Kids", "Length"] {
        let mut chain = vec![
            b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
            format!("<</Type/Pages/{key} 3 0 R/Kids[3 0 R]>>").into_bytes(),
        ];
        for n in 3..50_000 {
            chain.push(
                format!("<</Type/Page/{key} {} 0 R/Parent {} 0 R>>stream\nx\nendstream", n + 1, n - 1)
                    .into_bytes(),
            );
        }
        cost(&format!("a chain by {key}"), &pdf_of(&chain, ""), "a.pdf");
    }
    cost("saved states", &pdf(&[&"q ".repeat(5_000_000)], true), "a.pdf");
    cost("pictures in the page", &pdf(&[&"BI ID EI ".repeat(100_000)], true), "a.pdf");
    cost("pictures without an end", &pdf(&[&"BI /W 1 ID \u{1}".repeat(20_000)], true), "a.pdf");
    cost(
        "numbers",
        &pdf(&["1e999999 99999999999999999999999 -.-.-. Td 1 0 0 1 1e40 1e40 cm (x) Tj"], true),
        "a.pdf",
    );
    let far = "BT /F 1e38 Tf 1e38 1e38 Td [(a) -1e38 (b)] TJ 0 0 0 0 0 0 Tm (c) Tj (d) ' ET".repeat(1000);
    cost("far away", &pdf(&[&far], true), "a.pdf");
}

fn pdf_streams() {
    let bomb = zlib(&vec![b' '; 100 << 20]);
    let found = cost(
        "a content that unpacks to much",
        &page_with("", stream("/Filter/FlateDecode", &bomb), &[]),
        "a.pdf",
    );
    assert_eq!(code(&found), "memory");
    let twice = zlib(&zlib(&vec![b' '; 300 << 20]));
    let found = cost(
        "packed twice",
        &page_with("", stream("/Filter[/FlateDecode/FlateDecode]", &twice), &[]),
        "a.pdf",
    );
    assert!(matches!(code(&found), "memory" | ""));
    let many = "4 0 R ".repeat(100);
    let some = zlib(&vec![b' '; 20 << 20]);
    let mut page = page_with("", stream("/Filter/FlateDecode", &some), &[]);
    let at = page.windows(14).position(|w| w == b"/Contents 4 0 ").unwrap();
    page.splice(at..at + 15, format!("/Contents[{many}]").into_bytes());
    assert_eq!(code(&cost("one content many times", &page, "a.pdf")), "memory");
    for (key, filter) in [
        ("First 9/N 9999999", "/FlateDecode"),
        ("W[1 1 1]", "/FlateDecode"),
        ("First 9/N 9", "[/FlateDecode/FlateDecode]"),
        ("First 9/N 9", "[/LZWDecode/RunLengthDecode]"),
    ] {
        let bytes = if filter.contains("[/Flate") { &twice } else { &bomb };
        let object = stream(&format!("/Type/ObjStm/{key}/Size 99999999/Root 1 0 R/Filter{filter}"), bytes);
        let mut file = page_with("", stream("", b"BT (x) Tj ET"), &[object]);
        // Also where the parser looks for what is not in the table, and where a table should be.
        cost("an object stream that unpacks to much", &file, "a.pdf");
        let end = file.windows(9).position(|w| w == b"startxref").unwrap();
        file.truncate(end);
        cost("the same without a table", &file, "a.pdf");
        let at = file.windows(7).position(|w| w == b"5 0 obj").unwrap();
        file.extend_from_slice(format!("startxref\n{at}\n%%EOF").as_bytes());
        cost("the same as the table", &file, "a.pdf");
    }
    let wide =
        stream("/Filter/FlateDecode/DecodeParms<</Predictor 12/Colors 30/Columns 2147483647>>", &zlib(b"x"));
    assert_eq!(code(&cost("a wide predictor", &page_with("", wide, &[]), "a.pdf")), "memory");
    let lzw = stream("/Filter/LZWDecode", &vec![0; 10 << 20]);
    assert_eq!(code(&cost("much in LZW", &page_with("", lzw, &[]), "a.pdf")), "memory");
}

fn pdf_fonts() {
    let bomb = zlib(&vec![b' '; 100 << 20]);
    let below = |more: &str| {
        format!(
            "<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/DescendantFonts[<</Type/Font/Subtype/CIDFontType2/BaseFont/X{more}>>]>>"
        )
    };
    let packed = stream("/Filter/FlateDecode", &bomb);
    for font in [
        below("/W[0 4294967295 500]"),
        below("/W2[0 4294967295 1 2 3]"),
        below("/FontDescriptor<</FontFile2 6 0 R>>"),
        below("/CIDToGIDMap 6 0 R"),
        "<</Type/Font/Subtype/Type0/BaseFont/X/Encoding 6 0 R/DescendantFonts[<<>>]>>".to_owned(),
        "<</Type/Font/Subtype/Type1/BaseFont/X/FirstChar 99999999999/LastChar 99999999999999/Widths[1]>>"
            .to_owned(),
        "<</Type/Font/Subtype/TrueType/BaseFont/X/ToUnicode 6 0 R>>".to_owned(),
        "<</Type/Font/Subtype/Type1/BaseFont/X/FontDescriptor<</FontFile3 6 0 R>>>>".to_owned(),
    ] {
        let bytes = page_with(
            "/Font<</F 5 0 R>>",
            stream("", b"BT /F 9 Tf (ab) Tj ET"),
            &[font.clone().into_bytes(), packed.clone()],
        );
        let found = cost(&font, &bytes, "a.pdf");
        assert!(matches!(code(&found), "memory" | "corrupt"), "{font}");
    }
}
