//! Whose a resource is: what may be changed and removed, and what is never touched.

use super::graph::{Graph, Node};
use super::survey::Survey;
use crate::resource::{Address, Kind, Kinds, Live, Owner, TAG_ADDRESS, TAG_ENV};
use crate::state::{Record, Status};
use serde_json::Value;

/// Why something that nothing remembers is not ours, if it is not.
pub fn not_ours(address: &Address, kind: &dyn Kind, live: &Live, env: &str) -> Option<String> {
    match &live.owner {
        Owner::Ours => None,
        Owner::Foreign { why, .. } | Owner::Elsewhere(why) => Some(why.clone()),
        Owner::Usual if kind.tagged() => {
            let tags = live.tags();
            let ours = tags.get(TAG_ENV).map(String::as_str) == Some(env)
                && tags.get(TAG_ADDRESS).map(String::as_str) == Some(address.as_str());
            let without_ours = || {
                let name = name(live);
                format!(
                    "{} {name} has no tags {TAG_ENV}={env} and {TAG_ADDRESS}={address}",
                    kind.name()
                )
            };
            (!ours).then(|| belongs_to_others(address, kind, live, env).unwrap_or_else(without_ours))
        }
        Owner::Usual => None,
    }
}

/// Whose something is by its tags, where they name another environment, another address or another region than these.
pub fn belongs_to_others(address: &Address, kind: &dyn Kind, live: &Live, env: &str) -> Option<String> {
    if let Owner::Elsewhere(why) = &live.owner {
        return Some(why.clone());
    }
    let tags = live.tags();
    let (of, at) = (tags.get(TAG_ENV), tags.get(TAG_ADDRESS));
    let others = of.is_some_and(|of| of != env) || at.is_some_and(|at| at.as_str() != address.as_str());
    (kind.tagged() && others).then(|| {
        let at = at.map_or("something", String::as_str);
        let of = of.map_or("an unknown environment".to_owned(), |of| {
            format!("the environment {of}")
        });
        format!("{} {} is {at} of {of}, by its tags", kind.name(), name(live))
    })
}

fn name(live: &Live) -> &str {
    live.spec.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// Is there nothing that says that what stands there is ours? A creation that was begun may have been refused because
/// somebody else's stood there; after a removal that was begun somebody else may have taken the name.
pub fn unproven(record: Option<&Record>) -> bool {
    record.is_none_or(|record| matches!(record.status, Status::Creating | Status::Deleting))
}

/// Why something without our tags, which is ours only by the look of it, is better left alone: whoever needs it is
/// somebody else's.
pub fn serves_others(
    node: &Node,
    kind: &dyn Kind,
    found: &Live,
    graph: &Graph,
    survey: &Survey,
    kinds: &dyn Kinds,
    env: &str,
) -> Option<String> {
    let tags = found.tags();
    let untold = !tags.contains_key(TAG_ENV) && !tags.contains_key(TAG_ADDRESS);
    if !kind.tagged() || found.owner != Owner::Ours || !untold {
        return None;
    }
    let foreign = |user: &&Node| {
        let standing = survey.live.get(&user.address).zip(kinds.get(user.kind));
        standing.is_some_and(|(live, kind)| not_ours(&user.address, kind, live, env).is_some())
    };
    let user = graph
        .nodes()
        .filter(|user| user.waits_for().contains(&node.address))
        .find(foreign)?;
    Some(format!("it serves {}, which is not ours", user.address))
}

/// What to do about a remembered resource whose tags are gone.
pub const TAGS_GONE: &str = "either it was made by somebody else after ours was removed, or its tags were taken away: if it is \
                         ours, put the tag fraudctl:env back";

/// Has something that is told by its tags neither of ours? Then the one that is remembered may be gone, and another have
/// its name; nothing that cannot be undone is done to it.
pub fn bare(kind: &dyn Kind, live: &Live) -> bool {
    let tags = live.tags();
    kind.tagged() && live.owner == Owner::Usual && !tags.contains_key(TAG_ENV) && !tags.contains_key(TAG_ADDRESS)
}
