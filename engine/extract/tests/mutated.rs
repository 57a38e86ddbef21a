//! Any bytes, and good files with bytes changed: no panic comes out, and none takes long.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod made;

use made::*;
use postlode_extract::{Limits, extract};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Changed files of each format.
const ROUNDS: u64 = 2_000;

/// Numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % most.max(1)
    }
}

/// What is put in place of what was there: numbers at their borders, and what the formats are made of.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"-1",
    b"4294967295",
    b"99999999999999999999",
    b"<<",
    b">>",
    b"[",
    b"]",
    b"(",
    b")",
    b"/",
    b"%",
    b"1 0 R",
    b"5 0 R",
    b" obj ",
    b"stream\n",
    b"endstream",
    b"<w:t>",
    b"</",
    b"<!--",
    b"<![CDATA[",
    b"&#x10ffff;",
    b"&amp",
    b"PK\x01\x02",
    b"{\\bin9999 ",
    b"BI ",
    b" ID ",
    b" Do ",
    b"q ",
    b" Tf ",
];

fn mutated(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len());
        match dice.below(6) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
            1 => {
                let piece = PIECES[dice.below(PIECES.len())];
                let end = (at + piece.len()).min(bytes.len());
                bytes.splice(at..end, piece.iter().copied());
            }
            2 => {
                let piece = PIECES[dice.below(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            3 => {
                let end = (at + dice.below(64)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + dice.below(256)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = dice.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => bytes.truncate(at.max(16)),
        }
        if bytes.is_empty() {
            bytes.push(b'x');
        }
    }
    bytes
}

/// What a file gives, in bounded time and text. Says how many of its notes tell of a panic.
fn checked(bytes: &[u8], name: &str) -> usize {
    let limits = Limits { time: Duration::from_secs(2), text: 64 << 10, ..Limits::default() };
    let start = Instant::now();
    let found = extract(bytes, name, "", &limits);
    let time = start.elapsed();
    assert!(time < Duration::from_secs(4), "{name} of {} bytes took {time:?}", bytes.len());
    assert!(found.text.len() <= limits.text);
    assert!(found.notes.len() <= 70);
    found.notes.iter().filter(|note| note.code == "crashed").count()
}

fn rounds(name: &str, seeds: &[Vec<u8>]) {
    let (mut dice, mut crashed) = (Dice(0x9e37_79b9_7f4a_7c15), 0);
    for round in 0..ROUNDS {
        let seed = &seeds[usize::try_from(round).unwrap() % seeds.len()];
        crashed += checked(&mutated(seed, &mut dice), name);
    }
    println!("{name}: {crashed} of {ROUNDS} ended in a panic inside a library");
}

#[test]
fn documents() {
    // Stored, so that changes reach what is inside.
    let inner = "<w:document><w:p><w:r><w:t>Some &amp; text</w:t><w:tab/></w:r></w:p></w:document>";
    let part = stored("word/document.xml", inner.as_bytes());
    rounds("a.docx", &[docx(&paragraphs(20)), part]);
}

#[test]
fn workbooks() {
    rounds("a.xlsx", &[xlsx()]);
}

#[test]
fn presentations() {
    rounds("a.pptx", &[pptx()]);
}

#[test]
fn messages_of_outlook() {
    rounds("winmail.dat", &[winmail()]);
}

#[test]
fn open_documents() {
    rounds("a.odt", &[odt("<manifest/>")]);
}

#[test]
fn archives() {
    let inner = zip(&[("c.txt", b"Innermost".to_vec()), ("d.docx", docx(&paragraphs(3)))]);
    rounds(
        "a.zip",
        &[zip(&[("a.txt", b"Outer".to_vec()), ("in/b.zip", inner.clone())]), stored("b.zip", &inner)],
    );
}

#[test]
fn pages() {
    let content = page(10);
    let seeds = [
        pdf(
            &[&content, "BT /F 9 Tf 9 9 Td (x) ' [(a) -300 (b)] TJ ET q /X Do Q BI /W 1 /H 1 ID x EI"],
            false,
        ),
        pdf(&[&content], true),
        pdf_with_object_stream(&content),
        pdf_encrypted(),
    ];
    rounds("a.pdf", &seeds);
}

#[test]
fn fonts() {
    let map = "begincmap 1 begincodespacerange <0000> <ffff> endcodespacerange 2 beginbfchar <0001> <4F60> <0002> <597D> endbfchar 1 beginbfrange <0003> <0009> <0041> endbfrange endcmap";
    let font = b"<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/ToUnicode 6 0 R/DescendantFonts[<</Type/Font/Subtype/CIDFontType2/BaseFont/X/W[1[500 600]3 9 700]/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>>>]>>".to_vec();
    let simple = b"<</Type/Font/Subtype/Type3/FontBBox[0 0 1 1]/FontMatrix[1 0 0 1 0 0]/FirstChar 65/LastChar 66/Widths[1 1]/CharProcs<</a 6 0 R>>/Encoding<</Differences[65/a/uni0042]>>>>".to_vec();
    let seeds: Vec<_> = [font, simple]
        .into_iter()
        .map(|font| {
            let objects = [
                b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
                b"<</Type/Pages/Count 1/Kids[3 0 R]>>".to_vec(),
                b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>".to_vec(),
                stream("", b"BT /F 12 Tf 9 9 Td <0001000200410042> Tj (AB) Tj ET"),
                font,
                stream("", map.as_bytes()),
            ];
            pdf_of(&objects, "")
        })
        .collect();
    rounds("f.pdf", &seeds);
}

#[test]
fn texts() {
    rounds(
        "a.rtf",
        &[b"{\\rtf1\\ansi{\\fonttbl{\\f0 Arial;}}Gr\\'fc\\u223?e\\par{\\*\\x y}\\bin3 abc z}".to_vec()],
    );
    rounds("a.html", &[b"<!DOCTYPE html><html><head><title>t</title></head><body><p>One <b>two</b>&nbsp;<pre>x</pre></body>".to_vec()]);
    rounds("a.txt", &["Grüße aus Köln, 你好".as_bytes().to_vec(), b"\xff\xfeG\0r\0\xfc\0".to_vec()]);
    let mut ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    ole.resize(2048, 0);
    rounds("a.doc", &[ole]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2048), name in "[a-z]{0,3}(\\.(txt|pdf|docx|zip|rtf|html|doc|csv))?") {
        checked(&bytes, &name);
    }

    #[test]
    fn any_bytes_after_a_beginning(
        start in proptest::sample::select(vec![&b"%PDF-1.7\n1 0 obj\n"[..], b"PK\x03\x04", b"{\\rtf1", b"<html>", b"\xff\xfe", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"]),
        bytes in proptest::collection::vec(any::<u8>(), 0..2048),
    ) {
        checked(&[start, &bytes].concat(), "a");
    }

    #[test]
    fn any_operators(content in "([0-9. -]{1,6}|\\([a-z\\\\()]{0,4}\\)|<[0-9a-f]{0,6}>|/F|/X|\\[|\\]|BT|ET|Tf|Tj|TJ|Td|Tm|T\\*|'|\"|Do|q|Q|cm|Tz|Tc|Tw|BI|ID|EI| ){0,60}") {
        checked(&pdf(&[&content], false), "a.pdf");
    }

    #[test]
    fn any_markup(body in "(<w:p>|</w:p>|<w:t>|</w:t>|<w:t/>|<w:tab/>|<mc:Fallback>|</mc:Fallback>|&amp;|&#65;|&x;|<!--|-->|<!\\[CDATA\\[|\\]\\]>|[a-z<>&\"' ]){0,60}") {
        checked(&docx(&body), "a.docx");
    }
}
