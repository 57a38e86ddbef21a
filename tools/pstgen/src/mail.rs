//! One mail: its people, subject, text, quotes, both forms of its body, and its attachments.

use postlode_pst_writer::{
    Address, Attachment, FileTime, Importance, Message, Payload, Properties, Recipient, RecipientKind, Value,
};

use crate::civil::Civil;
use crate::content;
use crate::people::{Cast, Language, Person};
use crate::random::Random;
use crate::rtf;
use crate::scenery::PROJECTS;
use crate::templates::{Gaps, TOPICS, fill, manners};
use crate::threads::Thread;
use crate::truth::Item;
use crate::wire;

/// How much of the mail that is answered is quoted, in characters.
const QUOTE_CHARS: usize = 900;
/// How deep messages are embedded in messages.
const DEEPEST: usize = 3;
const EMOJI: [&str; 8] = ["🎉", "👍", "🙏", "😅", "🚢", "☕", "📎", "🤷‍♀️"];
const MAILERS: [&str; 3] = ["mail.gateway.example", "out2.relay.example", "smtp.carrier.example"];

/// What there is to know for writing a mail, beside the thread.
pub(crate) struct Scene<'a> {
    pub(crate) cast: &'a Cast,
    pub(crate) unix: i64,
    pub(crate) number: u64,
    /// The property id of categories.
    pub(crate) keywords: u16,
    /// The share of mails with attachments.
    pub(crate) attachments: f64,
}

/// What the next mail of a thread has to know of this one.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) author: usize,
    pub(crate) message_id: String,
    unix: i64,
    text: String,
    quoted: String,
}

/// A thread that nobody has written to yet.
pub(crate) fn new_thread(cast: &Cast, unix: i64, random: &mut Random) -> Thread {
    let project = random.below(PROJECTS.len());
    let topic = random.below(TOPICS.len());
    let count = random.between(1, 5);
    let mut members = cast.others(random, count);
    members.push(cast.owner);
    let author = members[random.below(members.len())];
    let named = &cast.people[members[0]];
    let gaps = Gaps { project: PROJECTS[project], person: named.given, unix };
    let language = cast.people[author].language;
    let own = manners(language).subjects;
    let template = random.pick(if own.is_empty() { TOPICS[topic].subjects } else { own });
    let mut subject = String::new();
    fill(&mut subject, template, &gaps, random);
    if random.chance(0.02) {
        subject.clear();
    } else if random.chance(0.02) {
        subject = format!("{subject} {}", random.pick(&EMOJI));
    }
    // [MS-OXOMSG] 2.2.1.3: a one, the upper five bytes of the time, and a GUID.
    let mut conversation = vec![1];
    conversation.extend_from_slice(&FileTime::from_unix(unix).0.to_be_bytes()[1..6]);
    conversation.extend_from_slice(&random.next().to_le_bytes());
    conversation.extend_from_slice(&random.next().to_le_bytes());
    Thread {
        topic,
        project,
        subject,
        members,
        references: Vec::new(),
        conversation,
        mails: 0,
        last: Turn { author, message_id: String::new(), unix, text: String::new(), quoted: String::new() },
    }
}

