//! What is searched for, and how it becomes a query of the index.

use crate::form::Form;
use crate::language::Stemmer;
use crate::many::Many;
use crate::near::{NearQuery, Run};
use crate::norms::Norms;
use crate::schema::{
    ATTACHED, ATTACHED_EN, BODY, BODY_EN, FILES, FROM, QUOTED, QUOTED_EN, SUBJECT, SUBJECT_EN, TO,
};
use crate::word::{InField, WordQuery};
use crate::words::{Word, WordKind, query_words};
use std::sync::Arc;
use tantivy::Term;
use tantivy::query::{BooleanQuery, BoostQuery, EmptyQuery, PhraseQuery, Query};
use tantivy::schema::Field;

/// Where words are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// In all of the following.
    Anywhere,
    /// In texts: subject, body, text of attachments.
    Texts,
    /// Subject.
    Subject,
    /// Text of the body, quotes in it too.
    Body,
    /// Names and addresses of author and sender.
    From,
    /// Names and addresses of all recipients.
    To,
    /// Names of attachments.
    Files,
    /// Text of attachments.
    Attached,
}

/// Words side by side, in one field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Phrase {
    /// Where.
    pub scope: Scope,
    /// The words as typed.
    pub text: String,
    /// As they are, not their stems.
    pub exact: bool,
    /// What a word stands for; anything but [`Form::Whole`] is for one word alone.
    pub form: Form,
}

/// Two phrases in one field, near one another in either order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Near {
    /// The phrases: whole words as they are. Their own scopes are not looked at.
    pub either: [Phrase; 2],
    /// Where: subject, body, or texts.
    pub scope: Scope,
    /// How many words on from the last of the one the first of the other may be.
    pub apart: u32,
}

impl Phrase {
    /// Are there words in it? One without matches nothing.
    #[must_use]
    pub fn has_words(&self) -> bool {
        !query_words(&self.text).is_empty()
    }
}

/// A tree of phrases. Depth and size are its maker's to bound.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TextQuery {
    /// All of them; none: everything.
    All(Vec<TextQuery>),
    /// At least one of them; none: nothing.
    Any(Vec<TextQuery>),
    /// Everything else.
    Not(Box<TextQuery>),
    /// One phrase.
    Phrase(Phrase),
    /// Two, not far from one another.
    Near(Box<Near>),
}

/// Weights of the fields: subject above what the author wrote, that above names, those above what he quotes.
const FIELDS: [(Field, Option<Field>, f32); 7] = [
    (SUBJECT, Some(SUBJECT_EN), 2.0),
    (BODY, Some(BODY_EN), 1.0),
    (QUOTED, Some(QUOTED_EN), 0.4),
    (ATTACHED, Some(ATTACHED_EN), 0.5),
    (FROM, None, 0.8),
    (TO, None, 0.4),
    (FILES, None, 0.6),
];

/// What the weaker of a word's forms add to the strongest.
const SEVERAL_FORMS: f32 = 0.5;

impl TextQuery {
    /// A phrase as a query of the index; what is made of phrases is joined by [`crate::find`], and finds nothing here.
    pub(crate) fn compile(&self, norms: &Arc<Norms>) -> Box<dyn Query> {
        match self {
            Self::Phrase(phrase) => phrase.compile(norms),
            Self::Near(near) => near.compile(),
            Self::All(_) | Self::Any(_) | Self::Not(_) => Box::new(EmptyQuery),
        }
    }

    /// The phrases that a match should hold, those under an odd number of [`TextQuery::Not`] left out.
    #[must_use]
    pub fn wanted(&self) -> Vec<&Phrase> {
        let mut out = Vec::new();
        self.collect(true, &mut out);
        out
    }

    fn collect<'q>(&'q self, wanted: bool, out: &mut Vec<&'q Phrase>) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|p| p.collect(wanted, out)),
            Self::Not(inner) => inner.collect(!wanted, out),
            Self::Phrase(phrase) if wanted => out.push(phrase),
            Self::Near(near) if wanted => out.extend(&near.either),
            Self::Phrase(_) | Self::Near(_) => {}
        }
    }
}

