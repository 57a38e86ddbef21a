//! HTML bodies: their charset, and their text.

use postlode_mail::{codepage, html};

/// Decodes the bytes in several code pages and turns each into text.
pub fn target(data: &[u8]) {
    let data = data.get(..data.len().min(crate::MAX_INPUT)).unwrap_or_default();
    for page in [None, Some(0), Some(1252), Some(932), Some(50220), Some(codepage::UTF8), Some(1200)] {
        let document = html::decode(data, page);
        for limit in [64, crate::MAX_INPUT] {
            let (text, cut) = html::to_text(&document, limit);
            // The last character and the gap before it may go past the limit.
            assert!(text.len() <= limit.saturating_add(8), "{} bytes, at most {limit}", text.len());
            assert!(text.len() <= document.len().saturating_mul(4).saturating_add(8), "text out of nothing");
            assert!(cut || limit < crate::MAX_INPUT || document.len() >= text.len() / 4);
            assert!(!text.contains('\0') && text.trim_end() == text);
        }
    }
}
