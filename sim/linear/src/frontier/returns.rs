//! A call returns: in every configuration it must have happened by now.

use super::{
    config::{Config, FIRST, NOBODY},
    engine::{Engine, Halt, Reach, UNASKED},
};
use crate::{
    bits::{NONE, ones},
    call::{CallId, NEVER},
    decision::{Stuck, Watchdog},
    model::{Context, Model, Nature},
};

/// A narrow search tries this many times its width at a return.
const TRIES: u64 = 32;

impl<M: Model> Engine<M> {
    /// A call returns: it must have happened by now.
    pub(crate) fn returns(&mut self, context: Context<'_, M>, call: u32, watchdog: Watchdog<'_>) -> Result<(), Halt<M::State>> {
        self.tick(watchdog)?;
        self.trace.returned(call, self.event);
        let slot = self.slot_of[call as usize];
        let may_count = |c: &Config| c.done.has(slot) || c.free.has(slot);
        let without = |mut c: Config| {
            c.done.remove(slot);
            c.free.remove(slot);
            c
        };
        if self.frontier.iter().all(|c| c.done.has(slot)) && !(self.all_asked && self.frontier.len() > 1) {
            // Most often it happened before: nothing to search.
            self.close(call);
            // Of two in the same state none becomes better than the other by that.
            self.frontier.iter_mut().for_each(|config| config.done.remove(slot));
            return Ok(());
        }
        self.after.clear();
        self.seen.clear();
        for config in &self.frontier {
            if may_count(config) {
                if self.is_sure(config) {
                    let sure = without(config.clone());
                    self.close(call);
                    self.frontier = vec![sure];
                    self.sure = true;
                    return Ok(());
                }
                self.after.insert(without(config.clone()), &self.observers, &self.used);
            }
            // What is free may count as done, and may as well be still to come: last moment.
            if !config.done.has(slot) {
                self.seen.push(config.clone());
            }
        }
        let mut turn = 0;
        let [mut may, mut leads, mut counts, mut reached] = std::mem::take(&mut self.lists);
        let first = self.visits;
        let mut looked_at: Vec<bool> = vec![];
        while turn < self.seen.all.len() {
            let mut at = turn;
            if let Reach::Narrow(width) = self.reach {
                if self.visits - first >= TRIES * width as u64 || self.after.all.len() >= 2 * width {
                    self.narrowed = true;
                    break;
                }
                // Every other one is the newest that was not looked at: few of all ways are tried, and some of them to their end.
                looked_at.resize(self.seen.all.len(), false);
                if self.visits % 2 == 1 {
                    at = looked_at.iter().rposition(|looked_at| !looked_at).unwrap_or(turn);
                }
                if std::mem::replace(&mut looked_at[at], true) {
                    turn += usize::from(at == turn);
                    continue;
                }
            }
            turn += usize::from(at == turn);
            if !self.seen.is_best(at) {
                continue;
            }
            self.visits += 1;
            if self.visits.is_multiple_of(256) && !watchdog(self.progress()) {
                return Err(Halt::Stopped);
            }
            let config = self.seen.all[at].clone();
            if !self.classes.is_empty() {
                self.used.spread(config.used, self.classes.len(), &mut counts);
            }
            may.clear();
            for at in 0..self.open.words() {
                for slot in ones(at, self.open.word(at) & !config.done.word(at)) {
                    let is_late = at == 0 && self.overwriters.has(slot) && self.sooner[slot as usize] & !config.done.word(0) != 0;
                    if !is_late {
                        may.push(self.call_in[slot as usize]);
                    }
                }
            }
            let left = |engine: &Self, class: usize| engine.classes[class].get(counts[class] as usize).copied();
            reached.clear();
            leads.clear();
            for class in 0..self.classes.len() {
                let Some(other) = left(self, class).filter(|other| self.natures[*other as usize] != Nature::Overwrites) else { continue };
                leads.push(other);
                if let Some(next) = self.step(context, config.state, other).filter(|next| *next != config.state) {
                    may.push(other);
                    if self.natures[other as usize] == Nature::Sets {
                        reached.push(next);
                    }
                }
            }
            // One that overwrites could do all that one that sets the same does: it is kept for later.
            let hides_some = self.hides_some(&config);
            self.at_once.clear();
            for at in 0..self.lost_overwriters.len() {
                let Some(other) = left(self, self.lost_overwriters[at]) else { continue };
                let Some(next) = self.step(context, config.state, other) else { continue };
                self.at_once.push(next);
                if (hides_some || !reached.contains(&next)) && !self.is_spared(context, &config, other) {
                    may.push(other);
                }
            }
            for &other in &may {
                let lost = (other != call).then_some(&leads[..]);
                let Some(next) = self.happen(context, &config, other, lost) else { continue };
                // It happened itself, or was seen, or was overwritten unseen.
                if may_count(&next) {
                    if self.is_sure(&next) {
                        self.close(call);
                        self.frontier = vec![without(next)];
                        self.sure = true;
                        return Ok(());
                    }
                    if next.done.has(slot) {
                        self.after.insert(without(next), &self.observers, &self.used);
                        continue;
                    }
                    self.after.insert(without(next.clone()), &self.observers, &self.used);
                }
                self.seen.insert(next, &self.observers, &self.used);
            }
        }
        if self.after.is_empty() {
            return Err(Halt::Stuck(self.stuck(context, call)));
        }
        self.lists = [may, leads, counts, reached];
        self.close(call);
        self.after.move_best(&mut self.frontier);
        self.narrow();
        self.forget();
        Ok(())
    }

