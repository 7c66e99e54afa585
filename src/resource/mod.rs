//! What a resource is: an address, a value, references between values, and the [`Reconciler`] that is the bridge from
//! a value to AWS. The ground floor: it knows no service and no file.

mod address;
mod failure;
mod kind;
mod reconciler;
mod reference;

pub use address::Address;
pub use failure::{Class, Failure, chain};
pub use kind::{BoxFuture, Erased, Ignored, Kind, Kinds, Live};
pub use reconciler::{Changes, Observed, Outputs, Owner, Reconciler, Tags, Target};
pub use reference::{Handle, Output, Reference, references, resolve};

/// The tag that names the environment a resource belongs to.
pub const TAG_ENV: &str = "fraudctl:env";
/// The tag that names the address a resource stands for.
pub const TAG_ADDRESS: &str = "fraudctl:address";
/// The tag that names the region which something serves that AWS keeps for all regions at once.
pub const TAG_REGION: &str = "fraudctl:region";
