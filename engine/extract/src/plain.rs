//! Text as it stands, in whatever charset, and the two formats that the reader of mails reads: HTML and RTF.
//!
//! What always holds: no more is decoded than can be kept.

use crate::detect;
use crate::meter::{Fail, Meter};
use crate::output::Output;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use postlode_mail::{html, rtf};

/// Bytes by which a charset is told.
const SAMPLE: usize = 256 << 10;

pub(crate) fn text(bytes: &[u8], meter: &Meter<'_>, output: &mut Output) -> Result<(), Fail> {
    meter.time()?;
    let taken = taken(bytes, output);
    let sample = taken.get(..taken.len().min(SAMPLE)).unwrap_or_default();
    let encoding = if core::str::from_utf8(sample).is_ok_and(|_| taken.len() <= SAMPLE) {
        encoding_rs::UTF_8
    } else if let Some(wide) = detect::wide(sample) {
        wide
    } else {
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
        detector.feed(sample, taken.len() <= SAMPLE);
        detector.guess(None, Utf8Detection::Allow)
    };
    // A mark at the start counts before all that.
    let (text, _, _) = encoding.decode(taken);
    output.push(&text)?;
    if taken.len() < bytes.len() { Err(Fail::Full) } else { Ok(()) }
}

pub(crate) fn html(bytes: &[u8], meter: &Meter<'_>, output: &mut Output) -> Result<(), Fail> {
    markup(&html::decode(bytes, None), meter, output)
}

pub(crate) fn rtf(bytes: &[u8], meter: &Meter<'_>, output: &mut Output) -> Result<(), Fail> {
    meter.time()?;
    let (content, cut) = rtf::read(bytes, output.room());
    match content {
        rtf::Content::Text(text) => output.push(&text)?,
        rtf::Content::Html(text) => markup(&text, meter, output)?,
    }
    if cut { Err(Fail::Full) } else { Ok(()) }
}

fn markup(text: &str, meter: &Meter<'_>, output: &mut Output) -> Result<(), Fail> {
    meter.time()?;
    let (text, cut) = html::to_text(text, output.room());
    output.push(&text)?;
    if cut { Err(Fail::Full) } else { Ok(()) }
}

/// Bytes that are surely enough for the text that there is room for.
pub(crate) fn needed(output: &Output) -> u64 {
    u64::try_from(output.room()).unwrap_or(u64::MAX).saturating_mul(4).saturating_add(4096)
}

/// As much as can give the text that there is room for, in any charset, and then some.
fn taken<'b>(bytes: &'b [u8], output: &Output) -> &'b [u8] {
    let most = usize::try_from(needed(output)).unwrap_or(usize::MAX);
    bytes.get(..bytes.len().min(most)).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use crate::{Extracted, Format, Limits, extract};

    fn read(bytes: &[u8], name: &str) -> Extracted {
        extract(bytes, name, "", &Limits::default())
    }

    #[test]
    fn charsets_are_told() {
        assert_eq!(read("Grüße\r\nan alle".as_bytes(), "a.txt").text, "Grüße\nan alle");
        assert_eq!(read(b"Sch\xf6ne Gr\xfc\xdfe aus K\xf6ln", "a.txt").text, "Schöne Grüße aus Köln");
        assert_eq!(read(b"\xff\xfeG\0r\0\xfc\0", "a.txt").text, "Grü");
        assert_eq!(read(b"G\0r\0\xfc\0n\0e\0", "a.csv").text, "Grüne");
        assert_eq!(read(b"\xef\xbb\xbfa;b", "a.csv").text, "a;b");
        let russian = encoding_rs::WINDOWS_1251.encode("Привет, как твои дела сегодня?").0.into_owned();
        assert_eq!(read(&russian, "a.txt").text, "Привет, как твои дела сегодня?");
    }

    #[test]
    fn markup_goes() {
        let html = read(b"<!DOCTYPE html><p>One<p>Two<script>x</script>", "a.html");
        assert_eq!((html.text.as_str(), html.format), ("One\n\nTwo", Some(Format::Html)));
        let rtf = read(b"{\\rtf1\\ansi Gr\\'fc\\'dfe\\par x}", "a.rtf");
        assert_eq!((rtf.text.as_str(), rtf.format), ("Grüße\nx", Some(Format::Rtf)));
    }

    #[test]
    fn a_long_text_is_cut_with_a_note() {
        let limits = Limits { text: 1000, ..Limits::default() };
        let found = extract(&b"word ".repeat(100_000), "a.txt", "text/plain", &limits);
        assert!(found.text.len() <= 1000 && found.text.len() > 990);
        assert_eq!(found.notes[0].code, "refused");
        assert_eq!(found.notes[0].what, "a.txt");
    }
}
