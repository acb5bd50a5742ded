//! What was done to disks, and how much more may be.

use crate::{membership::Membership, stage::Stage};
use squall_effect::budget::{Budget, Voters};
use squall_history::{DiskHealth, EntryKind, NodeId, Observation};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

pub(crate) struct Damage {
    stage: Arc<Stage>,
    membership: Arc<Membership>,
    /// Whose disk said no at any time, and how many faults make it do so now.
    failing: Mutex<BTreeMap<NodeId, u32>>,
    /// Whose disk was damaged.
    destroyed: Mutex<BTreeSet<NodeId>>,
}

impl Damage {
    pub(crate) fn new(stage: Arc<Stage>, membership: Arc<Membership>) -> Damage {
        Damage { stage, membership, failing: Mutex::default(), destroyed: Mutex::default() }
    }

    fn destroyed(&self) -> MutexGuard<'_, BTreeSet<NodeId>> {
        self.destroyed.lock().expect("no panic under this lock")
    }

    fn failing(&self) -> MutexGuard<'_, BTreeMap<NodeId, u32>> {
        self.failing.lock().expect("no panic under this lock")
    }

    fn tell_disk(&self, node: NodeId, disk: DiskHealth) {
        self.stage.record(EntryKind::Node { node, saw: Observation::Disk { disk } });
    }

    /// One more fault makes accesses of this node's disk fail.
    pub(crate) fn fails(&self, node: NodeId) {
        let first = {
            let mut failing = self.failing();
            let count = failing.entry(node).or_default();
            *count += 1;
            *count == 1
        };
        if first {
            self.tell_disk(node, DiskHealth::Failing);
        }
    }

    /// One less does.
    pub(crate) fn fails_no_more(&self, node: NodeId) {
        let last = {
            let mut failing = self.failing();
            let count = failing.entry(node).or_default();
            *count = count.saturating_sub(1);
            *count == 0
        };
        if last {
            self.tell_disk(node, DiskHealth::Sound);
        }
    }

    /// None does any more. Whose disk said no at any time.
    pub(crate) fn all_sound(&self) -> Vec<NodeId> {
        let failing = std::mem::take(&mut *self.failing());
        failing.iter().filter(|(_, count)| **count > 0).for_each(|(node, _)| self.tell_disk(*node, DiskHealth::Sound));
        failing.into_keys().collect()
    }

    /// This node's disk may have lost something; nobody knows yet.
    pub(crate) fn may_be_damaged(&self, node: NodeId) {
        self.destroyed().insert(node);
    }

    /// This node's disk has lost something.
    pub(crate) fn is_damaged(&self, node: NodeId) {
        self.destroyed().insert(node);
        self.tell_disk(node, DiskHealth::Damaged);
    }

    /// Whether it has.
    pub(crate) fn was_damaged(&self, node: NodeId) -> bool {
        self.destroyed().contains(&node)
    }

    /// Whether this node's disk may be damaged, too.
    pub(crate) fn may_destroy(&self, node: NodeId) -> bool {
        self.stage.plan.allow_data_loss || self.by_budget(|budget| budget.may_destroy(node.0.into()))
    }

    /// Whether the cluster can do without this member.
    pub(crate) fn may_shrink(&self, node: NodeId) -> bool {
        self.stage.plan.allow_data_loss || self.by_budget(|budget| budget.may_shrink(node.0.into()))
    }

    /// How many members may stay dead in the end. Whose disk is damaged may not come up: they are of those.
    pub(crate) fn may_stay_dead(&self) -> usize {
        self.by_budget(|budget| budget.may_stay_dead())
    }

    fn by_budget<T>(&self, ask: impl FnOnce(&Budget<'_>) -> T) -> T {
        let ids = |nodes: &mut dyn Iterator<Item = NodeId>| -> Voters { nodes.map(|id| u64::from(id.0)).collect() };
        let founders = ids(&mut self.membership.founders().into_iter());
        let destroyed = self.destroyed().clone();
        let damaged = ids(&mut destroyed.into_iter().filter(|id| !self.membership.has_left(*id)));
        let leaving = self.membership.asked_to_leave();
        ask(&Budget { configurations: self.stage.recorder.configurations(&founders), damaged: &damaged, leaving: &leaving })
    }
}
