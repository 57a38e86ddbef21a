//! One word in all fields that are looked at, in all its forms.
//!
//! The library's own way to say this is a union (of fields) of unions (of forms), each of which scores thousands of documents
//! ahead into tables; most words stand in few fields, and two words are looked for together as a rule. Here the lists of a
//! word are gone through side by side, and scored where somebody asks for the score. What always holds: a score is the sum,
//! over fields, of the field's weight times the BM25 score of the best form and a part of those of the others, which is
//! what the library's queries give (a test compares them).

use crate::norms::Norms;
use std::sync::Arc;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::query::{
    Bm25StatisticsProvider, Bm25Weight, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight,
};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, Term};

/// A word.
#[derive(Clone)]
pub struct WordQuery {
    /// Where it is looked for.
    pub fields: Arc<[InField]>,
    /// What the weaker of its forms add to the strongest.
    pub several: f32,
    /// How long fields are.
    pub norms: Arc<Norms>,
}

/// A word in one field.
#[derive(Debug, Clone)]
pub struct InField {
    /// Which.
    pub weight: f32,
    /// Its forms, each where that is: stems have a field of their own.
    pub forms: Vec<Term>,
}

impl std::fmt::Debug for WordQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WordQuery").field("fields", &self.fields).finish_non_exhaustive()
    }
}

impl Query for WordQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let statistics: Option<&dyn Bm25StatisticsProvider> = match scoring {
            EnableScoring::Enabled { statistics_provider, .. } => Some(statistics_provider),
            EnableScoring::Disabled { .. } => None,
        };
        let mut forms = Vec::new();
        for (number, of) in self.fields.iter().enumerate() {
            for term in &of.forms {
                let weight = match statistics {
                    Some(statistics) => {
                        let bm25 = Bm25Weight::for_terms(statistics, std::slice::from_ref(term))?;
                        Some(bm25.boost_by(of.weight))
                    }
                    None => None,
                };
                forms.push(Form { number, term: term.clone(), weight });
            }
        }
        Ok(Box::new(WordWeight { forms, several: self.several, norms: Arc::clone(&self.norms) }))
    }
}

struct Form {
    /// The number of its place among the fields.
    number: usize,
    term: Term,
    weight: Option<Bm25Weight>,
}

struct WordWeight {
    forms: Vec<Form>,
    several: f32,
    norms: Arc<Norms>,
}

impl Weight for WordWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut lists: Vec<List> = Vec::new();
        for form in &self.forms {
            let field = form.term.field();
            let record = match form.weight {
                Some(_) => IndexRecordOption::WithFreqs,
                None => IndexRecordOption::Basic,
            };
            let Some(postings) = reader.inverted_index(field)?.read_postings(&form.term, record)? else {
                continue;
            };
            let scored = match &form.weight {
                None => None,
                Some(weight) => {
                    let of_field = self.norms.read(reader, field)?;
                    Some((weight.boost_by(boost), of_field))
                }
            };
            lists.push(List { number: form.number, postings, scored });
        }
        if lists.is_empty() {
            return Ok(Box::new(EmptyScorer));
        }
        let mut scorer = WordScorer { lists, several: self.several, doc: 0 };
        scorer.doc = scorer.first();
        Ok(Box::new(scorer))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Ok(Explanation::new("word", 0.0))
    }
}

/// The emails that have a form in a field.
struct List {
    number: usize,
    postings: SegmentPostings,
    scored: Option<(Bm25Weight, FieldNormReader)>,
}

struct WordScorer {
    /// Those of one field side by side.
    lists: Vec<List>,
    several: f32,
    doc: DocId,
}

impl WordScorer {
    /// The first document that any list is at.
    fn first(&self) -> DocId {
        self.lists.iter().map(|list| list.postings.doc()).min().unwrap_or(TERMINATED)
    }
}

impl DocSet for WordScorer {
    fn advance(&mut self) -> DocId {
        let mut first = TERMINATED;
        for list in &mut self.lists {
            let mut at = list.postings.doc();
            if at == self.doc && at != TERMINATED {
                at = list.postings.advance();
            }
            first = first.min(at);
        }
        self.doc = first;
        first
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if target <= self.doc {
            return self.doc;
        }
        let mut first = TERMINATED;
        for list in &mut self.lists {
            let mut at = list.postings.doc();
            if at < target {
                at = list.postings.seek(target);
            }
            first = first.min(at);
        }
        self.doc = first;
        first
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.lists.iter().fold(0, |sum, list| sum.saturating_add(list.postings.size_hint()))
    }
}

