//! Shrinking: the smallest plan that still fails, by delta debugging (Zeller and Hildebrandt 2002).
//!
//! ```text
//!   plan + history ─► every operation written down (a script), cut off at the violation
//!        │  faults ─► operations ─► clients ─► nodes ─► again, until nothing more goes
//!        ▼  then simpler values: defaults, rounder times, shorter names
//!   a plan that a person reads
//! ```
//!
//! A plan that fails by the luck of one world seed is worth little: between the passes it is made
//! *steadier* ([`steadier`]): whom a fault hits is said by role instead of by name, windows are widened,
//! and what fails under more world seeds is kept.
//!
//! What fails is the oracle's business: it runs candidates and says which one it takes. So this is pure,
//! and as fast as what it is given. A fault's start and its stop are one thing here: they go together.

mod edits;
mod steadier;
mod times;

use crate::{
    faults,
    model::{Scenario, When},
    plan::Plan,
    target::{Chosen, Target},
    workloads::Line,
};
use edits::{optional_arguments, script_of, shorter_values, sound, with_nodes, with_script};
use squall_history::{ClientId, Entry, EntryKind, SimTime};
use std::{collections::BTreeMap, time::Duration};
use times::{cut, earlier, round_fault, rounder, up};

/// Judges candidates.
pub trait Oracle {
    /// The first of these, in order of preference, that still fails in the same way; `None` when none
    /// does, or when nothing more may be tried.
    fn first(&mut self, candidates: &[Plan]) -> Option<usize>;

    /// How many candidates it likes to be given at once.
    fn width(&self) -> usize;

    /// Whether nothing more may be tried.
    fn is_spent(&self) -> bool;

    /// Under how many of [`Oracle::trials`] world seeds each of these fails. One that cannot fail under
    /// more than `beat` of them may be given up early.
    fn scores(&mut self, candidates: &[Plan], beat: usize) -> Vec<usize>;

    /// The highest score.
    fn trials(&self) -> usize;

    /// From now on, only what fails under this many world seeds is taken.
    fn demand(&mut self, score: usize);
}

/// How large a plan is: what a person has to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight {
    /// Faults.
    pub faults: usize,
    /// Operations that are written down; `None`: they are generated.
    pub ops: Option<usize>,
    /// Clients.
    pub clients: u32,
    /// Nodes.
    pub nodes: u32,
    /// Duration.
    pub duration: Duration,
}

impl Weight {
    /// The weight of a plan.
    pub fn of(plan: &Plan) -> Weight {
        let ops = script_of(plan).map(|script| script.ops.all.len());
        Weight { faults: plan.faults.len(), ops, clients: plan.clients(), nodes: plan.nodes(), duration: plan.duration }
    }
}

/// The smallest plan that the oracle takes, from a plan that it would take. `history` is the plan's run,
/// `violated` when it became certain that it fails.
pub fn shrink(plan: &Plan, history: &[Entry], violated: SimTime, oracle: &mut dyn Oracle) -> Plan {
    // What only a sweep looks at says nothing of one plan.
    let told = Scenario { sometimes: vec![], about: String::new(), ..plan.clone().into_scenario() };
    let best = Plan::try_from(told).unwrap_or_else(|_| plan.clone());
    let mut shrinker = Shrinker { best, oracle };
    shrinker.write_down(history);
    shrinker.cut_off(violated);
    shrinker.drop_faults();
    shrinker.fewer_nodes();
    // Under its own world seed only, since long scripts are dear: what is lucky is made steadier then.
    shrinker.drop_most_ops();
    shrinker.shorter();
    shrinker.steady();
    loop {
        let before = Weight::of(&shrinker.best);
        shrinker.drop_faults();
        shrinker.drop_ops();
        shrinker.merge_clients();
        shrinker.fewer_nodes();
        shrinker.shorter();
        if Weight::of(&shrinker.best) == before || shrinker.oracle.is_spent() {
            break;
        }
    }
    shrinker.steady();
    shrinker.simpler();
    shrinker.drop_faults();
    shrinker.drop_ops();
    shrinker.merge_clients();
    shrinker.steady();
    shrinker.best
}

/// A script of more operations is too dear to be held against many world seeds.
const OPS_MANY: usize = 40;

struct Shrinker<'o> {
    best: Plan,
    oracle: &'o mut dyn Oracle,
}

