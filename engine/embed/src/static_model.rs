//! A static model: a text is the sum of the vectors of a text's pieces.
//!
//! The vectors were distilled from a transformer (`tools/distill`), so that the sum, given length one, comes near to what
//! the transformer says of the whole text. A piece that comes often counts more, but far less than as often as it comes.

use crate::error::EmbedError;
use crate::table::Table;
use crate::wordpiece::Tokenizer;
use crate::{Embed, Model};

/// Pieces of a text that are looked at.
const MOST_PIECES: usize = 2048;

/// A static model.
#[derive(Debug)]
pub struct StaticModel {
    table: Table,
}

impl StaticModel {
    /// Of a table's bytes.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(bytes: &[u8]) -> Result<Self, EmbedError> {
        Table::parse(bytes).map(|table| Self { table })
    }

    /// Which model it is.
    #[must_use]
    pub fn model(&self) -> Model {
        Model {
            name: self.table.name().to_owned(),
            version: self.table.version(),
            dimensions: u32::try_from(self.table.dimensions()).unwrap_or(u32::MAX),
        }
    }

    /// What one thread embeds with.
    #[must_use]
    pub fn embedder(&self) -> StaticEmbedder<'_> {
        StaticEmbedder {
            table: &self.table,
            tokenizer: Tokenizer::new(self.table.vocabulary()),
            pieces: Vec::new(),
            counts: vec![0; self.table.vocabulary().pieces() as usize],
        }
    }
}

/// The language of the texts that static models are trained on.
const LANGUAGE: &str = "eng";

impl Embed for StaticModel {
    fn model(&self) -> Model {
        self.model()
    }

    fn knows(&self, language: &str) -> bool {
        language.is_empty() || language == LANGUAGE
    }

    /// A sum of words says what all texts say more than anything else.
    fn is_even(&self) -> bool {
        false
    }

    /// Measured: it ranks worse than words alone do.
    fn weight(&self) -> f32 {
        0.3
    }

    fn embed(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        let mut embedder = self.embedder();
        Ok(texts.iter().map(|text| embedder.embed(text)).collect())
    }
}

/// Embeds one text after another.
pub struct StaticEmbedder<'m> {
    table: &'m Table,
    tokenizer: Tokenizer<'m>,
    pieces: Vec<u32>,
    /// How often each piece came in the text at hand; zeros between texts.
    counts: Vec<u16>,
}

/// The last letter of the Latin script, as far as languages of Europe need it.
const LAST_LATIN: char = '\u{24f}';
/// Letters that are looked at.
const LETTERS: usize = 512;

/// Are most letters of the Latin script? The vocabulary has letters of others, but was trained on none of their words.
fn is_latin(text: &str) -> bool {
    let (mut all, mut latin) = (0usize, 0usize);
    for letter in text.chars().filter(|c| c.is_alphabetic()).take(LETTERS) {
        all += 1;
        latin += usize::from(letter <= LAST_LATIN);
    }
    latin * 2 >= all
}

impl StaticEmbedder<'_> {
    /// The vector of a text; `None` where it has no piece that says anything, or is in a script of other languages.
    pub fn embed(&mut self, text: &str) -> Option<Vec<f32>> {
        if !is_latin(text) {
            return None;
        }
        self.tokenizer.tokens(text, MOST_PIECES, &mut self.pieces);
        for piece in &self.pieces {
            if let Some(count) = self.counts.get_mut(*piece as usize) {
                *count = count.saturating_add(1);
            }
        }
        let mut sum = vec![0.0f32; self.table.dimensions()];
        for piece in &self.pieces {
            // Counted at its first place, and zero again for the next text.
            let count = self.counts.get_mut(*piece as usize).map_or(0, std::mem::take);
            let Some((row, scale)) = self.table.row(*piece).filter(|_| count > 0) else { continue };
            let weight = if count == 1 { scale } else { scale * (1.0 + f32::from(count).ln()) };
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * f32::from(*value));
        }
        let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        if !length.is_finite() || length <= f32::MIN_POSITIVE {
            return None;
        }
        sum.iter_mut().for_each(|x| *x /= length);
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> StaticModel {
        let rows = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0];
        StaticModel::parse(&Table::write("test", 1, "[UNK]\nmail\nstore", 2, &rows)).unwrap()
    }

    #[test]
    fn a_text_is_the_sum_of_its_pieces() {
        let model = model();
        let mut embedder = model.embedder();
        assert_eq!(embedder.embed("Mail"), Some(vec![1.0, 0.0]));
        let both = embedder.embed("mail store").unwrap();
        assert!((both[0] - 0.5f32.sqrt()).abs() < 1e-6 && (both[1] - 0.5f32.sqrt()).abs() < 1e-6);
        // Three times counts 1 + ln 3.
        let often = embedder.embed("mail store mail mail").unwrap();
        assert!((often[0] / often[1] - (1.0 + 3f32.ln())).abs() < 1e-5);
        assert_eq!(embedder.embed("store"), Some(vec![0.0, 1.0]), "what was counted before is forgotten");
    }

    #[test]
    fn a_text_without_a_word_that_is_known_has_no_vector() {
        let model = model();
        for text in ["", "zebra", "\u{0}", "πΩ"] {
            assert_eq!(model.embedder().embed(text), None, "{text:?}");
        }
        assert_eq!(model.model(), Model { name: "test".into(), version: 1, dimensions: 2 });
    }
}
