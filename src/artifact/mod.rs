//! The functions as AWS wants them: built, zipped, fingerprinted.
//!
//! # Expected flow
//!
//! Make a [`Builder`] for the project and a [`Flavor`]. [`Builder::cached`] answers in milliseconds
//! what the last build made, if nothing has changed since: that is what a plan needs.
//! [`Builder::build`] gives the same answer when it can and otherwise runs cargo, packs each binary
//! as the single entry `bootstrap` of a zip file, and remembers the result under its fingerprint.
//! [`Artifact::sha256_base64`] is spelled as AWS spells `CodeSha256`, so that one comparison of
//! strings tells whether an upload is needed.
//!
//! # Guarantees
//!
//! - The same binary gives the same zip, byte for byte: one entry, fixed time, mode, system and
//!   compression. The same sources, compiler and linker give the same binary for AWS, in whatever
//!   directory and below whatever home they were built ([`Flavor::Aws`]).
//! - What is remembered was made from the sources that its fingerprint names: the fingerprint is
//!   taken before the build and again after the last byte was packed, and the build is done again
//!   when the two differ.
//! - Killed at any moment, nothing half-written is ever taken for an artifact: every file appears
//!   under its name complete or not at all, the manifest last.
//! - Two processes that build at the same time do not disturb each other; the second waits and then
//!   finds the work done.
//! - Nothing is installed, ever. What is missing is named, with the command that brings it.
//!
//! # Assumptions
//!
//! Everything that the functions are compiled from lies below `functions/`, in the two files
//! `Cargo.toml` and `Cargo.lock`, and in the packages that `Cargo.lock` pins.
//!
//! # Caveats
//!
//! The linker is not part of the fingerprint: another one changes bytes and not behaviour, and a
//! second build of several minutes for the same behaviour is not worth its time. What a linker can
//! spoil, the C library that the binary asks for, is checked after every build.

mod binary;
mod builder;
mod cargo;
mod digest;
mod error;
mod files;
mod fingerprint;
mod flavor;
mod glibc;
mod linker;
mod manifest;
mod package;
mod toolchain;

pub use binary::{Binary, Spec};
pub use builder::Builder;
pub use error::ArtifactError;
pub use flavor::{Arch, FUNCTIONS, Flavor, UnknownArch};
pub use package::Artifact;
