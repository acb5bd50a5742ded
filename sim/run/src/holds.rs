//! What faults that are under way do to the same process: the end of one takes back what that one did, and nothing of another's.

use squall_effect::{Effect, Party};
use squall_history::{EffectResult, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// One firing of a fault, or one hit of a failpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Firing(pub(crate) u64);

/// Who holds what.
#[derive(Default)]
pub(crate) struct Holds {
    /// Nodes that are down, and the firings that will boot them.
    down: BTreeMap<NodeId, BTreeSet<Firing>>,
    /// Processes that were stopped, each with the incarnation that was: SIGSTOP ends with the process.
    still: Vec<(Firing, Party, u32)>,
    /// Ends of what was spared.
    void: Vec<(Firing, Effect)>,
}

impl Holds {
    /// Something was done. `incarnation`: of the process that it was done to, if one ran; `boots`: whether the same firing boots that
    /// node later.
    pub(crate) fn begun(&mut self, firing: Firing, effect: &Effect, result: EffectResult, incarnation: Option<u32>, boots: bool) {
        match (effect, result) {
            (Effect::Kill { node, .. } | Effect::Wipe { node }, EffectResult::Started) if boots => {
                self.down.entry(*node).or_default().insert(firing);
            }
            (Effect::Pause { party }, EffectResult::Started) => self.still.extend(incarnation.map(|life| (firing, *party, life))),
            (Effect::DegradeDisk { node, change }, EffectResult::Spared) => {
                self.void.push((firing, Effect::RestoreDisk { node: *node, change: change.clone() }));
            }
            _ => {}
        }
    }

    /// Whether this is to be done: not the end of what never began, nor of what is over, nor what another firing still keeps from ending.
    pub(crate) fn may_be_done(&mut self, firing: Firing, effect: &Effect, incarnation: Option<u32>) -> bool {
        match effect {
            Effect::Boot { node } => {
                let Some(held) = self.down.get_mut(node) else { return true };
                held.remove(&firing);
                held.is_empty()
            }
            Effect::Resume { party } => {
                let at = self.still.iter().position(|(by, whom, _)| (by, whom) == (&firing, party));
                at.is_some_and(|at| Some(self.still.swap_remove(at).2) == incarnation)
            }
            Effect::RestoreDisk { .. } => {
                let at = self.void.iter().position(|(by, end)| *by == firing && end == effect);
                at.map(|at| self.void.swap_remove(at)).is_none()
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_effect::DiskChange;

    const ONE: Firing = Firing(1);
    const TWO: Firing = Firing(2);
    const N1: NodeId = NodeId(1);
    const KILL: Effect = Effect::Kill { node: N1, power_loss: None };
    const BOOT: Effect = Effect::Boot { node: N1 };
    const PAUSE: Effect = Effect::Pause { party: Party::Node(N1) };
    const RESUME: Effect = Effect::Resume { party: Party::Node(N1) };

    #[test]
    fn a_node_is_down_until_the_last_of_those_that_keep_it_down_ends() {
        let mut holds = Holds::default();
        holds.begun(ONE, &KILL, EffectResult::Started, Some(1), true);
        holds.begun(TWO, &KILL, EffectResult::NoTarget, None, true);
        assert!(!holds.may_be_done(TWO, &BOOT, None), "the first one keeps it down");
        assert!(holds.may_be_done(ONE, &BOOT, None));
        holds.begun(ONE, &KILL, EffectResult::Started, Some(2), true);
        holds.begun(TWO, &Effect::Wipe { node: N1 }, EffectResult::Started, None, true);
        assert!(!holds.may_be_done(ONE, &BOOT, None));
        assert!(holds.may_be_done(TWO, &BOOT, None));
    }

    #[test]
    fn who_is_down_for_good_or_by_itself_may_be_booted_by_anybody() {
        let mut holds = Holds::default();
        holds.begun(ONE, &KILL, EffectResult::Started, Some(1), false);
        assert!(holds.may_be_done(TWO, &BOOT, None));
    }

    #[test]
    fn a_pause_ends_with_its_process_and_takes_back_no_other() {
        let mut holds = Holds::default();
        holds.begun(ONE, &PAUSE, EffectResult::NoTarget, None, false);
        holds.begun(TWO, &PAUSE, EffectResult::Started, Some(1), false);
        assert!(!holds.may_be_done(ONE, &RESUME, Some(1)), "it never began");
        assert!(holds.may_be_done(TWO, &RESUME, Some(1)));
        holds.begun(TWO, &PAUSE, EffectResult::Started, Some(1), false);
        assert!(!holds.may_be_done(TWO, &RESUME, Some(2)), "who was paused is dead");
        assert!(!holds.may_be_done(TWO, &RESUME, Some(1)), "and it is over");
    }

    #[test]
    fn what_was_spared_is_not_taken_back() {
        let mut holds = Holds::default();
        let change = DiskChange::Full { leaves: 0 };
        let end = Effect::RestoreDisk { node: N1, change: change.clone() };
        holds.begun(ONE, &Effect::DegradeDisk { node: N1, change }, EffectResult::Spared, Some(1), false);
        assert!(holds.may_be_done(TWO, &end, Some(1)));
        assert!(!holds.may_be_done(ONE, &end, Some(1)));
        assert!(holds.may_be_done(ONE, &end, Some(1)));
    }
}
