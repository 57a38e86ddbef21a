//! Signatures of texts, by which near-duplicates are told: MinHash (Broder, "On the resemblance and containment of documents",
//! 1997) of pairs of words, one byte a row, with four bands of two rows that are looked up (Leskovec, Rajaraman and Ullman,
//! "Mining of Massive Datasets", 3.4).
//!
//! What always holds: a signature depends on the words of a text and their order and on nothing else, neither on case (as letters
//! are lower-cased one by one) nor on what stands between them; a text is signed by its first [`MOST_WORDS`], in time that is linear
//! in its length.

use crate::row::{ArchivedExtra, Extra, extra};

/// Fewer words tell nothing: such texts are alike by chance, or because everybody writes them.
pub const FEWEST_WORDS: usize = 10;
/// Words that are looked at.
pub const MOST_WORDS: usize = 20_000;
/// Bands of a signature: one is equal in two texts of which four fifths of the pairs are the same in 98 of 100 cases.
pub const BANDS: usize = 4;
const BAND: usize = 4;
/// Rows that texts are compared by.
const COMPARED: usize = 48;
/// Of these so many are equal in near-duplicates, which is where three quarters of the pairs of words are the same, about: of texts
/// in which one word in twenty differs nine in ten are told to be near, of those in which one in ten does one in five is.
const EQUAL: usize = 36;
const ROWS: usize = 2 * BANDS + COMPARED;
const BYTES: usize = BANDS * BAND + COMPARED;

/// In the place of a band, of emails of which it is not known whether their texts are near to others.
pub const UNSIGNED: [u8; BAND] = [0; BAND];

/// A signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; BYTES]);

/// What an email's row tells of its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: it was stored before there were any.
    Unknown,
    /// Its text is too short for one.
    Short,
    /// This is it.
    Signed(Signature),
}

impl Signature {
    /// That of a text, which may come in pieces. `None` where it is too short.
    #[must_use]
    pub fn of<'t>(pieces: impl IntoIterator<Item = &'t str>) -> Option<Self> {
        let mut words = 0usize;
        let mut before = None;
        let mut least = [u32::MAX; ROWS];
        for word in pieces.into_iter().flat_map(Words::of).take(MOST_WORDS) {
            words = words.saturating_add(1);
            if let Some(before) = before.replace(word) {
                let pair = mix(u64::rotate_left(before, 1).wrapping_add(word));
                for (least, (factor, more)) in least.iter_mut().zip(&FUNCTIONS) {
                    let value = pair.wrapping_mul(*factor).wrapping_add(*more) >> 32;
                    *least = (*least).min(u32::try_from(value).unwrap_or(u32::MAX));
                }
            }
        }
        if words < FEWEST_WORDS {
            return None;
        }
        let (bands, compared) = least.split_at(2 * BANDS);
        let bands = (0u64..).zip(bands.as_chunks::<2>().0).flat_map(|(band, [one, other])| {
            let both = (u64::from(*one) << 32 | u64::from(*other)).wrapping_add(band);
            // None is that of emails without signature.
            let hash = mix(both).max(1 << 32);
            hash.to_be_bytes().into_iter().take(BAND)
        });
        let compared = compared.iter().flat_map(|least| least.to_le_bytes().into_iter().take(1));
        let mut out = [0; BYTES];
        out.iter_mut().zip(bands.chain(compared)).for_each(|(to, from)| *to = from);
        Some(Self(out))
    }

    /// As it is kept with an email's row, or that there is none.
    #[must_use]
    pub fn extra(of: Option<&Self>) -> Extra {
        Extra { number: extra::NEAR, bytes: of.map(|own| own.0.to_vec()).unwrap_or_default() }
    }

    /// Out of an email's row.
    #[must_use]
    pub fn kept(extras: &[ArchivedExtra]) -> Kept {
        match extras.iter().find(|kept| kept.number == extra::NEAR) {
            Some(kept) if kept.bytes.is_empty() => Kept::Short,
            Some(kept) => {
                kept.bytes.as_slice().try_into().map_or(Kept::Unknown, |own| Kept::Signed(Self(own)))
            }
            None => Kept::Unknown,
        }
    }

    /// Its bands: near-duplicates have at least one in common, nearly always.
    pub fn bands(&self) -> impl Iterator<Item = [u8; BAND]> + '_ {
        self.0.as_chunks::<BAND>().0.iter().take(BANDS).copied()
    }

    /// Are the texts near-duplicates? Those without a common band are not: they would not be found, and whether texts are near
    /// must not depend on which of them is looked at first.
    #[must_use]
    pub fn is_near(&self, other: &Self) -> bool {
        let rows = self.0.iter().zip(&other.0).skip(BANDS * BAND);
        let equal = rows.filter(|(one, other)| one == other).count();
        equal >= EQUAL && self.bands().any(|band| other.bands().any(|own| own == band))
    }
}

