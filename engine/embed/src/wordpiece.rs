//! Words into the pieces that a BERT model without case knows (WordPiece: Schuster and Nakajima, 2012; Devlin and others,
//! 2018).
//!
//! What always holds: the same text gives the same pieces; a word of any length costs time in proportion to it, and no
//! memory. Pieces are those of the reference implementation but for characters that Unicode did not know in 2016, and for
//! the names of a model's marks (`[SEP]`), which are words like others here: a mail cannot say where it ends.

use crate::error::EmbedError;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use unicode_general_category::{GeneralCategory as Category, get_general_category as category};
use unicode_normalization::char::decompose_canonical;

/// Characters of a word; a longer one is unknown.
const LONGEST_WORD: usize = 100;
/// Words of which the pieces are remembered, and the longest of them in bytes.
const REMEMBERED: usize = 1 << 16;
const LONGEST_REMEMBERED: usize = 40;
/// Pieces that a vocabulary may have, and bytes of one.
const MOST_PIECES: usize = 1 << 20;
const LONGEST_PIECE: usize = 256;

/// The pieces that a model knows.
#[derive(Debug)]
pub struct Vocabulary {
    /// Beginnings of words.
    heads: HashMap<Box<str>, u32, RandomState>,
    /// What comes after them, without the two signs that tell it.
    tails: HashMap<Box<str>, u32, RandomState>,
    /// Bytes of the longest.
    longest: usize,
    /// What stands for a word that has no pieces.
    unknown: u32,
    pieces: u32,
}

impl Vocabulary {
    /// Reads one piece a line; the line's number is the piece's.
    ///
    /// # Errors
    /// Where it has too many, or none for unknown words.
    pub fn parse(text: &str) -> Result<Self, EmbedError> {
        let refused = |what: &str| Err(EmbedError::Vocabulary(what.to_owned()));
        let mut own = Self {
            heads: HashMap::default(),
            tails: HashMap::default(),
            longest: 0,
            unknown: u32::MAX,
            pieces: 0,
        };
        for piece in text.lines() {
            if own.pieces as usize >= MOST_PIECES || piece.len() > LONGEST_PIECE {
                return refused("it has too many pieces, or too long ones");
            }
            let number = own.pieces;
            own.pieces += 1;
            if piece == "[UNK]" {
                own.unknown = number;
            }
            let (map, piece) = match piece.strip_prefix("##") {
                Some(tail) if !tail.is_empty() => (&mut own.tails, tail),
                _ => (&mut own.heads, piece),
            };
            own.longest = own.longest.max(piece.len());
            map.insert(piece.into(), number);
        }
        if own.unknown == u32::MAX { refused("it has no piece [UNK]") } else { Ok(own) }
    }

    /// How many pieces there are.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// The number of a piece at the beginning of a word.
    #[must_use]
    pub fn piece(&self, piece: &str) -> Option<u32> {
        self.heads.get(piece).copied()
    }

    /// What stands for words that have no pieces.
    #[must_use]
    pub fn unknown(&self) -> u32 {
        self.unknown
    }

    /// The longest piece that a word begins with, then the longest that goes on, and so on.
    fn cut(&self, word: &str, out: &mut Vec<u32>) {
        let before = out.len();
        if word.chars().count() > LONGEST_WORD {
            out.push(self.unknown);
            return;
        }
        let mut rest = word;
        let mut map = &self.heads;
        while !rest.is_empty() {
            let mut end = rest.len().min(self.longest);
            let found = loop {
                while !rest.is_char_boundary(end) {
                    end -= 1;
                }
                if end == 0 {
                    break None;
                }
                let (piece, after) = rest.split_at(end);
                if let Some(number) = map.get(piece) {
                    break Some((*number, after));
                }
                end -= 1;
            };
            let Some((number, after)) = found else {
                out.truncate(before);
                out.push(self.unknown);
                return;
            };
            out.push(number);
            (rest, map) = (after, &self.tails);
        }
    }
}

