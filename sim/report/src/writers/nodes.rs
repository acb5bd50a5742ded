//! `nodes`: what each node did, line by line.

use super::{Format, Kept, nodes_of};
use crate::{RunReport, node_log::node_log};
use squall_history::Entry;

pub(super) const FORMAT: Format = Format {
    for_people: true,
    run: Some(write),
    kept: Kept::EachNode(node_log, "what one node did and what was done to it, in virtual time"),
    ..Format::new("nodes", "what each node did and what was done to it, in virtual time")
};

fn write(report: &RunReport, history: &[Entry]) -> String {
    let nodes = nodes_of(report, history).into_iter();
    nodes.map(|id| format!("{id}\n{}", node_log(history, id))).collect::<Vec<_>>().join("\n")
}