/// Writes the next mail of `thread`.
pub(crate) fn write(scene: &Scene<'_>, thread: &mut Thread, random: &mut Random) -> (Item, Turn) {
    let cast = scene.cast;
    let is_answer = thread.mails > 0;
    let author = if is_answer {
        let others: Vec<usize> =
            thread.members.iter().copied().filter(|one| *one != thread.last.author).collect();
        others[random.below(others.len())]
    } else {
        thread.last.author
    };
    let writer = &cast.people[author];
    let recipients = recipients(cast, thread, author, random);
    let addressed = &cast.people[recipients[0].0];
    let gaps = Gaps { project: PROJECTS[thread.project], person: addressed.given, unix: scene.unix };
    let (text, signature) = own_text(thread.sentences(), writer, &gaps, random);
    let quoted = if is_answer && random.chance(0.8) {
        quote(cast, &thread.last, writer.language)
    } else {
        String::new()
    };
    let message_id = format!("<{:016x}.{}@{}>", random.next(), scene.number, writer.domain);
    let from_owner = author == cast.owner;
    let internal = writer.domain == cast.people[cast.owner].domain && random.chance(0.5);
    let address = |person: &Person| if internal { person.exchange_address() } else { person.address() };
    let reply_to = if random.chance(0.03) {
        vec![Address::new(format!("{} (project)", gaps.project), format!("projects@{}", writer.domain))]
    } else {
        Vec::new()
    };
    let sent = scene.unix - random.below(90) as i64;
    let mut message = Message {
        subject: subject(thread, writer, is_answer, random),
        sender: Some(address(writer)),
        reply_to,
        recipients: recipients
            .iter()
            .map(|(person, kind)| Recipient::new(*kind, address(&cast.people[*person])))
            .collect(),
        submitted: Some(FileTime::from_unix(sent)),
        delivered: Some(FileTime::from_unix(scene.unix)),
        message_id: Some(message_id.clone()),
        in_reply_to: is_answer.then(|| thread.last.message_id.clone()),
        references: is_answer.then(|| thread.references.join(" ")),
        importance: match random.below(100) {
            0..=5 => Importance::High,
            6..=7 => Importance::Low,
            _ => Importance::Normal,
        },
        read: from_owner || random.chance(0.8),
        from_me: from_owner,
        ..Message::default()
    };
    if !from_owner {
        message.headers = Some(wire::headers(&message, sent, scene.unix, random.pick(&MAILERS)));
    }
    let plain = format!("{text}\r\n\r\n{signature}\r\n{quoted}");
    let html = to_html(&text, &signature, &quoted);
    let form = random.below(100);
    message.body_rtf = match form {
        44..=49 => Some(rtf::of_text(&plain)),
        82..=84 | 94..=97 => Some(rtf::around_html(&html)),
        _ => None,
    };
    let rtf_text = message.body_rtf.is_some().then(|| plain.clone());
    // HTML alone from 85 to 93 and from 98 up, RTF alone from 47 to 49 and from 94 to 97.
    if matches!(form, 50..=81 | 85..=93 | 98..) {
        message.body_html = Some(html.into_bytes());
    }
    if matches!(form, 0..=46 | 50..=84) {
        message.body_text = Some(plain);
    }
    if is_answer {
        extend_conversation(&mut thread.conversation, scene.unix, random);
    }
    message.properties.set(0x0071, Value::Binary(thread.conversation.clone()));
    if random.chance(0.04) {
        let categories = vec![PROJECTS[thread.project].to_owned(), "Follow up".to_owned()];
        message.properties.set(scene.keywords, Value::MvStr(categories));
    }
    if random.chance(scene.attachments) {
        message.attachments = attachments(scene, &gaps, 0, random);
    }
    (Item { message, rtf_text }, Turn { author, message_id, unix: scene.unix, text, quoted })
}

/// Whom `author` writes to: the one who is answered first, then the others; now and then someone in secret.
fn recipients(
    cast: &Cast,
    thread: &Thread,
    author: usize,
    random: &mut Random,
) -> Vec<(usize, RecipientKind)> {
    let mut out = Vec::new();
    if thread.last.author != author {
        out.push((thread.last.author, RecipientKind::To));
    }
    for member in &thread.members {
        if *member != author && *member != thread.last.author {
            let kind =
                if out.is_empty() || random.chance(0.5) { RecipientKind::To } else { RecipientKind::Cc };
            out.push((*member, kind));
        }
    }
    if author == cast.owner && random.chance(0.08) {
        let secret = cast.others(random, 1)[0];
        if !thread.members.contains(&secret) {
            out.push((secret, RecipientKind::Bcc));
        }
    }
    out
}

fn subject(thread: &Thread, writer: &Person, is_answer: bool, random: &mut Random) -> String {
    if !is_answer {
        return thread.subject.clone();
    }
    let prefix = if random.chance(0.04) { "FW: " } else { manners(writer.language).reply };
    format!("{prefix}{}", thread.subject)
}

/// What the writer says, and how the mail is signed.
fn own_text(sentences: &[&str], writer: &Person, gaps: &Gaps<'_>, random: &mut Random) -> (String, String) {
    let manners = manners(writer.language);
    let mut out = String::with_capacity(1024);
    fill(&mut out, random.pick(manners.greetings), gaps, random);
    let sentences = if manners.sentences.is_empty() { sentences } else { manners.sentences };
    // From somewhere in the list onwards, so that no sentence comes twice in a short mail.
    let mut next = random.below(sentences.len());
    for _ in 0..random.between(1, 4) {
        out.push_str("\r\n\r\n");
        for place in 0..random.between(1, 3) {
            if place > 0 && !matches!(writer.language, Language::Japanese | Language::Chinese) {
                out.push(' ');
            }
            fill(&mut out, sentences[next % sentences.len()], gaps, random);
            next += random.between(1, 2);
        }
    }
    if random.chance(0.06) {
        out.push(' ');
        out.push_str(random.pick(&EMOJI));
    }
    // The tail of long mails: a report pasted in.
    if random.chance(0.025) {
        out.push_str("\r\n");
        for _ in 0..random.between(60, 900) {
            out.push_str("\r\n");
            fill(&mut out, "{city}: {product}, {number} of {number}, {amount}", gaps, random);
        }
    }
    out.push_str("\r\n\r\n");
    fill(&mut out, random.pick(manners.closings), gaps, random);
    let signature = if random.chance(0.7) {
        format!(
            "{}\r\n-- \r\n{} | {}\r\n{} | {}",
            writer.given,
            writer.name(),
            writer.title,
            writer.company,
            writer.phone
        )
    } else {
        writer.given.to_owned()
    };
    (out, signature)
}

