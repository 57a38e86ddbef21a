//! Queries as reading every mail answers them, and random ones.

use super::{CLASSES, DAY, FOLDERS, Mail, NAMES, PEOPLE, Random, TAGS, WORDS};
use postlode_format::id::to_hex;
use postlode_query::lang::{Field, Near, Node, Term};
use postlode_text::Form;
use postlode_text::language::Stemmer;
use postlode_text::words::words;

fn folded(text: &str) -> Vec<String> {
    words(text).into_iter().map(|w| w.text).collect()
}

/// Does a text hold these words side by side? One word outside quotes also by its stem.
fn holds(text: &str, wanted: &str, stems: bool, english: bool) -> bool {
    let have = folded(text);
    let long = |one: &str| if one.chars().count() < 6 { 1 } else { 2 };
    let (bare, form) = match wanted.rsplit_once(['*', '~']) {
        Some((bare, "")) if wanted.ends_with('*') => (bare, Form::Beginning),
        Some((bare, "")) => (bare, Form::Similar(long(bare))),
        Some((bare, edits)) => (bare, Form::Similar(edits.parse().unwrap())),
        None => (wanted, Form::Whole),
    };
    let wanted = folded(bare);
    if form != Form::Whole {
        return have.iter().any(|word| form.fits(&wanted[0], word));
    }
    if have.windows(wanted.len()).any(|w| w == wanted) {
        return true;
    }
    let stemmer = Stemmer::default();
    let [one] = wanted.as_slice() else { return false };
    let stem = stemmer.stem(one);
    stems && have.iter().any(|h| *h == stem || (english && stemmer.stem(h) == stem))
}

/// Does a mail match?
pub fn naive(mail: &Mail, node: &Node) -> bool {
    match node {
        Node::And(parts) => parts.iter().all(|p| naive(mail, p)),
        Node::Or(parts) => parts.iter().any(|p| naive(mail, p)),
        Node::Not(inner) => !naive(mail, inner),
        Node::Term(term) => naive_term(mail, term),
        Node::Near(near) => match near.either[0].field {
            Field::Subject => is_near(&mail.subject, near),
            Field::Body => is_near(&mail.body, near),
            _ => is_near(&mail.subject, near) || is_near(&mail.body, near),
        },
    }
}

fn is_near(text: &str, Near { either: [left, right], apart }: &Near) -> bool {
    // Neighbours of a script without blanks are words in the place of the first of them.
    let have: Vec<(usize, String)> = words(text).into_iter().map(|w| (w.position, w.text)).collect();
    let spans = |term: &Term| -> Vec<(usize, usize)> {
        let all = words(&term.value);
        let last = all.iter().map(|w| w.position).max().unwrap();
        let stands = |at: usize| all.iter().all(|w| have.contains(&(at + w.position, w.text.clone())));
        let ends = have.iter().map(|(at, _)| at + 1).max().unwrap_or(0);
        (0..ends).filter(|at| stands(*at)).map(|at| (at, at + last)).collect()
    };
    let behind = |end: usize, start: usize| start > end && start - end <= *apart as usize;
    let near = |a: (usize, usize), b: (usize, usize)| behind(a.1, b.0) || behind(b.1, a.0);
    let rights = spans(right);
    spans(left).into_iter().any(|left| rights.iter().any(|right| near(left, *right)))
}

