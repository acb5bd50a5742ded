//! The search itself: events in order, and every configuration that is possible.

use super::{
    config::{Best, Config, NOBODY},
    object::{Halt, Object, WORD},
};
use crate::{
    bits::ones,
    decision::{Progress, Watchdog},
    model::Nature,
    trace::{NO_TRACE, Trace},
};

pub(super) struct Search {
    /// The call in each slot, and the slot of each call.
    call_in: [u32; WORD],
    slot_of: Vec<u8>,
    /// Slots of open calls: all, those that only observe, those that only overwrite, those that are not legal in every state.
    open: u64,
    observers: u64,
    overwriters: u64,
    delicate: u64,
    /// For each state, of which slots it is known what their calls make of it; which are legal in it; and the state after.
    asked: [u64; WORD],
    legal: [u64; WORD],
    next: Box<[[u8; WORD]; WORD]>,
    /// For each slot, the slots of open calls that do the same and return earlier.
    sooner: [u64; WORD],
    /// For each slot of a call that overwrites, the state that it leaves.
    leaves: [u8; WORD],
    pub(super) all_asked: bool,
    /// Whether the first configuration is past everything that could go wrong.
    pub(super) sure: bool,
    pub(super) trace: Trace,
    event: usize,
    visits: u64,
    pub(super) frontier: Vec<Config>,
    after: Best,
    seen: Best,
}

impl Search {
    pub(super) fn new(calls: usize, order: bool) -> Search {
        let mut trace = Trace::new(order);
        trace.make_room(calls);
        Search {
            call_in: [NOBODY; WORD],
            slot_of: vec![0; calls],
            open: 0,
            observers: 0,
            overwriters: 0,
            delicate: 0,
            asked: [0; WORD],
            legal: [0; WORD],
            next: Box::new([[0; WORD]; WORD]),
            sooner: [0; WORD],
            leaves: [0; WORD],
            all_asked: false,
            sure: false,
            trace,
            event: 1,
            visits: 0,
            frontier: vec![],
            after: Best::new(),
            seen: Best::new(),
        }
    }

    pub(super) fn begin(&mut self, state: u8) {
        self.frontier.push(Config { done: 0, free: 0, trace: NO_TRACE, before: NOBODY, state, gone: false });
    }

    fn progress(&self) -> Progress {
        let configs = self.seen.all.len() + self.after.all.len() + self.frontier.len();
        Progress { visits: self.visits, bytes: configs * size_of::<Config>() + self.trace.bytes(), events: self.event }
    }

    pub(super) fn tick(&mut self, watchdog: Watchdog<'_>) -> Result<(), Halt> {
        self.event += 1;
        if self.event.is_multiple_of(4096) && !watchdog(self.progress()) { Err(Halt::Stopped) } else { Ok(()) }
    }

    /// The state after the call in a slot, if it is legal: asked once.
    #[inline]
    fn step(&mut self, object: &mut dyn Object, state: u8, slot: u32, held: u64) -> Result<Option<u8>, Halt> {
        let is_legal = self.legal_of(object, state, 1 << slot, held)? != 0;
        Ok(is_legal.then(|| self.next[state as usize][slot as usize]))
    }

    /// Which of these slots have a call that is legal in this state. `held`: states that must be kept, besides this one.
    #[inline]
    fn legal_of(&mut self, object: &mut dyn Object, state: u8, some: u64, held: u64) -> Result<u64, Halt> {
        let unknown = some & !self.asked[state as usize];
        if unknown != 0 {
            self.ask(object, state, unknown, held | 1 << state)?;
        }
        Ok(self.legal[state as usize] & some)
    }

    fn ask(&mut self, object: &mut dyn Object, state: u8, slots: u64, held: u64) -> Result<(), Halt> {
        let row = state as usize;
        for slot in ones(0, slots) {
            let (bit, call) = (1 << slot, self.call_in[slot as usize]);
            let next = if self.overwriters & bit != 0 {
                Some(self.leaves[slot as usize])
            } else if self.observers & bit != 0 {
                object.is_legal(state, call).then_some(state)
            } else {
                match object.step(state, call) {
                    Err(Halt::Full) => {
                        self.forget(object, held);
                        object.step(state, call)?
                    }
                    next => next?,
                }
            };
            self.asked[row] |= bit;
            self.legal[row] = self.legal[row] & !bit | if next.is_some() { bit } else { 0 };
            self.next[row][slot as usize] = next.unwrap_or(state);
        }
        Ok(())
    }

