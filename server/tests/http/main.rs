//! The front end against a real store: over TCP with hand-written bytes, over the socket, and in process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

mod client;
mod fixture;
mod framing;
mod limits;
mod local;
mod problems;
mod raw;
mod routes;
mod socket;
mod statements;
mod stop;
mod updates;
