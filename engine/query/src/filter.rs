//! What a query asks of an email: the tree with every value read, and conditions on text gathered.
//!
//! What always holds: negation stands only above what it negates; inside one [`Filter::All`] or [`Filter::Any`]
//! there is at most one text condition, which holds all that the index can answer at once.

use crate::archives::ArchivePattern;
use crate::dates::{ago, beginning_of, within};
use crate::error::SyntaxError;
use crate::folders::FolderPattern;
use crate::lang::{Field, Near, Node, Term, nearest};
use crate::languages::three_letters;
use crate::words::{bounded, has_sign, phrase};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use postlode_format::id::{Id, bare_message_id, from_hex};
use postlode_format::index::{domain_of, fold};
use postlode_format::row::flag;
use postlode_text::{Form, Near as NearText, Phrase, Scope, TextQuery};

/// A tree of conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of them; none: everything.
    All(Vec<Filter>),
    /// At least one of them; none: nothing.
    Any(Vec<Filter>),
    /// Everything else.
    Not(Box<Filter>),
    /// One condition.
    Is(Condition),
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Words, as the text index finds them.
    Text(TextQuery),
    /// The same, by its number in [`Resolved::texts`].
    Found(usize),
    /// The author's or sender's address, folded.
    FromAddress(String),
    /// An address among recipients, folded.
    Recipient(Role, String),
    /// Words side by side in the name or address of a recipient.
    RecipientWords {
        /// Which recipients.
        role: Role,
        /// The words.
        wanted: Phrase,
        /// Number of the text condition that finds them among all recipients.
        among_all: usize,
    },
    /// A folder.
    Folder(FolderPattern),
    /// An archive.
    Archive(ArchivePattern),
    /// The same, by the ids of those that it names, ascending.
    Archives(Vec<Id>),
    /// A custodian, folded.
    Custodian(String),
    /// A tag, folded.
    Tag(String),
    /// The same, as those that have it were found: by its number, as text conditions are.
    Tagged(usize),
    /// Dates from the first (included) to the second (excluded), in microseconds since 1970 UTC.
    Dates(i64, i64),
    /// An attachment that is not shown inside the body.
    HasAttachment,
    /// Some place of it is that of a deleted or orphaned item.
    Recovered,
    /// Some part of it could not be read.
    Partial,
    /// The email.
    Id(Id),
    /// Its thread: any of these keys, see `threads`.
    Thread(Vec<Id>),
    /// The email it is embedded in.
    Parent(Id),
    /// Its Message-ID, bare and folded.
    MessageId(String),
    /// Its class, or the beginning of it up to a dot, folded.
    Class(String),
    /// More bytes than this.
    Larger(u64),
    /// Fewer bytes than this.
    Smaller(u64),
    /// The domain of the author's or sender's address, folded.
    Domain(String),
    /// It has one of these bits of [`postlode_format::row::flag`].
    Flag(u32),
    /// What an attachment is that is not shown inside the body, folded: see [`postlode_format::column::attachment_type`].
    Type(String),
    /// The language of what its author wrote, in three letters.
    Language(String),
}

/// Which recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Primary.
    To,
    /// Carbon copies.
    Cc,
    /// Blind copies.
    Bcc,
    /// All of these.
    Any,
}

impl Filter {
    /// Is it one text condition, and dates between which an email has to be?
    pub fn is_text_within_dates(&self) -> bool {
        let is_text = |filter: &Self| matches!(filter, Self::Is(Condition::Found(_)));
        let is_dates = |filter: &Self| matches!(filter, Self::Is(Condition::Dates(..)));
        match self {
            Self::All(parts) => {
                parts.iter().filter(|part| is_text(part)).count() == 1
                    && parts.iter().all(|part| is_text(part) || is_dates(part))
            }
            one => is_text(one),
        }
    }
}

/// Earliest date of an email whose date is known.
pub const FIRST_DATE: i64 = i64::MIN + 1;