    /// Of many configurations those that used the fewest calls of unknown outcome, if the search is a narrow one.
    pub(super) fn narrow(&mut self) {
        let Reach::Narrow(width) = self.reach else { return };
        if self.frontier.len() > width {
            self.frontier.sort_by_key(|config| self.used.sum(config.used));
            self.frontier.truncate(width);
            self.narrowed = true;
        }
    }

    /// A call returns, and so will only calls that are legal in every state: any configuration will do.
    pub(super) fn returns_anyhow(&mut self, context: Context<'_, M>, call: u32) {
        if !self.trace.is_kept() {
            return;
        }
        self.event += 1;
        self.trace.returned(call, self.event);
        self.frontier.truncate(1);
        let slot = self.slot_of[call as usize];
        let config = self.frontier[0].clone();
        if !config.done.has(slot)
            && let Some(next) = self.happen(context, &config, call, None)
        {
            self.frontier[0] = next;
        }
        let config = &mut self.frontier[0];
        config.done.remove(slot);
        config.free.remove(slot);
        self.close(call);
    }

    /// States that no configuration is in any more are forgotten, once there are many.
    pub(super) fn forget(&mut self) {
        if self.states.len() < 1 << 12 || self.states.len() < 8 * self.frontier.len() {
            return;
        }
        let mut frontier = std::mem::take(&mut self.frontier);
        let old = std::mem::take(&mut self.states);
        self.state_ids.clear();
        self.steps.iter_mut().for_each(|rows| rows.fill([UNASKED; FIRST]));
        self.asked = [0; FIRST];
        self.legal = [0; FIRST];
        for config in &mut frontier {
            config.state = self.intern(old[config.state as usize].clone());
        }
        self.frontier = frontier;
    }

    pub(super) fn stuck(&self, context: Context<'_, M>, call: u32) -> Stuck<M::State> {
        let mut states: Vec<u32> = self.frontier.iter().map(|c| c.state).collect();
        states.sort_unstable();
        states.dedup();
        let waiting = self.open.without(&NONE).map(|slot| self.call_in[slot as usize]);
        let mut open: Vec<u32> = waiting.chain(self.classes.iter().flatten().copied()).collect();
        open.retain(|other| *other != call);
        open.sort_unstable();
        Stuck {
            call: context.calls[call as usize].id,
            states: states.into_iter().map(|s| self.states[s as usize].clone()).collect(),
            open: open.into_iter().map(|c| context.calls[c as usize].id).collect(),
            ahead: (self.ahead.get() != NOBODY).then(|| context.calls[self.ahead.get() as usize].id),
        }
    }

    /// An order that leads to the first configuration.
    pub(super) fn order(&self, context: Context<'_, M>) -> Vec<CallId> {
        let calls = context.calls;
        let overwrites = |call: u32| self.natures[call as usize] == Nature::Overwrites;
        let order = self.trace.order(self.frontier[0].trace, overwrites, |call| calls[call as usize].returned != NEVER);
        order.into_iter().map(|call| calls[call as usize].id).collect()
    }
}
