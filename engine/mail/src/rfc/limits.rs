//! Every limit of the RFC 5322 reader, in one place. A message that asks for more is refused in that part, by name.

/// Largest message that is read.
pub const MAX_MESSAGE: u64 = 128 << 20;
/// Largest message that is kept as it came in its body row.
pub const MAX_ORIGINAL: usize = 36 << 20;
/// Most bytes kept as they came of a message and all messages inside it together.
pub const MAX_FAMILY: usize = 128 << 20;
/// Most bytes of one header block that are looked at.
pub const MAX_HEADERS: usize = 1 << 20;
/// Most bytes of the header block of a part.
pub const MAX_PART_HEADERS: usize = 64 << 10;
/// Largest plain or HTML body; a larger one is kept as an attachment.
pub const MAX_BODY: usize = 4 << 20;
/// Longest text made from bodies, in bytes.
pub const MAX_TEXT: usize = 8 << 20;
/// Most parts of one message.
pub const MAX_PARTS: usize = 10_000;
/// Deepest multipart inside multiparts.
pub const MAX_MIME_DEPTH: usize = 32;
/// Deepest message inside messages.
pub const MAX_EMBEDDED_DEPTH: usize = 16;
/// Most messages embedded in one message, at all depths together.
pub const MAX_EMBEDDED: usize = 4_096;
/// Longest name, content id or boundary of a part, in bytes.
pub const MAX_NAME: usize = 1_024;
/// Most messages of one mbox file.
pub const MAX_MESSAGES: usize = 10_000_000;
/// Bytes of an mbox file that are read at once.
pub const READ_CHUNK: usize = 1 << 20;
/// How far behind a line that may begin a message is looked.
pub const LOOK_AHEAD: usize = 4 << 10;
/// Number of the last byte at which a message may begin: above are the numbers of messages inside it.
pub const MAX_OFFSET: u64 = (1 << 48) - 1;

// Whatever is read of one message can be stored as one row. An HTML body may be kept as converted text, which takes at
// most three times as much.
const _: () = assert!(
    MAX_ORIGINAL + MAX_HEADERS + 4 * MAX_BODY + MAX_TEXT < postlode_format::limits::MAX_VALUE - (1 << 20)
);
const _: () = assert!(MAX_PARTS * (3 * MAX_NAME) < postlode_format::limits::MAX_VALUE / 2);
const _: () = assert!(MAX_EMBEDDED < 1 << 16 && LOOK_AHEAD < READ_CHUNK);
