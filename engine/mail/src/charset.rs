//! What 8-bit text is written in where nobody says so, by chardetng.
//!
//! What always holds: a guess is made from a sample of bounded length, the same bytes always give the same one, and it
//! is used for text only, never for ids. It needs some 8-bit text to be right: with few bytes the likeliest is Western
//! European.

use crate::codepage;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, WINDOWS_1252};

/// Most bytes that are looked at, from the first one on that tells anything.
const SAMPLE: usize = 64 << 10;

/// A guess that goes over several pieces of text that are written in the same way.
pub struct Guess {
    detector: EncodingDetector,
    left: usize,
    /// All of it is UTF-8.
    utf8: bool,
    /// Some of it is not ASCII.
    telling: bool,
}

impl Default for Guess {
    fn default() -> Self {
        let detector = EncodingDetector::new(Iso2022JpDetection::Allow);
        Self { detector, left: SAMPLE, utf8: true, telling: false }
    }
}

impl Guess {
    /// Takes a piece of text.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.left == 0 {
            return;
        }
        // Escapes are how ISO-2022-JP begins what is not ASCII.
        let Some(first) = bytes.iter().position(|b| !b.is_ascii() || *b == 0x1b) else { return };
        self.telling = true;
        self.utf8 &= core::str::from_utf8(bytes).is_ok();
        // The letter before counts: whether a byte begins a word tells scripts apart.
        let rest = bytes.get(first.saturating_sub(1)..).unwrap_or_default();
        if rest.len() >= self.left {
            // Not closed: the cut may be inside a character, which would tell against what it is of.
            self.detector.feed(rest.get(..self.left).unwrap_or_default(), false);
            self.left = 0;
            return;
        }
        self.detector.feed(rest, false);
        self.detector.feed(b"\n", false);
        self.left = self.left.saturating_sub(rest.len()).saturating_sub(1);
    }

    /// What all of it is written in; `None` where all is ASCII.
    #[must_use]
    pub fn encoding(self) -> Option<&'static Encoding> {
        if !self.telling {
            return None;
        }
        let guess = self.detector.guess(None, Utf8Detection::Deny);
        Some(match guess {
            // It is 7-bit, and so would be UTF-8 too.
            guess if guess == ISO_2022_JP => guess,
            _ if self.utf8 => UTF_8,
            // A code page that can be told to a reader.
            guess if codepage::page(guess).is_some() => guess,
            _ => WINDOWS_1252,
        })
    }
}

/// What a text is written in; `None` where all of it is ASCII.
#[must_use]
pub fn guess(bytes: &[u8]) -> Option<&'static Encoding> {
    let mut guess = Guess::default();
    guess.feed(bytes);
    guess.encoding()
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{BIG5, EUC_KR, GBK, ISO_8859_2, KOI8_R, SHIFT_JIS, WINDOWS_1250, WINDOWS_1251};
    use proptest::prelude::*;

    /// Texts as they stand in mails, and what they are written in.
    const TEXTS: &[(&Encoding, &str)] = &[
        (KOI8_R, "Здравствуйте, посылаю вам договор, который мы обсуждали вчера."),
        (WINDOWS_1251, "Здравствуйте, посылаю вам договор, который мы обсуждали вчера."),
        (SHIFT_JIS, "お世話になっております。昨日の会議の議事録をお送りします。"),
        (ISO_2022_JP, "お世話になっております。昨日の会議の議事録をお送りします。"),
        (GBK, "您好，附件是我们昨天讨论的合同，请您查收。"),
        (BIG5, "您好，附件是我們昨天討論的合約，請您查收。"),
        (EUC_KR, "안녕하세요. 어제 논의한 계약서를 첨부합니다."),
        (
            ISO_8859_2,
            "Dzień dobry, w załączniku przesyłam umowę, którą wczoraj omawialiśmy. Proszę też o świeże źródła.",
        ),
        (
            WINDOWS_1250,
            "Dzień dobry, w załączniku przesyłam umowę, którą wczoraj omawialiśmy. Proszę też o świeże źródła.",
        ),
        (
            WINDOWS_1252,
            "Sehr geehrte Frau Müller, anbei schicke ich Ihnen die Verträge für die Übergabe. Schöne Grüße",
        ),
        (WINDOWS_1252, "Vous trouverez ci-joint le contrat signé dont nous avons parlé hier, à bientôt."),
        (UTF_8, "Sehr geehrte Frau Müller"),
        (UTF_8, "Здравствуйте"),
    ];

    #[test]
    fn sentences_tell_what_they_are_written_in() {
        for (encoding, text) in TEXTS {
            let bytes = encoding.encode(text).0;
            let found = guess(&bytes).unwrap();
            assert_eq!(
                found.decode_without_bom_handling(&bytes).0,
                *text,
                "{}: {}",
                encoding.name(),
                found.name()
            );
        }
    }

    #[test]
    fn western_names_stay_western() {
        for name in [
            "Jörn",
            "Müller",
            "José Núñez",
            "François",
            "Åse Bjørnstad",
            "Grüße",
            "Entwürfe",
            "Übersicht für März",
            "n° 5",
            "10 €",
        ] {
            let bytes = WINDOWS_1252.encode(name).0;
            assert_eq!(guess(&bytes), Some(WINDOWS_1252), "{name}");
        }
    }

    #[test]
    fn ascii_tells_nothing_and_pieces_tell_together() {
        assert_eq!(guess(b"plain"), None);
        assert_eq!(guess(b""), None);
        let mut whole = Guess::default();
        for word in "Здравствуйте посылаю вам договор".split(' ') {
            whole.feed(&KOI8_R.encode(word).0);
        }
        let found = whole.encoding().unwrap();
        assert_eq!(found.decode_without_bom_handling(&KOI8_R.encode("договор").0).0, "договор");
        let mut mixed = Guess::default();
        mixed.feed("für".as_bytes());
        mixed.feed(b"f\xfcr");
        assert_ne!(mixed.encoding(), Some(UTF_8));
    }

    #[test]
    fn a_long_text_is_cut_anywhere() {
        let text = "お世話になっております".repeat(4_000);
        let bytes = SHIFT_JIS.encode(&text).0;
        for skipped in 0..3 {
            assert_eq!(guess(&[&b"ab"[..skipped], &bytes].concat()), Some(SHIFT_JIS));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_guessed(pieces: Vec<Vec<u8>>) {
            let mut guess = Guess::default();
            for piece in &pieces {
                guess.feed(piece);
            }
            if let Some(encoding) = guess.encoding() {
                prop_assert!(codepage::page(encoding).is_some());
            }
        }
    }
}
