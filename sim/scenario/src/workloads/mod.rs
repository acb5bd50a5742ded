//! Workloads: what they are, and what those of every system have. The kinds themselves belong to the packs.

mod load;
mod script;

pub use load::{Clients, Keys, Loop, Mix, Mixed, THINK};
pub use script::{Line, Lines, Script};

use crate::{
    Vocabulary,
    language::{Argument, Arguments, Draws, Value, Visit, arguments_of, is_sound, joined},
    yaml::{Decoder, Node},
};
use serde_json::Value as Json;
use serde_yaml::Value as Yaml;
use squall_history::{Answer, Ask, Body, Op};
use std::{any::Any, fmt::Debug, time::Duration};

/// A kind of workload, as its author writes it: a struct of arguments.
pub trait Kind: Arguments<Planned: Asks> {
    /// The key under which it is written.
    const NAME: &'static str;
    /// A use of it, as YAML.
    const EXAMPLE: &'static str;

    /// How many clients it has.
    fn clients(&self) -> u32;

    /// An operation of each kind that it may ask, so that a system can say whether it takes them.
    fn asks(&self) -> Vec<Op>;

    /// When its last operation is due, if that is written down.
    fn last_at(&self) -> Option<Duration> {
        None
    }
}

/// What the clients of a plan's workload ask: its planned arguments.
pub trait Asks {
    /// The operations of its `client`th client (from 1). `name` makes written values unique.
    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource>;
}

/// A kind of workload, in the registry.
pub struct WorkloadKind {
    /// The key under which it is written.
    pub name: &'static str,
    /// A use of it, as YAML.
    pub example: &'static str,
    about: &'static [&'static str],
    arguments: fn() -> Vec<Argument>,
    pub(crate) schema: fn(&Vocabulary) -> Json,
    pub(crate) read: fn(&mut Decoder, &Node) -> Option<Box<dyn Workload>>,
    /// How operations are written down, of a script.
    pub(crate) lines: Option<&'static Lines>,
}

impl Debug for WorkloadKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl WorkloadKind {
    /// The operations of a system, written down one by one.
    pub const fn script(lines: &'static Lines) -> WorkloadKind {
        WorkloadKind { example: lines.example, lines: Some(lines), ..WorkloadKind::of::<Script>() }
    }

    /// This kind.
    pub const fn of<K: Kind>() -> WorkloadKind {
        WorkloadKind {
            lines: None,
            name: K::NAME,
            example: K::EXAMPLE,
            about: K::ABOUT,
            arguments: arguments_of::<K>,
            schema: K::schema,
            read: |decoder, node| Some(Box::new(K::read(decoder, node)?)),
        }
    }

    /// One sentence.
    pub fn about(&self) -> String {
        joined(self.about)
    }

    /// Its arguments.
    pub fn arguments(&self) -> Vec<Argument> {
        let mut all = (self.arguments)();
        if let (Some(lines), Some(ops)) = (self.lines, all.iter_mut().find(|argument| argument.name == "ops")) {
            ops.about = format!("{} {}", ops.about, lines.about);
        }
        all
    }
}

/// A workload, as written: how many clients there are and what each of them asks.
pub trait Workload: Debug + Send + Sync {
    /// The kind's name.
    fn kind(&self) -> &'static str;

    /// Its arguments, as YAML.
    fn to_yaml(&self) -> Yaml;

    /// How many clients it has.
    fn clients(&self) -> u32;

    /// An operation of each kind that it may ask, so that a system can say whether it takes them.
    fn asks(&self) -> Vec<Op>;

    /// When its last operation is due, if that is written down.
    fn last_at(&self) -> Option<Duration>;

    /// Draws what is random: its seed.
    fn plan(&self, draws: &Draws) -> Box<dyn PlannedLoad>;

    /// What its clients ask, if nothing of it is left to a seed.
    fn planned(&self) -> Option<Box<dyn PlannedLoad>>;

    /// Shows what may be changed in it.
    fn parts(&mut self, visit: &mut Visit<'_>);

    /// Whether its arguments go together.
    fn is_sound(&self) -> bool;

    /// Itself, for who knows its type.
    fn as_any(&self) -> &dyn Any;

    /// A copy.
    fn boxed(&self) -> Box<dyn Workload>;
}

impl<K: Kind> Workload for K {
    fn kind(&self) -> &'static str {
        K::NAME
    }

    fn to_yaml(&self) -> Yaml {
        self.write()
    }

    fn clients(&self) -> u32 {
        Kind::clients(self)
    }

    fn asks(&self) -> Vec<Op> {
        Kind::asks(self)
    }

    fn last_at(&self) -> Option<Duration> {
        Kind::last_at(self)
    }

    fn plan(&self, draws: &Draws) -> Box<dyn PlannedLoad> {
        Box::new(Planned::<K>(self.fix(draws)))
    }

