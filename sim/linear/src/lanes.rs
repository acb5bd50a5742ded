//! Lanes over time: the one way in which operations, nodes and faults are drawn.

use crate::{
    call::{CallId, NEVER},
    raw::{RawCall, RawHistory},
};
use std::{collections::BTreeSet, fmt::Write};

/// A picture of lanes, a line each: a name, what was when, and a note behind it.
///
/// ```
/// use squall_linear::Lanes;
///
/// let mut lanes = Lanes::new(6, 10);
/// lanes.axis("0s", "9s");
/// lanes.lane("put", &lanes.bar(0, 3, false), "ok");
/// lanes.lane("get", &lanes.bar(2, 9, true), "nobody knows");
/// lanes.lane("crash", &lanes.band(1, 4), "");
/// assert_eq!(lanes.text(), "
///           0s      9s
///   put     ├──┤        ok
///   get       ├┄┄┄┄┄┄┄  nobody knows
///   crash    ████
/// ".trim_start_matches('\n'));
/// ```
#[derive(Clone, Debug)]
pub struct Lanes {
    names: usize,
    columns: usize,
    text: String,
}

impl Lanes {
    /// Without a lane: how many characters names take, and how many columns time takes.
    pub fn new(names: usize, columns: usize) -> Lanes {
        Lanes { names, columns, text: String::new() }
    }

    /// How many columns time takes.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Where a moment stands, if the first column is `first` and the last one is `last`; what is outside stands at the edge.
    pub fn column(&self, at: u64, first: u64, last: u64) -> usize {
        let (edge, whole) = (self.columns.saturating_sub(1), last.saturating_sub(first).max(1));
        let column = u128::from(at.saturating_sub(first)) * edge as u128 / u128::from(whole);
        usize::try_from(column).map_or(edge, |column| column.min(edge))
    }

    /// What lasts from one column to another; if it is `open`, nobody knows until when.
    pub fn bar(&self, from: usize, to: usize, open: bool) -> String {
        let (line, end) = if open { ('┄', '┄') } else { ('─', '┤') };
        self.paint(from, to, |i| match i {
            _ if from == to => '┼',
            i if i == from => '├',
            i if i == to => end,
            _ => line,
        })
    }

    /// What is in force from one column to another.
    pub fn band(&self, from: usize, to: usize) -> String {
        self.paint(from, to, |_| '█')
    }

    fn paint(&self, from: usize, to: usize, with: impl Fn(usize) -> char) -> String {
        (0..self.columns).map(|i| if (from..=to).contains(&i) { with(i) } else { ' ' }).collect()
    }

    /// Adds a line with the moments at both ends.
    pub fn axis(&mut self, first: &str, last: &str) {
        let between = self.columns.saturating_sub(first.chars().count() + last.chars().count());
        self.lane("", &format!("{first}{}{last}", " ".repeat(between)), "");
    }

    /// Adds a lane. A name that is too long is cut, and nothing ends the line.
    pub fn lane(&mut self, name: &str, lane: &str, note: &str) {
        let cut = name.chars().count() > self.names;
        let name: String = if cut { name.chars().take(self.names.saturating_sub(1)).chain(['…']).collect() } else { name.to_string() };
        let line = format!("  {name:names$}  {lane}  {note}", names = self.names).replace(char::is_control, " ");
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Adds a line that says how many there are besides those that are drawn, if there are any.
    pub fn more(&mut self, count: usize, what: &str) {
        if count > 0 {
            let _ = writeln!(self.text, "  ... and {count} more {what}");
        }
    }

    /// The picture.
    pub fn text(self) -> String {
        self.text
    }
}

/// The calls of a history with these names, each in a line, from its invocation to its return: only their order is to scale.
/// Names that no call has are left out.
pub fn lanes(history: &RawHistory, ids: &[CallId], said: impl Fn(&RawCall) -> String) -> String {
    let calls: Vec<(CallId, &RawCall)> = ids.iter().filter_map(|id| Some((*id, history.call(*id)?))).collect();
    let places: BTreeSet<usize> = calls.iter().flat_map(|(_, c)| [c.invoked, c.returned]).filter(|place| *place != NEVER).collect();
    let step = (72 / places.len().max(1)).clamp(2, 6);
    let column = |place: usize| places.range(..place).count() * step;
    let names: Vec<String> = calls.iter().map(|(id, call)| format!("{id}  {} by {}", said(call), call.process)).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut drawn = Lanes::new(longest, places.len() * step + 1);
    for ((_, call), name) in calls.iter().zip(names) {
        let (to, open) = if call.returned == NEVER { (places.len() * step, true) } else { (column(call.returned), false) };
        let bar = drawn.bar(column(call.invoked), to, open);
        drawn.lane(&name, &bar, "");
    }
    drawn.text()
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
        assert_eq!(shown, "  1  write by 0  ├┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄\n  2  read by 1         ├─────┤\n");
    }

    #[test]
    fn moments_are_to_scale_and_what_is_outside_stands_at_the_edge() {
        let lanes = Lanes::new(4, 11);
        assert_eq!([0, 100, 150, 199, 200, 900].map(|at| lanes.column(at, 100, 200)), [0, 0, 5, 9, 10, 10]);
        assert_eq!([lanes.column(7, 7, 7), lanes.column(u64::MAX, 0, u64::MAX)], [0, 10]);
        assert_eq!(Lanes::new(4, 0).column(5, 0, 9), 0);
    }

    #[test]
    fn a_line_is_no_wider_than_it_needs_to_be_and_says_what_it_left_out() {
        let mut lanes = Lanes::new(4, 5);
        lanes.lane("a-long-name", &lanes.bar(2, 2, false), "");
        lanes.lane("\n", &lanes.band(0, 9), "two\nlines\u{1b}[31m");
        lanes.more(0, "lanes");
        lanes.more(3, "lanes");
        assert_eq!(lanes.text(), "  a-l…    ┼\n        █████  two lines [31m\n  ... and 3 more lanes\n");
    }
}
