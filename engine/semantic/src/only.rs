//! Which emails are wanted.

use postlode_format::index::Position;
use std::sync::Arc;

/// Emails by their positions.
#[derive(Debug, Clone)]
pub struct Only {
    /// From the first to the last, both included.
    pub between: (Position, Position),
    /// Of these the ones here, ascending; `None`: all of them.
    pub these: Option<Arc<[Position]>>,
}

impl Default for Only {
    fn default() -> Self {
        Self { between: (Position::MIN, Position::MAX), these: None }
    }
}

impl Only {
    /// All emails.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.these.is_none() && self.between == (Position::MIN, Position::MAX)
    }

    /// Is an email wanted?
    #[must_use]
    pub fn has(&self, position: Position) -> bool {
        let listed = |these: &Arc<[Position]>| these.binary_search(&position).is_ok();
        self.between.0 <= position && position <= self.between.1 && self.these.as_ref().is_none_or(listed)
    }

    /// The numbers of those that are wanted among ascending positions, ascending.
    #[must_use]
    pub fn among(&self, positions: &[Position]) -> Vec<u32> {
        let from = positions.partition_point(|position| *position < self.between.0);
        let to = positions.partition_point(|position| *position <= self.between.1);
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let Some(these) = &self.these else { return (number(from)..number(to)).collect() };
        let mut rest = positions.get(from..to).unwrap_or(&[]);
        let mut out = Vec::new();
        for wanted in these.iter().filter(|position| self.between.0 <= **position) {
            // Both go one way, so what was passed is not looked at again.
            let step = gallop(rest, wanted);
            rest = rest.get(step..).unwrap_or(&[]);
            if rest.is_empty() {
                break;
            }
            if rest.first() == Some(wanted) {
                out.push(number(to.saturating_sub(rest.len())));
            }
        }
        out
    }
}

/// How many of ascending positions are before one: in doubling steps, so that near ones cost little and far ones few looks.
fn gallop(positions: &[Position], wanted: &Position) -> usize {
    let mut end = 1;
    while positions.get(end - 1).is_some_and(|position| position < wanted) {
        end = end.saturating_mul(2);
    }
    let from = end / 2;
    let window = positions.get(from..end.min(positions.len())).unwrap_or(&[]);
    from + window.partition_point(|position| position < wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(date: i64) -> Position {
        Position { date, id: [0; 16] }
    }

    proptest! {
        #[test]
        fn those_among_others_are_those_that_it_has(
            positions in prop::collection::btree_set(-40..40i64, 0..60),
            these in prop::option::of(prop::collection::btree_set(-40..40i64, 0..60)),
            (low, high) in (-45..45i64, -45..45i64),
        ) {
            let positions: Vec<Position> = positions.into_iter().map(at).collect();
            let these = these.map(|these| these.into_iter().map(at).collect());
            let only = Only { between: (at(low), at(high)), these };
            let numbers = (0u32..).zip(&positions).filter(|(_, position)| only.has(**position));
            prop_assert_eq!(only.among(&positions), numbers.map(|(number, _)| number).collect::<Vec<_>>());
        }
    }
}