/// Reads the values of a tree.
///
/// # Errors
/// A value that its field cannot have, or a query of signs alone.
pub fn resolve(node: &Node, zone: &TimeZone) -> Result<Resolved, SyntaxError> {
    bounded(node)?;
    let mut filter = read(node, zone)?;
    let wanted = filter.wanted_text();
    let mut texts = Vec::new();
    filter.take_texts(&mut texts);
    Ok(Resolved { filter, texts, wanted, meaning: None })
}

/// Reads the values of a tree whose words are looked for by meaning too. Words that stand alone are apart from the
/// conditions then: a mail may be near in meaning and have none of them. Words in quotes, in a field, or inside a NOT or OR
/// stay conditions, as do those with a star or tilde, and those that are to be near one another.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_apart(node: &Node, zone: &TimeZone) -> Result<Resolved, SyntaxError> {
    let whole = resolve(node, zone)?;
    let is_alone =
        |node: &Node| matches!(node, Node::Term(t) if t.field == Field::Any && !t.quoted && !has_sign(t));
    let (alone, rest): (Vec<Node>, Vec<Node>) = match node {
        Node::And(parts) => parts.iter().cloned().partition(is_alone),
        other => std::iter::once(other.clone()).partition(is_alone),
    };
    let gathered = |nodes| Ok::<_, SyntaxError>(tree(&Node::And(nodes), zone)?.map(gather));
    let (Some(Filter::Is(Condition::Text(words))), rest) = (gathered(alone)?, gathered(rest)?) else {
        let text = whole.wanted.as_ref().map(meant).filter(|text| !text.is_empty());
        let meaning = text.map(|text| Meaning { text, within: whole.filter.clone(), words: None });
        return Ok(Resolved { meaning, ..whole });
    };
    let mut within = rest.unwrap_or(Filter::All(Vec::new()));
    let mut any: Vec<TextQuery> = within.wanted_text().into_iter().collect();
    any.push(words.clone());
    let wanted = TextQuery::Any(any.into_iter().flat_map(each).collect());
    let mut texts = Vec::new();
    within.take_texts(&mut texts);
    let number = texts.len();
    texts.push(words);
    let found = Filter::Is(Condition::Found(number));
    let filter = match within.clone() {
        Filter::All(parts) if parts.is_empty() => found,
        Filter::All(parts) => Filter::All(parts.into_iter().chain([found]).collect()),
        other => Filter::All(vec![other, found]),
    };
    let meaning = Some(Meaning { text: meant(&wanted), within, words: Some(number) });
    Ok(Resolved { filter, texts, wanted: Some(wanted), meaning })
}

/// The words of a text that should be held, each by itself.
fn each(text: TextQuery) -> Vec<TextQuery> {
    match text {
        TextQuery::All(parts) | TextQuery::Any(parts) => parts.into_iter().flat_map(each).collect(),
        TextQuery::Not(_) => Vec::new(),
        phrase => vec![phrase],
    }
}

/// What a query asks for, as a text: names and addresses mean nothing.
fn meant(wanted: &TextQuery) -> String {
    let says = |phrase: &&Phrase| {
        // The beginning of a word says nothing, nor does one that is perhaps misspelt.
        phrase.form == Form::Whole
            && matches!(phrase.scope, Scope::Anywhere | Scope::Texts | Scope::Subject | Scope::Body)
    };
    let words = wanted.wanted().into_iter().filter(says).map(|phrase| phrase.text.as_str());
    words.collect::<Vec<_>>().join(" ")
}

/// A query, ready to be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Its conditions; those on text are numbers.
    pub filter: Filter,
    /// Its text conditions.
    pub texts: Vec<TextQuery>,
    /// The text that hits should hold: what ranks them and what snippets mark. `None` without words.
    pub wanted: Option<TextQuery>,
    /// What is looked for by meaning; `None` without words, and where they are looked for as words alone.
    pub meaning: Option<Meaning>,
}

