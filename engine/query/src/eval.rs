//! Checks conditions on the rows of one email.

use crate::filter::{Condition, Filter, Role};
use postlode_format::column::type_of;
use postlode_format::index::{Position, domain_of, fold};
use postlode_format::row::{ArchivedAddress, ArchivedEmail, ArchivedMark, ArchivedPlace, access, flag};
use postlode_format::{FormatError, id::bare_message_id};
use postlode_store::Found;
use postlode_text::words::{query_words, words};
use postlode_text::{Form, Match, Phrase};

/// The rows of an email, as they are now.
pub struct Rows<'f> {
    /// Metadata.
    pub email: &'f ArchivedEmail,
    /// Places.
    pub places: Vec<&'f ArchivedPlace>,
    /// Mark.
    pub mark: Option<&'f ArchivedMark>,
}

impl<'f> Rows<'f> {
    /// Reads them.
    ///
    /// # Errors
    /// Where one is no record of its kind.
    pub fn of(found: &'f Found) -> Result<Self, FormatError> {
        Ok(Self {
            email: access(&found.email)?,
            places: found.places.iter().map(|p| access(p)).collect::<Result<_, _>>()?,
            mark: found.mark.as_deref().map(access).transpose()?,
        })
    }

    /// Was it deleted?
    #[must_use]
    pub fn deleted(&self) -> bool {
        self.mark.is_some_and(|m| m.deleted)
    }

    /// Its place in every order.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { date: self.email.date.to_native(), id: self.email.id }
    }

    /// Does it match? `texts` are the matches of [`crate::filter::Resolved::texts`].
    #[must_use]
    pub fn match_filter(&self, filter: &Filter, texts: &[Vec<Match>]) -> bool {
        match filter {
            Filter::All(parts) => parts.iter().all(|p| self.match_filter(p, texts)),
            Filter::Any(parts) => parts.iter().any(|p| self.match_filter(p, texts)),
            Filter::Not(inner) => !self.match_filter(inner, texts),
            Filter::Is(condition) => self.is(condition, texts),
        }
    }

    fn is(&self, condition: &Condition, texts: &[Vec<Match>]) -> bool {
        let email = self.email;
        let has = |address: &ArchivedAddress, wanted: &str| same(&address.address, wanted);
        match condition {
            // Text is looked up before, so there is none here.
            Condition::Text(_) => false,
            Condition::Found(number) | Condition::Tagged(number) => found(*number, self.position(), texts),
            Condition::FromAddress(wanted) => {
                email.from.iter().chain(email.sender.iter()).any(|a| has(a, wanted))
            }
            Condition::Recipient(role, wanted) => self.recipients(*role).any(|a| has(a, wanted)),
            Condition::RecipientWords { role, wanted, .. } => {
                self.recipients(*role).any(|a| holds(&a.name, wanted) || holds(&a.address, wanted))
            }
            // Names are looked up before, as text is.
            Condition::Archive(_) => false,
            Condition::Archives(ids) => self.places.iter().any(|p| ids.binary_search(&p.archive).is_ok()),
            Condition::Folder(pattern) => self.places.iter().any(|p| pattern.matches(&fold(&p.folder))),
            Condition::Custodian(wanted) => self.places.iter().any(|p| same(&p.custodian, wanted)),
            Condition::Tag(wanted) => self.mark.is_some_and(|m| m.tags.iter().any(|t| same(t, wanted))),
            Condition::Dates(from, to) => (*from..*to).contains(&email.date.to_native()),
            Condition::HasAttachment => email.flags.to_native() & flag::HAS_ATTACHMENT != 0,
            Condition::Recovered => self.places.iter().any(|p| p.recovered),
            Condition::Partial => !email.partial.is_empty(),
            Condition::Id(id) => email.id == *id,
            Condition::Thread(keys) => keys.contains(&email.thread),
            Condition::Parent(id) => email.parent.as_ref().is_some_and(|p| p == id),
            Condition::MessageId(wanted) => fold(bare_message_id(&email.message_id)) == *wanted,
            Condition::Class(wanted) => {
                let class = fold(&email.class);
                class
                    .strip_prefix(wanted.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
            Condition::Larger(bytes) => email.size.to_native() > *bytes,
            Condition::Smaller(bytes) => email.size.to_native() < *bytes,
            Condition::Flag(bits) => email.flags.to_native() & bits != 0,
            Condition::Type(wanted) => email.attachments.iter().any(|a| !a.inline && type_of(a) == *wanted),
            Condition::Language(wanted) => email.language.as_str() == wanted,
            Condition::Domain(wanted) => {
                let mut from = email.from.iter().chain(email.sender.iter());
                from.any(|a| domain_of(&a.address).is_some_and(|domain| domain == *wanted))
            }
        }
    }

    fn recipients(&self, role: Role) -> impl Iterator<Item = &'f ArchivedAddress> {
        let of = |own: Role, list: &'f [ArchivedAddress]| match role == own || role == Role::Any {
            true => list.iter(),
            false => [].iter(),
        };
        let email = self.email;
        of(Role::To, &email.to).chain(of(Role::Cc, &email.cc)).chain(of(Role::Bcc, &email.bcc))
    }
}

/// Does an email at this position match a filter for which [`Filter::by_key`] holds?
pub fn match_key(filter: &Filter, position: Position, texts: &[Vec<Match>]) -> bool {
    match filter {
        Filter::All(parts) => parts.iter().all(|p| match_key(p, position, texts)),
        Filter::Any(parts) => parts.iter().any(|p| match_key(p, position, texts)),
        Filter::Not(inner) => !match_key(inner, position, texts),
        Filter::Is(Condition::Found(number) | Condition::Tagged(number)) => found(*number, position, texts),
        Filter::Is(Condition::Dates(from, to)) => (*from..*to).contains(&position.date),
        Filter::Is(Condition::Id(id)) => position.id == *id,
        Filter::Is(_) => false,
    }
}

/// Is an email among the matches of this number?
fn found(number: usize, position: Position, texts: &[Vec<Match>]) -> bool {
    let matches = texts.get(number).map_or(&[][..], Vec::as_slice);
    matches.binary_search_by(|m| m.position.cmp(&position)).is_ok()
}

/// Is `text`, folded, what is wanted?
fn same(text: &str, wanted: &str) -> bool {
    fold(text) == wanted
}

/// Do the words of `wanted` stand side by side in `text`?
fn holds(text: &str, Phrase { text: wanted, form, .. }: &Phrase) -> bool {
    let have = words(text);
    let wanted = query_words(wanted);
    if let (Some(one), true) = (wanted.first(), *form != Form::Whole) {
        return have.iter().any(|word| form.fits(&one.text, &word.text));
    }
    let Some(start) = wanted.first().map(|w| w.position) else { return false };
    have.iter().any(|first| {
        wanted.iter().all(|w| {
            let position = first.position.saturating_add(w.position.saturating_sub(start));
            have.iter().any(|h| h.position == position && h.text == w.text)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use postlode_text::Scope;

    fn holds(text: &str, wanted: &str) -> bool {
        let form = Form::Whole;
        super::holds(text, &Phrase { scope: Scope::To, text: wanted.to_owned(), exact: true, form })
    }

    #[test]
    fn words_stand_side_by_side() {
        assert!(holds("Alice Smith", "alice"));
        assert!(holds("Dr. Alice Smith", "ALICE smith"));
        assert!(!holds("Alice B. Smith", "alice smith"));
        assert!(holds("alice@mail.example.com", "example.com"));
        assert!(holds("漢字かな", "字か"));
        assert!(!holds("x", "--"));
    }
}
