//! How operations are told.

use super::{
    brief,
    op::{Act, Op, Read},
    output::show,
};
use std::fmt;

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Get { key } => write!(f, "get {key}"),
            Op::Put { key, value } => write!(f, "put {key} = {}", brief(value)),
            Op::Cas { key, expect, value } => write!(f, "cas {key}: {} -> {}", show(expect), brief(value)),
            Op::Delete { key } => write!(f, "delete {key}"),
            Op::Range { prefix, at: None } => write!(f, "range {prefix}*"),
            Op::Range { prefix, at: Some(revision) } => write!(f, "range {prefix}* at revision {revision}"),
            Op::Watch { prefix, from, lasts_ms, single, without, .. } => {
                let from = from.map_or("now".to_string(), |from| format!("revision {from}"));
                let all = if *single { "" } else { "*" };
                let without = without.map_or(String::new(), |kind| format!(", without {}", kind.word()));
                write!(f, "watch {prefix}{all}{without} from {from} on, for {lasts_ms} ms")
            }
            Op::DeleteRange { from, to } => write!(f, "delete from {from} up to {to}"),
            Op::Reads { reads, put, serializable } => {
                let reads: Vec<String> = reads.iter().map(Read::to_string).collect();
                let how = if *serializable { "read serializably" } else { "read at once" };
                write!(f, "{how} {}", reads.join(" and "))?;
                put.as_ref().map_or(Ok(()), |put| write!(f, ", then put {} = {}", put.key, brief(&put.value)))
            }
            Op::Compact { revision } => write!(f, "compact up to revision {revision}"),
            Op::Lease(ask) => ask.fmt(f),
            Op::Line(ask) => ask.fmt(f),
            Op::Member(ask) => ask.fmt(f),
            Op::Hello { name } => write!(f, "hello, I am {name}"),
            Op::Txn { compare, then, otherwise } => {
                let compare: Vec<String> = compare.iter().map(|c| format!("{} is {}", c.key, show(&c.holds))).collect();
                let acts = |acts: &[Act]| acts.iter().map(Act::to_string).collect::<Vec<_>>().join(", ");
                write!(f, "txn if {} then [{}] else [{}]", compare.join(" and "), acts(then), acts(otherwise))
            }
        }
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}*", self.prefix)?;
        self.at.map_or(Ok(()), |at| write!(f, " at revision {at}"))
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Get { key } => write!(f, "get {key}"),
            Act::Put { key, value } => write!(f, "put {key} = {}", brief(value)),
            Act::Delete { key } => write!(f, "delete {key}"),
        }
    }
}
