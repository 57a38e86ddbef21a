//! The store on three machines: the portable runtime, glommio, and a simulated one. One program, because each that has the
//! store of all three in it takes a minute to be compiled.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;

mod addons;
mod basics;
mod damage;
mod follow;
mod full;
mod golden;
mod marks;
mod merging;
mod purge;
