//! The language of what the author of a mail wrote, by whichlang and whatlang.
//!
//! whichlang tells sixteen large languages apart, in short texts too, but takes every text for one of them; whatlang
//! knows many more and how sure it is, but mistakes one of the large ones for another. So the first says which of the
//! sixteen it would be, and the second compares that one with all languages that the first does not know.
//!
//! What always holds: only a sample of bounded length is looked at, so that a mail costs some microseconds whatever
//! its size; a language is named only where whatlang is sure of it.

use crate::parts::{Part, PartKind};
use std::sync::LazyLock;
use whatlang::{Detector, Info, Lang};

/// Letters that are looked at, in bytes. More take longer and make the answer hardly better.
const SAMPLE: usize = 400;
/// How sure whatlang must be of a text.
const SURE: f64 = 0.3;
/// How sure it must be where both disagree, or where the text is a subject, which may be all names and marks.
const VERY_SURE: f64 = 0.8;
/// Bytes of new text that are searched for them.
const SEARCHED: usize = 16 << 10;
/// Fewest letters of an alphabet that tell a language.
const LETTERS: usize = 24;
/// The same for scripts in which a character is a syllable or a word.
const CHARACTERS: usize = 6;
/// Longest word of a language; longer ones are keys, paths and the like.
const WORD: usize = 48;

/// The languages that whichlang knows.
const LARGE: &[Lang] = &[
    Lang::Ara,
    Lang::Cmn,
    Lang::Deu,
    Lang::Eng,
    Lang::Fra,
    Lang::Hin,
    Lang::Ita,
    Lang::Jpn,
    Lang::Kor,
    Lang::Nld,
    Lang::Por,
    Lang::Rus,
    Lang::Spa,
    Lang::Swe,
    Lang::Tur,
    Lang::Vie,
];

/// Languages that whatlang takes short texts for and that are hardly ever in mail; it takes longer for each.
const RARE: &[Lang] = &[
    Lang::Epo,
    Lang::Lat,
    Lang::Aka,
    Lang::Zul,
    Lang::Sna,
    Lang::Jav,
    Lang::Tuk,
    Lang::Uzb,
    Lang::Tgl,
    Lang::Cym,
    Lang::Afr,
];

/// For each large language a detector that knows it and all that are not large.
static DETECTORS: LazyLock<Vec<(Lang, Detector)>> = LazyLock::new(|| {
    let detector = |one: &Lang| {
        let others = LARGE.iter().filter(|lang| *lang != one).chain(RARE);
        (*one, Detector::with_denylist(others.copied().collect()))
    };
    LARGE.iter().map(detector).collect()
});

fn detect(words: &str) -> Option<Info> {
    let large = Lang::from_code(whichlang::detect_language(words).three_letter_code())?;
    DETECTORS.iter().find(|(lang, _)| *lang == large)?.1.detect(words)
}

/// The ISO 639-3 code of the language of a mail's new text, given the parts of the text; where there is too little
/// of that, with its subject. `None` where that does not tell.
#[must_use]
pub fn of(text: &str, parts: &[Part], subject: &str) -> Option<&'static str> {
    let mut sample = Sample::default();
    for part in parts.iter().filter(|part| part.kind == PartKind::New) {
        sample.read(part.of(text));
    }
    let enough = sample.is_enough();
    if !enough {
        sample.read(subject);
    }
    let found = sample.is_enough().then(|| detect(&sample.words)).flatten()?;
    let sure = if enough && LARGE.contains(&found.lang()) { SURE } else { VERY_SURE };
    (found.confidence() >= sure).then(|| found.lang().code())
}

/// Words of a text.
struct Sample {
    words: String,
    /// Letters of alphabets.
    letters: usize,
    /// Characters of other scripts.
    characters: usize,
    /// Bytes that may still be searched.
    left: usize,
}

impl Default for Sample {
    fn default() -> Self {
        Self { words: String::new(), letters: 0, characters: 0, left: SEARCHED }
    }
}

impl Sample {
    fn is_enough(&self) -> bool {
        self.letters >= LETTERS || self.characters >= CHARACTERS
    }

    /// Takes the words of the lines that are sentences.
    fn read(&mut self, text: &str) {
        for line in text.lines() {
            if self.left == 0 || self.words.len() >= SAMPLE {
                return;
            }
            let mut end = line.len().min(self.left);
            while !line.is_char_boundary(end) {
                end = end.saturating_sub(1);
            }
            self.left = self.left.saturating_sub(line.len().saturating_add(1));
            let line = line.get(..end).unwrap_or_default();
            if is_prose(line) {
                self.words_of(line);
            }
        }
    }