fn naive_term(mail: &Mail, Term { field, value, quoted, .. }: &Term) -> bool {
    let stems = !quoted;
    let stemmed = |text: &str| holds(text, value, stems, mail.english);
    let person = |(name, person): &(usize, usize)| {
        holds(NAMES[*name], value, false, false) || holds(PEOPLE[*person], value, false, false)
    };
    let is_address = PEOPLE[..4].iter().any(|p| p.to_lowercase() == value.to_lowercase());
    let who = |all: &[(usize, usize)]| {
        if is_address {
            all.iter().any(|(_, p)| PEOPLE[*p].to_lowercase() == value.to_lowercase())
        } else {
            all.iter().any(person)
        }
    };
    let any_of_names = |all: &[(usize, usize)]| all.iter().any(person);
    match field {
        Field::Any => {
            stemmed(&mail.subject)
                || stemmed(&mail.body)
                || any_of_names(&[mail.from])
                || any_of_names(&mail.to)
                || any_of_names(&mail.cc)
                || mail.files.iter().any(|f| holds(f, value, false, false))
        }
        Field::Subject => stemmed(&mail.subject),
        Field::Body => stemmed(&mail.body),
        Field::Filename => mail.files.iter().any(|f| holds(f, value, false, false)),
        Field::From => who(&[mail.from]),
        Field::To => who(&mail.to),
        Field::Cc => who(&mail.cc),
        Field::Participants => {
            // An address of one role and words of another are looked at apart, as in each field.
            [&[mail.from][..], &mail.to, &mail.cc].into_iter().any(who)
        }
        Field::On => match value.as_str() {
            "1970-01" => mail.date != i64::MIN && mail.date < 31 * DAY,
            "1970" => mail.date != i64::MIN,
            _ => (day(value)..day(value) + DAY).contains(&mail.date),
        },
        Field::OlderThan => mail.date != i64::MIN,
        Field::NewerThan => false,
        Field::Type => {
            mail.files.iter().any(|file| (file.ends_with(".pdf") || !file.contains('.')) && value == "PDF")
        }
        Field::Lang => mail.english == (value == "en"),
        Field::Folder => mail.folders.iter().any(|f| {
            let (folder, wanted) = (FOLDERS[*f].to_lowercase(), value.to_lowercase());
            let path = format!("/{}", wanted.trim_matches('/'));
            folder == path
                || folder.starts_with(&format!("{path}/"))
                || folder.split('/').any(|n| n == wanted)
        }),
        Field::Archive => ["ann", "ann.pst", "/mail"].contains(&value.to_lowercase().as_str()),
        Field::After => mail.date >= day(value),
        Field::Before => mail.date != i64::MIN && mail.date < day(value),
        Field::Has => !mail.files.is_empty(),
        Field::Is => match value.as_str() {
            "partial" => mail.partial(),
            "flagged" => mail.flagged(),
            "read" => !mail.flagged(),
            "unread" => mail.flagged(),
            "draft" => false,
            _ => mail.recovered(),
        },
        Field::Id => to_hex(&mail.id) == *value,
        Field::Thread => to_hex(&mail.thread) == *value,
        Field::Parent => mail.parent.is_some_and(|p| to_hex(&p) == *value),
        Field::MessageId => mail.message_id() == *value,
        Field::Class => mail_class(mail, value),
        Field::Larger => mail.size > value.parse().unwrap(),
        Field::Smaller => mail.size < value.parse().unwrap(),
        Field::Tag => mail.tags.iter().any(|t| TAGS[*t].to_lowercase() == value.to_lowercase()),
        Field::Custodian => value.to_lowercase() == "ann",
        Field::Domain => {
            let (_, person) = mail.from;
            PEOPLE[person]
                .to_lowercase()
                .rsplit_once('@')
                .is_some_and(|(_, domain)| domain == value.to_lowercase().trim_start_matches('@'))
        }
        Field::Bcc => false,
    }
}

fn mail_class(mail: &Mail, value: &str) -> bool {
    let class = CLASSES[mail.class].to_lowercase();
    class == value.to_lowercase() || class.starts_with(&format!("{}.", value.to_lowercase()))
}

fn day(value: &str) -> i64 {
    let day: i64 = value.rsplit('-').next().unwrap().parse().unwrap();
    (day - 1) * DAY
}

