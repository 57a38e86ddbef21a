//! Every limit of the front end, in one place. Sizes are in bytes.

use std::time::Duration;

/// Longest path and query of a request target.
pub const MAX_TARGET: usize = 16 << 10;
/// Most header lines of a request.
pub const MAX_HEADERS: usize = 64;
/// All header lines of a request together, with the request line.
pub const MAX_HEAD: usize = 32 << 10;
/// Most parameters of a query string.
pub const MAX_PARAMETERS: usize = 32;
/// Longest JSON body of a request.
pub const MAX_JSON: usize = 1 << 20;
/// Lines of an NDJSON answer are gathered up to this size before they are sent.
pub const CHUNK: usize = 64 << 10;
/// Longest line that [`crate::lines::Lines`] reads: one email with its text, as JSON.
pub const MAX_LINE: usize = 512 << 20;
/// Longest small answer that a client reads whole.
pub const MAX_ANSWER: usize = 256 << 20;

/// Limits that whoever runs the server may choose.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections of one listener at a time; more wait to be accepted.
    pub connections: usize,
    /// Requests being answered at a time; more are told to come back.
    pub in_flight: usize,
    /// Time for a request's head to arrive, counted from when the connection was ready for it.
    pub head_timeout: Duration,
    /// Time for a request's JSON body to arrive.
    pub body_timeout: Duration,
    /// Time for a request to be answered, its body included, up to the answer's first byte. Not for `/local/`.
    pub request_timeout: Duration,
    /// Time for which a peer may take nothing of an answer that waits to be sent.
    pub write_timeout: Duration,
    /// Time for running answers to end once a stop was asked for.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            in_flight: 256,
            head_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(30),
        }
    }
}
