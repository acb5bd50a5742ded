//! The one interpreter of effects: it does them to the machine, and writes down what came of each.

use crate::{damage::Damage, membership::Membership, stage::Stage, tempo::Tempo};
use squall_effect::{ClockChange, DiskChange, Effect, Party, PowerLoss, Strike};
use squall_history::{EffectChange as Change, EffectResult, EntryKind, FaultRef, NodeId, Observation};
use std::sync::Arc;

pub(crate) struct Interpreter {
    pub(crate) stage: Arc<Stage>,
    pub(crate) membership: Arc<Membership>,
    pub(crate) damage: Arc<Damage>,
    pub(crate) tempo: Arc<Tempo>,
}

type Outcome = (Vec<Party>, Change, EffectResult);

fn on(node: NodeId) -> Vec<Party> {
    vec![Party::Node(node)]
}

fn if_done(done: bool, result: EffectResult) -> EffectResult {
    if done { result } else { EffectResult::NoTarget }
}

impl Interpreter {
    /// Does it. What came of it, where that is known at once.
    pub(crate) fn perform(&self, fault: &FaultRef, effect: Effect) -> Option<EffectResult> {
        use Effect as E;
        let outcome = match effect {
            // These write down themselves what comes of them.
            E::Admin { node, ask } => {
                self.membership.administer(fault, node, ask);
                return None;
            }
            E::Grow => {
                self.membership.grow(fault);
                return None;
            }
            E::Shrink { node } if self.damage.may_shrink(node) => {
                self.membership.shrink(fault, node);
                return None;
            }
            E::Shrink { node } => (on(node), Change::Leave, EffectResult::Spared),
            E::Cut(_)
            | E::Heal(_)
            | E::DegradeLink { .. }
            | E::RestoreLink { .. }
            | E::ResetConnections(_)
            | E::Refuse { .. }
            | E::Accept { .. } => self.on_network(effect),
            E::Kill { .. } | E::Boot { .. } | E::Pause { .. } | E::Resume { .. } | E::Arm { .. } | E::Disarm { .. } => {
                self.on_process(fault, effect)
            }
            E::DegradeDisk { .. } | E::RestoreDisk { .. } | E::Damage { .. } | E::Wipe { .. } => self.on_disk(effect),
            E::Clock { party, change } => {
                self.change_clock(party, change);
                (vec![party], Change::Clock { how: change.to_string() }, EffectResult::Applied)
            }
            E::Load { times } => {
                self.tempo.quicken(times);
                (vec![], Change::Load { times }, EffectResult::Started)
            }
            E::RestoreLoad { times } => {
                self.tempo.take_back(times);
                (vec![], Change::Load { times }, EffectResult::Stopped)
            }
        };
        let (on, change, result) = outcome;
        self.stage.tell(fault, on, change, result);
        Some(result)
    }

    fn on_network(&self, effect: Effect) -> Outcome {
        use EffectResult::{Applied, Started, Stopped};
        let (machine, host) = (&self.stage.machine, |party| self.stage.host(party));
        match effect {
            Effect::Cut(links) => {
                links.iter().for_each(|(from, to)| machine.cut(host(*from), host(*to)));
                (vec![], Change::Cut { links }, Started)
            }
            Effect::Heal(links) => {
                links.iter().for_each(|(from, to)| machine.heal(host(*from), host(*to)));
                (vec![], Change::Cut { links }, Stopped)
            }
            Effect::DegradeLink { links, change } => {
                links.iter().for_each(|(from, to)| machine.shape(host(*from), host(*to), change));
                (vec![], Change::Shape { links, how: change.to_string() }, Started)
            }
            Effect::RestoreLink { links, change } => {
                links.iter().for_each(|(from, to)| machine.unshape(host(*from), host(*to), change));
                (vec![], Change::Shape { links, how: change.to_string() }, Stopped)
            }
            Effect::ResetConnections(links) => {
                let count: usize = links.iter().map(|(a, b)| machine.reset_connections(host(*a), host(*b))).sum();
                (vec![], Change::ResetConnections { links, count: count as u64 }, if_done(count > 0, Applied))
            }
            Effect::Refuse { node } => {
                machine.refuse(machine.node(node), true);
                (on(node), Change::Refuse, Started)
            }
            Effect::Accept { node } => {
                machine.refuse(machine.node(node), false);
                (on(node), Change::Refuse, Stopped)
            }
            other => unreachable!("not of the network: {other:?}"),
        }
    }