fn term(random: &mut Random, mails: &[Mail]) -> Node {
    let fields = [
        Field::Any,
        Field::Any,
        Field::Any,
        Field::Subject,
        Field::Body,
        Field::From,
        Field::To,
        Field::Cc,
        Field::Folder,
        Field::Before,
        Field::After,
        Field::Has,
        Field::Is,
        Field::Filename,
        Field::Id,
        Field::Thread,
        Field::Parent,
        Field::MessageId,
        Field::Class,
        Field::Larger,
        Field::Smaller,
        Field::Tag,
        Field::Custodian,
        Field::Domain,
        Field::Participants,
        Field::On,
        Field::OlderThan,
        Field::NewerThan,
        Field::Type,
        Field::Lang,
        Field::Archive,
    ];
    let field = fields[random.below(fields.len())];
    let mut quoted = random.chance(30);
    let value = match field {
        Field::Any | Field::Subject | Field::Body | Field::Filename if quoted => {
            format!("{} {}", random.pick(&WORDS), random.pick(&WORDS))
        }
        Field::Any | Field::Subject | Field::Body | Field::Filename => match random.below(3) {
            0 => random.pick(&SIGNS).to_owned(),
            _ => random.pick(&WORDS).to_owned(),
        },
        Field::From | Field::To | Field::Cc | Field::Participants if !quoted && random.chance(20) => {
            random.pick(&["ali*", "exam*", "BOB~", "builter~1", "@examp*"]).to_owned()
        }
        Field::Archive => random.pick(&["Ann", "ann.pst", "/mail", "bob.pst"]).to_owned(),
        Field::From | Field::To | Field::Cc | Field::Participants => match random.below(4) {
            0 => random
                .pick(&["example.com", "@example.com", "bob", "alice", "mail.example", "running"])
                .to_owned(),
            _ => random.pick(&PEOPLE).to_owned(),
        },
        Field::Folder => {
            quoted = true;
            random
                .pick(&[
                    "/Top",
                    "inbox",
                    "/top/inbox",
                    "R",
                    "Sent Items",
                    "/Archive/2010",
                    "nowhere",
                    "Inbox/R",
                ])
                .to_owned()
        }
        Field::Before | Field::After => format!("1970-01-{:02}", 1 + random.below(30)),
        Field::Has => "attachment".to_owned(),
        Field::Is => random.pick(&["recovered", "partial", "flagged", "read", "unread", "draft"]).to_owned(),
        Field::On => match random.below(6) {
            0 => "1970-01".to_owned(),
            1 => "1970".to_owned(),
            _ => format!("1970-01-{:02}", 1 + random.below(30)),
        },
        Field::OlderThan | Field::NewerThan => random.pick(&["3d", "2w", "6m", "1y"]).to_owned(),
        Field::Type => random.pick(&["PDF", "docx"]).to_owned(),
        Field::Lang => random.pick(&["en", "deu"]).to_owned(),
        Field::Id => to_hex(&mails[random.below(mails.len())].id),
        Field::Thread => to_hex(&mails[random.below(mails.len())].thread),
        Field::Parent => to_hex(&super::id(random.below(10))),
        Field::MessageId => mails[random.below(mails.len())].message_id(),
        Field::Class => random.pick(&["IPM.Note", "ipm.contact", "IPM", "IPM.No"]).to_owned(),
        Field::Larger | Field::Smaller => match random.below(2) {
            0 => format!("{}", 500 * random.below(6)),
            // At the borders of a class of the index.
            _ => format!("{}", (512 << random.below(3)) - random.below(3)),
        },
        Field::Domain => {
            random.pick(&["example.com", "Mail.Example.COM", "@example.org", "nowhere"]).to_owned()
        }
        Field::Tag => {
            quoted = true;
            random.pick(&TAGS).to_owned()
        }
        _ => "ann".to_owned(),
    };
    Node::Term(Term { field, value, quoted, at: 0 })
}

/// Words that stand for several.
const SIGNS: [&str; 8] = ["run*", "te*", "ZÜ*", "tast~", "tested~1", "runing~2", "don'*", "rums~1"];

/// Two words or phrases near one another.
fn near(random: &mut Random) -> Node {
    let field = [Field::Any, Field::Subject, Field::Body][random.below(3)];
    let mut phrase = || {
        let quoted = random.chance(30);
        let one = random.pick(&WORDS).to_owned();
        let value = if quoted { format!("{one} {}", random.pick(&WORDS)) } else { one };
        Term { field, value, quoted, at: 0 }
    };
    let either = [phrase(), phrase()];
    Node::Near(Box::new(Near { either, apart: 1 + random.below(4) as u32 }))
}

/// A random query.
pub fn query(random: &mut Random, mails: &[Mail], depth: usize) -> Node {
    match random.below(if depth == 0 { 1 } else { 4 }) {
        0 if random.chance(15) => near(random),
        0 => term(random, mails),
        1 => Node::And((0..2 + random.below(2)).map(|_| query(random, mails, depth - 1)).collect()),
        2 => Node::Or((0..2 + random.below(2)).map(|_| query(random, mails, depth - 1)).collect()),
        _ => Node::Not(Box::new(query(random, mails, depth - 1))),
    }
}
