//! Words that a model spells because it does not know them.
//!
//! A vocabulary has the single letters of many scripts, so that hardly a word is unknown to it; but a model that was trained on
//! English makes nothing of the letters of a Russian word. Where most of a text is spelt, it has no vector, and answers say so.

/// A vocabulary that has so many ideographs is one of a language that is written with them.
const IDEOGRAPHS: usize = 2_000;

/// The last letter of the Latin script, as far as languages of Europe need it.
const LAST_LATIN: char = '\u{24f}';

fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c), 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}

/// Of each piece of a vocabulary, one a line: is it one letter of a word in another script? Ideographs are words by themselves
/// where the vocabulary has many. Latin letters are not counted: `passwords` and `vpn` end in pieces of one letter too.
pub fn spelt(vocabulary: &str) -> Vec<bool> {
    let letter = |piece: &str| {
        let mut letters = piece.chars();
        letters.next().filter(|letter| letters.next().is_none() && letter.is_alphabetic())
    };
    let ideographs = vocabulary.lines().filter_map(letter).filter(|letter| is_ideograph(*letter)).count();
    let is_spelt = |piece: &str| {
        letter(piece.strip_prefix("##").unwrap_or(piece))
            .is_some_and(|letter| letter > LAST_LATIN && !(is_ideograph(letter) && ideographs >= IDEOGRAPHS))
    };
    vocabulary.lines().map(is_spelt).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_words_are_told_from_words_of_a_letter() {
        let pieces =
            ["[UNK]", "a", "##a", "и", "##и", "##ий", "мир", "中", "##中", "7", "##7", "!", "é", "##s"];
        let spelt = spelt(&pieces.join("\n"));
        let those: Vec<&str> =
            pieces.iter().zip(&spelt).filter(|(_, spelt)| **spelt).map(|(piece, _)| *piece).collect();
        assert_eq!(those, ["и", "##и", "中", "##中"]);
    }

    #[test]
    fn ideographs_are_words_where_there_are_many() {
        let many: Vec<String> =
            (0x4e00..0x4e00 + 2_100).filter_map(char::from_u32).map(String::from).collect();
        let spelt = spelt(&format!("{}\n##и", many.join("\n")));
        assert!(spelt[..2_100].iter().all(|spelt| !spelt) && spelt[2_100]);
    }
}
