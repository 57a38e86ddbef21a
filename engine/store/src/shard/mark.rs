//! Changes of marks, as the writer of a shard makes them.

use super::Shard;
use crate::api::Missing;
use crate::error::StoreError;
use crate::marks::{MarkChange, Marked, Refusal, owned};
use bytes::Bytes;
use postlode_format::FormatError;
use postlode_format::id::Id;
use postlode_format::row::{ArchivedEmail, ArchivedMark, Mark, Row, RowKind, access, to_bytes};
use postlode_runtime::Runtime;
use std::collections::HashMap;

/// What a request for changes comes to.
pub(super) struct Made {
    /// In the order of the changes.
    pub outcomes: Vec<Marked>,
    /// What is to be written.
    pub rows: Vec<Row>,
    /// Some of it is made of what is written in the same group, and falls with that.
    pub leans: bool,
}

impl<R: Runtime> Shard<R> {
    /// Decides what becomes of each change. `pending`: marks that the same group writes.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where an email that is being taken out at this moment would be restored.
    pub(super) async fn make_marks(
        &self,
        changes: &[MarkChange],
        pending: &mut HashMap<Id, Bytes>,
    ) -> Result<Made, StoreError> {
        let mut made = Made { outcomes: Vec::with_capacity(changes.len()), rows: Vec::new(), leans: false };
        // A request is made as a whole or not at all.
        let mut own: HashMap<Id, Bytes> = HashMap::new();
        for change in changes {
            if change.delete == Some(false) && self.condemned.borrow().contains(&change.id) {
                return Err(StoreError::Busy);
            }
            let before = match own.get(&change.id) {
                Some(mark) => Ok(Some(mark.clone())),
                None => match pending.get(&change.id) {
                    Some(mark) => {
                        made.leans = true;
                        Ok(Some(mark.clone()))
                    }
                    None => self.get(RowKind::Mark, &change.id).await,
                },
            };
            let before = match before {
                Ok(before) => before,
                Err(missing) => {
                    made.outcomes.push(Marked::Missing(missing));
                    continue;
                }
            };
            let (outcome, new) = self.make_mark(change, before.as_deref()).await?;
            if let Some(value) = new {
                own.insert(change.id, value.clone());
                made.rows.push(Row { kind: RowKind::Mark, key: Bytes::copy_from_slice(&change.id), value });
            }
            made.outcomes.push(outcome);
        }
        pending.extend(own);
        Ok(made)
    }

    async fn make_mark(
        &self,
        change: &MarkChange,
        before: Option<&[u8]>,
    ) -> Result<(Marked, Option<Bytes>), StoreError> {
        let unreadable = |section: &str, error: FormatError| {
            Marked::Missing(Missing { segment: None, section: section.to_owned(), reason: error.to_string() })
        };
        let before = match before.map(access::<ArchivedMark>).transpose() {
            Ok(mark) => mark.map(owned),
            Err(error) => return Ok((unreadable("marks", error), None)),
        };
        // Who has a mark that is not deleted is there. Of one that is deleted the email itself may be gone.
        let mark = match before {
            Some(mark) if !mark.deleted => mark,
            Some(mark) if change.delete != Some(false) && mark.deleted => {
                // To delete it again changes nothing, and all else is not said of what is not there.
                return Ok(match change.delete {
                    Some(true) if change.revision.is_none_or(|revision| revision == mark.revision) => {
                        (Marked::Same(mark), None)
                    }
                    _ => (Marked::Absent, None),
                });
            }
            before => match self.get(RowKind::Email, &change.id).await {
                Ok(None) => return Ok((Marked::Absent, None)),
                Ok(Some(email)) => match before {
                    Some(mark) => mark,
                    None => match access::<ArchivedEmail>(&email) {
                        Ok(email) => Mark { date: email.date.to_native(), ..Mark::default() },
                        Err(error) => return Ok((unreadable("emails", error), None)),
                    },
                },
                Err(missing) => return Ok((Marked::Missing(missing), None)),
            },
        };
        Ok(match change.apply(&mark) {
            Ok(None) => (Marked::Same(mark), None),
            Ok(Some(new)) => {
                let value = to_bytes(&new).map_err(StoreError::Refused)?;
                (Marked::Done(new), Some(value))
            }
            Err(Refusal::Stale) => (Marked::Stale(mark), None),
            Err(Refusal::Held) => (Marked::Held(mark), None),
            Err(Refusal::TooMuch(what, limit)) => (Marked::TooMuch(what, limit), None),
        })
    }
}