/// The mail that is answered, each line behind a `>`, and a little of what that one quoted.
fn quote(cast: &Cast, last: &Turn, language: Language) -> String {
    let whom = cast.people[last.author].name();
    let intro = manners(language)
        .wrote
        .replace("{when}", &Civil::from_unix(last.unix).short())
        .replace("{whom}", &whom);
    let mut out = format!("\r\n{intro}\r\n");
    let mut left = QUOTE_CHARS;
    for line in last.text.lines().chain(last.quoted.lines()) {
        let chars = line.chars().count() + 2;
        if chars > left {
            break;
        }
        left -= chars;
        out.push_str(if line.starts_with('>') { ">" } else { "> " });
        out.push_str(line);
        out.push_str("\r\n");
    }
    out
}

fn to_html(text: &str, signature: &str, quoted: &str) -> String {
    let mut out = String::with_capacity(text.len() + quoted.len() + 512);
    out.push_str(
        "<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n\
         <style>p{margin:0 0 8px} .sig{color:#555}</style></head><body>\r\n",
    );
    for paragraph in text.split("\r\n\r\n") {
        out.push_str("<p>");
        push_escaped(&mut out, paragraph);
        out.push_str("</p>\r\n");
    }
    out.push_str("<p class=\"sig\">");
    push_escaped(&mut out, signature);
    out.push_str("</p>\r\n");
    if !quoted.is_empty() {
        out.push_str("<blockquote>");
        push_escaped(&mut out, quoted);
        out.push_str("</blockquote>\r\n");
    }
    out.push_str("</body></html>\r\n");
    out
}

fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' => out.push_str("<br>\n"),
            '\r' => {}
            other => out.push(other),
        }
    }
}

/// Five bytes for an answer: the time since the thread began and a number ([MS-OXOMSG] 2.2.1.3.1).
fn extend_conversation(conversation: &mut Vec<u8>, unix: i64, random: &mut Random) {
    let elapsed = (FileTime::from_unix(unix).0 >> 18) as u32 & 0x7FFF_FFFF;
    conversation.extend_from_slice(&elapsed.to_be_bytes());
    conversation.push(random.below(256) as u8);
}

/// One to four attachments of a message that is itself `depth` messages deep.
fn attachments(scene: &Scene<'_>, gaps: &Gaps<'_>, depth: usize, random: &mut Random) -> Vec<Attachment> {
    let count = match random.below(100) {
        0..=74 => 1,
        75..=92 => 2,
        _ => random.between(3, 4),
    };
    (0..count)
        .map(|_| {
            if depth < DEEPEST && random.chance(if depth == 0 { 0.06 } else { 0.3 }) {
                embedded(scene, gaps, depth + 1, random)
            } else {
                content::file(gaps, random)
            }
        })
        .collect()
}

/// A message to attach, from someone else a while ago.
fn embedded(scene: &Scene<'_>, gaps: &Gaps<'_>, depth: usize, random: &mut Random) -> Attachment {
    let chosen = scene.cast.others(random, 2);
    let (writer, reader) = (&scene.cast.people[chosen[0]], &scene.cast.people[chosen[1]]);
    let topic = &TOPICS[random.below(TOPICS.len())];
    let unix = scene.unix - random.between(3_600, 5_000_000) as i64;
    let mut subject = String::new();
    fill(&mut subject, random.pick(topic.subjects), gaps, random);
    let (text, signature) = own_text(topic.sentences, writer, gaps, random);
    let mut message = Message {
        subject: subject.clone(),
        sender: Some(writer.address()),
        recipients: vec![Recipient::new(RecipientKind::To, reader.address())],
        submitted: Some(FileTime::from_unix(unix)),
        delivered: Some(FileTime::from_unix(unix)),
        message_id: Some(format!("<{:016x}.e{}@{}>", random.next(), scene.number, writer.domain)),
        body_text: Some(format!("{text}\r\n\r\n{signature}\r\n")),
        properties: Properties::new(),
        ..Message::default()
    };
    message.headers = Some(wire::headers(&message, unix, unix, random.pick(&MAILERS)));
    if random.chance(0.3) {
        message.body_html = Some(to_html(&text, &signature, "").into_bytes());
    }
    if random.chance(0.4) {
        message.attachments = attachments(scene, gaps, depth, random);
    }
    Attachment::new(subject, Payload::Message(Box::new(message)))
}