impl Shrinker<'_> {
    /// Takes a candidate if the oracle does.
    fn offer(&mut self, candidate: Scenario) -> bool {
        self.offer_first(vec![candidate])
    }

    fn offer_first(&mut self, candidates: Vec<Scenario>) -> bool {
        let mut candidates: Vec<Plan> = candidates.into_iter().filter_map(|c| Plan::try_from(c).ok()).collect();
        match self.oracle.first(&candidates) {
            Some(at) => {
                self.best = candidates.swap_remove(at);
                true
            }
            None => false,
        }
    }

    /// Makes it fail under more world seeds, then holds it there.
    fn steady(&mut self) {
        if self.oracle.is_spent() {
            return;
        }
        let trials = self.oracle.trials();
        let mut score = self.oracle.scores(std::slice::from_ref(&self.best), 0)[0];
        for _ in 0..6 {
            if score + 1 >= trials || self.oracle.is_spent() {
                break;
            }
            let steadier = steadier::steadier(&self.best).into_iter();
            let candidates: Vec<Plan> = steadier.filter_map(|c| Plan::try_from(c).ok()).collect();
            let scores = self.oracle.scores(&candidates, score);
            // The first of the best: they come in order of how little they change.
            let Some((better, at)) = scores.iter().zip(0..).map(|(s, i)| (*s, i)).max_by_key(|(s, i)| (*s, std::cmp::Reverse(*i))) else {
                break;
            };
            if better <= score {
                break;
            }
            self.best = candidates[at].clone();
            score = better;
        }
        self.oracle.demand(score.clamp(1, trials - 1));
    }

    /// Every operation of the run, as a script.
    fn write_down(&mut self, history: &[Entry]) {
        if script_of(&self.best).is_some() {
            return;
        }
        let Some(lines) = self.best.service.lines() else { return };
        // What has numbers that are the run's own cannot be written down.
        if history.iter().any(|entry| matches!(&entry.what, EntryKind::Invoke { ask, .. } if (lines.write)(ask).is_none())) {
            return;
        }
        let mut ops = Vec::new();
        for entry in history {
            match &entry.what {
                EntryKind::Invoke { client: ClientId(client), ask, .. } => {
                    let at = Duration::from_micros(entry.t.0 / 1000);
                    ops.push(Line { client: *client, at, op: ask.clone() });
                }
                EntryKind::Healed { .. } => break,
                _ => {}
            }
        }
        let candidate = with_script(&self.best, self.best.clients(), ops);
        self.offer(candidate);
    }

    /// What comes after the violation has no part in it.
    fn cut_off(&mut self, violated: SimTime) {
        let whole = self.best.duration;
        let at = Duration::from_nanos(violated.0);
        let mut ends: Vec<Duration> = [at, at + Duration::from_millis(200), at + Duration::from_secs(1)].into_iter().map(up).collect();
        ends.extend([whole / 8, whole / 4, whole / 2, whole * 3 / 4].map(up));
        ends.retain(|end| *end < whole && !end.is_zero());
        ends.sort_unstable();
        for end in ends {
            let candidate = cut(&self.best, end);
            if self.offer(candidate) {
                return;
            }
        }
    }

    fn shorter(&mut self) {
        for parts in [(1, 2), (3, 4), (9, 10)] {
            let end = up(self.best.duration * parts.0 / parts.1);
            if end < self.best.duration && !end.is_zero() {
                let candidate = cut(&self.best, end);
                self.offer(candidate);
            }
        }
        // And what comes before the first thing that happens.
        let first_fault = self.best.faults.iter().filter_map(|f| if let When::At(at) = f.when { Some(at) } else { None }).min();
        let first_op = script_of(&self.best).and_then(|script| script.ops.all.iter().map(|line| line.at).min());
        let Some(first) = first_fault.into_iter().chain(first_op).min() else { return };
        // A second for the first election.
        for keep in [Duration::from_millis(1_000), Duration::from_millis(2_000)] {
            if first > keep + Duration::from_millis(100) {
                let candidate = earlier(&self.best, first - keep);
                if self.offer(candidate) {
                    return;
                }
            }
        }
    }

    /// Delta debugging of a list: ever smaller pieces are left out, as long as that is taken.
    /// It ends once no more than `enough` are left.
    fn minimize<T: Clone>(&mut self, all: Vec<T>, enough: usize, build: impl Fn(&Scenario, Vec<T>) -> Scenario) {
        let mut left = all;
        if left.is_empty() {
            return;
        }
        let nothing = build(&self.best, vec![]);
        if self.offer(nothing) {
            return;
        }
        let mut piece = left.len().div_ceil(2);
        loop {
            let mut at = 0;
            let mut any = false;
            while at < left.len() {
                // Several pieces side by side: the first whose absence is taken goes.
                let width = self.oracle.width().max(1);
                let starts: Vec<usize> = (0..width).map(|i| at + i * piece).take_while(|s| *s < left.len()).collect();
                let without = |start: usize| {
                    let mut fewer = left.clone();
                    fewer.drain(start..(start + piece).min(left.len()));
                    fewer
                };
                let build = |start: &usize| Some((*start, Plan::try_from(build(&self.best, without(*start))).ok()?));
                let (from, mut candidates): (Vec<usize>, Vec<Plan>) = starts.iter().filter_map(build).unzip();
                match self.oracle.first(&candidates) {
                    Some(i) => {
                        self.best = candidates.swap_remove(i);
                        left = without(from[i]);
                        any = true;
                        at = from[i];
                    }
                    None => at += piece * starts.len(),
                }
                if self.oracle.is_spent() || left.len() <= enough {
                    return;
                }
            }
            if piece == 1 {
                if !any {
                    return;
                }
                continue;
            }
            piece = piece.div_ceil(2).min(left.len().max(1));
        }
    }

    fn drop_faults(&mut self) {
        let faults = self.best.faults.clone();
        self.minimize(faults, 0, |best, mut faults| {
            // Whom a fault is about that is about the same ones as another goes with that one.
            loop {
                let bound: Vec<String> = faults.iter().filter_map(|f| f.bind.clone()).collect();
                let is_sound = |target: &Target| if let Target::Chosen(Chosen::Bound(name)) = target { bound.contains(name) } else { true };
                let before = faults.len();
                faults.retain(|f| faults::targets(&*f.fault).iter().all(is_sound));
                if faults.len() == before {
                    break;
                }
            }
            Scenario { faults, ..best.clone() }
        });
    }

    fn drop_ops(&mut self) {
        let Some(script) = script_of(&self.best) else { return };
        let clients = script.count();
        self.minimize(script.ops.all, 0, |best, ops| with_script(best, clients, ops));
    }

    /// Until a few dozen are left.
    fn drop_most_ops(&mut self) {
        let Some(script) = script_of(&self.best).filter(|script| script.ops.all.len() > OPS_MANY) else { return };
        let clients = script.count();
        self.minimize(script.ops.all, OPS_MANY, |best, ops| with_script(best, clients, ops));
    }

    /// The same operations by fewer clients.
    fn merge_clients(&mut self) {
        let Some(script) = script_of(&self.best) else { return };
        for few in 1..script.count() {
            let mut names: BTreeMap<u32, u32> = BTreeMap::new();
            let mut merged = script.ops.all.clone();
            for line in &mut merged {
                let next = names.len() as u32;
                line.client = *names.entry(line.client).or_insert(next % few + 1);
            }
            let candidate = with_script(&self.best, few, merged);
            if self.offer(candidate) {
                return;
            }
        }
    }

    /// A smaller cluster; faults forget the nodes that are gone.
    fn fewer_nodes(&mut self) {
        for few in [1, 2, 3, 5] {
            if few >= self.best.nodes() {
                return;
            }
            let candidate = with_nodes(&self.best, few);
            if let Some(candidate) = sound(candidate)
                && self.offer(candidate)
            {
                return;
            }
        }
    }

    /// Values that say less.
    fn simpler(&mut self) {
        self.defaults();
        if let Some(candidate) = shorter_values(&self.best) {
            self.offer(candidate);
        }
        for step in [Duration::from_secs(1), Duration::from_millis(100), Duration::from_millis(10), Duration::from_millis(1)] {
            let candidate = rounder(&self.best, step);
            if self.offer(candidate) {
                break;
            }
        }
        for i in 0..self.best.faults.len() {
            // Once one is gone the others are tried without it.
            let mut needed = 0;
            while let Some(candidate) = optional_arguments(&self.best, i).into_iter().nth(needed) {
                needed += usize::from(!self.offer(candidate));
            }
        }
        for i in 0..self.best.faults.len() {
            for step in [Duration::from_secs(1), Duration::from_millis(500), Duration::from_millis(100), Duration::from_millis(10)] {
                let mut candidate: Scenario = (*self.best).clone();
                round_fault(&mut *candidate.faults[i].fault, step);
                if candidate.faults == self.best.faults {
                    break;
                }
                if let Some(candidate) = sound(candidate)
                    && self.offer(candidate)
                {
                    break;
                }
            }
        }
    }

    /// What is at its default need not be read.
    fn defaults(&mut self) {
        let default = crate::Cluster::default();
        let now = self.best.cluster.clone();
        let all = crate::Cluster { nodes: now.nodes.clone(), ..default.clone() };
        let candidates = [
            all.clone(),
            crate::Cluster { network: crate::Network { zones: now.network.zones.clone(), ..default.network.clone() }, ..now.clone() },
            crate::Cluster { disk: default.disk.clone(), ..now.clone() },
            crate::Cluster { snapshot_every: default.snapshot_every, ..now.clone() },
        ];
        for cluster in candidates {
            let merged = crate::Cluster { nodes: self.best.cluster.nodes.clone(), ..cluster };
            if merged != self.best.cluster {
                let candidate = Scenario { cluster: merged, ..self.best.clone().into_scenario() };
                if self.offer(candidate) && self.best.cluster == all {
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