impl Scorer for WordScorer {
    fn score(&mut self) -> Score {
        let (mut total, mut best, mut sum) = (0.0, 0.0f32, 0.0f32);
        let mut number = usize::MAX;
        for list in &self.lists {
            let Some((weight, norms)) = &list.scored else { return 1.0 };
            if list.postings.doc() != self.doc {
                continue;
            }
            if list.number != number {
                total += best + self.several * (sum - best);
                (number, best, sum) = (list.number, 0.0, 0.0);
            }
            let score = weight.score(norms.fieldnorm_id(self.doc), list.postings.term_freq());
            best = best.max(score);
            sum += score;
        }
        total + best + self.several * (sum - best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{BODY, BODY_EN, SUBJECT, TO, schema, tokenizers};
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tantivy::directory::RamDirectory;
    use tantivy::query::{BooleanQuery, BoostQuery, DisjunctionMaxQuery, TermQuery};
    use tantivy::{Index, Searcher, SingleSegmentIndexWriter, TantivyDocument};

    fn index(mails: &[(String, String)]) -> Searcher {
        let mut writer: SingleSegmentIndexWriter = Index::builder()
            .schema(schema())
            .tokenizers(tokenizers())
            .single_segment_index_writer(RamDirectory::create(), 1 << 20)
            .unwrap();
        for (subject, body) in mails {
            let mut mail = TantivyDocument::default();
            mail.add_text(SUBJECT, subject);
            mail.add_text(BODY, body);
            mail.add_text(BODY_EN, body);
            mail.add_text(TO, subject);
            writer.add_document(mail).unwrap();
        }
        writer.finalize().unwrap().reader().unwrap().searcher()
    }

    fn scores(searcher: &Searcher, query: &dyn Query) -> BTreeMap<DocId, Score> {
        let weight = query.weight(EnableScoring::enabled_from_searcher(searcher)).unwrap();
        let mut found = BTreeMap::new();
        weight
            .for_each(searcher.segment_reader(0), &mut |doc, score| {
                found.insert(doc, score);
            })
            .unwrap();
        let weight = query.weight(EnableScoring::disabled_from_searcher(searcher)).unwrap();
        let mut docs = Vec::new();
        let mut push = |some: &[DocId]| docs.extend_from_slice(some);
        weight.for_each_no_score(searcher.segment_reader(0), &mut push).unwrap();
        assert!(found.keys().eq(&docs), "with scores and without the same are found");
        found
    }

    fn fields(word: &str) -> Vec<InField> {
        let term = |field| Term::from_field_text(field, word);
        vec![
            InField { weight: 2.0, forms: vec![term(SUBJECT)] },
            InField { weight: 1.0, forms: vec![term(BODY), term(BODY_EN), Term::from_field_text(BODY, "b")] },
            InField { weight: 0.4, forms: vec![term(TO)] },
        ]
    }

    /// As the library says it.
    fn composed(fields: &[InField]) -> Box<dyn Query> {
        let of = |of: &InField| -> Box<dyn Query> {
            let form = |term: &Term| -> Box<dyn Query> {
                Box::new(TermQuery::new(term.clone(), IndexRecordOption::WithFreqs))
            };
            let forms = of.forms.iter().map(form).collect();
            Box::new(BoostQuery::new(Box::new(DisjunctionMaxQuery::with_tie_breaker(forms, 0.5)), of.weight))
        };
        Box::new(BooleanQuery::union(fields.iter().map(of).collect()))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn scores_are_those_of_the_librarys_own_queries(
            mails in prop::collection::vec(("(a|b|running|c| ){0,6}", "((a|b|running|runs|c) ){0,9}"), 1..300),
            both: bool,
        ) {
            let searcher = index(&mails);
            for (one, other) in [("a", "b"), ("run", "c"), ("running", "a"), ("nowhere", "a")] {
                let own = |word: &str| -> Box<dyn Query> {
                    Box::new(WordQuery { fields: fields(word).into(), several: 0.5, norms: Arc::default() })
                };
                let join = |words: [Box<dyn Query>; 2]| -> Box<dyn Query> {
                    let words = words.into();
                    Box::new(if both { BooleanQuery::intersection(words) } else { BooleanQuery::union(words) })
                };
                let expected = scores(&searcher, &*join([composed(&fields(one)), composed(&fields(other))]));
                let found = scores(&searcher, &*join([own(one), own(other)]));
                prop_assert!(found.keys().eq(expected.keys()), "{one} {other}");
                for (doc, score) in &found {
                    let expected = expected.get(doc).copied().unwrap();
                    prop_assert!((score - expected).abs() <= expected.abs() * 1e-5, "{doc}: {score} {expected}");
                }
            }
        }
    }
}