/// Cuts texts into pieces, and remembers words.
pub struct Tokenizer<'v> {
    vocabulary: &'v Vocabulary,
    /// Where the pieces of a word are in `pieces`.
    known: HashMap<Box<str>, (u32, u32), RandomState>,
    pieces: Vec<u32>,
    word: String,
}

impl<'v> Tokenizer<'v> {
    /// One that has seen no word yet.
    #[must_use]
    pub fn new(vocabulary: &'v Vocabulary) -> Self {
        Self { vocabulary, known: HashMap::default(), pieces: Vec::new(), word: String::new() }
    }

    /// Puts the first `most` pieces of a text into `out`.
    pub fn tokens(&mut self, text: &str, most: usize, out: &mut Vec<u32>) {
        out.clear();
        self.word.clear();
        for c in text.chars() {
            if c.is_ascii() {
                self.ascii(c, out);
            } else {
                self.other(c, out);
            }
            if out.len() >= most {
                break;
            }
        }
        self.end_word(out);
        out.truncate(most);
    }

    /// What is too long a word already need not be kept.
    fn push(&mut self, c: char) {
        if self.word.len() <= 4 * LONGEST_WORD {
            self.word.push(c);
        }
    }

    fn ascii(&mut self, c: char, out: &mut Vec<u32>) {
        match c {
            'a'..='z' | '0'..='9' => self.push(c),
            'A'..='Z' => self.push(c.to_ascii_lowercase()),
            ' ' | '\t' | '\n' | '\r' => self.end_word(out),
            _ if c.is_ascii_punctuation() => self.alone(c, out),
            // Other control characters are as if they were not there.
            _ => {}
        }
    }

    fn other(&mut self, c: char, out: &mut Vec<u32>) {
        if c == '\u{fffd}' || is_control(c) {
            return;
        }
        if c.is_whitespace() {
            self.end_word(out);
            return;
        }
        // At most a handful, so that no text grows beyond all bounds.
        let mut parts = [None; 8];
        let mut at = 0;
        decompose_canonical(c, |part| {
            if let Some(slot) = parts.get_mut(at) {
                *slot = Some(part);
            }
            at += 1;
        });
        for part in parts.into_iter().flatten() {
            if is_ideograph(c) {
                self.alone(part, out);
                continue;
            }
            if category(part) == Category::NonspacingMark {
                continue;
            }
            for lower in part.to_lowercase() {
                if is_punctuation(lower) {
                    self.alone(lower, out);
                } else {
                    self.push(lower);
                }
            }
        }
    }

    /// A character that is a word of its own.
    fn alone(&mut self, c: char, out: &mut Vec<u32>) {
        self.end_word(out);
        self.word.push(c);
        self.end_word(out);
    }

    fn end_word(&mut self, out: &mut Vec<u32>) {
        if self.word.is_empty() {
            return;
        }
        if let Some((at, len)) = self.known.get(self.word.as_str()) {
            let range = *at as usize..(*at as usize).saturating_add(*len as usize);
            out.extend_from_slice(self.pieces.get(range).unwrap_or(&[]));
        } else {
            let before = out.len();
            self.vocabulary.cut(&self.word, out);
            let pieces = out.get(before..).unwrap_or(&[]);
            if self.known.len() < REMEMBERED && self.word.len() <= LONGEST_REMEMBERED {
                let at = u32::try_from(self.pieces.len()).unwrap_or(u32::MAX);
                let len = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
                self.known.insert(self.word.as_str().into(), (at, len));
                self.pieces.extend_from_slice(pieces);
            }
        }
        self.word.clear();
    }
}

/// Characters that the reference leaves out of a text.
fn is_control(c: char) -> bool {
    matches!(
        category(c),
        Category::Control
            | Category::Format
            | Category::PrivateUse
            | Category::Surrogate
            | Category::Unassigned
    )
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(
            category(c),
            Category::ConnectorPunctuation
                | Category::DashPunctuation
                | Category::OpenPunctuation
                | Category::ClosePunctuation
                | Category::InitialPunctuation
                | Category::FinalPunctuation
                | Category::OtherPunctuation
        )
}

