//! Which resources that are not ours are to be ours from now on.

use super::exit::Exit;
use super::scope::{BuildArgs, ScopeArgs};
use crate::artifact::{self, Binary};
use crate::config::Settings;
use crate::engine::Plan;
use crate::resource::{Address, Kinds, Reconciler};
use crate::stack::Stack;
use crate::ui::Progress;
use clap::Args;
use std::collections::BTreeSet;

/// What is taken over because somebody names it.
#[derive(Clone, Debug, Default, Args)]
pub struct AdoptArgs {
    /// Take over what stands at ADDRESS, such as messaging.lambda_dlq, under our name though it is not ours: it is tagged
    /// as ours, brought to what is desired, and removed by `down`. May be repeated. docs/system.md lists the addresses
    #[arg(long, value_name = "ADDRESS")]
    adopt: Vec<String>,
}

impl AdoptArgs {
    /// The addresses, each once.
    pub fn addresses(&self) -> BTreeSet<Address> {
        self.adopt.iter().map(Address::new).collect()
    }

    /// Refuses an address that the stack does not have, before anything is connected to.
    pub fn check(&self, scope: &ScopeArgs, build: &BuildArgs) -> Result<(), Exit> {
        if self.adopt.is_empty() {
            return Ok(());
        }
        let unknown = unknown(&self.adopt, &scope.settings(build)?);
        if unknown.is_empty() {
            return Ok(());
        }
        Err(Exit::usage(format!(
            "the stack has no resource in AWS at {}, so that nothing can be adopted there; nothing was changed. \
             docs/system.md lists the addresses, such as messaging.lambda_dlq, and `fraudctl up {}` names those of what \
             stands in the way",
            unknown.join(", "),
            scope.flags_for_shell()
        )))
    }

    /// Says of each address why nothing is adopted there, where nothing is.
    pub fn explain(&self, plan: &Plan, kinds: &dyn Kinds, progress: &Progress) {
        for why in plan.in_vain(&self.addresses(), kinds) {
            progress.say(&format!("note: {why}"));
        }
    }
}

/// Those of the addresses at which the stack has nothing in AWS. What it has where follows from the settings alone.
fn unknown<'a>(asked: &'a [String], settings: &Settings) -> Vec<&'a str> {
    let anywhere = Stack {
        settings,
        account: "000000000000",
        region: "us-east-1",
        partition: "aws",
        endpoint: None,
    };
    let graph = anywhere.graph(&|function| artifact::Spec {
        function: function.to_owned(),
        fingerprint: String::new(),
    });
    let known = |address: &str| {
        let node = graph.get(&Address::from(address));
        node.is_some_and(|node| node.kind != Binary::KIND)
    };
    asked
        .iter()
        .map(String::as_str)
        .filter(|address| !known(address))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, load};

    #[test]
    fn only_what_stands_in_aws_by_these_settings_can_be_adopted() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = load(folder.path(), "dev", &Overrides::default()).unwrap();
        let asked = [
            // The one that the help names.
            "messaging.lambda_dlq",
            "messaging.lamda_dlq",
            "storage.rules",
            "artifacts.pattern-analyzer",
            "messaging.ops_email",
            "",
        ]
        .map(str::to_owned);
        let wrong = ["messaging.lamda_dlq", "artifacts.pattern-analyzer"];
        let expected = [&wrong[..], &["messaging.ops_email", ""]].concat();
        assert_eq!(unknown(&asked, &settings), expected);
        settings.alert_email = "me@company.io".to_owned();
        assert_eq!(unknown(&asked, &settings), [&wrong[..], &[""]].concat());
    }
}
