//! English or not: whether a mail's words are stemmed.

use crate::words::{WordKind, Words};
use std::borrow::Cow;

/// Words looked at.
const SAMPLE: usize = 200;
/// Fewer words than this tell nothing.
const ENOUGH: usize = 12;
/// One in so many words of English is one of [`COMMON`], at the least.
const ONE_IN: usize = 20;

/// Frequent English words that are rare in other languages.
const COMMON: [&str; 40] = [
    "about", "and", "any", "are", "as", "been", "but", "by", "can", "could", "for", "from", "get", "has",
    "have", "how", "if", "it", "just", "my", "not", "on", "our", "please", "that", "the", "there", "they",
    "this", "to", "what", "when", "which", "will", "with", "would", "you", "your", "thanks", "help",
];

/// Is a mail English? `language` is what the mail's row says (ISO 639-3); where that is empty, its words decide,
/// and where these are too few, whether it is all ASCII.
#[must_use]
pub fn is_english(language: &str, subject: &str, body: &str) -> bool {
    if !language.is_empty() {
        return language == "eng";
    }
    let (mut seen, mut common) = (0usize, 0usize);
    for text in [subject, body] {
        let mut words = Words::new(text);
        while seen < SAMPLE {
            let Some(word) = words.advance() else { break };
            seen = seen.saturating_add(1);
            if word.kind == WordKind::Spaced && COMMON.contains(&word.text.as_str()) {
                common = common.saturating_add(1);
            }
        }
    }
    if seen < ENOUGH {
        common > 0 || (subject.is_ascii() && body.is_ascii())
    } else {
        common.saturating_mul(ONE_IN) >= seen
    }
}

/// Stems English words.
#[derive(Clone, Copy)]
pub struct Stemmer {
    inner: frostem::Stemmer,
}

impl Default for Stemmer {
    fn default() -> Self {
        Self { inner: frostem::Stemmer::new(frostem::Algorithm::English) }
    }
}

impl Stemmer {
    /// The stem of a folded word.
    #[must_use]
    pub fn stem<'w>(&self, word: &'w str) -> Cow<'w, str> {
        self.inner.stem(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_is_told_from_others() {
        assert!(is_english(
            "",
            "Re: question",
            "I would like to know how the model can be fitted with this package, and what it does."
        ));
        assert!(!is_english(
            "",
            "Frage",
            "Ich habe ein Problem mit dem Paket, das ich gestern installiert habe und das nun nicht mehr geht."
        ));
        assert!(!is_english(
            "",
            "Pregunta",
            "Hola a todos, tengo un problema con el paquete que he instalado ayer y ahora no funciona en mi casa."
        ));
        assert!(!is_english("", "Вопрос", "Подскажите"));
        assert!(is_english("", "Running tests", ""));
        assert!(is_english("eng", "", "нет"));
        assert!(!is_english("deu", "the", "the and to"));
    }

    #[test]
    fn stems_meet() {
        let stemmer = Stemmer::default();
        for (a, b) in [("running", "runs"), ("installed", "installing"), ("queries", "query")] {
            assert_eq!(stemmer.stem(a), stemmer.stem(b));
        }
    }
}
