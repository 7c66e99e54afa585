//! Which resources that are not ours are to be ours from now on.

use crate::engine::Plan;
use crate::resource::{Address, Kinds};
use crate::ui::Progress;
use clap::Args;
use std::collections::BTreeSet;

/// What is taken over because somebody names it.
#[derive(Clone, Debug, Default, Args)]
pub struct AdoptArgs {
    /// Take over what stands at ADDRESS under our name though it is not ours: it is tagged as ours, brought to what is
    /// desired, and removed by `down`. May be repeated
    #[arg(long, value_name = "ADDRESS")]
    adopt: Vec<String>,
}

impl AdoptArgs {
    /// The addresses, each once.
    pub fn addresses(&self) -> BTreeSet<Address> {
        self.adopt.iter().map(Address::new).collect()
    }

    /// Says of each address why nothing is adopted there, where nothing is.
    pub fn explain(&self, plan: &Plan, kinds: &dyn Kinds, progress: &Progress) {
        for why in plan.in_vain(&self.addresses(), kinds) {
            progress.say(&format!("note: {why}"));
        }
    }
}