/// What a query looks for by meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// What is embedded.
    pub text: String,
    /// The conditions, without the words that stand alone.
    pub within: Filter,
    /// The number of the text condition that the words make that stand alone: the last; `None` where there are none.
    pub words: Option<usize>,
}

fn read(node: &Node, zone: &TimeZone) -> Result<Filter, SyntaxError> {
    let filter = match tree(node, zone)? {
        Some(filter) => gather(filter),
        None => match first_term(node) {
            None => Filter::All(Vec::new()),
            Some(term) => return Err(nothing(term)),
        },
    };
    Ok(filter)
}

fn nothing(term: &Term) -> SyntaxError {
    let message = format!("there are no letters or digits to search for in {}", quoted(&term.value));
    SyntaxError { message, position: term.at.max(1), suggestion: None }
}

fn first_term(node: &Node) -> Option<&Term> {
    match node {
        Node::And(parts) | Node::Or(parts) => parts.iter().find_map(first_term),
        Node::Not(inner) => first_term(inner),
        Node::Term(term) => Some(term),
        Node::Near(near) => near.either.first(),
    }
}

/// `None` for what holds no words at all: stray signs between words are left out.
fn tree(node: &Node, zone: &TimeZone) -> Result<Option<Filter>, SyntaxError> {
    let parts = |nodes: &[Node]| -> Result<Vec<Filter>, SyntaxError> {
        let mut out = Vec::with_capacity(nodes.len());
        for node in nodes {
            out.extend(tree(node, zone)?);
        }
        Ok(out)
    };
    Ok(match node {
        Node::And(nodes) => Some(parts(nodes)?).filter(|p| !p.is_empty()).map(Filter::All),
        Node::Or(nodes) => Some(parts(nodes)?).filter(|p| !p.is_empty()).map(Filter::Any),
        Node::Not(inner) => tree(inner, zone)?.map(|f| Filter::Not(Box::new(f))),
        Node::Near(two) => Some(Filter::Is(Condition::Text(near(two)?))),
        Node::Term(term) if term.field == Field::Participants => participants(term)?,
        // What the source does not mark as read is unread.
        Node::Term(term) if term.field == Field::Is && fold(&term.value) == "unread" => {
            Some(Filter::Not(Box::new(Filter::Is(Condition::Flag(flag::READ)))))
        }
        Node::Term(term) => match condition(term, zone)? {
            Some(found) => Some(Filter::Is(found)),
            // Only signs between words: without a condition that was named, the answer would be to another question.
            None if term.field == Field::Any => None,
            None => return Err(nothing(term)),
        },
    })
}

/// Who takes part in an email: its author or sender, or any recipient.
fn participants(term: &Term) -> Result<Option<Filter>, SyntaxError> {
    if let Some(address) = full_address(term) {
        let recipient = Condition::Recipient(Role::Any, address.clone());
        return Ok(Some(Filter::Any(vec![
            Filter::Is(Condition::FromAddress(address)),
            Filter::Is(recipient),
        ])));
    }
    let either = [phrase(term, Scope::From, term.quoted)?, phrase(term, Scope::To, true)?];
    let either: Vec<TextQuery> = either.into_iter().flatten().map(TextQuery::Phrase).collect();
    if either.is_empty() {
        return Err(nothing(term));
    }
    Ok(Some(Filter::Is(Condition::Text(TextQuery::Any(either)))))
}

/// Two words or phrases not far from one another.
fn near(Near { either, apart }: &Near) -> Result<TextQuery, SyntaxError> {
    let [left, right] = either;
    let scope = match left.field {
        Field::Any => Scope::Texts,
        Field::Subject => Scope::Subject,
        Field::Body => Scope::Body,
        _ => return Err(refuse(left, "is not looked for near something: subject: and body: are", None)),
    };
    let whole = |term: &Term| {
        let found = phrase(term, scope, true)?.filter(|found| found.form == Form::Whole);
        found.ok_or_else(|| SyntaxError {
            message: format!("NEAR is between whole words, and {} is none", quoted(&term.value)),
            position: term.at.max(1),
            suggestion: None,
        })
    };
    Ok(TextQuery::Near(Box::new(NearText { either: [whole(left)?, whole(right)?], scope, apart: *apart })))
}

