//! What a worker hands over: plain values that own all they hold, so that they may cross a thread or a pipe.

use crate::sums::Sums;
use bytes::Bytes;
use postlode_format::id::Id;
use postlode_format::row::Grade;
use postlode_mail::thread::join::Edge;

/// One email that was read: its rows as they will be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParsedEmail {
    /// Its id.
    pub(crate) id: Id,
    /// An rkyv [`postlode_format::row::Email`].
    pub(crate) email: Bytes,
    /// An rkyv [`postlode_format::row::Body`].
    pub(crate) body: Bytes,
    /// Key of its place.
    pub(crate) place_key: Bytes,
    /// An rkyv [`postlode_format::row::Place`].
    pub(crate) place: Bytes,
}

/// What became of one item of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// It was read, perhaps not all of it.
    Item {
        /// Node of the item.
        node: u64,
        /// The item last, before it the messages embedded in it, each before the one that holds it.
        emails: Vec<ParsedEmail>,
        /// What it holds; nothing is counted of the item itself.
        holds: Sums,
        /// Parts of it, or of what it holds, that could not be read.
        losses: Vec<Loss>,
        /// What joins threads.
        joins: Vec<Edge>,
    },
    /// It could not be read at all.
    Failed(Loss),
}

/// Something that could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss {
    /// What was lost.
    pub(crate) grade: Grade,
    /// Its folder.
    pub(crate) folder: String,
    /// Its node.
    pub(crate) node: u64,
    /// Failure code.
    pub(crate) code: String,
    /// What was being done.
    pub(crate) stage: String,
    /// The reason.
    pub(crate) reason: String,
}

/// A chunk of an attachment: a row to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// SHA-256 of the attachment.
    pub(crate) sha256: [u8; 32],
    /// Number of the chunk.
    pub(crate) number: u32,
    /// Its bytes.
    pub(crate) bytes: Bytes,
}

/// Part of a batch, small enough to be held in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Number of the range.
    pub(crate) range: u32,
    /// Number of the batch in it.
    pub(crate) batch: u32,
    /// A folder that items of it are in, for people to look at.
    pub(crate) folder: String,
    /// Attachments of one chunk each, which the emails of this piece or of the next ones hold.
    pub(crate) blobs: Vec<Chunk>,
    /// What became of the items.
    pub(crate) items: Vec<Parsed>,
    /// The batch ends here.
    pub(crate) ends: bool,
    /// The archive could not be read any more: nothing of this is remembered as done, so that another load tries it.
    pub(crate) given_up: bool,
}

/// What a worker says.
#[derive(Debug)]
pub(crate) enum Output {
    /// Part of a batch.
    Piece(Piece),
    /// Does the store need this attachment, which has so many chunks?
    Wanted {
        /// SHA-256 of the attachment.
        sha256: [u8; 32],
        /// Number of its last chunk.
        last: u32,
        /// Where the answer goes.
        answer: async_channel::Sender<bool>,
    },
    /// A chunk of an attachment that is needed; chunks come in order.
    Chunk(Chunk),
    /// The archive can be read no more; the worker has ended.
    Broken {
        /// Failure code.
        code: String,
        /// The reason.
        reason: String,
    },
}
