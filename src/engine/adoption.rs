//! Taking over what stands under our name and is not ours, because somebody asks for it by its address.

use super::change::{Action, Change};
use super::ownership::{TAGS_GONE, bare, belongs_to_others, not_ours, unproven};
use crate::resource::{Address, Kind, Kinds, Owner};
use crate::state::Record;
use std::collections::BTreeSet;

/// Something that keeps a plan from being made, since it is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Where it stands.
    pub address: Address,
    /// What tells that it is not ours, or why it cannot be taken over.
    pub why: String,
    /// May it be taken over by whoever asks for it?
    pub adoptable: bool,
}

/// Whose what stands at a change is, and what follows from it.
#[derive(Debug)]
pub enum Verdict {
    /// Ours, or nothing is there.
    Ours,
    /// Not ours yet, and to be so: the change is an adoption.
    Taken,
    /// Neither to be changed nor to be taken over.
    Refused(Foreign),
}

/// Makes an adoption of a change of what is not ours and is asked for.
pub fn judge(change: &mut Change, kind: &dyn Kind, record: Option<&Record>, env: &str, asked: bool) -> Verdict {
    let Some(live) = &change.live else {
        return Verdict::Ours;
    };
    let refused = |why: String, adoptable: bool| {
        let address = change.address.clone();
        Verdict::Refused(Foreign {
            address,
            why,
            adoptable,
        })
    };
    let Some(why) = not_ours(&change.address, kind, live, env).filter(|_| unproven(record)) else {
        if change.action == Action::Replace && bare(kind, live) {
            let why = format!("it would be replaced, but no tag says that it is ours; {TAGS_GONE}");
            return refused(why, false);
        }
        // It is remembered as ours, and somebody has made it another environment's since.
        if let Some(why) = belongs_to_others(&change.address, kind, live, env) {
            return refused(why, false);
        }
        return Verdict::Ours;
    };
    match (asked, obstacle(change, kind, env)) {
        (true, None) => {
            change.action = Action::Adopt;
            Verdict::Taken
        }
        (true, Some(obstacle)) => refused(format!("it cannot be adopted: {obstacle}"), false),
        (false, None) => refused(why, true),
        (false, Some(obstacle)) if obstacle == why => refused(why, false),
        (false, Some(obstacle)) => refused(format!("{why}; nor can it be adopted: {obstacle}"), false),
    }
}

/// As [`judge`], for what is inside of something that is taken over and belongs to it: neither is it removed.
pub fn judge_inside(change: &Change, kind: &dyn Kind, record: Option<&Record>) -> Verdict {
    if kind.tagged() || !unproven(record) || change.live.is_none() {
        return Verdict::Ours;
    }
    if change.action != Action::Replace {
        return Verdict::Taken;
    }
    Verdict::Refused(Foreign {
        address: change.address.clone(),
        why: format!(
            "it is inside of what is to be adopted, and cannot be taken with it: {}",
            replaced(change, kind)
        ),
        adoptable: false,
    })
}

/// Why it is not taken over even by whoever asks for it.
fn obstacle(change: &Change, kind: &dyn Kind, env: &str) -> Option<String> {
    let live = change.live.as_ref()?;
    if let Owner::Foreign { why, adoptable: false } = &live.owner {
        return Some(why.clone());
    }
    belongs_to_others(&change.address, kind, live, env)
        .or_else(|| (change.action == Action::Replace).then(|| replaced(change, kind)))
}

/// What would have to be replaced, and what to do about it.
fn replaced(change: &Change, kind: &dyn Kind) -> String {
    let fixed = |field: &str| kind.identity().contains(&field) || kind.immutable().contains(&field);
    let fields = change.fields.iter().filter(|field| fixed(field.field()));
    let fields: Vec<&str> = fields.map(|field| field.path.as_str()).collect();
    if fields.is_empty() {
        return "what contains it would be replaced".to_owned();
    }
    format!(
        "AWS cannot change {} of a {} that exists, and what is adopted is never removed. Move away what is needed of it \
         and remove it, or use another --env",
        fields.join(", "),
        kind.name()
    )
}

/// What is not ours, as the refusal of a plan.
pub fn refusal(found: &[Foreign]) -> String {
    let mut text = String::from("these resources exist under our names but are not ours; nothing was changed:");
    for Foreign { address, why, .. } in found {
        text.push_str(&format!("\n  {address}: {why}"));
    }
    text.push_str("\nRename or remove them, or use another --env.");
    let adoptable: Vec<String> = found
        .iter()
        .filter(|foreign| foreign.adoptable)
        .map(|foreign| format!("--adopt {}", foreign.address))
        .collect();
    if !adoptable.is_empty() {
        text.push_str(&format!(
            "\nOr take over what is to be ours from now on, with all that is in it: `up` with {} shows what would be changed, \
             and asks.",
            adoptable.join(" ")
        ));
    }
    text
}

/// The addresses at which nothing can ever be adopted: the stack has no resource of AWS there.
pub fn unknown(changes: &[Change], asked: &BTreeSet<Address>) -> Vec<Address> {
    let known = |address: &&Address| {
        let mut changes = changes.iter();
        changes.any(|change| change.address == **address && !change.ephemeral)
    };
    asked.iter().filter(|address| !known(address)).cloned().collect()
}

/// What to say of each address that was asked for and where nothing is adopted.
pub fn in_vain(changes: &[Change], asked: &BTreeSet<Address>, kinds: &dyn Kinds) -> Vec<String> {
    let of = |change: &Change| {
        let (address, kind) = (&change.address, &change.kind);
        let nameless = kinds.get(kind).is_some_and(|kind| kind.identity().is_empty());
        match change.action {
            Action::Adopt | Action::Build => None,
            Action::Create if nameless => Some(format!(
                "no {kind} with the tags of {address} was found, so that one is made. One that exists has no name by which \
                 it could be found; to have it adopted, set its tags fraudctl:env and fraudctl:address"
            )),
            Action::Create => Some(format!("{address} does not exist, so that it is made and not adopted")),
            _ => Some(format!("{address} is ours already: there is nothing to adopt")),
        }
    };
    let at = |address: &Address| {
        let mut changes = changes.iter().filter(|change| !change.retired);
        changes.find(|change| change.address == *address)
    };
    asked.iter().filter_map(at).filter_map(of).collect()
}