fn quoted(value: &str) -> String {
    format!("{:?}", value.chars().take(40).collect::<String>())
}

fn refuse(term: &Term, why: &str, suggestion: Option<&str>) -> SyntaxError {
    SyntaxError {
        message: format!("{}: {} {why}", term.field.name(), quoted(&term.value)),
        position: term.at.max(1),
        suggestion: suggestion.map(|s| format!("{}:{s}", term.field.name())),
    }
}

fn condition(term: &Term, zone: &TimeZone) -> Result<Option<Condition>, SyntaxError> {
    let value = term.value.as_str();
    let words = |scope: Scope| {
        let found = phrase(term, scope, term.quoted)?;
        Ok::<_, SyntaxError>(found.map(|found| Condition::Text(TextQuery::Phrase(found))))
    };
    let id = || from_hex(value.trim()).ok_or_else(|| refuse(term, "is no id: 32 hex digits are", None));
    let date = || {
        let why = "is no date: write year-month-day";
        beginning_of(value, zone).ok_or_else(|| refuse(term, why, Some("2020-01-31")))
    };
    let name = || Some(fold(value)).filter(|v| !v.is_empty());
    let named = [Field::Folder, Field::Archive, Field::Custodian, Field::Tag, Field::Domain, Field::Class];
    if named.contains(&term.field) && !term.quoted && value.contains('*') {
        let literal = format!("\"{value}\"");
        return Err(refuse(term, "has a star, and is looked for whole", Some(&literal)));
    }
    Ok(match term.field {
        Field::Any => words(Scope::Anywhere)?,
        Field::Subject => words(Scope::Subject)?,
        Field::Body => words(Scope::Body)?,
        Field::Filename => words(Scope::Files)?,
        Field::From => match full_address(term) {
            Some(address) => Some(Condition::FromAddress(address)),
            None => words(Scope::From)?,
        },
        Field::To => recipient(Role::To, term)?,
        Field::Cc => recipient(Role::Cc, term)?,
        Field::Bcc => recipient(Role::Bcc, term)?,
        Field::Archive => ArchivePattern::new(value).map(Condition::Archive),
        Field::Folder => FolderPattern::new(value).map(Condition::Folder),
        Field::Custodian => name().map(Condition::Custodian),
        Field::Tag => name().map(Condition::Tag),
        // `@example.org` is how people write it too.
        Field::Domain => {
            domain_of(&format!("@{}", value.trim().trim_start_matches('@'))).map(Condition::Domain)
        }
        Field::After => Some(Condition::Dates(date()?, i64::MAX)),
        Field::Before => Some(Condition::Dates(FIRST_DATE, date()?)),
        Field::On => {
            let why = "is no day, month or year: write year-month-day, year-month or year";
            let (from, to) = within(value, zone).ok_or_else(|| refuse(term, why, Some("2020-01-31")))?;
            Some(Condition::Dates(from, to))
        }
        Field::OlderThan | Field::NewerThan => {
            let why = "is no time: write a number of days, weeks, months or years, as 7d, 2w, 6m, 1y";
            let then = ago(value, zone, Timestamp::now()).ok_or_else(|| refuse(term, why, Some("7d")))?;
            Some(match term.field {
                Field::OlderThan => Condition::Dates(FIRST_DATE, then),
                _ => Condition::Dates(then, i64::MAX),
            })
        }
        Field::Type => {
            let kind = fold(value.trim()).trim_start_matches(['*', '.']).to_owned();
            let one = (1..=16).contains(&kind.len()) && kind.bytes().all(|b| b.is_ascii_alphanumeric());
            if !one {
                return Err(refuse(term, "is no type: write what names of files end with", Some("pdf")));
            }
            Some(Condition::Type(kind))
        }
        Field::Lang => {
            let why = "is no language that mail is told to be in: write two or three letters of ISO 639";
            let three = three_letters(value).ok_or_else(|| refuse(term, why, Some("en")))?;
            Some(Condition::Language(three.to_owned()))
        }
        // In `tree`, where it becomes several conditions.
        Field::Participants => None,
        Field::Has => match fold(value).as_str() {
            "attachment" | "attachments" => Some(Condition::HasAttachment),
            _ => return Err(refuse(term, "is nothing an email can have here", Some("attachment"))),
        },
        Field::Is => match fold(value).as_str() {
            "recovered" => Some(Condition::Recovered),
            "partial" => Some(Condition::Partial),
            "flagged" | "starred" => Some(Condition::Flag(flag::FLAGGED)),
            "read" => Some(Condition::Flag(flag::READ)),
            "draft" => Some(Condition::Flag(flag::UNSENT)),
            other => {
                let known = ["recovered", "partial", "flagged", "read", "unread", "draft"];
                let nearest = nearest(other, known.into_iter()).unwrap_or("recovered");
                return Err(refuse(term, "is nothing an email can be here", Some(nearest)));
            }
        },
        Field::Id => Some(Condition::Id(id()?)),
        Field::Thread => Some(Condition::Thread(vec![id()?])),
        Field::Parent => Some(Condition::Parent(id()?)),
        Field::MessageId => {
            Some(fold(bare_message_id(value))).filter(|v| !v.is_empty()).map(Condition::MessageId)
        }
        Field::Class => name().map(Condition::Class),
        Field::Larger | Field::Smaller => {
            let why = "is no size: write bytes, or a number with K, M or G";
            let bytes = size(value).ok_or_else(|| refuse(term, why, Some("10M")))?;
            Some(if term.field == Field::Larger {
                Condition::Larger(bytes)
            } else {
                Condition::Smaller(bytes)
            })
        }
    })
}