/// Factors, which are odd, and summands of the functions whose least values are kept.
const FUNCTIONS: [(u64, u64); ROWS] = {
    let mut out = [(0, 0); ROWS];
    let (mut row, mut state) = (0, 0u64);
    while row < ROWS {
        let factor = mix(state.wrapping_add(STEP)) | 1;
        state = state.wrapping_add(STEP.wrapping_mul(2));
        #[allow(
            clippy::indexing_slicing,
            clippy::arithmetic_side_effects,
            reason = "it is inside, and a constant"
        )]
        {
            out[row] = (factor, mix(state));
            row += 1;
        }
    }
    out
};

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The last steps of SplitMix64 (Steele, Lea and Flood, 2014).
const fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Hashes of the words of a text, FNV-1a of their letters and digits in lower case. In scripts without blanks each letter is one.
struct Words<'t> {
    letters: std::str::Chars<'t>,
    /// A letter that was read and is a word by itself.
    next: Option<u64>,
}

impl<'t> Words<'t> {
    fn of(text: &'t str) -> Self {
        Self { letters: text.chars(), next: None }
    }
}

impl Iterator for Words<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if let Some(next) = self.next.take() {
            return Some(next);
        }
        let mut word = None;
        for letter in self.letters.by_ref() {
            if !letter.is_alphanumeric() {
                if word.is_some() {
                    return word;
                }
                continue;
            }
            if stands_alone(letter) {
                let alone = hashed(None, letter);
                if word.is_some() {
                    self.next = Some(alone);
                    return word;
                }
                return Some(alone);
            }
            word =
                Some(letter.to_lowercase().fold(word, |word, lower| Some(hashed(word, lower))).unwrap_or(0));
        }
        word
    }
}

