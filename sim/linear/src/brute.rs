//! Every order, one after another: the oracle that every clever decision is held against. For small histories.

use crate::{
    call::{CallId, NEVER},
    model::{CallOf, Model},
};

/// Whether some order exists: a call may come next when none that is left returned before it was invoked.
pub fn some_order_exists<M: Model>(model: &M, calls: &[CallOf<M>]) -> bool {
    let left: Vec<&CallOf<M>> = calls.iter().collect();
    from(model, &model.init(), &left)
}

fn from<M: Model>(model: &M, state: &M::State, left: &[&CallOf<M>]) -> bool {
    if left.iter().all(|c| c.returned == NEVER) {
        return true;
    }
    let first_return = left.iter().map(|c| c.returned).min().unwrap_or(NEVER);
    left.iter().enumerate().filter(|(_, c)| c.invoked < first_return).any(|(i, c)| {
        let output = if c.returned == NEVER { None } else { c.output.as_ref() };
        let Some(next) = model.step(state, &c.input, output) else { return false };
        let rest: Vec<&CallOf<M>> = left.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, c)| *c).collect();
        from(model, &next, &rest)
    })
}

/// Whether an order is a proof: every call that returned is in it once, no call is in it twice, each is legal where it
/// stands, and none stands before one that returned before it was invoked. Says what is wrong with it.
///
/// # Errors
/// The first thing that is wrong.
pub fn replay<M: Model>(model: &M, calls: &[CallOf<M>], order: &[CallId]) -> Result<(), String> {
    let by_id: std::collections::BTreeMap<CallId, &CallOf<M>> = calls.iter().map(|c| (c.id, c)).collect();
    let mut state = model.init();
    let mut latest = 0;
    let mut seen = std::collections::BTreeSet::new();
    for id in order {
        let call = by_id.get(id).ok_or_else(|| format!("call {id} is not of this history"))?;
        if !seen.insert(*id) {
            return Err(format!("call {id} is there twice"));
        }
        // Whoever stands later was not over before whoever stands earlier began.
        if call.returned < latest {
            return Err(format!("call {id} returned before one that stands before it was invoked"));
        }
        latest = latest.max(call.invoked);
        let output = if call.returned == NEVER { None } else { call.output.as_ref() };
        let shown = || format!("`{}` at {}", model.show_call(&call.input, call.output.as_ref()), model.show_state(&state));
        state = model.step(&state, &call.input, output).ok_or_else(|| format!("call {id} is illegal: {}", shown()))?;
    }
    match calls.iter().find(|c| c.returned != NEVER && !seen.contains(&c.id)) {
        None => Ok(()),
        Some(missing) => Err(format!("call {} returned, and is not in it", missing.id)),
    }
}
