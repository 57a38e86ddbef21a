//! Conversations: who starts them, who answers, where each mail is filed. Only a few dozen threads are open
//! at a time and each keeps no more than its last mail, so memory does not grow with the archive.

use postlode_pst_writer::{NameKey, PS_PUBLIC_STRINGS};

use crate::error::Error;
use crate::items::{self, ItemIds};
use crate::mail::{self, Turn};
use crate::people::Cast;
use crate::random::Random;
use crate::scenery::PROJECTS;
use crate::templates::TOPICS;
use crate::truth::Place;
use crate::{Archive, Options};

/// When the first mail was written: 2019-01-07 08:00 UTC.
pub(crate) const START: i64 = 1_546_848_000;
/// How long the archive goes on, in seconds: three years.
const SPAN: i64 = 3 * 365 * 86_400;
const OPEN_THREADS: usize = 48;
/// Mails after which nobody answers any more.
const LONGEST_THREAD: usize = 24;
/// The share of items that are not mail.
const OTHER_ITEMS: f64 = 0.04;
/// Message-IDs that References keep, beside the first.
const REFERENCES: usize = 10;

/// A conversation.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) topic: usize,
    pub(crate) project: usize,
    pub(crate) subject: String,
    pub(crate) members: Vec<usize>,
    pub(crate) references: Vec<String>,
    pub(crate) conversation: Vec<u8>,
    pub(crate) mails: usize,
    pub(crate) last: Turn,
}

/// The folders that mail is filed in.
struct Places {
    inbox: Place,
    sent: Place,
    deleted: Place,
    projects: Vec<Place>,
    contracts: Vec<Place>,
    years: Vec<Place>,
}

impl Places {
    fn new(archive: &mut Archive, options: &Options) -> Result<Self, Error> {
        let mut mail = |path: &str| archive.folder(options, path, "IPF.Note");
        let places = Self {
            inbox: mail("Inbox")?,
            sent: mail("Sent Items")?,
            deleted: mail("Deleted Items")?,
            projects: PROJECTS
                .iter()
                .map(|name| mail(&format!("Inbox/Projects/{name}")))
                .collect::<Result<_, _>>()?,
            contracts: PROJECTS[..4]
                .iter()
                .map(|name| mail(&format!("Inbox/Projects/{name}/Contracts")))
                .collect::<Result<_, _>>()?,
            years: (2019..=2021).map(|year| mail(&format!("Archive/{year}"))).collect::<Result<_, _>>()?,
        };
        mail("Drafts")?;
        Ok(places)
    }

    /// Where a mail of `thread` is filed.
    fn of(&self, thread: &Thread, from_owner: bool, unix: i64, random: &mut Random) -> &Place {
        if from_owner {
            return &self.sent;
        }
        match random.below(100) {
            0..=44 => match self.contracts.get(thread.project) {
                Some(contracts) if thread.topic == 0 => contracts,
                _ => &self.projects[thread.project],
            },
            45..=52 => &self.deleted,
            53..=62 => {
                let year = ((unix - START) / (365 * 86_400)).max(0) as usize;
                &self.years[year.min(self.years.len() - 1)]
            }
            _ => &self.inbox,
        }
    }
}

/// Fills `archive` with made-up mail.
pub(crate) fn fill(archive: &mut Archive, options: &Options) -> Result<(), Error> {
    let total = options.messages.unwrap_or(1000);
    let mut random = Random::new(options.seed, 0);
    let cast = Cast::new(&mut random);
    let places = Places::new(archive, options)?;
    let item_places = items::Places::new(archive, options)?;
    let cannot_write = |error| Error::archive(&options.out, error);
    let keywords = archive
        .pst
        .named_property(PS_PUBLIC_STRINGS, NameKey::Name("Keywords".into()))
        .map_err(cannot_write)?;
    let item_ids = ItemIds::new(&mut archive.pst).map_err(cannot_write)?;

    let mut open: Vec<Thread> = Vec::with_capacity(OPEN_THREADS);
    // Two steps on average are one mail's share of the span.
    let step = (SPAN / i64::try_from(total).unwrap_or(SPAN).max(1)).max(1) as usize;
    let mut unix = START;
    for number in 0..total {
        unix += random.below(2 * step) as i64;
        if random.chance(OTHER_ITEMS) {
            let (place, item) = items::make(&item_places, &item_ids, &cast, unix, number, &mut random);
            archive.add(options, place, item)?;
            continue;
        }
        let answer = !open.is_empty() && random.chance(0.6);
        let index = if answer {
            random.below(open.len())
        } else {
            let thread = mail::new_thread(&cast, unix, &mut random);
            if open.len() < OPEN_THREADS {
                open.push(thread);
                open.len() - 1
            } else {
                let oldest = random.below(open.len());
                open[oldest] = thread;
                oldest
            }
        };
        let thread = &mut open[index];
        let scene = mail::Scene { cast: &cast, unix, number, keywords, attachments: options.attachments };
        let (item, turn) = mail::write(&scene, thread, &mut random);
        let place = places.of(thread, turn.author == cast.owner, unix, &mut random);
        archive.add(options, place, item)?;
        thread.advance(turn);
        if thread.mails >= LONGEST_THREAD || random.chance(0.08) {
            open.swap_remove(index);
        }
    }
    Ok(())
}

impl Thread {
    /// What its topic's sentences are.
    pub(crate) fn sentences(&self) -> &'static [&'static str] {
        TOPICS[self.topic].sentences
    }

    /// Notes that `turn` was the latest mail.
    fn advance(&mut self, turn: Turn) {
        if self.references.len() > REFERENCES {
            self.references.remove(1);
        }
        self.references.push(turn.message_id.clone());
        self.last = turn;
        self.mails += 1;
    }
}
