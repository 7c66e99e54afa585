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
            if let Some(before) = needs.get_mut(&Op::Remove(index)).filter(|_| change.create_first) {
                before.insert(Op::Make(index));
            }
        }
        // Something that goes before its successor comes can make the rest contradict itself: the earlier wish wins.
        for (op, earlier) in wishes(plan, &needs, &make) {
            if !leads_to(&needs, earlier, op)
                && let Some(before) = needs.get_mut(&op)
            {
                before.insert(earlier);
            }
        }
        let depth = depths(&needs);
        Self { needs, depth }
    }
}

/// What should be done before each removal: pairs of an op and an earlier one, the weightiest first.
fn wishes(plan: &Plan, needs: &BTreeMap<Op, BTreeSet<Op>>, make: &BTreeMap<&Address, usize>) -> Vec<(Op, Op)> {
    let mut wishes = Vec::new();
    let changes = || plan.changes.iter().enumerate();
    let removed = || changes().filter(move |(index, _)| needs.contains_key(&Op::Remove(*index)));
    let late = |change: &Change| change.action == Action::Delete || change.create_first;
    // Who stands on something goes before it, and a predecessor before the record that remembers it. Whoever stands on an
    // address may stand on the successor there, so what is said of predecessors weighs less.
    let (current, retired): (Vec<_>, Vec<_>) = removed().partition(|(_, change)| !change.retired);
    for (index, change) in current.into_iter().chain(retired) {
        for (other, user) in removed().filter(|(_, user)| !user.create_first) {
            let same = user.address == change.address;
            let stands_on = !same && user.depended_on.contains(&change.address);
            let remembered = same && user.retired && !change.retired && change.action == Action::Delete;
            if stands_on || remembered {
                wishes.push((Op::Remove(index), Op::Remove(other)));
            }
        }
    }
    // Whoever no longer needs it must have been told so first.
    for (index, change) in removed().filter(|(_, change)| late(change)) {
        let successor = make.get(&change.address).filter(|_| change.retired);
        wishes.extend(successor.map(|successor| (Op::Remove(index), Op::Make(*successor))));
        for (other, user) in changes().filter(|(other, _)| *other != index) {
            if needs.contains_key(&Op::Make(other)) && uses(user, change) {
                wishes.push((Op::Remove(index), Op::Make(other)));
            }
        }
    }
    for (index, change) in removed() {
        for (other, user) in removed().filter(|(_, user)| user.create_first) {
            if user.address != change.address && user.depended_on.contains(&change.address) {
                wishes.push((Op::Remove(index), Op::Remove(other)));
            }
        }
    }
    wishes
}

/// Must `to` be done before `from`, directly or not?
fn leads_to(needs: &BTreeMap<Op, BTreeSet<Op>>, from: Op, to: Op) -> bool {
    let mut open = vec![from];
    let mut seen = BTreeSet::new();
    while let Some(op) = open.pop() {
        if op == to {
            return true;
        }
        if seen.insert(op) {
            open.extend(needs.get(&op).into_iter().flatten().copied());
        }
    }
    false
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
