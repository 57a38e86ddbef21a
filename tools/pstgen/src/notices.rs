//! What comes by mail without being mail: invitations to meet, and the reports that mail programs send.

use postlode_pst_writer::{Address, FileTime, Message, Recipient, RecipientKind, Value};

use crate::civil::Civil;
use crate::items::{ItemIds, gaps, line};
use crate::people::{Cast, Person};
use crate::random::Random;
use crate::scenery::CITIES;
use crate::templates::TOPICS;
use crate::wire;

/// Asks the owner and others to a meeting.
pub(crate) fn invitation(ids: &ItemIds, cast: &Cast, unix: i64, number: u64, random: &mut Random) -> Message {
    let chosen = cast.others(random, 4);
    let (host, guests) = (&cast.people[chosen[0]], &chosen[1..]);
    let gaps = gaps(cast, guests[0], unix, random);
    let mut message = Message {
        class: "IPM.Schedule.Meeting.Request".into(),
        body_text: Some(line(TOPICS[4].sentences, &gaps, random)),
        properties: ids.time_and_place(unix, random),
        ..notice(cast, unix, number, host.exchange_address(), line(TOPICS[4].subjects, &gaps, random), random)
    };
    // Who must come, who may, and the room.
    for (guest, kind) in guests.iter().zip([RecipientKind::To, RecipientKind::Cc, RecipientKind::Cc]) {
        message.recipients.push(Recipient::new(kind, cast.people[*guest].exchange_address()));
    }
    let room = random.pick(&CITIES);
    let address = Address::new(format!("Room {room}"), format!("room{}@{}", room.len(), host.domain));
    message.recipients.push(Recipient::new(RecipientKind::Bcc, address));
    finish(message, unix, host, random)
}

/// Says that a mail of the owner has not arrived.
pub(crate) fn undelivered(cast: &Cast, unix: i64, number: u64, random: &mut Random) -> Message {
    let (person, about) = subject_of_report(cast, unix, random);
    let subject = format!("Undeliverable: {about}");
    let why = random.pick(&["5.1.1 User unknown", "5.2.2 Mailbox full", "4.4.7 Message expired"]);
    let from = Address::new("Mail Delivery Subsystem", format!("mailer-daemon@{}", person.domain));
    let mut message = Message {
        class: "REPORT.IPM.Note.NDR".into(),
        body_text: Some(format!(
            "Your message\r\n\r\n  To:      {}\r\n  Subject: {about}\r\n  Sent:    {}\r\n\r\n\
             did not reach its recipient:\r\n\r\n  {} {why}\r\n",
            person.name(),
            Civil::from_unix(unix - 60).mail(),
            person.mail()
        )),
        ..notice(cast, unix, number, from, subject, random)
    };
    message.properties.set_str(0x1001, format!("{}: {why}", person.mail())).set_str(0x0049, about);
    finish(message, unix, person, random)
}

/// Says that a mail of the owner has been read.
pub(crate) fn receipt(cast: &Cast, unix: i64, number: u64, random: &mut Random) -> Message {
    let (person, about) = subject_of_report(cast, unix, random);
    let subject = format!("Read: {about}");
    let mut message = Message {
        class: "REPORT.IPM.Note.IPNRN".into(),
        body_text: Some(format!(
            "Your message\r\n\r\n  Subject: {about}\r\n\r\nwas read on {}.\r\n",
            Civil::from_unix(unix).mail()
        )),
        ..notice(cast, unix, number, person.exchange_address(), subject, random)
    };
    message.properties.set(0x0032, Value::Time(FileTime::from_unix(unix))).set_str(0x0049, about);
    finish(message, unix, person, random)
}

fn subject_of_report<'a>(cast: &'a Cast, unix: i64, random: &mut Random) -> (&'a Person, String) {
    let person = cast.others(random, 1)[0];
    let gaps = gaps(cast, person, unix, random);
    (&cast.people[person], line(TOPICS[random.below(TOPICS.len())].subjects, &gaps, random))
}

/// A message from `sender` to the owner.
fn notice(
    cast: &Cast,
    unix: i64,
    number: u64,
    sender: Address,
    subject: String,
    random: &mut Random,
) -> Message {
    let domain = sender.address.rsplit('@').next().unwrap_or_default();
    let message_id = format!("<{:016x}.n{number}@{domain}>", random.next());
    let owner = cast.people[cast.owner].exchange_address();
    Message {
        subject,
        sender: Some(sender),
        recipients: vec![Recipient::new(RecipientKind::To, owner)],
        submitted: Some(FileTime::from_unix(unix)),
        delivered: Some(FileTime::from_unix(unix)),
        message_id: Some(message_id),
        ..Message::default()
    }
}

fn finish(mut message: Message, unix: i64, from: &Person, random: &mut Random) -> Message {
    let via = format!("mx{}.{}", random.between(1, 3), from.domain);
    message.headers = Some(wire::headers(&message, unix, unix, &via));
    message
}
