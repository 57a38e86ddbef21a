//! What the loader and a parser say to each other, and how it crosses the socket between them: frames of a length
//! (u32, little-endian) and an rkyv record; behind the frame of `Open` one byte that carries the archive's descriptor.
//!
//! What always holds: neither side believes the other. A length is checked before it is believed, memory is taken as
//! bytes arrive, a record is validated before it is looked at.

use crate::plan::Entry;
use bytes::{Bytes, BytesMut};
use rkyv::rancor::Error as RkyvError;
use rkyv::{Archive, Deserialize, Serialize};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Largest frame: the rows of the largest family, and some room.
const MAX_FRAME: usize = 512 << 20;
/// Memory that is taken at a time while a frame arrives.
const STEP: usize = 1 << 20;

/// What the loader asks.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// Take this archive; its descriptor comes behind. Answered by `Opened` or `Refused`.
    Open(Opening),
    /// Name all items. Answered by any number of `Folders`, `Items` and `Lost`, then `Listed` or `Refused`.
    List(Way),
    /// Read items, in this order. Answered by pieces that together have as many items.
    Read {
        /// The items.
        items: Vec<Entry>,
        /// A piece ends after so many items, and then after each `batch` of them.
        first: u32,
        /// See `first`.
        batch: u32,
        /// A piece ends after each item.
        each: bool,
        /// Attachments are looked into.
        texts: bool,
    },
    /// The answer to `Wanted`.
    Answer {
        /// The store needs the attachment.
        wanted: bool,
    },
}

/// An archive that is to be opened.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    /// SHA-256 of the file.
    pub(crate) version: [u8; 32],
    /// What it is taken for.
    pub(crate) format: Format,
    /// The folder that its items are in, where it has none of its own.
    pub(crate) folder: String,
    /// Its name, where that tells it from others like it.
    pub(crate) name: String,
    /// Deleted and orphaned items are wanted too.
    pub(crate) recover: bool,
}

/// How items are to be found: each way does without something that can be the end of a parser.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// All that are wanted.
    Whole,
    /// Those that folders show, though others are wanted too.
    Shown,
    /// By the tree of nodes, with numbers for the names of folders.
    Nodes,
}

/// What a file is taken for.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A PST or OST.
    Pst,
    /// One message.
    Eml,
    /// Messages one after the other.
    Mbox,
}

/// What a parser says.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It is there.
    Ready {
        /// What of its confinement the system did not give, in words.
        unconfined: Vec<String>,
    },
    /// The archive is open.
    Opened(Opened),
    /// The archive cannot be opened, or not be listed.
    Refused(Trouble),
    /// Folders, in their order.
    Folders(Vec<String>),
    /// Items.
    Items(Vec<Entry>),
    /// What could not be listed.
    Lost(Vec<Unlisted>),
    /// All is listed.
    Listed,
    /// What became of the next items.
    Piece {
        /// Attachments of one chunk each, which the emails of this piece or of the next ones hold.
        blobs: Vec<WholeBlob>,
        /// One for each item.
        items: Vec<Item>,
    },
    /// Does the store need this attachment?
    Wanted {
        /// SHA-256 of the attachment.
        sha256: [u8; 32],
        /// Number of its last chunk.
        last: u32,
    },
    /// It is still at the item that it was at: a large attachment takes its time.
    Busy,
    /// The next chunk of the attachment that was wanted.
    Chunk {
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// An archive as its parser sees it.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    /// `pst-unicode` and so on.
    pub(crate) kind: String,
    /// The archive's id.
    pub(crate) archive: [u8; 16],
    /// Bytes it says it has.
    pub(crate) claimed_size: u64,
    /// A password is set.
    pub(crate) password: bool,
    /// What could not be read of the archive itself.
    pub(crate) notes: Vec<Trouble>,
}

/// Why something could not be read.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Failure code.
    pub(crate) code: String,
    /// What was being read.
    pub(crate) stage: String,
    /// The reason.
    pub(crate) reason: String,
}

/// Something of the tree of folders that could not be read.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unlisted {
    /// Number of the folder.
    pub(crate) folder: u32,
    /// Node to report it under.
    pub(crate) node: u64,
    /// It is an item, which counts.
    pub(crate) item: bool,
    /// Why.
    pub(crate) trouble: Trouble,
}

/// A small attachment.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub(crate) struct WholeBlob {
    /// SHA-256 of the bytes.
    pub(crate) sha256: [u8; 32],
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
}

/// What became of an item.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// It was read, perhaps not all of it.
    Read {
        /// The item last, before it the messages embedded in it, each before the one that holds it.
        members: Vec<WireMember>,
        /// Thread keys that are joined, two by two.
        joins: Vec<([u8; 16], [u8; 16])>,
    },
    /// It could not be read at all.
    Failed(Trouble),
}

/// A member of a family.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireMember {
    /// Node of its place.
    pub(crate) node: u64,
    /// An rkyv [`postlode_format::row::Email`].
    pub(crate) email: Vec<u8>,
    /// An rkyv [`postlode_format::row::Body`].
    pub(crate) body: Vec<u8>,
}

