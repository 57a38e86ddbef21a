//! The fields of the index and how each is cut into words.
//!
//! ```text
//! field       words                       positions  length
//! subject     folded                      yes        yes
//! body        folded                      yes        yes
//! subject_en  stems, see below            no         yes
//! body_en     stems, see below            no         yes
//! from        folded names and addresses  yes        no
//! to          the same of to, cc, bcc     yes        no
//! files       folded attachment names     yes        no
//! quoted      folded, see below           yes        yes
//! quoted_en   stems                       no         yes
//! attached    folded                      yes        yes
//! attached_en stems                       no         yes
//! ```
//!
//! `body` is what the author of a mail wrote, `quoted` the rest of its text: quotes, signature, footer. `attached` is the
//! text of its attachments. The last four fields came with version 2; in a bundle of version 1 all text is in `body`.
//!
//! The fields of stems hold the stems of English mail, but only of words that are not their own stem: most are, and
//! stand in the folded field already. So a word outside quotes is looked for as itself, as its stem, and as a stem.
//! What always holds: the numbers of the fields never change within one [`crate::bundle::VERSION`], and nothing
//! is stored but postings.

use crate::language::Stemmer;
use crate::words::{WordKind, Words};
use tantivy::Index;
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer, TokenizerManager};

/// Positions before the first word of a text, so that words of two texts of one field (attachments, say) are never near one
/// another: more than words that are near may be apart. Segments that were made before there was NEAR have none.
const FAR: usize = 1_001;

const FOLDED: &str = "folded";
const STEMMED: &str = "stemmed";

pub const SUBJECT: Field = Field::from_field_id(0);
pub const BODY: Field = Field::from_field_id(1);
pub const SUBJECT_EN: Field = Field::from_field_id(2);
pub const BODY_EN: Field = Field::from_field_id(3);
pub const FROM: Field = Field::from_field_id(4);
pub const TO: Field = Field::from_field_id(5);
pub const FILES: Field = Field::from_field_id(6);

pub const QUOTED: Field = Field::from_field_id(7);
pub const QUOTED_EN: Field = Field::from_field_id(8);
pub const ATTACHED: Field = Field::from_field_id(9);
pub const ATTACHED_EN: Field = Field::from_field_id(10);

/// The schema of every index.
pub fn schema() -> Schema {
    let options = |tokenizer: &str, record: IndexRecordOption, lengths: bool| {
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(tokenizer)
            .set_index_option(record)
            .set_fieldnorms(lengths);
        TextOptions::default().set_indexing_options(indexing)
    };
    let positions = IndexRecordOption::WithFreqsAndPositions;
    let mut builder = Schema::builder();
    builder.add_text_field("subject", options(FOLDED, positions, true));
    builder.add_text_field("body", options(FOLDED, positions, true));
    builder.add_text_field("subject_en", options(STEMMED, IndexRecordOption::WithFreqs, true));
    builder.add_text_field("body_en", options(STEMMED, IndexRecordOption::WithFreqs, true));
    builder.add_text_field("from", options(FOLDED, positions, false));
    builder.add_text_field("to", options(FOLDED, positions, false));
    builder.add_text_field("files", options(FOLDED, positions, false));
    for (folded, stems) in [("quoted", "quoted_en"), ("attached", "attached_en")] {
        builder.add_text_field(folded, options(FOLDED, positions, true));
        builder.add_text_field(stems, options(STEMMED, IndexRecordOption::WithFreqs, true));
    }
    builder.build()
}

/// The tokenizers that the schema names.
pub fn tokenizers() -> TokenizerManager {
    let manager = TokenizerManager::new();
    manager.register(FOLDED, Folded);
    manager.register(STEMMED, Stemmed);
    manager
}

/// Gives an opened index its tokenizers.
pub fn equip(index: &mut Index) {
    index.set_tokenizers(tokenizers());
}

#[derive(Clone)]
struct Folded;

#[derive(Clone)]
struct Stemmed;

struct Stream<'t> {
    words: Words<'t>,
    stemmer: Option<Stemmer>,
    token: Token,
}

impl<'t> Stream<'t> {
    fn new(text: &'t str, stemmer: Option<Stemmer>) -> Self {
        Self { words: Words::new(text), stemmer, token: Token::default() }
    }
}

impl Tokenizer for Folded {
    type TokenStream<'a> = Stream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream<'a> {
        Stream::new(text, None)
    }
}

impl Tokenizer for Stemmed {
    type TokenStream<'a> = Stream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream<'a> {
        Stream::new(text, Some(Stemmer::default()))
    }
}

impl TokenStream for Stream<'_> {
    fn advance(&mut self) -> bool {
        while let Some(word) = self.words.advance() {
            self.token.text.clear();
            match self.stemmer {
                // Scripts without blanks have no stems here: queries for them use the folded field.
                Some(_) if word.kind != WordKind::Spaced => continue,
                Some(stemmer) => {
                    // Its own stem: the folded field has it.
                    let stem = stemmer.stem(&word.text);
                    if stem == word.text {
                        continue;
                    }
                    self.token.text.push_str(&stem);
                }
                None => self.token.text.push_str(&word.text),
            }
            self.token.offset_from = word.from;
            self.token.offset_to = word.to;
            self.token.position = FAR.saturating_add(word.position);
            return true;
        }
        false
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_the_fields_are_what_they_are() {
        let schema = schema();
        for (field, name) in [
            (SUBJECT, "subject"),
            (BODY, "body"),
            (SUBJECT_EN, "subject_en"),
            (BODY_EN, "body_en"),
            (FROM, "from"),
            (TO, "to"),
            (FILES, "files"),
        ] {
            assert_eq!(schema.get_field(name).unwrap(), field);
        }
    }
}