    /// Makes room: what is known of states that nothing is in any more, or leads to, is forgotten.
    #[cold]
    fn forget(&mut self, object: &mut dyn Object, held: u64) {
        let all = self.frontier.iter().chain(&self.seen.all).chain(&self.after.all);
        let kept = all.filter(|config| !config.gone).fold(held, |kept, config| kept | 1 << config.state);
        let kept = ones(0, self.overwriters).fold(kept, |kept, slot| kept | 1 << self.leaves[slot as usize]);
        for state in 0..WORD {
            if kept >> state & 1 == 0 {
                self.asked[state] = 0;
                continue;
            }
            let leads = |slot: &u32| kept >> self.next[state][*slot as usize] & 1 == 0;
            let lost = ones(0, self.asked[state] & self.legal[state]).filter(leads).fold(0, |lost, slot| lost | 1 << slot);
            self.asked[state] &= !lost;
        }
        object.keep(kept);
    }

    pub(super) fn invoke(&mut self, object: &mut dyn Object, call: u32) -> Result<(), Halt> {
        self.trace.invoked(call, self.event);
        let slot = (!self.open).trailing_zeros();
        if slot as usize == WORD {
            return Err(Halt::Full);
        }
        let bit = 1 << slot;
        self.asked.iter_mut().for_each(|slots| *slots &= !bit);
        (self.slot_of[call as usize], self.call_in[slot as usize]) = (slot as u8, call);
        self.open |= bit;
        self.sooner[slot as usize] = 0;
        match object.nature(call) {
            Nature::Overwrites => {
                let state = self.frontier[0].state;
                // As any other call, until it is known what it leaves.
                let leaves = self.step(object, state, slot, 0)?.ok_or(Halt::Full)?;
                self.leaves[slot as usize] = leaves;
                self.rank(object, slot, self.overwriters, |search, other| search.leaves[other as usize] == leaves);
                self.overwriters |= bit;
            }
            nature @ (Nature::Adds | Nature::Changes | Nature::Sets) => {
                let others = self.open & !bit & !self.overwriters & !self.observers;
                self.rank(object, slot, others, |search, other| object.alike(call, search.call_in[other as usize]));
                if nature != Nature::Adds {
                    self.delicate |= bit;
                }
            }
            Nature::Observes => {
                self.delicate |= bit;
                self.observers |= bit;
                for at in 0..self.frontier.len() {
                    let config = self.frontier[at];
                    if self.legal_of(object, config.state, bit, 0)? != 0 {
                        self.frontier[at].done |= bit;
                        self.frontier[at].trace = self.trace.record(config.trace, call, self.event);
                    }
                }
            }
        }
        Ok(())
    }

    fn close(&mut self, slot: u32) {
        let bit = !(1 << slot);
        self.open &= bit;
        self.observers &= bit;
        self.overwriters &= bit;
        self.delicate &= bit;
        ones(0, self.open).for_each(|other| self.sooner[other as usize] &= bit);
    }

    /// Whether nothing can go wrong any more from here: what is open and could has happened, and no more is asked.
    #[inline]
    fn is_sure(&self, config: &Config) -> bool {
        self.all_asked && self.delicate & !config.done == 0
    }

    /// Which of these open calls do the same as the one in this slot: of two such calls the one that returns earlier happens first. In
    /// any order where it does not, the two can change places.
    fn rank(&mut self, object: &dyn Object, slot: u32, others: u64, alike: impl Fn(&Search, u32) -> bool) {
        // Of two that return at one place, the one that stands first.
        let end = |search: &Search, slot: u32| (object.returned(search.call_in[slot as usize]), search.call_in[slot as usize]);
        for other in ones(0, others) {
            if alike(self, other) {
                let (first, then) = if end(self, other) < end(self, slot) { (other, slot) } else { (slot, other) };
                self.sooner[then as usize] |= 1 << first;
            }
        }
    }

