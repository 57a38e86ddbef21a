//! Made-up emails that go straight into a store, without an archive: any number of them, each known by its number.
//!
//! What always holds: one number always gives the same email.

use crate::BenchError;
use postlode_format::FormatError;
use postlode_format::id::{Field, Id, IdBuilder, ThreadRoot, thread_key};
use postlode_format::row::{
    Address, Body, Email, ItemKind, Place, Raw, RawEncoding, Row, RowKind, Stamp, TextSource, place_key,
    to_bytes,
};
use postlode_store::{LoadBatch, NewEmail};

/// Senders that there are.
pub const SENDERS: u64 = 2_000;
/// Words that bodies are made of; a word of rank n comes about 1/n as often as the first.
const WORDS: u64 = 20_000;
/// Seconds between two emails, one after the other.
const STEP: i64 = 60;

/// The email of a number.
#[must_use]
pub fn id(number: u64) -> Id {
    IdBuilder::mail().field(Field::MessageId, 0, message_id(number).as_bytes()).finish()
}

/// The address of the sender of an email.
#[must_use]
pub fn sender(number: u64) -> String {
    format!("sender{}@example.org", number.wrapping_mul(0x9e37_79b9) % SENDERS)
}

/// Microseconds since 1970 at which an email was sent.
#[must_use]
pub fn date(number: u64) -> i64 {
    1_000_000_000_000_000 + i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(STEP * 1_000_000)
}

fn message_id(number: u64) -> String {
    format!("<{number}@bench.example>")
}

/// Numbers that look like chance (xorshift64*).
pub struct Chance(u64);

impl Chance {
    /// One that always gives the same, by its seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit.max(1)
    }
}

fn text(number: u64, bytes: usize) -> String {
    let mut chance = Chance::new(number);
    let mut out = String::with_capacity(bytes + 16);
    while out.len() < bytes {
        // Zipf's law, near enough: the logarithm of the rank is even.
        let share = chance.below(1 << 20) as f64 / f64::from(1 << 20);
        let rank = (WORDS as f64).powf(share) as u64;
        let mut word = Chance::new(rank);
        for _ in 0..2 + word.below(3) {
            let letters = word.draw().to_le_bytes();
            let pick = |of: &[u8], n: usize| {
                char::from(
                    of.get(usize::from(letters.get(n).copied().unwrap_or(0)) % of.len())
                        .copied()
                        .unwrap_or(b'a'),
                )
            };
            out.push(pick(b"bcdfghklmnprstvwz", 0));
            out.push(pick(b"aeiou", 1));
        }
        out.push(if chance.below(14) == 0 { '\n' } else { ' ' });
    }
    out
}

fn new_email(number: u64, bytes: usize) -> Result<NewEmail, FormatError> {
    let id = id(number);
    let address = |name: String| Address { name: name.clone(), address: name };
    let subject = text(number ^ 0x5555_5555, 40);
    let email = Email {
        extra: Vec::new(),
        id,
        id_scheme: 1,
        parent: None,
        thread: thread_key(ThreadRoot::Topic("t", &(number / 5).to_string())),
        kind: ItemKind::Mail,
        class: "IPM.Note".into(),
        message_id: message_id(number),
        in_reply_to: Vec::new(),
        references: Vec::new(),
        topic: subject.clone(),
        subject,
        from: Some(address(sender(number))),
        sender: None,
        to: vec![address(sender(number / 3)), address(sender(number / 7))],
        cc: Vec::new(),
        bcc: Vec::new(),
        sent: Some(Stamp { unix_micros: date(number), offset_minutes: None }),
        received: None,
        date: date(number),
        size: bytes as u64,
        importance: 1,
        sensitivity: 0,
        flags: 0,
        codepage: 65001,
        language: String::new(),
        attachments: Vec::new(),
        partial: Vec::new(),
    };
    let body = Body {
        extra: Vec::new(),
        plain: Some(Raw {
            encoding: RawEncoding::Utf16AsUtf8,
            value_type: 0x1f,
            bytes: text(number, bytes).into_bytes(),
        }),
        html: None,
        rtf: None,
        headers: None,
        original: None,
        text: String::new(),
        text_source: TextSource::PlainAsKept,
        props: Vec::new(),
    };
    let place = Place {
        extra: Vec::new(),
        archive: [1; 16],
        version: [2; 16],
        custodian: String::new(),
        folder: format!("/Inbox/{}", number % 40),
        node: number,
        recovered: false,
        date: date(number),
    };
    let key = place_key(&id, &place.archive, number).into();
    Ok(NewEmail {
        id,
        email: to_bytes(&email)?,
        body: to_bytes(&body)?,
        place: Row { kind: RowKind::Place, key, value: to_bytes(&place)? },
    })
}

/// Emails of these numbers, with bodies of so many bytes.
///
/// # Errors
/// Where a record cannot be written.
pub fn batch(numbers: std::ops::Range<u64>, bytes: usize) -> Result<LoadBatch, BenchError> {
    let emails = numbers.map(|number| new_email(number, bytes)).collect::<Result<_, _>>();
    let emails = emails.map_err(|error| BenchError::Other(error.to_string()))?;
    Ok(LoadBatch { emails, ..LoadBatch::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_is_one_email() {
        let (one, again) = (batch(5..7, 2_000).unwrap(), batch(5..7, 2_000).unwrap());
        assert_eq!(one.emails[1].body, again.emails[1].body);
        assert_ne!(one.emails[0].id, one.emails[1].id);
        assert!(text(9, 2_000).len() < 2_100 && text(9, 2_000).is_ascii());
    }
}
