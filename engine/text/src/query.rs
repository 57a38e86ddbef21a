//! What is searched for, and how it becomes a query of the index.

use crate::exclude::Excluded;
use crate::language::Stemmer;
use crate::schema::{
    ATTACHED, ATTACHED_EN, BODY, BODY_EN, FILES, FROM, QUOTED, QUOTED_EN, SUBJECT, SUBJECT_EN, TO,
};
use crate::words::{Word, WordKind, query_words};
use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, Occur, PhraseQuery,
    Query, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

/// Where words are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// In all of the following.
    Anywhere,
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
    /// As a query of the index.
    pub(crate) fn compile(&self) -> Box<dyn Query> {
        match self {
            Self::All(parts) if parts.is_empty() => everything(),
            Self::All(parts) => {
                let mut clauses: Vec<(Occur, Box<dyn Query>)> =
                    Vec::with_capacity(parts.len().saturating_add(1));
                for part in parts {
                    clauses.push(match part {
                        Self::Not(inner) => (Occur::MustNot, excluded(inner)),
                        other => (Occur::Must, other.compile()),
                    });
                }
                if clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
                    clauses.push((Occur::Must, everything()));
                }
                Box::new(BooleanQuery::new(clauses))
            }
            Self::Any(parts) if parts.is_empty() => Box::new(EmptyQuery),
            Self::Any(parts) => Box::new(BooleanQuery::union(parts.iter().map(Self::compile).collect())),
            Self::Not(inner) => Box::new(BooleanQuery::new(vec![
                (Occur::Must, everything()),
                (Occur::MustNot, excluded(inner)),
            ])),
            Self::Phrase(phrase) => phrase.compile(),
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
            Self::Phrase(_) => {}
        }
    }
}

fn excluded(query: &TextQuery) -> Box<dyn Query> {
    Box::new(Excluded(query.compile()))
}

fn everything() -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0))
}

impl Phrase {
    fn compile(&self) -> Box<dyn Query> {
        let words = query_words(&self.text);
        let scope: &[Field] = match self.scope {
            Scope::Anywhere => &[],
            Scope::Subject => &[SUBJECT],
            Scope::Body => &[BODY, QUOTED],
            Scope::From => &[FROM],
            Scope::To => &[TO],
            Scope::Files => &[FILES],
            Scope::Attached => &[ATTACHED],
        };
        let fields = FIELDS.iter().filter(|(field, _, _)| scope.is_empty() || scope.contains(field));
        let mut parts: Vec<Box<dyn Query>> = fields
            .filter_map(|(field, stems, weight)| self.in_field(&words, *field, *stems, *weight))
            .collect();
        match parts.len() {
            0 => Box::new(EmptyQuery),
            1 => parts.swap_remove(0),
            _ => Box::new(BooleanQuery::union(parts)),
        }
    }

    fn in_field(
        &self,
        words: &[Word],
        field: Field,
        stems: Option<Field>,
        weight: f32,
    ) -> Option<Box<dyn Query>> {
        let [first, rest @ ..] = words else { return None };
        let folded = folded(field, first, rest);
        let query = match stems {
            Some(stems) if !self.exact && rest.is_empty() && first.kind == WordKind::Spaced => {
                let stem = Stemmer::default().stem(&first.text);
                let mut forms = vec![folded, term(Term::from_field_text(stems, &stem))];
                if stem != first.text {
                    forms.push(term(Term::from_field_text(field, &stem)));
                }
                Box::new(DisjunctionMaxQuery::with_tie_breaker(forms, SEVERAL_FORMS)) as Box<dyn Query>
            }
            _ => folded,
        };
        Some(Box::new(BoostQuery::new(query, weight)))
    }
}

fn folded(field: Field, first: &Word, rest: &[Word]) -> Box<dyn Query> {
    if rest.is_empty() {
        return term(Term::from_field_text(field, &first.text));
    }
    let terms = std::iter::once(first)
        .chain(rest)
        .map(|word| (word.position, Term::from_field_text(field, &word.text)))
        .collect();
    Box::new(PhraseQuery::new_with_offset(terms))
}

fn term(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))
}
