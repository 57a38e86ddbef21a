//! Folding: the form in which words are compared, without case, accents and compatibility variants.
//!
//! What always holds: folding is done character by character, so a word folds the same wherever it stands; what
//! is folded already does not change.

use unicode_normalization::UnicodeNormalization;

/// Appends the folded form of `c`. Combining accents fold to nothing.
pub fn fold_char(c: char, out: &mut String) {
    if c.is_ascii() {
        out.push(c.to_ascii_lowercase());
    } else if is_unspaced(c) {
        out.extend(std::iter::once(c).nfkc());
    } else {
        let parts = std::iter::once(c).nfkd().filter(|p| !is_accent(*p));
        for lower in parts.flat_map(char::to_lowercase).filter(|p| !is_accent(*p)) {
            match plain(lower) {
                Some(letters) => out.push_str(letters),
                None => out.push(lower),
            }
        }
    }
}

/// The folded form of a text.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| fold_char(c, &mut out));
    out
}

/// Letters that Unicode does not decompose, but that people type without their strokes.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ħ' => "h",
        'ı' => "i",
        'ς' => "σ",
        _ => return None,
    })
}

/// An accent that folding drops. Vowel signs of scripts that need them are none.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}')
}

/// A character of a script that is written without blanks between words, or whose words are too long to be
/// looked for whole: Chinese, Japanese, Korean, Thai, Lao, Burmese, Khmer.
#[must_use]
pub fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e01}'..='\u{0eff}'
        | '\u{1000}'..='\u{109f}'
        | '\u{1100}'..='\u{11ff}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{30ff}'
        | '\u{3130}'..='\u{318f}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff9f}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text: String) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }

    #[test]
    fn case_accents_and_variants_go() {
        assert_eq!(fold("Ärger in STRAẞE"), "arger in strasse");
        assert_eq!(fold("Ørsted Łódź ĲSSEL İstanbul ﬁne"), "orsted lodz ijssel istanbul fine");
        assert_eq!(fold("e\u{301}te\u{301}"), "ete");
        assert_eq!(fold("ΟΔΟΣ οδός"), "οδοσ οδοσ");
        assert_eq!(fold("ｶﾅ 漢字 が 한국"), "カナ 漢字 が 한국");
    }
}
