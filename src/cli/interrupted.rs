//! What an interrupted run began, and AWS may not show everywhere yet, is looked for before anything is concluded from it.

use super::scope::Scope;
use crate::engine::{Begun, Survey, leaving, look_again, unknown};
use crate::resource::{Address, Failure, Kinds};
use crate::state::State;
use crate::ui::Progress;
use std::time::Duration;

/// How long AWS may need to show what was made a moment ago: IAM and KMS promise seconds, and ten are seen.
const SHOWN_WITHIN: Duration = Duration::from_secs(30);
/// How long AWS may go on to show what was deleted: SQS says 60 seconds.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// Looks for it, after saying so. Emulators show everything at once.
pub async fn look(
    scope: &Scope,
    kinds: &dyn Kinds,
    state: &State,
    live: &mut Survey,
    begun: Begun,
    progress: &Progress,
) -> Result<(), Failure> {
    let (addresses, patience) = match begun {
        Begun::Made => (unknown(live, state), SHOWN_WITHIN),
        Begun::Removed => (leaving(live, state, kinds), GONE_WITHIN),
    };
    if addresses.is_empty() || !scope.aws.is_paced() {
        return Ok(());
    }
    let names: Vec<&str> = addresses.iter().map(Address::as_str).collect();
    let names = names.join(", ");
    let may = match begun {
        Begun::Made => format!("made {names}"),
        Begun::Removed => format!("removed {names}, which AWS goes on to show for a while"),
    };
    progress.say(&format!(
        "note: a run that was interrupted may have {may}; looking for up to {} s whether it did",
        patience.as_secs()
    ));
    // Lists that were read for all are of no use any more.
    kinds.begin_changes();
    look_again(live, begun, &addresses, state, kinds, &scope.settings.env, patience).await
}
