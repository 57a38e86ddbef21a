//! Words that stand for many, as a query of the index.
//!
//! What always holds: what a word accepts is worked out once for all fields of a search; all emails that have such a word
//! count alike.

use crate::form::{Form, MAX_EDITS};
use crate::schema::BODY;
use std::fmt;
use std::sync::Arc;
use tantivy::Term;
use tantivy::query::{AutomatonWeight, DfaWrapper, EnableScoring, FuzzyTermQuery, Query, TermQuery, Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy_fst::Automaton;

/// The words that a form of a word stands for.
#[derive(Clone)]
pub enum Many {
    /// Those that begin with it.
    Beginning(Arc<Beginning>),
    /// Those that are similar to it.
    Similar(Arc<DfaWrapper>),
    /// Itself.
    One(String),
}

impl Many {
    /// Of a folded word.
    pub fn new(word: &str, form: Form) -> Self {
        match form {
            Form::Whole => Self::One(word.to_owned()),
            Form::Beginning => Self::Beginning(Arc::new(Beginning(word.as_bytes().to_vec()))),
            Form::Similar(edits) => {
                // The field has no part in it.
                let term = Term::from_field_text(BODY, word);
                let automaton = FuzzyTermQuery::new(term, edits.min(MAX_EDITS), true).automaton();
                automaton.map_or_else(|_| Self::One(word.to_owned()), |words| Self::Similar(Arc::new(words)))
            }
        }
    }

    /// The emails that have such a word in a field.
    pub fn within(&self, field: Field) -> Box<dyn Query> {
        match self {
            Self::One(word) => {
                Box::new(TermQuery::new(Term::from_field_text(field, word), IndexRecordOption::WithFreqs))
            }
            many => Box::new(Within { field, many: many.clone() }),
        }
    }
}

impl fmt::Debug for Many {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("words")
    }
}

#[derive(Debug, Clone)]
struct Within {
    field: Field,
    many: Many,
}

impl Query for Within {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        match &self.many {
            Many::Beginning(words) => {
                Ok(Box::new(AutomatonWeight::<Beginning>::new(self.field, Arc::clone(words))))
            }
            Many::Similar(words) => {
                Ok(Box::new(AutomatonWeight::<DfaWrapper>::new(self.field, Arc::clone(words))))
            }
            Many::One(_) => self.many.within(self.field).weight(scoring),
        }
    }
}

/// Accepts what begins with certain bytes. The library's own is one of similar words, a kilobyte a letter.
pub struct Beginning(Vec<u8>);

impl Automaton for Beginning {
    /// How many bytes are there; `None` where one was another.
    type State = Option<usize>;

    fn start(&self) -> Option<usize> {
        Some(0)
    }

    fn is_match(&self, state: &Option<usize>) -> bool {
        *state == Some(self.0.len())
    }

    fn can_match(&self, state: &Option<usize>) -> bool {
        state.is_some()
    }

    fn will_always_match(&self, state: &Option<usize>) -> bool {
        self.is_match(state)
    }

    fn accept(&self, state: &Option<usize>, byte: u8) -> Option<usize> {
        match (*state)? {
            all if all == self.0.len() => Some(all),
            some => (self.0.get(some) == Some(&byte)).then(|| some.saturating_add(1)),
        }
    }
}
