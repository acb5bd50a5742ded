//! What is to come, so that states without hope are dropped.

use crate::{
    call::NEVER,
    model::{Context, Model, Nature},
};

/// What is to come.
pub(super) struct Foresight {
    /// For each event, the next call to be invoked that only observes: what must still be possible.
    pub(super) ahead: Vec<Option<u32>>,
    /// For each event, how many calls that overwrite are invoked before it.
    pub(super) overwriters: Vec<u32>,
    /// For each call, the event at which it returns.
    pub(super) returns: Vec<u32>,
}

impl Foresight {
    pub(super) fn new<M: Model>(context: Context<'_, M>, events: &[(usize, bool, u32)]) -> Foresight {
        let nature = |i: u32| {
            let call = &context.calls[i as usize];
            context.model.nature(&call.input, if call.returned == NEVER { None } else { call.output.as_ref() })
        };
        let (mut ahead, mut next) = (vec![None; events.len()], None);
        let (mut overwriters, mut number) = (Vec::with_capacity(events.len() + 1), 0);
        let mut returned = vec![u32::MAX; context.calls.len()];
        for (at, &(_, returns, i)) in events.iter().enumerate() {
            overwriters.push(number);
            number += u32::from(!returns && nature(i) == Nature::Overwrites);
            if returns {
                returned[i as usize] = at as u32;
            }
        }
        for (at, &(_, returns, i)) in events.iter().enumerate().rev() {
            ahead[at] = next;
            let call = &context.calls[i as usize];
            if !returns && call.returned != NEVER && call.output.is_some() && nature(i) == Nature::Observes {
                next = Some(i);
            }
        }
        Foresight { ahead, overwriters, returns: returned }
    }
}
