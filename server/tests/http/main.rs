//! The front end against a real store: over TCP with hand-written bytes, over the socket, and in process.

mod client;
mod fixture;
mod framing;
mod limits;
mod local;
mod problems;
mod raw;
mod routes;
mod socket;
mod stop;