    fn on_process(&self, fault: &FaultRef, effect: Effect) -> Outcome {
        use EffectResult::{Armed, NoTarget, NotHit, Started, Stopped};
        let machine = &self.stage.machine;
        match effect {
            Effect::Kill { node, power_loss } => {
                let change = power_loss.map_or(Change::Kill, |unsynced| Change::PowerLoss { unsynced });
                let ran = machine.end(machine.node(node), power_loss);
                (on(node), change, if_done(ran, Started))
            }
            Effect::Boot { node } if self.membership.has_left(node) => (on(node), Change::Boot, NoTarget),
            Effect::Boot { node } => {
                self.membership.boot(node);
                (on(node), Change::Boot, Stopped)
            }
            Effect::Pause { party } => {
                let done = machine.pause(self.stage.host(party));
                (vec![party], Change::Pause, if_done(done, Started))
            }
            Effect::Resume { party } => {
                machine.resume(self.stage.host(party));
                (vec![party], Change::Pause, Stopped)
            }
            Effect::Arm { node, armed } => {
                let change = Change::Failpoint { point: armed.point.clone(), how: armed.strike.to_string(), hits: 0 };
                if matches!(armed.strike, Strike::Error(_)) {
                    self.damage.fails(node);
                }
                machine.arm(machine.node(node), fault, armed);
                (on(node), change, Armed)
            }
            Effect::Disarm { node, armed } => {
                let hits = machine.disarm(machine.node(node), fault, &armed);
                if matches!(armed.strike, Strike::Error(_)) {
                    self.damage.fails_no_more(node);
                }
                let how = armed.strike.to_string();
                (on(node), Change::Failpoint { point: armed.point, how, hits }, if hits > 0 { Stopped } else { NotHit })
            }
            other => unreachable!("not of a process: {other:?}"),
        }
    }

    fn on_disk(&self, effect: Effect) -> Outcome {
        use EffectResult::{Applied, NoTarget, Spared, Started, Stopped};
        let (machine, damage) = (&self.stage.machine, &self.damage);
        match effect {
            Effect::DegradeDisk { node, change: change @ DiskChange::Misdirect { .. } } if !damage.may_destroy(node) => {
                (on(node), Change::Disk { how: change.to_string() }, Spared)
            }
            Effect::Damage { node, .. } if !damage.may_destroy(node) => (on(node), Change::Damage { how: "damage".to_string() }, Spared),
            Effect::Wipe { node } if !damage.may_destroy(node) => (on(node), Change::Wipe, Spared),
            Effect::DegradeDisk { node, change } => {
                let how = change.to_string();
                match change {
                    DiskChange::Errors { .. } => damage.fails(node),
                    DiskChange::Misdirect { .. } => damage.may_be_damaged(node),
                    DiskChange::Slow(_) | DiskChange::Full { .. } => {}
                }
                machine.worsen_disk(machine.node(node), change);
                (on(node), Change::Disk { how }, Started)
            }
            Effect::RestoreDisk { node, change } => {
                machine.mend_disk(machine.node(node), &change);
                if matches!(change, DiskChange::Errors { .. }) {
                    damage.fails_no_more(node);
                }
                (on(node), Change::Disk { how: change.to_string() }, Stopped)
            }
            Effect::Damage { node, damage: what } => match machine.damage_disk(machine.node(node), &what) {
                None => (on(node), Change::Damage { how: "damage".to_string() }, NoTarget),
                Some(how) => {
                    damage.is_damaged(node);
                    (on(node), Change::Damage { how }, Applied)
                }
            },
            Effect::Wipe { node } => {
                machine.end(machine.node(node), Some(PowerLoss::Chance));
                machine.wipe_disk(machine.node(node));
                damage.is_damaged(node);
                (on(node), Change::Wipe, Started)
            }
            other => unreachable!("not of a disk: {other:?}"),
        }
    }

    /// Clocks go wrong, or right; what that makes of the promise that the monotonic one keeps is written down.
    fn change_clock(&self, party: Party, change: ClockChange) {
        let bound = match change {
            ClockChange::Wall(_) => None,
            ClockChange::Rate(ppm) => Some(Observation::ClockBound { off_ppm: ppm.unsigned_abs(), leapt: 0 }),
            ClockChange::Leap(by) => Some(Observation::ClockBound { off_ppm: 0, leapt: by.as_nanos() as u64 }),
            ClockChange::Reset => Some(Observation::ClockBound { off_ppm: 0, leapt: 0 }),
        };
        self.stage.machine.change_clock(self.stage.host(party), change);
        if let (Some(saw), Party::Node(node)) = (bound, party) {
            self.stage.record(EntryKind::Node { node, saw });
        }
    }
}
