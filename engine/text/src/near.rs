//! Words and phrases not far from one another, in either order, in one field of one email.
//!
//! The library has phrases, with some slack between their words, and nothing for two phrases with words between them in
//! either order. What always holds: two phrases are near where neither lies over the other and the last word of the one
//! that comes first is at most so many words before the first of the other: `a b` is one word apart.

use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::query::{
    Bm25StatisticsProvider, Bm25Weight, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, Term};

/// Words side by side.
#[derive(Debug, Clone)]
pub struct Run {
    /// Each word, with its distance from the first.
    pub words: Vec<(u32, Term)>,
    /// How far the last is from the first. Two neighbours of a script without blanks are one word in two places.
    pub last: u32,
}

/// Two phrases of one field, and how many words apart they may be.
#[derive(Debug, Clone)]
pub struct NearQuery {
    pub field: Field,
    pub either: [Run; 2],
    pub apart: u32,
}

impl Query for NearQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let terms: Vec<Term> =
            self.either.iter().flat_map(|run| &run.words).map(|(_, term)| term.clone()).collect();
        let statistics: Option<&dyn Bm25StatisticsProvider> = match scoring {
            EnableScoring::Enabled { statistics_provider, .. } => Some(statistics_provider),
            EnableScoring::Disabled { .. } => None,
        };
        let weight = match statistics.filter(|_| !terms.is_empty()) {
            Some(statistics) => Some(Bm25Weight::for_terms(statistics, &terms)?),
            None => None,
        };
        Ok(Box::new(NearWeight { query: self.clone(), weight }))
    }
}

struct NearWeight {
    query: NearQuery,
    weight: Option<Bm25Weight>,
}

impl NearWeight {
    fn near(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Option<NearScorer>> {
        let index = reader.inverted_index(self.query.field)?;
        let mut words = Vec::new();
        let mut ranges = [0..0, 0..0];
        for (run, range) in self.query.either.iter().zip(&mut ranges) {
            let first = words.len();
            for (offset, term) in &run.words {
                let record = IndexRecordOption::WithFreqsAndPositions;
                let Some(postings) = index.read_postings(term, record)? else { return Ok(None) };
                words.push((*offset, postings));
            }
            *range = first..words.len();
        }
        let norms = match &self.weight {
            Some(_) => reader.fieldnorms_readers().get_field(self.query.field)?,
            None => None,
        };
        let norms = norms.unwrap_or_else(|| FieldNormReader::constant(reader.max_doc(), 1));
        let weight = self.weight.as_ref().map(|weight| weight.boost_by(boost));
        let positions = Vec::new();
        let mut scorer = NearScorer {
            words,
            ranges,
            lasts: self.query.either.each_ref().map(|run| run.last),
            apart: self.query.apart,
            norms,
            weight,
            found: 0,
            positions,
            doc: 0,
        };
        let first = scorer.words.iter().map(|(_, postings)| postings.doc()).max();
        scorer.find(first.unwrap_or(TERMINATED));
        Ok(Some(scorer))
    }
}

impl Weight for NearWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(match self.near(reader, boost)? {
            Some(scorer) => Box::new(scorer),
            None => Box::new(EmptyScorer),
        })
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Ok(Explanation::new("near", 0.0))
    }
}

struct NearScorer {
    /// The words of both phrases, with their distances from the first of each.
    words: Vec<(u32, SegmentPostings)>,
    ranges: [std::ops::Range<usize>; 2],
    /// How far the last word of each is from its first.
    lasts: [u32; 2],
    apart: u32,
    norms: FieldNormReader,
    weight: Option<Bm25Weight>,
    /// How often the rarer phrase is near the other in the current email.
    found: u32,
    positions: Vec<u32>,
    doc: DocId,
}

impl NearScorer {
    /// Goes to the first email from `target` on in which they are near.
    fn find(&mut self, target: DocId) -> DocId {
        let mut target = target;
        loop {
            target = self.all_at(target);
            self.doc = target;
            if target == TERMINATED || self.are_near() {
                return target;
            }
            target = target.saturating_add(1);
        }
    }

    /// The first email from `target` on that has all words.
    fn all_at(&mut self, mut target: DocId) -> DocId {
        'again: loop {
            if target >= TERMINATED {
                return TERMINATED;
            }
            for (_, postings) in &mut self.words {
                // Going to where one stands already is not asked of the library.
                let at = if postings.doc() < target { postings.seek(target) } else { postings.doc() };
                if at > target {
                    target = at;
                    continue 'again;
                }
            }
            return target;
        }
    }

    /// Where a phrase begins in the current email, ascending.
    fn starts(&mut self, which: std::ops::Range<usize>) -> Vec<u32> {
        let mut starts: Option<Vec<u32>> = None;
        for (offset, postings) in self.words.get_mut(which).into_iter().flatten() {
            self.positions.clear();
            postings.positions(&mut self.positions);
            let here = self.positions.iter().filter_map(|at| at.checked_sub(*offset));
            starts = Some(match starts {
                None => here.collect(),
                Some(starts) => {
                    let here: Vec<u32> = here.collect();
                    starts.into_iter().filter(|at| here.binary_search(at).is_ok()).collect()
                }
            });
            if starts.as_ref().is_some_and(Vec::is_empty) {
                break;
            }
        }
        starts.unwrap_or_default()
    }

    fn are_near(&mut self) -> bool {
        let [left, right] = self.ranges.clone();
        let [left_last, right_last] = self.lasts;
        let left = self.starts(left);
        if left.is_empty() {
            return false;
        }
        let right = self.starts(right);
        // Is a start of `those` within reach behind the end of a phrase that begins at `at`?
        let behind = |at: u32, last: u32, those: &[u32]| {
            let end = at.saturating_add(last);
            let next = those.get(those.partition_point(|other| *other <= end));
            next.is_some_and(|next| next.saturating_sub(end) <= self.apart)
        };
        let after = left.iter().filter(|at| behind(**at, left_last, &right)).count();
        let before = right.iter().filter(|at| behind(**at, right_last, &left)).count();
        self.found = u32::try_from(after.saturating_add(before)).unwrap_or(u32::MAX);
        self.found > 0
    }
}

impl DocSet for NearScorer {
    fn advance(&mut self) -> DocId {
        if self.doc == TERMINATED { TERMINATED } else { self.find(self.doc.saturating_add(1)) }
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if target <= self.doc { self.doc } else { self.find(target) }
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.words.iter().map(|(_, postings)| postings.size_hint()).min().unwrap_or(0)
    }
}

impl Scorer for NearScorer {
    fn score(&mut self) -> Score {
        let norm = self.norms.fieldnorm_id(self.doc);
        self.weight.as_ref().map_or(1.0, |weight| weight.score(norm, self.found))
    }
}
