//! RTF bodies: their compression, and their text or the HTML in them.

use postlode_mail::rtf::{Content, decompress, read};

/// Bytes that a document's output may go past its limit: a run of text is decoded in one piece.
const A_LITTLE: usize = 16 << 10;

/// Reads the bytes as a document, and as a compressed one.
pub fn target(data: &[u8]) {
    let data = data.get(..data.len().min(crate::MAX_INPUT)).unwrap_or_default();
    document(data);
    for limit in [100, crate::MAX_INPUT] {
        let (rtf, _) = decompress(data, limit);
        assert!(rtf.len() <= limit, "{} bytes, at most {limit}", rtf.len());
        document(&rtf);
    }
}

fn document(rtf: &[u8]) {
    for limit in [64, crate::MAX_INPUT] {
        let (content, _) = read(rtf, limit);
        let text = match content {
            Content::Text(text) | Content::Html(text) => text,
        };
        assert!(text.len() <= limit.saturating_add(A_LITTLE), "{} bytes, at most {limit}", text.len());
    }
}
