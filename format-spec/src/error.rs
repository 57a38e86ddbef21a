//! What can be wrong with bytes that claim to be ours.

/// Why some bytes were refused. The caller knows the file and adds it to the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The checksum over the bytes does not match: bit rot, a torn or a misdirected write.
    #[error("checksum mismatch in {what} (stored {stored:#010x}, computed {computed:#010x})")]
    Checksum {
        /// The structure whose checksum it is.
        what: &'static str,
        /// The checksum found on the medium.
        stored: u32,
        /// The checksum of what was found on the medium.
        computed: u32,
    },
    /// The bytes end before the structure does.
    #[error("{what} is truncated: {have} bytes, {need} needed")]
    Truncated {
        /// The structure that is cut short.
        what: &'static str,
        /// Bytes present.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
    /// The checksum holds, but the content breaks a rule of the format.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// The structure.
        what: &'static str,
        /// The rule that is broken.
        why: &'static str,
    },
    /// Written by a newer Postlode.
    #[error("{what} has format version {found}, this program reads up to {known}: use a newer Postlode")]
    Newer {
        /// The structure.
        what: &'static str,
        /// The version found.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The first bytes are not those of the structure at all.
    #[error("{what} does not begin as one: not written by Postlode")]
    Magic {
        /// The structure.
        what: &'static str,
    },
    /// A value is larger than the format allows.
    #[error("{what} is too large: {have} bytes, at most {limit}")]
    TooLarge {
        /// The value.
        what: &'static str,
        /// Its size in bytes.
        have: usize,
        /// The limit in bytes.
        limit: usize,
    },
}
