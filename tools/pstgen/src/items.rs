//! Items that are not mail: contacts, lists of people, appointments, tasks and notes, with the properties Outlook
//! keeps of them. What comes by mail without being mail is in [`crate::notices`].

use postlode_pst_writer::{
    Address, Error as WriterError, FileTime, Message, NameKey, PSETID_ADDRESS, PSETID_APPOINTMENT,
    PSETID_COMMON, PSETID_TASK, Properties, PstWriter, Recipient, RecipientKind, Value,
};

use crate::error::Error;
use crate::notices;
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
    inbox: Place,
}

impl Places {
    /// Makes them.
    pub(crate) fn new(archive: &mut Archive, options: &Options) -> Result<Self, Error> {
        Ok(Self {
            contacts: archive.folder(options, "Contacts", "IPF.Contact")?,
            calendar: archive.folder(options, "Calendar", "IPF.Appointment")?,
            tasks: archive.folder(options, "Tasks", "IPF.Task")?,
            notes: archive.folder(options, "Notes", "IPF.StickyNote")?,
            inbox: archive.folder(options, "Inbox", "IPF.Note")?,
        })
    }
}

/// The property ids of named properties, in this archive.
#[derive(Debug)]
pub(crate) struct ItemIds {
    file_under: u16,
    list_name: u16,
    list_one_offs: u16,
    list_members: u16,
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
            list_name: id(PSETID_ADDRESS, 0x8053)?,
            list_one_offs: id(PSETID_ADDRESS, 0x8054)?,
            list_members: id(PSETID_ADDRESS, 0x8055)?,
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

    /// When and where people meet: on a full hour within the next month.
    pub(crate) fn time_and_place(&self, unix: i64, random: &mut Random) -> Properties {
        let city = random.pick(&CITIES);
        let start = (unix / 3600 + random.between(1, 24 * 30) as i64) * 3600;
        let end = start + random.between(1, 4) as i64 * 1800;
        let mut properties = Properties::new();
        properties.set(self.busy, Value::I32(2)).set_str(self.location, city);
        for (id, time) in [
            (self.start, start),
            (self.end, end),
            (self.common_start, start),
            (self.common_end, end),
            (0x0060, start),
            (0x0061, end),
        ] {
            properties.set(id, Value::Time(FileTime::from_unix(time)));
        }
        properties
    }
}

/// Makes an item, and says which folder it belongs in.
pub(crate) fn make<'a>(
    places: &'a Places,
    ids: &ItemIds,
    cast: &Cast,
    unix: i64,
    number: u64,
    random: &mut Random,
) -> (&'a Place, Message) {
    let (place, mut item) = match random.below(8) {
        0 => (&places.contacts, contact(ids, cast, random)),
        1 => (&places.calendar, appointment(ids, cast, unix, random)),
        2 => (&places.tasks, task(ids, cast, unix, random)),
        3 => (&places.notes, note(cast, unix, random)),
        4 => (&places.contacts, list(ids, cast, random)),
        5 => (&places.inbox, notices::invitation(ids, cast, unix, number, random)),
        6 => (&places.inbox, notices::undelivered(cast, unix, number, random)),
        _ => (&places.inbox, notices::receipt(cast, unix, number, random)),
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

/// A list of people, some of whom the Exchange server knows.
fn list(ids: &ItemIds, cast: &Cast, random: &mut Random) -> Message {
    let count = random.between(2, 6);
    let members: Vec<Address> =
        cast.others(random, count).iter().map(|person| cast.people[*person].exchange_address()).collect();
    let name = format!("{} {}", random.pick(&PROJECTS), random.pick(&["team", "partners", "review"]));
    let mut properties = Properties::new();
    properties
        .set_str(0x3001, name.as_str())
        .set_str(ids.file_under, name.as_str())
        .set_str(ids.list_name, name.as_str())
        .set(ids.list_one_offs, Value::MvBinary(members.iter().map(Address::one_off_entry_id).collect()))
        .set(ids.list_members, Value::MvBinary(members.iter().map(member_id).collect()));
    Message { class: "IPM.DistList".into(), subject: name, properties, ..Message::default() }
}

/// The entry id of a list's member; that of a server's user is wrapped ([MS-OXOCNTC] 2.2.2.4.1).
fn member_id(member: &Address) -> Vec<u8> {
    const WRAPPED: [u8; 21] = [
        0, 0, 0, 0, 0xC0, 0x91, 0xAD, 0xD3, 0x51, 0x9D, 0xCF, 0x11, 0xA4, 0xA9, 0x00, 0xAA, 0x00, 0x47, 0xFA,
        0xA4, 0xB5,
    ];
    let id = member.entry_id();
    if member.exchange.is_some() { [&WRAPPED[..], &id].concat() } else { id }
}

fn appointment(ids: &ItemIds, cast: &Cast, unix: i64, random: &mut Random) -> Message {
    let chosen = cast.others(random, 2);
    let gaps = gaps(cast, chosen[0], unix, random);
    let properties = ids.time_and_place(unix, random);
    let mut body = String::new();
    fill(&mut body, random.pick(TOPICS[4].sentences), &gaps, random);
    Message {
        class: "IPM.Appointment".into(),
        subject: line(TOPICS[4].subjects, &gaps, random),
        sender: Some(cast.people[cast.owner].address()),
        recipients: chosen
            .iter()
            .map(|person| Recipient::new(RecipientKind::To, cast.people[*person].address()))
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

pub(crate) fn gaps<'a>(cast: &'a Cast, person: usize, unix: i64, random: &mut Random) -> Gaps<'a> {
    Gaps { project: random.pick(&PROJECTS), person: cast.people[person].given, unix }
}

pub(crate) fn line(templates: &[&str], gaps: &Gaps<'_>, random: &mut Random) -> String {
    let mut out = String::new();
    fill(&mut out, random.pick(templates), gaps, random);
    out
}