/// A whole address, folded: something, an at sign, something with no further one, and no blanks.
fn full_address(term: &Term) -> Option<String> {
    if has_sign(term) || (!term.quoted && term.value.contains('*')) {
        return None;
    }
    let folded = fold(&term.value);
    let (local, domain) = folded.rsplit_once('@')?;
    let whole = !local.is_empty() && !domain.is_empty() && !folded.contains(char::is_whitespace);
    whole.then_some(folded)
}

fn recipient(role: Role, term: &Term) -> Result<Option<Condition>, SyntaxError> {
    if let Some(address) = full_address(term) {
        return Ok(Some(Condition::Recipient(role, address)));
    }
    let found = phrase(term, Scope::To, true)?;
    Ok(found.map(|wanted| Condition::RecipientWords { role, wanted, among_all: 0 }))
}

/// `1000`, `10K`, `2.5M`, `1GB`: K is 1,024.
fn size(value: &str) -> Option<u64> {
    let lower = fold(value);
    let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at_checked(digits)?;
    let shift = match unit {
        "" | "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    let factor = 1u64.checked_shl(shift)?;
    let mut bytes = whole.checked_mul(factor)?;
    if !fraction.is_empty() {
        let digits = fraction.get(..6).unwrap_or(fraction);
        let parts: u64 = digits.parse().ok()?;
        let of = 10u64.checked_pow(u32::try_from(digits.len()).ok()?)?;
        bytes = bytes.checked_add(factor.checked_mul(parts)?.checked_div(of)?)?;
    }
    Some(bytes)
}

/// Flattens, and makes one condition of all text that stands side by side.
fn gather(filter: Filter) -> Filter {
    match filter {
        Filter::Is(_) => filter,
        Filter::Not(inner) => match gather(*inner) {
            Filter::Not(twice) => *twice,
            Filter::Is(Condition::Text(text)) => Filter::Is(Condition::Text(TextQuery::Not(Box::new(text)))),
            other => Filter::Not(Box::new(other)),
        },
        Filter::All(parts) => {
            let flat = parts.into_iter().map(gather).flat_map(|part| match part {
                Filter::All(inner) => inner,
                other => vec![other],
            });
            joined(flat, TextQuery::All, Filter::All)
        }
        Filter::Any(parts) => {
            let flat = parts.into_iter().map(gather).flat_map(|part| match part {
                Filter::Any(inner) => inner,
                other => vec![other],
            });
            joined(flat, TextQuery::Any, Filter::Any)
        }
    }
}

fn joined(
    parts: impl Iterator<Item = Filter>,
    join_text: impl FnOnce(Vec<TextQuery>) -> TextQuery,
    join: impl FnOnce(Vec<Filter>) -> Filter,
) -> Filter {
    let (mut texts, mut rest) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Filter::Is(Condition::Text(text)) => texts.push(text),
            other => rest.push(other),
        }
    }
    let text = match texts.len() {
        0 => None,
        1 => texts.pop(),
        _ => Some(join_text(texts)),
    };
    rest.extend(text.map(|t| Filter::Is(Condition::Text(t))));
    match rest.len() {
        1 => rest.pop().unwrap_or(Filter::All(Vec::new())),
        _ => join(rest),
    }
}