    fn words_of(&mut self, line: &str) {
        for word in line.split_whitespace() {
            let word = word.trim_matches(|c: char| !c.is_alphabetic());
            if word.is_empty() || self.words.len() >= SAMPLE {
                continue;
            }
            let (mut letters, mut characters, mut whole) = (0usize, 0usize, true);
            for c in word.chars() {
                whole &= c.is_alphabetic() || matches!(c, '\'' | '’' | '-') || !c.is_ascii();
                if is_syllable(c) {
                    characters = characters.saturating_add(1);
                } else {
                    letters = letters.saturating_add(1);
                }
            }
            // Names of functions, addresses and paths have other characters inside.
            if (whole && letters <= WORD) || characters > 0 {
                let mut end = word.len().min(SAMPLE);
                while !word.is_char_boundary(end) {
                    end = end.saturating_sub(1);
                }
                self.words.push_str(word.get(..end).unwrap_or_default());
                self.words.push(' ');
                self.letters = self.letters.saturating_add(letters);
                self.characters = self.characters.saturating_add(characters);
            }
        }
    }
}

/// Whether a character is of a script without an alphabet.
fn is_syllable(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{20000}'..='\u{3ffff}')
}

/// Whether a line is written in words, and no table, rule or code.
fn is_prose(line: &str) -> bool {
    let (mut letters, mut marks) = (0usize, 0usize);
    for c in line.chars() {
        if c.is_alphabetic() {
            letters = letters.saturating_add(1);
        } else if !c.is_whitespace() && !matches!(c, '.' | ',' | '\'' | '’') {
            marks = marks.saturating_add(1);
        }
    }
    letters > marks.saturating_mul(6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::split;
    use proptest::prelude::*;

    fn language(text: &str) -> Option<&'static str> {
        of(text, &split(text), "")
    }

    #[test]
    fn languages_of_mails_are_told() {
        for (text, code) in [
            ("Could you please send me the signed contract by Friday? Thank you.", "eng"),
            ("Könnten Sie mir bitte den unterschriebenen Vertrag bis Freitag schicken?", "deu"),
            ("Pourriez-vous m'envoyer le contrat signé avant vendredi ? Merci d'avance.", "fra"),
            ("¿Podría enviarme el contrato firmado antes del viernes? Muchas gracias.", "spa"),
            ("Potrebbe inviarmi il contratto firmato entro venerdì? Grazie mille.", "ita"),
            ("Zou je mij het ondertekende contract voor vrijdag kunnen sturen? Bedankt.", "nld"),
            ("Você poderia me enviar o contrato assinado até sexta-feira? Obrigado.", "por"),
            ("Czy mógłby Pan przesłać mi podpisaną umowę do piątku? Dziękuję.", "pol"),
            ("Skulle du kunna skicka mig det undertecknade avtalet före fredag? Tack.", "swe"),
            ("Не могли бы вы прислать мне подписанный договор до пятницы? Спасибо.", "rus"),
            ("金曜日までに署名済みの契約書を送っていただけますか。", "jpn"),
            ("请在星期五之前把签好的合同发给我，谢谢。", "cmn"),
        ] {
            assert_eq!(language(text), Some(code), "{text}");
        }
    }

    #[test]
    fn only_new_text_counts() {
        let quoted =
            "> Die Lieferung ist leider noch immer nicht angekommen, und niemand weiß warum.\n".repeat(9);
        let mail = format!(
            "Anna wrote:\n{quoted}\nI will ask the warehouse about this tomorrow morning.\n-- \nMit freundlichen Grüßen aus der schönen Stadt\n"
        );
        assert_eq!(language(&mail), Some("eng"));
    }

    #[test]
    fn code_does_not_count() {
        let code = "--- a/src/main.c\n+++ b/src/main.c\n@@ -1,3 +1,4 @@\n-    foo_bar(baz->qux, &len);\n+    if (x[i] != NULL) strcpy(dst, src);\n".repeat(30);
        let mail = format!("This patch fixes a crash that happens when the list is empty.\n\n{code}");
        assert_eq!(language(&mail), Some("eng"));
        assert_eq!(language(&code), None);
    }

    #[test]
    fn too_little_text_says_nothing_but_the_subject_may() {
        assert_eq!(language("Ok"), None);
        assert_eq!(language(""), None);
        let text = "Ok";
        let subject = "Einladung zur Besprechung am kommenden Donnerstag";
        assert_eq!(of(text, &split(text), subject), Some("deu"));
    }

    proptest! {
        #[test]
        fn any_text_has_a_language_or_none(text in "([a-zé >]{0,30}|\\PC{0,30}|\n){0,20}", subject: String) {
            let _ = of(&text, &split(&text), &subject);
        }

        #[test]
        fn the_sample_is_bounded(text in "\\PC{0,40}", times in 1usize..400) {
            let mut sample = Sample::default();
            sample.read(&text.repeat(times));
            prop_assert!(sample.words.len() <= SAMPLE * 2 + 1);
        }
    }
}
