//! The numbers of extras (SPEC.md, "Extras"). A number that was given is never given again.

/// Of an email: its hashes for others, see [`Custody`](crate::custody::Custody): SHA-256, MD5, and a byte that is 1 where
/// they are of the bytes it came as.
pub const CUSTODY: u16 = 1;
/// Of a body: what its text is made of, see [`text_parts`](crate::row::text_parts).
pub const TEXT_PARTS: u16 = 2;
/// Of a body: text out of an attachment: number of the attachment u32, then UTF-8.
pub const ATTACHMENT_TEXT: u16 = 3;
/// Of a body: something in an attachment whose text could not be had: number of the attachment u32, then the code, what
/// it is and the reason as UTF-8, with a zero byte between them.
pub const ATTACHMENT_UNREAD: u16 = 4;
/// Of an archive's version, where it is a file of mail: the folder that its items are in, UTF-8.
pub const FOLDER: u16 = 5;
/// Of an archive's version: what its items hold, see [`Holdings`](crate::row::Holdings): three u64.
pub const HOLDINGS: u16 = 6;
/// Of an email: its [`Signature`](crate::near::Signature), or nothing where its text is too short for one.
pub const NEAR: u16 = 7;
