//! Bytes of bodies and headers to text.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// Bytes of an HTML body in which a charset may be declared.
const DECLARED_WITHIN: usize = 2048;

/// Text of 8-bit bytes: UTF-8 where they are that, else in the code page, else as Windows-1252.
pub fn decode(bytes: &[u8], codepage: u32) -> String {
    match core::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => of_codepage(codepage).unwrap_or(WINDOWS_1252).decode(bytes).0.into_owned(),
    }
}

/// Text of an HTML body: a byte order mark counts first, then UTF-8, then what it declares, then the code page.
pub fn decode_html(bytes: &[u8], codepage: u32) -> String {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return encoding.decode(bytes.get(mark..).unwrap_or(bytes)).0.into_owned();
    }
    if let Ok(text) = core::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let encoding = declared(bytes).filter(|e| *e != UTF_8).or_else(|| of_codepage(codepage));
    encoding.unwrap_or(WINDOWS_1252).decode(bytes).0.into_owned()
}

/// Text of UTF-16LE bytes.
pub fn decode_utf16(bytes: &[u8]) -> String {
    encoding_rs::UTF_16LE.decode_without_bom_handling(bytes).0.into_owned()
}

fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..DECLARED_WITHIN).unwrap_or(bytes).to_ascii_lowercase();
    let at = head.windows(8).position(|w| w == b"charset=")?;
    let label = head.get(at.saturating_add(8)..)?;
    let label: Vec<u8> = label
        .iter()
        .skip_while(|b| matches!(b, b'"' | b'\'' | b' '))
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        .copied()
        .collect();
    Encoding::for_label(&label)
}

fn of_codepage(codepage: u32) -> Option<&'static Encoding> {
    let label = match codepage {
        65001 => "utf-8".to_owned(),
        874 => "windows-874".to_owned(),
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 | 51949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        866 => "ibm866".to_owned(),
        10000 => "macintosh".to_owned(),
        20866 => "koi8-r".to_owned(),
        21866 => "koi8-u".to_owned(),
        50220..=50222 => "iso-2022-jp".to_owned(),
        51932 => "euc-jp".to_owned(),
        54936 => "gb18030".to_owned(),
        1250..=1258 => format!("windows-{codepage}"),
        28591..=28606 => format!("iso-8859-{}", codepage.saturating_sub(28590)),
        _ => return None,
    };
    Encoding::for_label(label.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_text() {
        assert_eq!(decode("é".as_bytes(), 1252), "é");
        assert_eq!(decode(&[0xe9], 1252), "é");
        assert_eq!(decode(&[0xe9], 0), "é");
        assert_eq!(decode(&[0xcf, 0xf0], 1251), "Пр");
        assert_eq!(decode_html(b"<meta charset='koi8-r'>\xf0", 0), "<meta charset='koi8-r'>П");
        assert_eq!(decode_html(b"\xff\xfeA\0", 0), "A");
        assert_eq!(decode_utf16(b"A\0\xe9\0"), "Aé");
    }
}