fn hashed(word: Option<u64>, letter: char) -> u64 {
    let mut bytes = [0; 4];
    let start = word.unwrap_or(0xcbf2_9ce4_8422_2325);
    letter
        .encode_utf8(&mut bytes)
        .bytes()
        .fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Thai, Lao, Burmese, Khmer, and what comes from China and Japan.
fn stands_alone(letter: char) -> bool {
    matches!(u32::from(letter), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x2e80..=0xa4cf | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::to_hex;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const TEXT: &str =
        "The quarterly report is late again, because Höhe and 大きさ were mixed up in table 7 of the annex.";

    fn words(seed: u64, count: u64) -> Vec<String> {
        (0..count).map(|n| format!("w{}", mix(seed.wrapping_add(n)) % 5_000)).collect()
    }

    /// Part of the pairs of two texts that both have.
    fn resemblance(one: &[String], other: &[String]) -> f64 {
        let pairs = |words: &[String]| words.windows(2).map(|pair| pair.join(" ")).collect::<BTreeSet<_>>();
        let (one, other) = (pairs(one), pairs(other));
        one.intersection(&other).count() as f64 / one.union(&other).count() as f64
    }

    /// It is part of the format: other writers have to come to the same bytes.
    #[test]
    fn a_signature_stays_as_it_is() {
        let signature = Signature::of([TEXT]).unwrap();
        assert_eq!(
            to_hex(&signature.0),
            "6b451fa74d69b37935d5b68edc86b995bd49c75c35c88bec26b0e73a0e0eee98\
             e1fa1d85a49182c39165760738d8b1caa2890a7156c4a20e9739317bb6a14af5"
        );
        assert_eq!(Words::of(TEXT).count(), 21);
        let odd = "\u{3a3}\u{3a3} Stra\u{df}e e\u{301} II \u{2163} \u{0e01}\u{0e34}\u{0e19} x2 \u{b2}";
        let apart = [
            "\u{3c3}\u{3c3}",
            "stra\u{df}e",
            "e",
            "ii",
            "\u{2173}",
            "\u{0e01}",
            "\u{0e34}",
            "\u{0e19}",
            "x2",
            "\u{b2}",
        ];
        let words: Vec<u64> = apart.iter().flat_map(|word| Words::of(word)).collect();
        assert_eq!(Words::of(odd).collect::<Vec<_>>(), words, "no normalisation, letters one by one");
        assert_eq!(words.len(), apart.len());
        assert_eq!(Words::of("a").next(), Some(0xaf63_dc4c_8601_ec8c), "FNV-1a, as its authors publish it");
        assert_eq!(mix(STEP), 0xe220_a839_7b1d_cdaf, "SplitMix64, as its authors publish it");
    }

    #[test]
    fn case_and_what_stands_between_words_do_not_matter() {
        let one = Signature::of([TEXT]);
        let shouted = TEXT.to_uppercase().replace(' ', "\r\n> ");
        assert_eq!(Signature::of([shouted.as_str()]), one);
        assert_eq!(Signature::of(TEXT.split_inclusive(' ')), one, "in pieces");
        let turned: Vec<&str> = TEXT.split(' ').rev().collect();
        assert!(!Signature::of([turned.join(" ").as_str()]).unwrap().is_near(&one.unwrap()));
    }

    #[test]
    fn short_texts_have_none_and_long_ones_are_cut() {
        assert_eq!(Signature::of([""; 3]), None);
        assert_eq!(Signature::of(["one two three four five six seven eight nine"]), None);
        assert!(Signature::of(["one two three four five six seven eight nine ten"]).is_some());
        let all = words(1, MOST_WORDS as u64 + 10);
        let (long, cut) = (all.join(" "), all[..MOST_WORDS].join(" "));
        assert_eq!(Signature::of([long.as_str()]), Signature::of([cut.as_str()]));
    }

    #[test]
    fn what_is_kept_comes_back() {
        let signature = Signature::of([TEXT]).unwrap();
        let kept = |extra: Vec<Extra>| {
            let bytes = rkyv::to_bytes::<rkyv::rancor::Error>(&extra).unwrap();
            Signature::kept(rkyv::access::<rkyv::Archived<Vec<Extra>>, rkyv::rancor::Error>(&bytes).unwrap())
        };
        assert_eq!(kept(vec![Signature::extra(Some(&signature))]), Kept::Signed(signature));
        assert_eq!(kept(vec![Signature::extra(None)]), Kept::Short);
        assert_eq!(kept(vec![]), Kept::Unknown);
        assert_eq!(kept(vec![Extra { number: extra::NEAR, bytes: vec![1; BYTES - 1] }]), Kept::Unknown);
    }

    /// Of texts that resemble each other by so much, how many are told to be near, and how many have a band in common.
    #[test]
    fn near_are_those_that_resemble_each_other() {
        // From 0.9 on, from 0.8 on, and below 0.6.
        let (mut near, mut banded, mut all) = ([0usize; 3], [0usize; 3], [0usize; 3]);
        for seed in 0..4_000u64 {
            let one = words(seed * 1_000, 100);
            let mut other = one.clone();
            for change in 0..seed % 40 {
                let at = mix(seed + change * 77) as usize % other.len();
                other[at] = format!("changed{change}");
            }
            let kind = match resemblance(&one, &other) {
                0.9.. => 0,
                0.8..0.85 => 1,
                ..0.6 => 2,
                _ => continue,
            };
            let [a, b] = [&one, &other].map(|words| Signature::of([words.join(" ").as_str()]).unwrap());
            all[kind] += 1;
            near[kind] += usize::from(a.is_near(&b));
            banded[kind] += usize::from(a.bands().any(|band| b.bands().any(|own| own == band)));
        }
        println!("{all:?}: {near:?} near, {banded:?} with a band in common");
        let part = |of: [usize; 3], kind: usize| of[kind] as f64 / all[kind] as f64;
        assert!(all.iter().all(|count| *count > 100), "{all:?}");
        assert!(part(near, 0) > 0.99 && part(near, 1) > 0.85 && part(near, 2) < 0.01);
        assert!(part(banded, 0) > 0.995 && part(banded, 1) > 0.95);
    }

    proptest! {
        #[test]
        fn any_text_has_a_signature_or_none(text in ".{0,200}") {
            if let Some(signature) = Signature::of([text.as_str()]) {
                prop_assert!(signature.is_near(&signature));
                prop_assert_eq!(signature.bands().count(), BANDS);
            }
        }
    }
}
