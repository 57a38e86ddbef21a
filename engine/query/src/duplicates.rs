//! Near-duplicates: emails whose texts are nearly the same, as the signatures in their rows tell.
//!
//! What always holds: of emails that match, those belong together that are near to each other or to one that belongs to them; so
//! an email is in one group at most, whichever of it is looked at first. One without a signature stands by itself, and where
//! that is because it was stored before there were any, the answer says so.

use crate::error::QueryError;
use crate::group::{Groups, MOST, Members, Order};
use crate::search::{Matched, Run};
use postlode_format::index::{IndexId, Position};
use postlode_format::near::{Kept, Signature};
use postlode_format::row::{ArchivedEmail, access};
use postlode_store::{KeyRange, Scan};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Emails with a band of a group that are looked at: most are of it.
const BANDED: usize = 4 * MOST;

impl Run {
    /// The emails that belong to one by their texts, and match.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn near_duplicates(
        &mut self,
        one: &Matched,
        (order, covered): (&Order<'_>, bool),
        groups: &mut Groups,
    ) -> Result<Arc<Members>, QueryError> {
        let key = one.position.to_bytes().to_vec();
        if let Some(known) = groups.known(&key) {
            return Ok(known);
        }
        let own = match signature(one)? {
            Kept::Signed(own) => own,
            Kept::Short => return Ok(Arc::default()),
            Kept::Unknown => {
                let why = "emails that were loaded before near-duplicates were told stand by themselves";
                self.reason(why.to_owned());
                return Ok(Arc::default());
            }
        };
        let (mut family, mut others) = (vec![(one.position, own)], Vec::new());
        let (mut seen, mut asked) = (BTreeSet::from([one.position]), HashSet::new());
        let mut new = 0..1;
        while !new.is_empty() {
            let bands = family.get(new.clone()).unwrap_or_default().iter().flat_map(|(_, own)| own.bands());
            let bands: Vec<_> = bands.filter(|band| asked.insert(*band)).collect();
            let mut found = BTreeSet::new();
            for band in bands {
                found.extend(self.with_band(&band).await?);
            }
            let here = |at: &Position| {
                !seen.contains(at) && (order.before(at, &one.position).is_some() || *at == one.position)
            };
            let left = BANDED.saturating_sub(seen.len());
            let found: Vec<Position> = found.into_iter().rev().filter(here).take(left).collect();
            seen.extend(&found);
            for matched in self.check(&found, covered).await? {
                if let Kept::Signed(signature) = signature(&matched)? {
                    others.push((matched.position, signature));
                }
            }
            let from = family.len();
            gather(&mut family, &mut others, new.start);
            new = from..family.len();
            if seen.len() >= BANDED || family.len() > MOST {
                let most = MOST;
                self.reason(format!("a group has more near-duplicates than are looked at: {most} or more"));
                break;
            }
        }
        let all: Vec<Position> = family.into_iter().map(|(at, _)| at).take(MOST).collect();
        let keys = all.iter().map(|at| at.to_bytes().to_vec()).collect();
        Ok(groups.settle(keys, all, order))
    }

    /// The newest emails that have a band.
    async fn with_band(&mut self, band: &[u8]) -> Result<Vec<Position>, QueryError> {
        let range = KeyRange::prefix(band);
        let scan = Scan { index: IndexId::Near, range, descending: true, limit: MOST.saturating_add(1) };
        let mut page = self.engine.store.positions(scan).await?;
        self.missing.extend(page.missing);
        if page.keys.len() > MOST {
            self.reason(format!("more emails than are looked at have near texts: the newest {MOST} were"));
            page.keys.truncate(MOST);
        }
        Ok(page.keys)
    }
}

fn signature(of: &Matched) -> Result<Kept, QueryError> {
    Ok(Signature::kept(&access::<ArchivedEmail>(&of.found.email)?.extra))
}

/// Moves those of the others to the family that are near to one of it, behind the first `known`, which they are not near to.
fn gather(family: &mut Vec<(Position, Signature)>, others: &mut Vec<(Position, Signature)>, known: usize) {
    let mut from = known;
    while from < family.len() {
        let until = family.len();
        let new = family.get(from..until).unwrap_or_default();
        let is_near = |(_, other): &mut (_, Signature)| new.iter().any(|(_, own)| own.is_near(other));
        let near: Vec<_> = others.extract_if(.., is_near).collect();
        family.extend(near);
        from = until;
    }
}
