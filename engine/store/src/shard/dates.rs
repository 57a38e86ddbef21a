//! Which dates the keys of a range have, so that segments of other dates need not be asked.
//!
//! What always holds: an answer is only left out where it is sure that there is none. Of emails' own indexes alone are
//! the dates known: places and marks may lie in another segment than their email.

use crate::api::{KeyRange, successor};
use postlode_format::index::{IndexId, POSITION, Position};
use postlode_format::manifest::SegmentEntry;

/// The dates of all keys of a range, both ends included.
#[derive(Debug, PartialEq, Eq)]
pub struct Dates {
    from: i64,
    to: i64,
}

impl Dates {
    /// `None` where keys are in another order than their dates, or nothing is known of them.
    pub fn of(index: IndexId, range: &KeyRange) -> Option<Self> {
        let part = match index {
            IndexId::Date | IndexId::Attachment => 0,
            IndexId::Size => 1,
            IndexId::Near => 4,
            IndexId::Thread | IndexId::Parent => 16,
            IndexId::Sender | IndexId::MessageId | IndexId::Recipient | IndexId::Domain => {
                range.low.iter().position(|byte| *byte == 0)?.checked_add(1)?
            }
            IndexId::Folder | IndexId::Custodian | IndexId::Tag | IndexId::ArchiveFolder => return None,
        };
        let part = range.low.get(..part)?;
        let from = date_after(part, &range.low);
        let to = if range.high == successor(part) {
            i64::MAX
        } else {
            // Keys of another part would come between.
            range.high.strip_prefix(part)?;
            date_after(part, &range.high)
        };
        Some(Self { from, to })
    }

    /// May a segment have keys of these dates?
    pub fn meet(&self, segment: &SegmentEntry) -> bool {
        segment.emails > 0 && segment.min_date <= self.to && segment.max_date >= self.from
    }

    /// Does every email of a segment surely have such a date? At both ends the id decides.
    pub fn hold(&self, segment: &SegmentEntry) -> bool {
        segment.emails > 0 && segment.min_date > self.from && segment.max_date < self.to
    }
}

/// The date that follows a part in a key; of one that is cut short, the first that begins so: keys are compared byte by
/// byte.
fn date_after(part: &[u8], key: &[u8]) -> i64 {
    let mut at = [0u8; POSITION];
    at.iter_mut()
        .zip(key.get(part.len()..).unwrap_or_default().iter().take(8))
        .for_each(|(to, from)| *to = *from);
    Position::from_bytes(&at).map_or(i64::MIN, |position| position.date)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postlode_format::index::part_prefix;
    use postlode_format::manifest::SegmentKind;
    use proptest::prelude::*;

    fn segment(min_date: i64, max_date: i64) -> SegmentEntry {
        SegmentEntry {
            id: 1,
            salt: 0,
            kind: SegmentKind::Mail,
            low: 0,
            high: u64::MAX,
            bytes: 1,
            emails: 2,
            rows: 2,
            min_date,
            max_date,
            max_seq: 1,
            addons: Vec::new(),
        }
    }

    fn key(prefix: &[u8], date: i64, id: u8) -> Vec<u8> {
        [prefix, &Position { date, id: [id; 16] }.to_bytes()].concat()
    }

    proptest! {
        /// Ranges as cursors and dates make them, and keys cut anywhere.
        #[test]
        fn a_key_in_the_range_has_one_of_the_dates(text in "[a-c]{0,2}", from in -3i64..3, to in -3i64..3,
            ids: (u8, u8), cuts in (0..40usize, 0..40usize), date in -4i64..4, id: u8, other in "[a-c]{0,2}") {
            for (index, prefix, of_key) in [
                (IndexId::Date, Vec::new(), Vec::new()),
                (IndexId::Sender, part_prefix(&text), part_prefix(&other)),
                (IndexId::Thread, vec![1; 16], vec![1; 16]),
                (IndexId::Attachment, Vec::new(), Vec::new()),
                (IndexId::Size, vec![7], vec![8]),
                (IndexId::Near, vec![7; 4], vec![7, 7, 7, 8]),
                (IndexId::Domain, part_prefix(&text), part_prefix(&other)),
            ] {
                let (mut low, mut high) = (key(&prefix, from, ids.0), key(&prefix, to, ids.1));
                low.truncate(low.len().saturating_sub(cuts.0));
                high.truncate(high.len().saturating_sub(cuts.1));
                for range in [KeyRange { low: low.clone(), high }, KeyRange { low: low.clone(), high: successor(&prefix) },
                    KeyRange::prefix(&prefix)] {
                    let Some(dates) = Dates::of(index, &range) else { continue };
                    let inside = range.contains(&key(&of_key, date, id));
                    prop_assert!(!inside || dates.meet(&segment(date, date)), "{:?} {:?}", range, dates);
                    prop_assert!(inside || index != IndexId::Date || !dates.hold(&segment(date, date)), "{:?} {:?}", range, dates);
                }
            }
        }
    }

    #[test]
    fn dates_of_ranges_are_known() {
        let range =
            KeyRange::positions(&[], Position { date: 5, id: [0; 16] }, Position { date: 9, id: [0; 16] });
        assert_eq!(Dates::of(IndexId::Date, &range), Some(Dates { from: 5, to: 9 }));
        let whole = KeyRange::prefix(&part_prefix("ann@example.org"));
        let dates = Dates::of(IndexId::Sender, &whole).unwrap();
        assert!(dates.meet(&segment(-7, -7)) && dates.hold(&segment(-7, 7)));
        assert_eq!(Dates::of(IndexId::Sender, &KeyRange::prefix(b"ann")), None);
        assert_eq!(Dates::of(IndexId::Folder, &KeyRange::prefix(&part_prefix("/inbox"))), None);
        assert!(!Dates { from: 1, to: 3 }.meet(&segment(4, 9)));
    }
}
