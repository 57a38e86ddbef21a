//! Near-duplicates: emails whose texts are nearly the same, as the signatures in their rows tell.
//!
//! What always holds: of emails that match, those belong together that are near to each other or to one that belongs to them; so
//! an email is in one group at most, whichever of it is looked at first, as long as a group is not larger than what is looked at.
//! One without a signature stands by itself; where some were stored before there were any, the answer says so. Each
//! email is looked at once a page, and of those that have something in common with another, so many and no more.

use crate::error::QueryError;
use crate::group::{Groups, MOST, Members, Order};
use crate::search::{Matched, Run};
use postlode_format::index::{IndexId, Position};
use postlode_format::near::{Kept, Signature, UNSIGNED};
use postlode_format::row::{ArchivedEmail, access};
use postlode_store::{KeyRange, Scan};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Emails with a band of a group that are looked at. Not all of them are of it: half of the pairs that have half of their words in
/// common have a band in common.
const BANDED: usize = 2 * MOST;
/// The first of a group that was cut, by which others of it are told.
const TOLD_BY: usize = 64;
/// So many keys cost about as much as a row.
const KEYS: usize = 32;

/// What a page knows of signatures.
#[derive(Default)]
pub struct Signatures {
    /// Those that were looked at: the signature, where it matches and has one.
    known: HashMap<Position, Option<Signature>>,
    /// Some of each group that was cut, with the group.
    cut: Vec<(Vec<Signature>, Arc<Members>)>,
    /// Keys of bands that were read.
    keys: usize,
    /// Whether there are emails without is asked once.
    asked: bool,
}

impl Signatures {
    /// Emails that were looked at, and what costs as much.
    pub fn looked(&self) -> usize {
        self.known.len().saturating_add(self.keys / KEYS)
    }
}

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
        self.tell_of_unsigned(groups).await?;
        let key = one.position.to_bytes().to_vec();
        if let Some(known) = groups.known(&key) {
            return Ok(known);
        }
        let Kept::Signed(own) = signature(one)? else { return Ok(Arc::default()) };
        let is_of = |(some, _): &&(Vec<Signature>, _)| some.iter().any(|other| other.is_near(&own));
        if let Some((_, members)) = groups.signatures.cut.iter().find(is_of) {
            return Ok(Arc::clone(members));
        }
        groups.signatures.known.insert(one.position, Some(own));
        let (mut family, mut others) = (vec![(one.position, own)], Vec::new());
        let (mut seen, mut asked) = (BTreeSet::from([one.position]), HashSet::new());
        let (mut new, mut cut, mut windowed) = (0..1, false, false);
        while !new.is_empty() && !cut {
            let bands = family.get(new.clone()).unwrap_or_default().iter().flat_map(|(_, own)| own.bands());
            let bands: Vec<_> = bands.filter(|band| asked.insert(*band)).collect();
            for band in bands {
                let left = BANDED.saturating_sub(seen.len());
                if left == 0 {
                    cut = true;
                    break;
                }
                let here = |at: &Position| order.before(at, &one.position).is_some() || *at == one.position;
                let (found, some) = self.with_band(&band, one.position, groups).await?;
                windowed |= some;
                let mut found: Vec<Position> =
                    found.into_iter().filter(|at| here(at) && !seen.contains(at)).collect();
                cut |= found.len() > left;
                found.truncate(left);
                seen.extend(&found);
                others.extend(self.signatures(found, covered, groups).await?);
            }
            let from = family.len();
            gather(&mut family, &mut others, new.start);
            new = from..family.len();
            cut |= family.len() > MOST;
        }
        if cut {
            self.reason("a group has more near-duplicates than are looked at".to_owned());
        }
        family.truncate(MOST);
        let all: Vec<Position> = family.iter().map(|(at, _)| *at).collect();
        let keys = all.iter().map(|at| at.to_bytes().to_vec()).collect();
        let members = groups.settle(keys, all, order);
        // Others of a large group would each look around themselves, and come to a part of it of their own.
        if cut || windowed && members.all().len() >= TOLD_BY {
            let some = family.into_iter().map(|(_, own)| own).take(TOLD_BY).collect();
            groups.signatures.cut.push((some, Arc::clone(&members)));
        }
        Ok(members)
    }

    /// The signatures of those of some that match and have one.
    async fn signatures(
        &mut self,
        of: Vec<Position>,
        covered: bool,
        groups: &mut Groups,
    ) -> Result<Vec<(Position, Signature)>, QueryError> {
        let known = &mut groups.signatures.known;
        let new: Vec<Position> = of.iter().filter(|at| !known.contains_key(at)).copied().collect();
        known.extend(new.iter().map(|at| (*at, None)));
        for matched in self.check(&new, covered).await? {
            if let Kept::Signed(signature) = signature(&matched)? {
                known.insert(matched.position, Some(signature));
            }
        }
        Ok(of.into_iter().filter_map(|at| Some((at, (*known.get(&at)?)?))).collect())
    }

    /// The emails that have a band; where these are many, and that is told, those whose dates are next to that of one.
    async fn with_band(
        &mut self,
        band: &[u8],
        around: Position,
        groups: &mut Groups,
    ) -> Result<(Vec<Position>, bool), QueryError> {
        let bounds = self.bounds_of_all();
        let all = self.banded(KeyRange::positions(band, bounds.low, bounds.high), true, MOST + 1).await?;
        let keys = &mut groups.signatures.keys;
        *keys = keys.saturating_add(all.len());
        if all.len() <= MOST {
            return Ok((all, false));
        }
        *keys = keys.saturating_add(2 * MOST);
        self.reason(format!("more emails than are looked at have near texts: the next {MOST} by date were"));
        let [older, newer] = [(bounds.low, around), (around, bounds.high)];
        let mut later = self.banded(KeyRange::positions(band, newer.0, newer.1), false, MOST / 2).await?;
        let left = MOST.saturating_sub(later.len());
        let mut found = self.banded(KeyRange::positions(band, older.0, older.1), true, left).await?;
        if found.len() < MOST / 2 {
            let left = MOST.saturating_sub(found.len());
            later = self.banded(KeyRange::positions(band, newer.0, newer.1), false, left).await?;
        }
        found.append(&mut later);
        Ok((found, true))
    }

    async fn banded(
        &mut self,
        range: KeyRange,
        descending: bool,
        limit: usize,
    ) -> Result<Vec<Position>, QueryError> {
        let scan = Scan { index: IndexId::Near, range, descending, limit };
        let page = self.engine.store.positions(scan).await?;
        self.missing.extend(page.missing);
        Ok(page.keys)
    }

    /// Says, once a page, that there are emails of which nothing is known.
    async fn tell_of_unsigned(&mut self, groups: &mut Groups) -> Result<(), QueryError> {
        if std::mem::replace(&mut groups.signatures.asked, true) {
            return Ok(());
        }
        let bounds = self.bounds_of_all();
        if !self.banded(KeyRange::positions(&UNSIGNED, bounds.low, bounds.high), true, 1).await?.is_empty() {
            let why = "emails that were loaded before near-duplicates were told stand by themselves";
            self.reason(why.to_owned());
        }
        Ok(())
    }
}

fn signature(of: &Matched) -> Result<Kept, QueryError> {
    Ok(Signature::kept(&access::<ArchivedEmail>(&of.found.email)?.extra))
}

/// Moves those of the others to the family that are near to one of it, but for the first `known`, which they are not near to.
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
