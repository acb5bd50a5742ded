//! A call happens in a configuration.

use super::{
    config::{Config, FIRST, NOBODY},
    engine::{Engine, Reach},
};
use crate::{
    bits::ones,
    call::NEVER,
    model::{Context, Model, Nature},
};

impl<M: Model> Engine<M> {
    /// A call happens in a configuration: the one after, unless it is illegal, without hope, or in vain.
    ///
    /// A call that nobody waits for yet, or that may as well be overwritten unseen, is in vain unless it makes something
    /// legal, among what else may happen, that does not just overwrite in its turn. (`lost`: what of unknown outcome may; `None` for the
    /// call that returns.)
    pub(super) fn happen(&mut self, context: Context<'_, M>, config: &Config, call: u32, lost: Option<&[u32]>) -> Option<Config> {
        let state = self.step_unless(context, config.state, call, |engine, next| engine.is_doomed(context, config, next))?;
        let class = self.class_of[call as usize];
        let is_lost = class != u32::MAX;
        let overwrites = self.natures[call as usize] == Nature::Overwrites;
        // What nobody waits for need not happen where it changes nothing, nor hides anything.
        if state == config.state && is_lost && !(overwrites && self.hides_some(config)) {
            return None;
        }
        if (overwrites || is_lost)
            && let Some(lost) = lost
            && !self.leads_on(context, config, state, lost, overwrites && is_lost)
        {
            return None;
        }
        let mut after = Config { state, ..config.clone() };
        match is_lost {
            true if self.reach == Reach::Endless => {}
            true => after.used = self.used.add(after.used, class as usize),
            false => {
                let slot = self.slot_of[call as usize];
                after.done.insert(slot);
                after.free.remove(slot);
            }
        }
        after.trace = self.record(config.trace, call);
        if overwrites {
            // The call itself is done by now, if it is an open one.
            after.free.add_without(&self.overwriters, &after.done);
        }
        // A state that is remembered was not asked about just now.
        if (state as usize) < FIRST && self.is_doomed(context, &after, &self.states[state as usize]) {
            return None;
        }
        self.observe(context, &mut after);
        Some(after)
    }

    /// Whether an open call overwrites as this one of unknown outcome does, and may as well happen first: in an order where it happens
    /// later, the two can change places.
    pub(super) fn is_spared(&self, context: Context<'_, M>, config: &Config, lost: u32) -> bool {
        let lost = &context.calls[lost as usize];
        let after = |output: Option<&M::Output>| context.model.step(&self.states[0], &lost.input, output);
        self.overwriters.without(&config.done).any(|slot| {
            let open = &context.calls[self.call_in[slot as usize] as usize];
            open.input == lost.input && after(open.output.as_ref()) == after(None)
        })
    }

    /// Whether one that overwrites would hide an open one that was not hidden yet.
    pub(super) fn hides_some(&self, config: &Config) -> bool {
        (0..self.overwriters.words()).any(|w| self.overwriters.word(w) & !config.done.word(w) & !config.free.word(w) != 0)
    }

    /// Whether in this state any open call that did not happen yet, or any of these of unknown outcome, may happen and does not just
    /// overwrite.
    pub(super) fn leads_on(&mut self, context: Context<'_, M>, config: &Config, state: u32, lost: &[u32], overwrites: bool) -> bool {
        for at in 0..self.open.words() {
            let some = self.open.word(at) & !config.done.word(at) & !self.overwriters.word(at);
            if at == 0 && (state as usize) < FIRST {
                if self.legal_in(context, state, some) != 0 {
                    return true;
                }
            } else if ones(at, some).any(|slot| self.step(context, state, self.call_in[slot as usize]).is_some()) {
                return true;
            }
        }
        lost.iter().any(|&call| {
            // What nobody waits for is to change something; and two such calls in a row, of which the first overwrites, are
            // no better than one that overwrites alone: the two could do later whatever the one could.
            let next = self.step(context, state, call);
            next.is_some_and(|next| next != state && !(overwrites && self.at_once.contains(&next)))
        })
    }

    /// Which of these of the first slots have a call that is legal in this state, one of the first few.
    #[inline]
    pub(super) fn legal_in(&mut self, context: Context<'_, M>, state: u32, some: u64) -> u64 {
        let unknown = some & !self.asked[state as usize];
        for slot in ones(0, unknown) {
            let is_legal = self.step(context, state, self.call_in[slot as usize]).is_some();
            self.legal[state as usize] |= u64::from(is_legal) << slot;
        }
        self.asked[state as usize] |= unknown;
        self.legal[state as usize] & some
    }

    /// Every open observation that is legal happens.
    #[inline]
    pub(super) fn observe(&mut self, context: Context<'_, M>, config: &mut Config) {
        let mut from = 0;
        if (config.state as usize) < FIRST {
            let now = self.legal_in(context, config.state, self.observers.word(0) & !config.done.word(0));
            config.done.add_first(now);
            if self.trace.is_kept() {
                ones(0, now).for_each(|slot| config.trace = self.record(config.trace, self.call_in[slot as usize]));
            }
            from = 1;
        }
        for at in from..self.observers.words() {
            for slot in ones(at, self.observers.word(at) & !config.done.word(at)) {
                let call = self.call_in[slot as usize];
                if self.step(context, config.state, call).is_some() {
                    config.done.insert(slot);
                    config.trace = self.record(config.trace, call);
                }
            }
        }
    }

    /// Whether a call that must come cannot: its answer is not to be had any more, and nothing can overwrite before it returns.
    pub(super) fn is_doomed(&self, context: Context<'_, M>, config: &Config, state: &M::State) -> bool {
        let Some(foresight) = &self.foresight else { return false };
        let now = foresight.overwriters[self.event.min(foresight.overwriters.len()) - 1];
        let ahead = foresight.ahead.get(self.event - 1).copied().flatten();
        let open = self.observers.without(&config.done).map(|slot| self.call_in[slot as usize]);
        open.chain(ahead).any(|call| {
            let asked = &context.calls[call as usize];
            let Some(output) = &asked.output else { return false };
            let hopeless = |state: &M::State| context.model.hopeless(state, &asked.input, output);
            if !hopeless(state) || foresight.overwriters[foresight.returns[call as usize] as usize] > now {
                return false;
            }
            let open = self.overwriters.without(&config.done).map(|slot| self.call_in[slot as usize]);
            let lost = self.lost_overwriters.iter();
            let lost = lost.filter_map(|class| self.classes[*class].get(self.used.get(config.used, *class) as usize).copied());
            let doomed = !open.chain(lost).any(|other| {
                let other = &context.calls[other as usize];
                let output = if other.returned == NEVER { None } else { other.output.as_ref() };
                context.model.step(state, &other.input, output).is_some_and(|next| !hopeless(&next))
            });
            if doomed && (self.ahead.get() == NOBODY || context.calls[self.ahead.get() as usize].returned < asked.returned) {
                self.ahead.set(call);
            }
            doomed
        })
    }
}
