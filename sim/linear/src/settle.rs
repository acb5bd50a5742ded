//! Histories of a line with less left open: of values that come into a queue or a stack and go again, much is known from who was seen
//! to take them. What is left has an order if and only if the history has one.

use crate::{
    call::{Call, CallId, NEVER, Pair, Settled},
    decision::Stuck,
    model::{CallOf, Model, SettledOf},
    raw::Value,
};
use rustc_hash::FxHashMap;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Which value goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goes {
    Oldest,
    Newest,
    Any,
}

/// What a call does to a line.
pub(crate) enum Does<'c> {
    Brings(&'c Value),
    /// What it was seen to take; `Nil` says that there was nothing.
    Takes(&'c Value),
    /// Nobody knows what it took.
    TakesUnseen,
}

/// Places between those of the history.
const SCALE: usize = 4;

/// What is known of a value: who brings it, who takes it, as often as they do.
#[derive(Clone, Copy, Default)]
struct Known {
    brought: u32,
    by: usize,
    taken: u32,
    taker: usize,
}

/// Settles a history of a line. `lose` makes the input of a call that takes one of these values unseen.
///
/// * A value that was never seen to go, and whose coming is not certain, is left out with whatever took it.
/// * A value that was seen to go came before that; in a queue, also before whatever goes after it, and after whatever goes before it.
/// * What nobody saw go took a value that nobody saw go.
/// * In a stack, a coming that may happen at any time may as well happen just before its going: the two change nothing.
/// * Where the order of going is free, and nobody ever saw that nothing is there, what comes may come at once, and go at last.
pub(crate) fn settled<'c, M: Model>(
    calls: &'c [CallOf<M>],
    goes: Goes,
    does: impl Fn(&'c CallOf<M>) -> Does<'c>,
    lose: impl Fn(&BTreeSet<Value>) -> M::Input,
) -> Option<SettledOf<M>> {
    let mut all: FxHashMap<&Value, Known> = FxHashMap::default();
    let mut empty_seen = false;
    for (at, call) in calls.iter().enumerate() {
        match does(call) {
            Does::Brings(value) => {
                let known = all.entry(value).or_default();
                (known.brought, known.by) = (known.brought + 1, at);
            }
            Does::Takes(Value::Nil) => empty_seen = true,
            Does::Takes(value) => {
                let known = all.entry(value).or_default();
                (known.taken, known.taker) = (known.taken + 1, at);
            }
            // It certainly took what was next, whatever that was.
            Does::TakesUnseen if call.returned != NEVER => return None,
            Does::TakesUnseen => {}
        }
    }
    let at_will = goes == Goes::Any && !empty_seen;
    let is_gone = |value: &Value| all[value].taken == 0;
    let kept = |call: &'c CallOf<M>| call.returned != NEVER || !matches!(does(call), Does::Brings(value) if is_gone(value));
    let mut unseen: BTreeSet<Value> = BTreeSet::new();
    let mut certain: FxHashMap<&Value, u32> = FxHashMap::default();
    for call in calls.iter().filter(|call| kept(call)) {
        if let Does::Brings(value) = does(call) {
            *certain.entry(value).or_default() += 1;
        }
    }
    unseen.extend(certain.iter().filter(|(value, times)| **times > all[**value].taken).map(|(value, _)| (*value).clone()));
    // Comings that are certain only by their going: where they end, and whether they go with it.
    let (mut ends, mut with): (FxHashMap<usize, usize>, FxHashMap<usize, usize>) = Default::default();
    for known in all.values().filter(|known| (known.brought, known.taken) == (1, 1) && calls[known.by].returned == NEVER) {
        let taker = &calls[known.taker];
        if taker.returned == NEVER || calls[known.by].invoked > taker.returned {
            continue;
        }
        ends.insert(known.by, taker.returned);
        if goes == Goes::Newest {
            with.insert(known.taker, known.by);
        }
    }
    let bounds = if goes == Goes::Oldest { bounds::<M>(calls, &all) } else { FxHashMap::default() };
    let inside: BTreeSet<usize> = with.values().copied().collect();
    let (mut left, mut pairs) = (vec![], vec![]);
    for (at, call) in calls.iter().enumerate().filter(|(_, call)| kept(call)) {
        let mut call = call.clone();
        call.returned = call.returned.min(ends.get(&at).copied().unwrap_or(NEVER));
        if let Some((from, to)) = bounds.get(&at).copied() {
            let (from, to) = (call.invoked.max(from), call.returned.min(to));
            if from < to {
                (call.invoked, call.returned) = (from, to);
            }
        }
        match does(&calls[at]) {
            Does::TakesUnseen if unseen.is_empty() || at_will => continue,
            Does::TakesUnseen => call.input = lose(&unseen),
            Does::Takes(_) if with.contains_key(&at) => {
                pairs.push((calls[with[&at]].clone(), call));
                continue;
            }
            Does::Brings(_) if inside.contains(&at) => continue,
            Does::Takes(_) | Does::Brings(_) => {}
        }
        if at_will {
            let (invoked, returned) = (SCALE * call.invoked, if call.returned == NEVER { NEVER } else { SCALE * call.returned });
            (call.invoked, call.returned) = match does(&calls[at]) {
                Does::Brings(_) if returned != NEVER => (invoked, invoked + 1),
                Does::Takes(_) if returned != NEVER => (returned - 1, returned),
                _ => (invoked, returned),
            };
        }
        left.push(call);
    }
    pairs.sort_by_key(|(_, taker)| taker.invoked);
    Some(Settled { calls: left, pairs, scale: if at_will { SCALE } else { 1 } })
}

/// In a queue: values come in the order in which they go.
fn bounds<M: Model>(calls: &[CallOf<M>], all: &FxHashMap<&Value, Known>) -> FxHashMap<usize, (usize, usize)> {
    let once = all.values().filter(|known| (known.brought, known.taken) == (1, 1) && calls[known.taker].returned != NEVER);
    let mut by_going: Vec<(&CallOf<M>, &CallOf<M>, usize)> = once.map(|known| (&calls[known.by], &calls[known.taker], known.by)).collect();
    // Of all that goes before, the one that comes last begins; of all that goes after, the one that comes first ends.
    by_going.sort_unstable_by_key(|(_, taker, _)| taker.returned);
    let before: Vec<usize> = by_going.iter().map(|(_, taker, _)| taker.returned).collect();
    let mut begins: Vec<usize> = vec![0];
    by_going.iter().for_each(|(brings, ..)| begins.push(begins[begins.len() - 1].max(brings.invoked)));
    let mut by_start = by_going.clone();
    by_start.sort_unstable_by_key(|(_, taker, _)| taker.invoked);
    let after: Vec<usize> = by_start.iter().map(|(_, taker, _)| taker.invoked).collect();
    let mut ends: Vec<usize> = vec![NEVER];
    by_start.iter().rev().for_each(|(brings, ..)| ends.push(ends[ends.len() - 1].min(brings.returned)));
    ends.reverse();
    let bound = |(_, taker, at): &(&CallOf<M>, &CallOf<M>, usize)| {
        let from = begins[before.partition_point(|returned| *returned < taker.invoked)];
        let to = ends[after.partition_point(|invoked| *invoked <= taker.returned)];
        (*at, (from, to))
    };
    by_going.iter().map(bound).collect()
}

impl<I: Clone, O: Clone> Settled<I, O> {
    /// Where the search of what is left got stuck, told of the whole: the call that returns there, and what was open. All that comes
    /// later was made use of.
    pub(crate) fn told<S>(&self, stuck: Stuck<S>, calls: &[Call<I, O>]) -> Stuck<S> {
        let place = self.calls.iter().find(|call| call.id == stuck.call).map_or(0, |call| call.returned / self.scale);
        let call = calls.iter().find(|call| call.returned == place).map_or(stuck.call, |call| call.id);
        let was_open = |other: &&Call<I, O>| other.invoked < place && other.returned > place && other.id != call;
        let open = calls.iter().filter(was_open).map(|call| call.id).collect();
        let ahead = calls.iter().filter(|call| call.returned != NEVER).max_by_key(|call| call.returned).map(|call| call.id);
        Stuck { call, states: stuck.states, open, ahead }
    }
}

/// When values go that come once: when the call that takes one was invoked, and returned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Going(Arc<BTreeMap<Value, (usize, usize)>>);

impl Going {
    /// What is known of it. What is not taken stays, unless somebody may have taken it unseen.
    pub(crate) fn of<I, O>(settled: &Settled<I, O>, does: impl Fn(&Call<I, O>) -> Does<'_>) -> Going {
        let (mut going, mut often): (BTreeMap<Value, (usize, usize)>, BTreeSet<Value>) = Default::default();
        let mut taken_unseen = false;
        for call in &settled.calls {
            match does(call) {
                Does::TakesUnseen => taken_unseen = true,
                Does::Takes(_) => {}
                Does::Brings(value) => {
                    if going.insert(value.clone(), (NEVER, NEVER)).is_some() {
                        often.insert(value.clone());
                    }
                }
            }
        }
        for call in &settled.calls {
            if let Does::Takes(value) = does(call)
                && let Some(goes) = going.get_mut(value)
                && std::mem::replace(goes, (call.invoked, call.returned)).1 != NEVER
            {
                often.insert(value.clone());
            }
        }
        going.retain(|value, (_, goes)| !often.contains(value) && (*goes != NEVER || !taken_unseen));
        Going(Arc::new(going))
    }

    /// Whether the one may go before the other does.
    pub(crate) fn may_go_before(&self, first: &Value, then: &Value) -> bool {
        let (Some(first), Some(then)) = (self.0.get(first), self.0.get(then)) else { return true };
        then.1 == NEVER || first.0 < then.1
    }
}

/// Puts pairs into an order of what is left.
pub(crate) fn with_pairs<I, O>(order: Vec<CallId>, calls: &[Call<I, O>], pairs: &[Pair<I, O>]) -> Vec<CallId> {
    if pairs.is_empty() {
        return order;
    }
    let places: FxHashMap<CallId, usize> = calls.iter().map(|call| (call.id, call.returned)).collect();
    let mut order = order;
    let mut places = places;
    for (brings, takes) in pairs {
        let from = brings.invoked.max(takes.invoked);
        let at = order.iter().rposition(|id| places[id] < from).map_or(0, |last| last + 1);
        order.splice(at..at, [brings.id, takes.id]);
        places.insert(brings.id, NEVER);
        places.insert(takes.id, takes.returned);
    }
    order
}

/// A value in a queue: when it comes, and when it goes, each between two places.
struct Item {
    comes: (usize, usize),
    goes: (usize, usize),
    by: CallId,
    taker: Option<CallId>,
}

/// An order of a queue's calls, built rather than searched for: values come in the order in which they go, as late as they can, and go
/// as soon as they can. `None` says nothing; an order must be replayed.
pub(crate) fn in_line<'c, I, O>(calls: &'c [Call<I, O>], does: impl Fn(&'c Call<I, O>) -> Does<'c>) -> Option<Vec<CallId>> {
    let mut items: FxHashMap<&Value, Item> = FxHashMap::default();
    let mut empty: Vec<&Call<I, O>> = vec![];
    let mut lost: Vec<&Call<I, O>> = vec![];
    for call in calls {
        match does(call) {
            Does::Brings(value) => {
                let item = Item { comes: (call.invoked, call.returned), goes: (NEVER, NEVER), by: call.id, taker: None };
                if items.insert(value, item).is_some() {
                    return None;
                }
            }
            Does::Takes(Value::Nil) => empty.push(call),
            Does::Takes(_) => {}
            Does::TakesUnseen if call.returned != NEVER => return None,
            Does::TakesUnseen => lost.push(call),
        }
    }
    for call in calls {
        if let Does::Takes(value) = does(call)
            && *value != Value::Nil
        {
            let item = items.get_mut(value).filter(|item| item.taker.is_none() && item.comes.0 < call.returned)?;
            (item.goes, item.taker) = ((call.invoked.max(item.comes.0), call.returned), Some(call.id));
            item.comes.1 = item.comes.1.min(call.returned);
        }
    }
    // What nobody saw go, and did not come for certain, did not come.
    let mut items: Vec<Item> = items.into_values().filter(|item| item.taker.is_some() || item.comes.1 != NEVER).collect();
    items.sort_unstable_by_key(|item| item.comes.0);
    // What nobody saw go, before something that goes, was taken unseen: the one that is needed first by whoever asked first.
    let mut needed: Vec<(usize, usize)> = vec![];
    let mut first_going = vec![NEVER; items.len() + 1];
    for at in (0..items.len()).rev() {
        first_going[at] = first_going[at + 1].min(items[at].goes.1);
    }
    for (at, item) in items.iter().enumerate().filter(|(_, item)| item.taker.is_none()) {
        let until = first_going[items.partition_point(|other| other.comes.0 <= item.comes.1)];
        if until != NEVER {
            needed.push((until, at));
        }
    }
    needed.sort_unstable();
    lost.sort_unstable_by_key(|call| call.invoked);
    for (n, (_, at)) in needed.into_iter().enumerate() {
        let taker = lost.get(n)?;
        (items[at].goes.0, items[at].taker) = (taker.invoked.max(items[at].comes.0), Some(taker.id));
    }
    let items = in_turn(items)?;
    // When each goes, as soon as it can; when it comes, as late as it can. Just after a place is odd.
    let mut goes: Vec<usize> = vec![];
    for item in items.iter().filter(|item| item.taker.is_some()) {
        goes.push((2 * item.goes.0 + 1).max(goes.last().copied().unwrap_or(0)));
    }
    let (mut comes, mut next) = (vec![0; items.len()], NEVER);
    for (at, item) in items.iter().enumerate().rev() {
        let until = if item.comes.1 == NEVER { NEVER } else { 2 * item.comes.1 - 1 };
        next = next.min(until).min(goes.get(at).copied().unwrap_or(NEVER));
        comes[at] = next;
    }
    empty.sort_unstable_by_key(|call| call.returned);
    let (mut order, mut came, mut gone, mut last) = (Vec::with_capacity(calls.len()), 0, 0, 0);
    loop {
        let next = comes.get(came).copied();
        if came == gone {
            empty.retain(|call| {
                let now = 2 * call.invoked < next.unwrap_or(NEVER) && 2 * call.returned > last;
                if now {
                    order.push(call.id);
                }
                !now
            });
        }
        match (next, goes.get(gone)) {
            (Some(comes), Some(goes)) if came == gone || comes < *goes => {
                order.push(items[came].by);
                came += 1;
            }
            (_, Some(goes)) => {
                order.push(items[gone].taker?);
                (gone, last) = (gone + 1, *goes);
            }
            (Some(_), None) => {
                order.push(items[came].by);
                came += 1;
            }
            (None, None) => break,
        }
    }
    empty.is_empty().then_some(order)
}

/// Values in an order in which they may come and go: none before one that comes, or goes, before it does.
fn in_turn(items: Vec<Item>) -> Option<Vec<Item>> {
    let ends = |of: fn(&Item) -> usize| items.iter().enumerate().map(|(at, item)| (of(item), at)).collect::<BTreeSet<_>>();
    let (mut coming, mut going) = (ends(|item| item.comes.1), ends(|item| item.goes.1));
    let mut left: Vec<usize> = (0..items.len()).collect();
    let mut turns = vec![];
    let mut from = 0;
    while let (Some((comes, _)), Some((goes, _))) = (coming.first(), going.first()) {
        let may_come = left[from..].iter().take_while(|at| items[**at].comes.0 <= *comes);
        let may_go = may_come.filter(|at| items[**at].goes.0 <= *goes);
        let turn = *may_go.min_by_key(|at| (items[**at].goes.1, items[**at].goes.0, **at))?;
        turns.push(turn);
        coming.remove(&(items[turn].comes.1, turn));
        going.remove(&(items[turn].goes.1, turn));
        let at = from + left[from..].iter().position(|at| *at == turn)?;
        left.copy_within(from..at, from + 1);
        from += 1;
    }
    let mut items: Vec<Option<Item>> = items.into_iter().map(Some).collect();
    turns.into_iter().map(|turn| items[turn].take()).collect()
}
