//! End to end, against emulators of AWS that the tests start by themselves. Read back with an independent client.
//!
//! One binary, so that all tests share one emulator, and link once.

#[path = "../support/mod.rs"]
mod support;

mod deploy;
