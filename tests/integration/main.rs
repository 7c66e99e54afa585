//! End to end, against emulators of AWS that the tests start by themselves. Read back with an independent client.
//!
//! One binary, so that all tests share one emulator, and link once.

#[path = "../support/mod.rs"]
mod support;

mod adopt;
mod adoption;
mod analysis;
mod client;
mod deleted;
mod deploy;
mod drift;
mod failed;
mod flow;
mod halfway;
mod ingestion;
mod intent;
mod label;
mod load;
mod local;
mod localemu;
mod manners;
mod moto;
mod permissions;
mod protect;
mod refusals;
mod rules;
mod secrets;
mod shared_state;
mod smoke;
mod state;
mod table1;
mod table3;
mod terminal;
mod weather;
mod weather_effects;