impl Filter {
    /// The dates outside which nothing can match.
    #[must_use]
    pub fn dates(&self) -> (i64, i64) {
        match self {
            Self::Is(Condition::Dates(from, to)) => (*from, *to),
            Self::All(parts) => parts
                .iter()
                .map(Self::dates)
                .fold((i64::MIN, i64::MAX), |(from, to), (f, t)| (from.max(f), to.min(t))),
            Self::Any(parts) => parts
                .iter()
                .map(Self::dates)
                .fold((i64::MAX, i64::MIN), |(from, to), (f, t)| (from.min(f), to.max(t))),
            _ => (i64::MIN, i64::MAX),
        }
    }

    /// Moves every text condition into `out` and leaves its number behind.
    fn take_texts(&mut self, out: &mut Vec<TextQuery>) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter_mut().for_each(|p| p.take_texts(out)),
            Self::Not(inner) => inner.take_texts(out),
            Self::Is(Condition::Text(_)) => {
                let number = Self::Is(Condition::Found(out.len()));
                if let Self::Is(Condition::Text(text)) = std::mem::replace(self, number) {
                    out.push(text);
                }
            }
            Self::Is(Condition::RecipientWords { wanted, among_all, .. }) => {
                *among_all = out.len();
                out.push(TextQuery::Phrase(wanted.clone()));
            }
            Self::Is(_) => {}
        }
    }

    /// Every condition.
    pub fn conditions<'f>(&'f mut self, out: &mut Vec<&'f mut Condition>) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter_mut().for_each(|p| p.conditions(out)),
            Self::Not(inner) => inner.conditions(out),
            Self::Is(condition) => out.push(condition),
        }
    }

    /// Can every condition be told from an email's date and id, and the matches that were looked up?
    #[must_use]
    pub fn by_key(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().all(Self::by_key),
            Self::Not(inner) => inner.by_key(),
            Self::Is(condition) => {
                matches!(
                    condition,
                    Condition::Found(_) | Condition::Tagged(_) | Condition::Dates(..) | Condition::Id(_)
                )
            }
        }
    }

    /// The text that hits should hold: `None` without words.
    fn wanted_text(&self) -> Option<TextQuery> {
        let mut out = Vec::new();
        self.collect_wanted(true, &mut out);
        match out.len() {
            0 => None,
            1 => out.pop(),
            _ => Some(TextQuery::Any(out)),
        }
    }

    fn collect_wanted(&self, wanted: bool, out: &mut Vec<TextQuery>) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|p| p.collect_wanted(wanted, out)),
            Self::Not(inner) => inner.collect_wanted(!wanted, out),
            Self::Is(Condition::Text(text)) if wanted && !text.wanted().is_empty() => out.push(text.clone()),
            Self::Is(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