impl Phrase {
    fn compile(&self, norms: &Arc<Norms>) -> Box<dyn Query> {
        let words = query_words(&self.text);
        let scope: &[Field] = match self.scope {
            Scope::Anywhere => &[],
            Scope::Texts => &[SUBJECT, BODY, QUOTED, ATTACHED],
            Scope::Subject => &[SUBJECT],
            Scope::Body => &[BODY, QUOTED],
            Scope::From => &[FROM],
            Scope::To => &[TO],
            Scope::Files => &[FILES],
            Scope::Attached => &[ATTACHED],
        };
        let fields = FIELDS.iter().filter(|(field, _, _)| scope.is_empty() || scope.contains(field));
        if let ([word], Form::Whole) = (words.as_slice(), self.form) {
            let fields = fields.map(|(field, stems, weight)| self.forms(word, *field, *stems, *weight));
            let (fields, norms) = (fields.collect(), Arc::clone(norms));
            return Box::new(WordQuery { fields, several: SEVERAL_FORMS, norms });
        }
        let many = words.first().filter(|_| self.form != Form::Whole);
        let many = many.map(|first| Many::new(&first.text, self.form));
        let mut parts: Vec<Box<dyn Query>> = fields
            .filter_map(|(field, _, weight)| Self::in_field((&words, many.as_ref()), *field, *weight))
            .collect();
        match parts.len() {
            0 => Box::new(EmptyQuery),
            1 => parts.swap_remove(0),
            _ => Box::new(BooleanQuery::union(parts)),
        }
    }

    /// A word in a field, in all its forms.
    fn forms(&self, word: &Word, field: Field, stems: Option<Field>, weight: f32) -> InField {
        let mut forms = vec![Term::from_field_text(field, &word.text)];
        if let Some(stems) = stems.filter(|_| !self.exact && word.kind == WordKind::Spaced) {
            let stem = Stemmer::default().stem(&word.text);
            forms.push(Term::from_field_text(stems, &stem));
            if stem != word.text {
                forms.push(Term::from_field_text(field, &stem));
            }
        }
        InField { weight, forms }
    }

    fn in_field(
        (words, many): (&[Word], Option<&Many>),
        field: Field,
        weight: f32,
    ) -> Option<Box<dyn Query>> {
        let query = match many {
            Some(many) => many.within(field),
            None if words.is_empty() => return None,
            None => side_by_side(field, words),
        };
        Some(Box::new(BoostQuery::new(query, weight)))
    }
}

impl Near {
    fn compile(&self) -> Box<dyn Query> {
        let fields: &[Field] = match self.scope {
            Scope::Subject => &[SUBJECT],
            Scope::Body => &[BODY, QUOTED],
            _ => &[SUBJECT, BODY, QUOTED, ATTACHED],
        };
        let either = self.either.each_ref().map(|phrase| query_words(&phrase.text));
        if either.iter().any(Vec::is_empty) {
            return Box::new(EmptyQuery);
        }
        let weighted = FIELDS.iter().filter(|(field, _, _)| fields.contains(field));
        let of = |(field, _, weight): &(Field, Option<Field>, f32)| {
            let run = |words: &Vec<Word>| {
                let first = words.first().map_or(0, |word| word.position);
                let offset =
                    |position: usize| u32::try_from(position.saturating_sub(first)).unwrap_or(u32::MAX);
                let term = |word: &Word| (offset(word.position), Term::from_field_text(*field, &word.text));
                let last = |word: &Word| {
                    offset(word.position.saturating_add(usize::from(word.kind == WordKind::Pair)))
                };
                Run { words: words.iter().map(term).collect(), last: words.last().map_or(0, last) }
            };
            let query = NearQuery { field: *field, either: either.each_ref().map(run), apart: self.apart };
            Box::new(BoostQuery::new(Box::new(query), *weight)) as Box<dyn Query>
        };
        Box::new(BooleanQuery::union(weighted.map(of).collect()))
    }
}

fn side_by_side(field: Field, words: &[Word]) -> Box<dyn Query> {
    let term = |word: &Word| (word.position, Term::from_field_text(field, &word.text));
    Box::new(PhraseQuery::new_with_offset(words.iter().map(term).collect()))
}
