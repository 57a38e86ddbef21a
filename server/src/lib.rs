//! The HTTP front end: one router for every caller, and the ways that lead to it.
//!
//! [`App`] answers a request. It is reached over TCP ([`serve_tcp`]), over the socket in the data folder
//! ([`serve_unix`]) or by a call in the same process; [`Client`] makes the last two look the same, so that a
//! command works alike with and without a running writer. What always holds:
//!
//! * every route is in [`route`], every error in [`problem`] and PROBLEMS.md, every limit in [`limits`];
//! * what strangers send is bounded before it is read and refused by a typed problem, never by a panic;
//! * `/local/…` exists for callers of this machine's user alone, never over TCP;
//! * an answer that ends early is never taken for a whole one: streams of lines close with an end line, streams of
//!   bytes break the connection;
//! * nothing here reads the disk: that is the store's, through [`postlode_query::Engine`].

pub mod app;
pub mod body;
pub mod client;
pub mod limits;
pub mod lines;
pub mod load;
pub mod problem;
pub mod route;
pub mod serve;
pub mod socket;
mod statements;
pub mod stats;

mod disposition;
mod emails;
mod etag;
mod holds;
mod home;
pub mod inspect;
mod local;
mod metrics;
mod params;
mod percent;
mod reply;
mod saved;
mod search;

pub use app::{App, AppOptions, Origin};
pub use body::{Body, BodyError};
pub use client::{Answer, Client, ClientError};
pub use limits::Limits;
pub use load::{LoadEvent, LoadProgress, LoadReport, LoadRequest, Loader, Loading};
pub use local::record::Records;
pub use local::update::{UpdateLine, UpdateMany};
pub use percent::{path_part, target};
pub use problem::{Problem, ProblemKind};
pub use serve::{ServeError, Shutdown, serve_tcp, serve_unix};
pub use socket::WriterSocket;