    /// A call happens in a configuration, in which it is legal and leads to this state; and so does every observation that is legal then.
    #[inline]
    fn happen(&mut self, object: &mut dyn Object, config: &Config, slot: u32, state: u8) -> Result<Config, Halt> {
        let bit = 1 << slot;
        let (mut done, mut free) = (config.done | bit, config.free & !bit);
        if self.overwriters & bit != 0 {
            // The call itself is done by now.
            free |= self.overwriters & !done;
        }
        let seen = self.legal_of(object, state, self.observers & !done, 1 << config.state)?;
        done |= seen;
        let mut trace = NO_TRACE;
        if self.trace.is_kept() {
            trace = self.trace.record(config.trace, self.call_in[slot as usize], self.event);
            ones(0, seen).for_each(|slot| trace = self.trace.record(trace, self.call_in[slot as usize], self.event));
        }
        Ok(Config { done, free, trace, before: NOBODY, state, gone: false })
    }

    /// A call returns: it must have happened by now.
    pub(super) fn returns(&mut self, object: &mut dyn Object, call: u32, watchdog: Watchdog<'_>) -> Result<(), Halt> {
        self.trace.returned(call, self.event);
        let slot = u32::from(self.slot_of[call as usize]);
        let bit = 1u64 << slot;
        if self.sure {
            return self.returns_anyhow(object, slot);
        }
        if self.frontier.iter().all(|config| config.done & bit != 0) && !(self.all_asked && self.frontier.len() > 1) {
            self.close(slot);
            self.frontier.iter_mut().for_each(|config| config.done &= !bit);
            return Ok(());
        }
        let without = |config: &Config| Config { done: config.done & !bit, free: config.free & !bit, ..*config };
        self.after.clear();
        self.seen.clear();
        for at in 0..self.frontier.len() {
            let config = self.frontier[at];
            if (config.done | config.free) & bit != 0 {
                if self.is_sure(&config) {
                    self.end(slot, without(&config));
                    return Ok(());
                }
                self.after.insert(without(&config), self.observers);
            }
            if config.done & bit == 0 {
                self.seen.push(config);
            }
        }
        let mut turn = 0;
        while let Some(config) = self.seen.all.get(turn).copied() {
            turn += 1;
            if config.gone {
                continue;
            }
            self.visits += 1;
            if self.visits.is_multiple_of(256) && !watchdog(self.progress()) {
                return Err(Halt::Stopped);
            }
            let may = self.open & !config.done;
            let legal = self.legal_of(object, config.state, may, 0)?;
            for other in ones(0, legal) {
                if self.sooner[other as usize] & !config.done != 0 {
                    continue;
                }
                let Some(state) = self.step(object, config.state, other, 0)? else { continue };
                // Whatever overwrites is in vain unless something is legal then that does not just overwrite in its turn.
                let held = 1 << config.state;
                if other != slot && self.overwriters >> other & 1 == 1 && self.legal_of(object, state, may & !self.overwriters, held)? == 0
                {
                    continue;
                }
                let next = self.happen(object, &config, other, state)?;
                if (next.done | next.free) & bit != 0 {
                    if self.is_sure(&next) {
                        self.end(slot, without(&next));
                        return Ok(());
                    }
                    self.after.insert(without(&next), self.observers);
                    if next.done & bit != 0 {
                        continue;
                    }
                }
                self.seen.insert(next, self.observers);
            }
        }
        if self.after.all.is_empty() {
            let states = self.frontier.iter().fold(0, |states, config| states | 1 << config.state);
            let mut open: Vec<u32> = ones(0, self.open & !bit).map(|slot| self.call_in[slot as usize]).collect();
            open.sort_unstable();
            return Err(Halt::Stuck(states, open));
        }
        self.close(slot);
        self.frontier.clear();
        self.frontier.extend(self.after.all.iter().filter(|config| !config.gone));
        Ok(())
    }

    /// Nothing can go wrong from this configuration on, whatever the others are.
    fn end(&mut self, slot: u32, sure: Config) {
        self.close(slot);
        self.frontier = vec![sure];
        self.sure = true;
    }

    /// A call returns, and so will only calls that are legal in every state: any configuration will do.
    fn returns_anyhow(&mut self, object: &mut dyn Object, slot: u32) -> Result<(), Halt> {
        let mut config = self.frontier[0];
        if config.done >> slot & 1 == 0
            && let Some(state) = self.step(object, config.state, slot, 0)?
        {
            config = self.happen(object, &config, slot, state)?;
        }
        (config.done, config.free) = (config.done & !(1 << slot), config.free & !(1 << slot));
        self.close(slot);
        self.frontier[0] = config;
        Ok(())
    }
}
