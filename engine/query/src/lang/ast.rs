//! The tree of a query, as it was written: nothing is looked up or converted yet.

/// A query or part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// All of them; none: everything.
    And(Vec<Node>),
    /// At least one of them.
    Or(Vec<Node>),
    /// Everything else.
    Not(Box<Node>),
    /// One condition.
    Term(Term),
    /// Two words or phrases of one field, not far from one another.
    Near(Box<Near>),
}

/// Two words or phrases, in either order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// The words or phrases, both of one field.
    pub either: [Term; 2],
    /// How many words on from the last of the one the first of the other may be, from 1 to [`super::MAX_APART`].
    pub apart: u32,
}

/// One condition.
#[derive(Debug, Clone)]
pub struct Term {
    /// What it is about.
    pub field: Field,
    /// The value, without quotes.
    pub value: String,
    /// It stood in quotes.
    pub quoted: bool,
    /// Number of the value's first character in the query, from 1. Not part of what the term means.
    pub at: usize,
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        (self.field, &self.value, self.quoted) == (other.field, &other.value, other.quoted)
    }
}

impl Eq for Term {}

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// Words anywhere.
    Any,
    /// Words of the subject.
    Subject,
    /// Words of the body.
    Body,
    /// Author or sender.
    From,
    /// Primary recipients.
    To,
    /// Carbon copies.
    Cc,
    /// Blind copies.
    Bcc,
    /// Author, sender or any recipient.
    Participants,
    /// A folder.
    Folder,
    /// An archive.
    Archive,
    /// Before a day.
    Before,
    /// On a day or after it.
    After,
    /// On a day, or in a month or year.
    On,
    /// Longer ago than a number of days, weeks, months or years.
    OlderThan,
    /// Not longer ago.
    NewerThan,
    /// `attachment`.
    Has,
    /// `recovered`, `partial`, `flagged`, `read`, `unread` or `draft`.
    Is,
    /// Words of an attachment's name.
    Filename,
    /// What an attachment is, as `pdf`.
    Type,
    /// The language of what its author wrote.
    Lang,
    /// The email's id.
    Id,
    /// Its thread.
    Thread,
    /// The email it is embedded in.
    Parent,
    /// Its Message-ID.
    MessageId,
    /// Its message class.
    Class,
    /// More bytes.
    Larger,
    /// Fewer bytes.
    Smaller,
    /// Whose mail it is.
    Custodian,
    /// A tag.
    Tag,
    /// The domain of the author's or sender's address.
    Domain,
}

impl Field {
    /// All fields that have a name, by their names; the first name of a field is the one that is printed.
    pub const NAMES: [(&'static str, Field); 36] = [
        ("subject", Field::Subject),
        ("body", Field::Body),
        ("from", Field::From),
        ("to", Field::To),
        ("cc", Field::Cc),
        ("bcc", Field::Bcc),
        ("participants", Field::Participants),
        ("folder", Field::Folder),
        ("archive", Field::Archive),
        ("before", Field::Before),
        ("after", Field::After),
        ("on", Field::On),
        ("older_than", Field::OlderThan),
        ("newer_than", Field::NewerThan),
        ("has", Field::Has),
        ("is", Field::Is),
        ("filename", Field::Filename),
        ("type", Field::Type),
        ("lang", Field::Lang),
        ("id", Field::Id),
        ("thread", Field::Thread),
        ("parent", Field::Parent),
        ("message-id", Field::MessageId),
        ("class", Field::Class),
        ("larger", Field::Larger),
        ("smaller", Field::Smaller),
        ("custodian", Field::Custodian),
        ("tag", Field::Tag),
        ("label", Field::Tag),
        ("domain", Field::Domain),
        ("in", Field::Folder),
        ("rfc822msgid", Field::MessageId),
        ("older", Field::Before),
        ("newer", Field::After),
        ("language", Field::Lang),
        ("size", Field::Larger),
    ];

    /// The field of a name, in any case.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, field)| *field)
    }

    /// Its name; empty for words anywhere.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, field)| *field == self).map_or("", |(name, _)| name)
    }
}
