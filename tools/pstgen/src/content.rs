//! What attachments hold: small valid files of common kinds, in sizes from nothing to several blocks.

use postlode_pst_writer::{Attachment, Payload};

use crate::random::Random;
use crate::templates::{Gaps, TOPICS, fill};

/// File names by extension, with gaps.
#[rustfmt::skip]
const NAMES: [(&str, &[&str]); 7] = [
    ("txt", &["notes {number}", "readme", "{document}", "Überprüfung {number}", "メモ {number}"]),
    ("csv", &["figures {number}", "Kostenübersicht {number}", "export", "{city} stock"]),
    ("log", &["server-{number}", "trace"]),
    ("html", &["report {number}", "página {number}"]),
    ("pdf", &["{document}", "Invoice {number}", "facture nº{number}", "見積書_{number}", "scan-{number}"]),
    ("png", &["image{number}", "screenshot {number}", "📸 {city}", "Zeichnung Größe {number}"]),
    ("dat", &["calibration-{number}", "dump"]),
];

/// A file to attach.
pub(crate) fn file(gaps: &Gaps<'_>, random: &mut Random) -> Attachment {
    let (extension, names) = NAMES[random.below(NAMES.len())];
    let mut name = String::new();
    fill(&mut name, random.pick(names), gaps, random);
    name.push('.');
    name.push_str(extension);
    let size = match random.below(100) {
        0 => 0,
        1..=4 => random.between(66_000, 400_000),
        5..=17 => random.between(8_200, 60_000),
        _ => random.between(80, 4_000),
    };
    let (bytes, mime_type) = match extension {
        "csv" => (table(size, random), "text/csv"),
        "html" => (html(size, gaps, random), "text/html"),
        "pdf" => (pdf(size, gaps, random), "application/pdf"),
        "png" => (png(size, random), "image/png"),
        "dat" => (noise(size, random), "application/octet-stream"),
        _ => (prose(size, gaps, random).into_bytes(), "text/plain"),
    };
    let mut attachment = Attachment::new(name, Payload::Bytes(bytes));
    attachment.mime_type = Some(mime_type.into());
    attachment
}

/// Sentences, a line each, of about `size` bytes.
fn prose(size: usize, gaps: &Gaps<'_>, random: &mut Random) -> String {
    let mut out = String::new();
    while out.len() < size {
        let topic = &TOPICS[random.below(TOPICS.len())];
        fill(&mut out, random.pick(topic.sentences), gaps, random);
        out.push_str("\r\n");
    }
    out
}

fn table(size: usize, random: &mut Random) -> Vec<u8> {
    let mut out = String::new();
    if size > 0 {
        out.push_str("item;quantity;price\r\n");
    }
    while out.len() < size {
        let (item, quantity) = (random.between(1000, 9999), random.between(1, 500));
        out.push_str(&format!("P-{item};{quantity};{}.{:02}\r\n", random.below(900), random.below(100)));
    }
    out.into_bytes()
}

fn html(size: usize, gaps: &Gaps<'_>, random: &mut Random) -> Vec<u8> {
    let text = prose(size, gaps, random).replace("\r\n", "</p>\r\n<p>");
    format!("<!DOCTYPE html><html><head><meta charset=\"utf-8\"></head><body><p>{text}</p></body></html>")
        .into_bytes()
}

fn noise(size: usize, random: &mut Random) -> Vec<u8> {
    let mut out = Vec::with_capacity(size + 8);
    while out.len() < size {
        out.extend_from_slice(&random.next().to_le_bytes());
    }
    out.truncate(size);
    out
}

/// A PDF of one page with as many lines of text as `size` asks for.
fn pdf(size: usize, gaps: &Gaps<'_>, random: &mut Random) -> Vec<u8> {
    let mut content = String::from("BT /F1 10 Tf 12 TL 40 800 Td\n");
    for line in prose(size.max(1), gaps, random).lines() {
        let plain: String = line
            .chars()
            .filter(|c| c.is_ascii_graphic() || *c == ' ')
            .filter(|c| !"()\\".contains(*c))
            .collect();
        content.push_str(&format!("({plain}) Tj T*\n"));
    }
    content.push_str("ET\n");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{content}endstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut out = String::from("%PDF-1.4\n");
    let mut index = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in objects.iter().enumerate() {
        index.push_str(&format!("{:010} 00000 n \n", out.len()));
        out.push_str(&format!("{} 0 obj\n{object}\nendobj\n", number + 1));
    }
    let start = out.len();
    out.push_str(&index);
    out.push_str(&format!(
        "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n",
        objects.len() + 1
    ));
    out.into_bytes()
}

/// A grey picture of about `size` bytes, its pixels stored without compression.
fn png(size: usize, random: &mut Random) -> Vec<u8> {
    const WIDTH: usize = 64;
    let height = (size / (WIDTH + 1)).max(1);
    let mut pixels = Vec::with_capacity(height * (WIDTH + 1));
    for _ in 0..height {
        pixels.push(0); // no filter
        pixels.extend_from_slice(&noise(WIDTH, random));
    }
    let mut stream = vec![0x78, 0x01];
    let mut chunks = pixels.chunks(0xFFFF).peekable();
    while let Some(chunk) = chunks.next() {
        stream.push(u8::from(chunks.peek().is_none()));
        stream.extend_from_slice(&(chunk.len() as u16).to_le_bytes());
        stream.extend_from_slice(&(!(chunk.len() as u16)).to_le_bytes());
        stream.extend_from_slice(chunk);
    }
    stream.extend_from_slice(&adler32(&pixels).to_be_bytes());
    let mut header = Vec::new();
    header.extend_from_slice(&(WIDTH as u32).to_be_bytes());
    header.extend_from_slice(&(height as u32).to_be_bytes());
    header.extend_from_slice(&[8, 0, 0, 0, 0]);
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", header), (b"IDAT", stream), (b"IEND", Vec::new())] {
        out.extend_from_slice(&(data.len() as u32).to_be_bytes());
        let start = out.len();
        out.extend_from_slice(kind);
        out.extend_from_slice(&data);
        let checksum = crc32fast::hash(&out[start..]);
        out.extend_from_slice(&checksum.to_be_bytes());
    }
    out
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    (high << 16) | low
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAPS: Gaps<'_> = Gaps { project: "Ægir", person: "Ada", unix: 0 };

    #[test]
    fn adler_of_a_known_text() {
        assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
    }

    #[test]
    fn the_index_of_a_pdf_points_at_its_objects() {
        let bytes = pdf(3000, &GAPS, &mut Random::new(1, 1));
        let text = String::from_utf8(bytes).unwrap();
        let start: usize = text.lines().rev().nth(1).unwrap().parse().unwrap();
        assert!(text[start..].starts_with("xref"));
        for (number, line) in text[start..].lines().skip(3).take(5).enumerate() {
            let at: usize = line[..10].parse().unwrap();
            assert!(text[at..].starts_with(&format!("{} 0 obj", number + 1)));
        }
    }

    #[test]
    fn sizes_reach_beyond_a_block_and_beyond_64_kib() {
        let mut random = Random::new(3, 1);
        let sizes: Vec<usize> = (0..600)
            .map(|_| match file(&GAPS, &mut random).payload {
                Payload::Bytes(bytes) => bytes.len(),
                _ => panic!("not a file"),
            })
            .collect();
        assert!(sizes.contains(&0));
        assert!(sizes.iter().any(|size| (8_193..65_536).contains(size)));
        assert!(sizes.iter().any(|size| *size > 65_536));
    }
}
