//! End to end, against emulators of AWS that the tests start by themselves. Read back with an independent client.
//!
//! One binary, so that all tests share one emulator, and link once.

#[path = "../support/mod.rs"]
mod support;

mod client;
mod deploy;
mod flow;
mod moto;
mod permissions;
mod smoke;
mod table1;
