//! A few calls as lanes over time.

use crate::{
    model::{CallId, NEVER},
    raw::{RawCall, RawHistory},
};
use std::{collections::BTreeSet, fmt::Write};

/// The calls of a history with these names, each in a line, from its invocation to its return: only their order is to scale.
/// Names that no call has are left out.
pub fn lanes(history: &RawHistory, ids: &[CallId], said: impl Fn(&RawCall) -> String) -> String {
    let calls: Vec<(CallId, &RawCall)> = ids.iter().filter_map(|id| Some((*id, history.call(*id)?))).collect();
    let places: BTreeSet<usize> = calls.iter().flat_map(|(_, c)| [c.invoked, c.returned]).filter(|place| *place != NEVER).collect();
    let step = (72 / places.len().max(1)).clamp(2, 6);
    let column = |place: usize| places.range(..place).count() * step;
    let width = places.len() * step;
    let names: Vec<String> = calls.iter().map(|(id, call)| format!("{id}  {} by {}", said(call), call.process)).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for ((_, call), name) in calls.iter().zip(names) {
        let from = column(call.invoked);
        let bar = match call.returned {
            NEVER => format!("├{}╌", "─".repeat(width.saturating_sub(from + 1))),
            returned => format!("├{}┤", "─".repeat(column(returned) - from - 1)),
        };
        let _ = writeln!(out, "  {name}{}  {}{bar}", " ".repeat(longest - name.chars().count()), " ".repeat(from));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;

    #[test]
    fn lanes_are_in_order_of_time() {
        let text = "{:process 0, :type :invoke, :f :write, :value 1}\n{:process 1, :type :invoke, :f :read, :value nil}\n\
                    {:process 1, :type :ok, :f :read, :value 1}\n{:process 0, :type :info, :f :write, :value 1}\n";
        let (_, history) = formats::read(text, Default::default()).unwrap();
        let shown = lanes(&history, &[CallId(1), CallId(2)], |call| call.kind.to_string());
        assert_eq!(shown, "  1  write by 0  ├─────────────────╌\n  2  read by 1         ├─────┤\n");
    }
}