    fn planned(&self) -> Option<Box<dyn PlannedLoad>> {
        Some(Box::new(Planned::<K>(self.fixed()?)))
    }

    fn parts(&mut self, visit: &mut Visit<'_>) {
        self.each(visit);
    }

    fn is_sound(&self) -> bool {
        is_sound(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn boxed(&self) -> Box<dyn Workload> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Workload> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

impl PartialEq for dyn Workload {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.to_yaml() == other.to_yaml()
    }
}

/// A workload of a plan.
pub trait PlannedLoad: Debug + Send + Sync {
    /// How many clients it has.
    fn clients(&self) -> u32;

    /// The operations of its `client`th client (from 1). `name` makes written values unique.
    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource>;

    /// As it is written.
    fn written(&self) -> Box<dyn Workload>;

    /// A copy.
    fn boxed(&self) -> Box<dyn PlannedLoad>;
}

/// The planned arguments of a kind.
struct Planned<K: Kind>(K::Planned);

impl<K: Kind> Debug for Planned<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<K: Kind> PlannedLoad for Planned<K> {
    fn clients(&self) -> u32 {
        Kind::clients(&K::unfix(&self.0))
    }

    fn source(&self, client: u32, name: &str) -> Box<dyn OpSource> {
        self.0.source(client, name)
    }

    fn written(&self) -> Box<dyn Workload> {
        Box::new(K::unfix(&self.0))
    }

    fn boxed(&self) -> Box<dyn PlannedLoad> {
        Box::new(Planned::<K>(self.0.clone()))
    }
}

impl Clone for Box<dyn PlannedLoad> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

/// The same workload with another number under this key, if it has one there, and if that makes sense: fewer clients than it needs do not.
pub(crate) fn with_number(workload: &dyn Workload, key: &str, change: impl FnOnce(u64) -> u64) -> Box<dyn Workload> {
    let (mut changed, mut change) = (workload.boxed(), Some(change));
    (*changed).parts(&mut |name, part| {
        if let crate::language::Part::Number(number, min, max) = part
            && name == key
            && let Some(change) = change.take()
        {
            *number = change(*number).clamp(min, max);
        }
    });
    if changed.is_sound() { changed } else { workload.boxed() }
}

/// When the next operation comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So long after the last one ended: closed loop.
    AfterLast(Duration),
    /// So long after the last one *began*: open loop.
    AfterStart(Duration),
    /// So long after the client's start; at once, when that is past.
    At(Duration),
}

/// One client's operations, one after another.
pub trait OpSource: Send {
    /// The next operation, and when it is due; `None` once there is none. Each is drawn from a stream
    /// of its own ordinal.
    fn next(&mut self) -> Option<(Pace, Op)>;

    /// What a client asks whose operations are over, when the world wants to know whether it is served:
    /// it changes nothing.
    fn probe(&self) -> Op;

    /// What the last operation answered, if it did.
    fn answered(&mut self, op: &Op, answer: &Answer);

    /// The last operation was refused, or nobody knows what became of it.
    fn unanswered(&mut self, _op: &Op) {}
}

/// One client's operations, by a pack that knows their types.
pub trait Source: Send {
    /// What is asked.
    type Ask: Ask;
    /// What is answered.
    type Answer: Body + Clone;

    /// As [`OpSource::next`].
    fn next(&mut self) -> Option<(Pace, Self::Ask)>;

    /// As [`OpSource::probe`].
    fn probe(&self) -> Self::Ask;

    /// As [`OpSource::answered`].
    fn answered(&mut self, op: &Self::Ask, answer: &Answer<Self::Answer>);

    /// As [`OpSource::unanswered`].
    fn unanswered(&mut self, _op: &Self::Ask) {}
}

/// A source, as the harness takes it.
pub fn source(typed: impl Source + 'static) -> Box<dyn OpSource> {
    Box::new(Typed(typed))
}

/// These operations, as the harness takes them.
pub fn asks<O: Ask>(typed: impl IntoIterator<Item = O>) -> Vec<Op> {
    typed.into_iter().map(Op::new).collect()
}

struct Typed<S>(S);

impl<S: Source> OpSource for Typed<S> {
    fn next(&mut self) -> Option<(Pace, Op)> {
        self.0.next().map(|(pace, op)| (pace, Op::new(op)))
    }

    fn probe(&self) -> Op {
        Op::new(self.0.probe())
    }

    fn answered(&mut self, op: &Op, answer: &Answer) {
        if let (Some(op), Some(output)) = (op.get(), answer.output.get::<S::Answer>()) {
            self.0.answered(op, &Answer { output: output.clone(), position: answer.position });
        }
    }

    fn unanswered(&mut self, op: &Op) {
        if let Some(op) = op.get() {
            self.0.unanswered(op);
        }
    }
}