/// The blocks of Chinese characters that the reference sets apart.
fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c),
        0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x2_a6df
        | 0x2_a700..=0x2_b73f | 0x2_b740..=0x2_b81f | 0x2_b920..=0x2_ceaf | 0x2_f800..=0x2_fa1f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PIECES: &str =
        "[PAD]\n[UNK]\nun\n##aff\n##able\nmail\n##s\n,\ncafe\n中\n##e\n-\nstraße\ni\n##x\nthe";

    fn cut(text: &str) -> Vec<u32> {
        let vocabulary = Vocabulary::parse(PIECES).unwrap();
        let mut out = Vec::new();
        Tokenizer::new(&vocabulary).tokens(text, 1_000, &mut out);
        out
    }

    #[test]
    fn words_are_cut_at_the_longest_pieces() {
        assert_eq!(cut("unaffable mails"), [2, 3, 4, 5, 6]);
        assert_eq!(cut("UNAFFABLE,mail"), [2, 3, 4, 7, 5]);
        // No piece goes on after "un" here, so the whole word is unknown.
        assert_eq!(cut("unmail the"), [1, 15]);
        assert_eq!(cut(""), [0u32; 0]);
        assert_eq!(cut(" \u{a0}\t\u{2003}"), [0u32; 0]);
    }

    #[test]
    fn accents_go_ideographs_stand_alone_controls_are_not_there() {
        assert_eq!(cut("Café CAFE\u{301}"), [8, 8]);
        assert_eq!(cut("中中mail"), [9, 9, 5]);
        // A character that stands for another in old code pages.
        assert_eq!(cut("\u{f90a}\u{2f83f}"), [1, 1]);
        assert_eq!(cut("ma\u{200b}i\u{7}l\u{ad}s"), [5, 6]);
        assert_eq!(cut("mail—mail"), [5, 1, 5]);
        assert_eq!(cut("straße"), [12]);
        // A capital I with a dot is an i and a dot above, and the dot goes.
        assert_eq!(cut("İ"), [13]);
        assert_eq!(cut("e\u{fffd}"), [1]);
    }

    #[test]
    fn no_word_and_no_text_is_too_long() {
        let long = format!("mail{}", "s".repeat(96));
        assert_eq!(cut(&long).len(), 97);
        assert_eq!(cut(&format!("{long}s")), [1]);
        assert_eq!(cut(&format!("mail{} the", "s".repeat(1 << 20))), [1, 15]);
        let vocabulary = Vocabulary::parse(PIECES).unwrap();
        let mut out = vec![9; 9];
        Tokenizer::new(&vocabulary).tokens(&"mails ".repeat(1_000), 3, &mut out);
        assert_eq!(out, [5, 6, 5]);
    }

    #[test]
    fn a_vocabulary_without_an_unknown_piece_is_none() {
        assert!(Vocabulary::parse("a\nb").is_err());
        assert!(Vocabulary::parse("").is_err());
        assert!(Vocabulary::parse(&format!("[UNK]\n{}", "x".repeat(300))).is_err());
    }

    proptest! {
        /// Also of words that were seen before.
        #[test]
        fn the_same_text_gives_the_same_pieces(text in "\\PC{0,60}", again in "[a-zé中 ,]{0,60}") {
            let vocabulary = Vocabulary::parse(PIECES).unwrap();
            let mut tokenizer = Tokenizer::new(&vocabulary);
            let (mut first, mut second) = (Vec::new(), Vec::new());
            for text in [&text, &again] {
                tokenizer.tokens(text, 500, &mut first);
                tokenizer.tokens(text, 500, &mut second);
                prop_assert_eq!(&first, &second);
                prop_assert_eq!(&first, &{ let mut own = cut(text); own.truncate(500); own });
                prop_assert!(first.iter().all(|piece| *piece < vocabulary.pieces()));
            }
        }
    }
}