/// Sends a record.
pub(crate) fn send<T>(mut to: &UnixStream, record: &T) -> io::Result<()>
where
    T: for<'a> Serialize<
        rkyv::api::high::HighSerializer<
            rkyv::util::AlignedVec,
            rkyv::ser::allocator::ArenaHandle<'a>,
            RkyvError,
        >,
    >,
{
    let bytes = rkyv::to_bytes::<RkyvError>(record).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MAX_FRAME);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "too large a frame"))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&bytes)
}

/// Fills `into`. Returns whether the other side had closed before the first byte; a close later is an error, and so is a
/// byte that comes after `until`.
fn fill(mut from: &UnixStream, into: &mut [u8], until: Option<Instant>) -> io::Result<bool> {
    let mut got = 0usize;
    while let Some(rest) = into.get_mut(got..).filter(|rest| !rest.is_empty()) {
        if let Some(until) = until {
            // Zero would mean for ever. What is there already is taken in any case.
            let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            from.set_read_timeout(Some(left))?;
        }
        match from.read(rest) {
            Ok(0) if got == 0 => return Ok(true),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => got = got.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if got < into.len() && until.is_some_and(|until| Instant::now() >= until) {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(false)
}

/// The next frame; `None` where the other side has closed between two of them. With `until`, all of it must come before
/// that.
pub(crate) fn receive(from: &UnixStream, until: Option<Instant>) -> io::Result<Option<Bytes>> {
    let mut length = [0u8; 4];
    if fill(from, &mut length, until)? {
        return Ok(None);
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is larger than any can be"));
    }
    let mut frame = BytesMut::new();
    while frame.len() < length {
        let old = frame.len();
        let step = length.saturating_sub(old).min(STEP.max(old));
        frame.resize(old.saturating_add(step), 0);
        if fill(from, frame.get_mut(old..).unwrap_or_default(), until)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(frame.freeze()))
}

/// A record in a frame.
pub(crate) fn open<T>(frame: &[u8]) -> io::Result<&T>
where
    T: rkyv::Portable + for<'a> rkyv::bytecheck::CheckBytes<rkyv::api::high::HighValidator<'a, RkyvError>>,
{
    rkyv::access::<T, RkyvError>(frame)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a frame is not what it should be"))
}

/// Sends one byte with a descriptor.
pub(crate) fn send_descriptor(to: &UnixStream, descriptor: impl AsFd) -> io::Result<()> {
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    loop {
        match sendmsg(to, &[IoSlice::new(&[0])], &mut ancillary, SendFlags::NOSIGNAL) {
            Ok(1) => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes one byte and the descriptor that comes with it.
pub(crate) fn receive_descriptor(from: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0u8];
    let received = loop {
        match recvmsg(from, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    let mut descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    match descriptors.next() {
        Some(descriptor) if received.bytes == 1 => Ok(descriptor),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "no descriptor came")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_descriptors_cross() {
        let (here, there) = UnixStream::pair().unwrap();
        let request =
            Request::Read { items: vec![Entry::of_node(1, 2)], first: 2, batch: 9, each: true, texts: false };
        send(&here, &request).unwrap();
        send(&here, &Request::List(Way::Shown)).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "inside").unwrap();
        send_descriptor(&here, file.as_file()).unwrap();
        drop(here);
        let frame = receive(&there, None).unwrap().unwrap();
        let read = rkyv::deserialize::<Request, RkyvError>(open::<ArchivedRequest>(&frame).unwrap()).unwrap();
        assert_eq!(read, request);
        let frame = receive(&there, None).unwrap().unwrap();
        assert!(matches!(
            open::<ArchivedRequest>(&frame).unwrap(),
            ArchivedRequest::List(ArchivedWay::Shown)
        ));
        let mut file = std::fs::File::from(receive_descriptor(&there).unwrap());
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        assert!(receive(&there, None).unwrap().is_none());
    }

    #[test]
    fn a_length_is_not_believed_and_a_cut_frame_is_an_error() {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert_eq!(receive(&there, None).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&[200, 0, 0, 0, 1, 2, 3]).unwrap();
        drop(here);
        assert!(receive(&there, None).is_err());
        let (mut here, there) = UnixStream::pair().unwrap();
        // One that trickles does not win time by it.
        here.write_all(&[200, 0, 0, 0, 1]).unwrap();
        let trickle = std::thread::spawn(move || {
            while here.write_all(&[1]).is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let until = Instant::now() + Duration::from_millis(200);
        let error = receive(&there, Some(until)).unwrap_err();
        assert!(matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock), "{error}");
        drop(there);
        trickle.join().unwrap();
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&[1]).unwrap();
        drop(here);
        assert!(receive(&there, None).is_err());
        assert!(open::<ArchivedReply>(&[7; 40]).is_err());
    }
}
