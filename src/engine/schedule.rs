use super::plan::{Action, Change, Plan};
use crate::resource::Address;
use std::collections::{BTreeMap, BTreeSet};

/// One thing to do: a change of the plan, or the second half of a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// Bring the resource of this change to what is desired.
    Make(usize),
    /// Remove what stands at this change.
    Remove(usize),
}

impl Op {
    /// The change in the plan that it belongs to.
    pub fn change(self) -> usize {
        let (Self::Make(index) | Self::Remove(index)) = self;
        index
    }
}

/// Which op waits for which, and which of those that are ready goes first.
#[derive(Debug)]
pub struct Schedule {
    /// For each op, those that must be done before it.
    pub needs: BTreeMap<Op, BTreeSet<Op>>,
    /// For each op, how many ops the longest chain has that begins with it.
    pub depth: BTreeMap<Op, usize>,
}

impl Schedule {
    /// The order that a plan demands: who is referred to is made first and removed last; a replacement is made before or
    /// after its predecessor goes, as the plan says.
    pub fn of(plan: &Plan) -> Self {
        let mut needs: BTreeMap<Op, BTreeSet<Op>> = BTreeMap::new();
        let mut make: BTreeMap<&Address, usize> = BTreeMap::new();
        for (index, change) in plan.changes.iter().enumerate() {
            match change.action {
                Action::Unchanged => {}
                Action::Delete => {
                    needs.insert(Op::Remove(index), BTreeSet::new());
                }
                action => {
                    needs.insert(Op::Make(index), BTreeSet::new());
                    make.insert(&change.address, index);
                    if action == Action::Replace {
                        needs.insert(Op::Remove(index), BTreeSet::new());
                    }
                }
            }
        }
        for (index, change) in plan.changes.iter().enumerate() {
            if let Some(before) = needs.get_mut(&Op::Make(index)) {
                before.extend(
                    change
                        .depends_on
                        .iter()
                        .filter_map(|d| make.get(d))
                        .map(|i| Op::Make(*i)),
                );
                if change.action == Action::Replace && !change.create_first {
                    before.insert(Op::Remove(index));
                }
            }
            if !needs.contains_key(&Op::Remove(index)) {
                continue;
            }
            let late = change.action == Action::Delete || change.create_first;
            let mut before = BTreeSet::new();
            if change.create_first {
                before.insert(Op::Make(index));
            }
            if let (true, Some(successor)) = (change.retired, make.get(&change.address)) {
                before.insert(Op::Make(*successor));
            }
            for (other, user) in plan.changes.iter().enumerate().filter(|(other, _)| *other != index) {
                // Whoever no longer needs it must have been told so first.
                if late && needs.contains_key(&Op::Make(other)) && uses(user, change) {
                    before.insert(Op::Make(other));
                }
                let goes = needs.contains_key(&Op::Remove(other)) && user.depended_on.contains(&change.address);
                if goes && (late || !user.create_first) && user.address != change.address {
                    before.insert(Op::Remove(other));
                }
            }
            if let Some(needed) = needs.get_mut(&Op::Remove(index)) {
                needed.extend(before);
            }
        }
        let depth = depths(&needs);
        Self { needs, depth }
    }
}

fn uses(user: &Change, used: &Change) -> bool {
    user.depended_on.contains(&used.address) || user.depends_on.contains(&used.address)
}

/// The length of the longest chain from each op, by relaxation: the graph is small and has no circles; were there one,
/// the bound ends it.
fn depths(needs: &BTreeMap<Op, BTreeSet<Op>>) -> BTreeMap<Op, usize> {
    let mut depth: BTreeMap<Op, usize> = needs.keys().map(|op| (*op, 1)).collect();
    for _ in 0..needs.len() {
        let mut moved = false;
        for (op, before) in needs {
            let mine = depth[op];
            for earlier in before {
                if let Some(theirs) = depth.get_mut(earlier).filter(|theirs| **theirs <= mine) {
                    *theirs = mine + 1;
                    moved = true;
                }
            }
        }
        if !moved {
            break;
        }
    }
    depth
}
