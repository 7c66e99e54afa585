//! End to end, against emulators of AWS that the tests start by themselves. Read back with an independent client.
//!
//! One binary, so that all tests share one emulator, and link once.

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod adopt;
mod adoption;
mod analysis;
mod answers;
mod bodies;
mod client;
mod connections;
mod deleted;
mod deploy;
mod drift;
mod drift_rights;
mod drift_stops;
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
mod roles;
mod rules;
mod secrets;
mod shared_state;
mod smoke;
mod state;
mod table1;
mod table3;
mod tags;
mod terminal;
mod unready;
mod weather;
mod weather_effects;
