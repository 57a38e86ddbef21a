//! Items that are not mail: contacts, appointments, tasks and notes, with the properties Outlook keeps of them.

use postlode_pst_writer::{
    Error as WriterError, FileTime, Message, NameKey, PSETID_ADDRESS, PSETID_APPOINTMENT, PSETID_COMMON,
    PSETID_TASK, Properties, PstWriter, Recipient, RecipientKind, Value,
};

use crate::error::Error;
use crate::people::Cast;
use crate::random::Random;
use crate::scenery::{CITIES, PROJECTS};
use crate::templates::{Gaps, TOPICS, fill};
use crate::truth::Place;
use crate::{Archive, Options};

/// The folders of these items.
#[derive(Debug)]
pub(crate) struct Places {
    contacts: Place,
    calendar: Place,
    tasks: Place,
    notes: Place,
}

impl Places {
    /// Makes them.
    pub(crate) fn new(archive: &mut Archive, options: &Options) -> Result<Self, Error> {
        Ok(Self {
            contacts: archive.folder(options, "Contacts", "IPF.Contact")?,
            calendar: archive.folder(options, "Calendar", "IPF.Appointment")?,
            tasks: archive.folder(options, "Tasks", "IPF.Task")?,
            notes: archive.folder(options, "Notes", "IPF.StickyNote")?,
        })
    }
}

/// The property ids of named properties, in this archive.
#[derive(Debug)]
pub(crate) struct ItemIds {
    file_under: u16,
    email_name: u16,
    email_type: u16,
    email_address: u16,
    busy: u16,
    location: u16,
    start: u16,
    end: u16,
    common_start: u16,
    common_end: u16,
    task_status: u16,
    task_percent: u16,
    task_due: u16,
    task_complete: u16,
}

impl ItemIds {
    /// Asks the archive for them.
    pub(crate) fn new<W: std::io::Write + std::io::Seek>(
        pst: &mut PstWriter<W>,
    ) -> Result<Self, WriterError> {
        let mut id = |set, number| pst.named_property(set, NameKey::Number(number));
        Ok(Self {
            file_under: id(PSETID_ADDRESS, 0x8005)?,
            email_name: id(PSETID_ADDRESS, 0x8080)?,
            email_type: id(PSETID_ADDRESS, 0x8082)?,
            email_address: id(PSETID_ADDRESS, 0x8083)?,
            busy: id(PSETID_APPOINTMENT, 0x8205)?,
            location: id(PSETID_APPOINTMENT, 0x8208)?,
            start: id(PSETID_APPOINTMENT, 0x820D)?,
            end: id(PSETID_APPOINTMENT, 0x820E)?,
            common_start: id(PSETID_COMMON, 0x8516)?,
            common_end: id(PSETID_COMMON, 0x8517)?,
            task_status: id(PSETID_TASK, 0x8101)?,
            task_percent: id(PSETID_TASK, 0x8102)?,
            task_due: id(PSETID_TASK, 0x8105)?,
            task_complete: id(PSETID_TASK, 0x811C)?,
        })
    }
}

/// Makes an item, and says which folder it belongs in.
pub(crate) fn make<'a>(
    places: &'a Places,
    ids: &ItemIds,
    cast: &Cast,
    unix: i64,
    random: &mut Random,
) -> (&'a Place, Message) {
    let (place, mut item) = match random.below(4) {
        0 => (&places.contacts, contact(ids, cast, random)),
        1 => (&places.calendar, appointment(ids, cast, unix, random)),
        2 => (&places.tasks, task(ids, cast, unix, random)),
        _ => (&places.notes, note(cast, unix, random)),
    };
    item.created = Some(FileTime::from_unix(unix));
    (place, item)
}

fn contact(ids: &ItemIds, cast: &Cast, random: &mut Random) -> Message {
    let person = &cast.people[random.below(cast.people.len())];
    let mut properties = Properties::new();
    properties
        .set_str(0x3001, person.name())
        .set_str(0x3A06, person.given)
        .set_str(0x3A11, person.family)
        .set_str(0x3A16, person.company)
        .set_str(0x3A17, person.title)
        .set_str(0x3A08, person.phone.as_str())
        .set_str(ids.file_under, format!("{}, {}", person.family, person.given))
        .set_str(ids.email_name, person.name())
        .set_str(ids.email_type, "SMTP")
        .set_str(ids.email_address, person.mail());
    Message { class: "IPM.Contact".into(), subject: person.name(), properties, ..Message::default() }
}

fn appointment(ids: &ItemIds, cast: &Cast, unix: i64, random: &mut Random) -> Message {
    let chosen = cast.others(random, 2);
    let gaps = gaps(cast, chosen[0], unix, random);
    let city = random.pick(&CITIES);
    // On a full hour within the next month.
    let start = (unix / 3600 + random.between(1, 24 * 30) as i64) * 3600;
    let end = start + random.between(1, 4) as i64 * 1800;
    let mut properties = Properties::new();
    properties.set(ids.busy, Value::I32(2)).set_str(ids.location, city);
    for (id, time) in [
        (ids.start, start),
        (ids.end, end),
        (ids.common_start, start),
        (ids.common_end, end),
        (0x0060, start),
        (0x0061, end),
    ] {
        properties.set(id, Value::Time(FileTime::from_unix(time)));
    }
    let mut body = String::new();
    fill(&mut body, random.pick(TOPICS[4].sentences), &gaps, random);
    Message {
        class: "IPM.Appointment".into(),
        subject: line(TOPICS[4].subjects, &gaps, random),
        sender: Some(cast.people[cast.owner].address()),
        recipients: chosen
            .iter()
            .map(|person| Recipient { kind: RecipientKind::To, address: cast.people[*person].address() })
            .collect(),
        body_text: Some(body),
        properties,
        ..Message::default()
    }
}

fn task(ids: &ItemIds, cast: &Cast, unix: i64, random: &mut Random) -> Message {
    let person = cast.others(random, 1)[0];
    let gaps = gaps(cast, person, unix, random);
    let done = random.chance(0.4);
    let due = (unix / 86_400 + random.between(1, 40) as i64) * 86_400;
    let mut properties = Properties::new();
    properties
        .set(ids.task_status, Value::I32(if done { 2 } else { 0 }))
        .set(ids.task_percent, Value::F64(if done { 1.0 } else { 0.0 }))
        .set(ids.task_complete, Value::Bool(done))
        .set(ids.task_due, Value::Time(FileTime::from_unix(due)));
    Message {
        class: "IPM.Task".into(),
        subject: line(TOPICS[1].subjects, &gaps, random),
        body_text: Some(line(TOPICS[1].sentences, &gaps, random)),
        properties,
        ..Message::default()
    }
}

fn note(cast: &Cast, unix: i64, random: &mut Random) -> Message {
    let person = cast.others(random, 1)[0];
    let gaps = gaps(cast, person, unix, random);
    let topic = &TOPICS[random.below(TOPICS.len())];
    let first = line(topic.subjects, &gaps, random);
    let body = format!("{first}\r\n{}", line(topic.sentences, &gaps, random));
    Message { class: "IPM.StickyNote".into(), subject: first, body_text: Some(body), ..Message::default() }
}

fn gaps<'a>(cast: &'a Cast, person: usize, unix: i64, random: &mut Random) -> Gaps<'a> {
    Gaps { project: random.pick(&PROJECTS), person: cast.people[person].given, unix }
}

fn line(templates: &[&str], gaps: &Gaps<'_>, random: &mut Random) -> String {
    let mut out = String::new();
    fill(&mut out, random.pick(templates), gaps, random);
    out
}
