//! A harness, as a pack.

use crate::{
    client::{Handing, Makes},
    harness::{Boot, Harness},
    kept::kept,
    loads,
    node::Node,
    operation::{Answer, Asked, Operation, Told},
};
use squall_history::{ClientId, Dialect, EntryKind, Event, EventKind, Observation, Op, Subject, Untyped};
use squall_host::named::{Place, PlaceKind, places};
use squall_judge::Checker;
use squall_run::{BoxFuture, Client as RunClient, ClientContext, Gives, Leftovers, NodeContext, Pack, RealContext, ServiceEvents};
use squall_scenario::{EventInfo, Failpoint, Named, workloads::WorkloadKind};
use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

/// How many operations are asked once more in the end.
const LOOKS_MAX: usize = 200;

/// A service of one's own.
pub(crate) struct Own<O, A> {
    name: &'static str,
    about: &'static str,
    has_leaders: bool,
    boot: Box<Boot>,
    clients: Arc<dyn Makes<O, A>>,
    workloads: &'static [WorkloadKind],
    checkers: &'static [Checker],
    bugs: Vec<Named>,
    failpoints: &'static [Failpoint],
    events: &'static [EventInfo],
}

impl<O: Operation, A: Answer> Own<O, A> {
    pub(crate) fn new(harness: Harness<O, A>) -> Own<O, A> {
        let Harness { name, about, has_leaders, boot, clients, loads, checkers, probe } = harness;
        let boot = boot.expect("a harness needs a service: `.service(|node| async move { .. })`");
        let clients = clients.expect("a harness needs a client: `.client(|addr| ..)`");
        let first = loads.first().expect("a harness needs a workload: `.workload(\"mixed\", \"..\", |draws| ..)`");
        let probe = probe.or_else(|| loads.iter().find_map(loads::Load::reads)).unwrap_or_else(|| first.any());
        let script = loads::lines(&probe);
        let workloads: Vec<WorkloadKind> = loads.into_iter().map(|load| load.kind(&probe)).chain([script]).collect();
        let of = |kind| places().into_iter().filter(move |place: &Place| place.kind == kind);
        let failpoint = |place: Place| Failpoint { name: place.name, about: said(place), can_fail: true, only_late: false };
        let event = |place: Place| {
            let kind = EventKind { name: place.name, subject: Some(Subject::Node), about: said(place) };
            EventInfo { event: Event::own(Box::leak(Box::new(kind))), never: |_| None }
        };
        Own {
            name: kept(&name),
            about: kept(&about),
            has_leaders,
            boot,
            clients,
            workloads: workloads.leak(),
            checkers: checkers.leak(),
            bugs: of(PlaceKind::Bug).map(|place| Named { name: place.name, about: said(place) }).collect(),
            failpoints: of(PlaceKind::Failpoint).map(failpoint).collect::<Vec<_>>().leak(),
            events: of(PlaceKind::Sometimes).map(event).collect::<Vec<_>>().leak(),
        }
    }
}

impl<O: Operation, A: Answer> Harness<O, A> {
    /// It, as a pack: for [`squall_cli::main`], with several of them.
    ///
    /// # Panics
    /// Without a service, a client or a workload.
    pub fn pack(self) -> Arc<dyn Pack> {
        Arc::new(Own::new(self))
    }

    /// The program: parses the command line, and does what it says.
    ///
    /// # Panics
    /// As [`Harness::pack`].
    pub fn main(self) -> ExitCode {
        // `harness ... | head` ends quietly when head has seen enough, as other tools do.
        sigpipe::reset();
        squall_cli::main(vec![self.pack()])
    }
}

/// What its author says of it, or else where it stands.
fn said(place: Place) -> &'static str {
    if place.about.is_empty() { kept(&format!("{}:{}", place.file, place.line)) } else { place.about }
}

impl<O: Operation, A: Answer> Pack for Own<O, A> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn gives(&self) -> Gives {
        Gives { leaders: self.has_leaders, durable: true, ..Gives::NOTHING }
    }

    fn workloads(&self) -> &'static [WorkloadKind] {
        self.workloads
    }

    fn checkers(&self) -> &'static [Checker] {
        self.checkers
    }

    fn dialect(&self) -> Dialect {
        Dialect::of::<Asked<O>, Told<A>, Untyped>(&[])
    }

    fn events(&self) -> &'static [EventInfo] {
        self.events
    }

    fn service_events(&self) -> Box<dyn ServiceEvents> {
        Box::new(Places(self.events))
    }

    fn bugs(&self) -> Vec<Named> {
        self.bugs.clone()
    }

    fn failpoints(&self) -> &'static [Failpoint] {
        self.failpoints
    }

    fn leftovers(&self) -> Box<dyn Leftovers> {
        Box::new(Looks::<O>(BTreeMap::new()))
    }

    fn boot(&self, node: NodeContext) -> BoxFuture<'static, Result<(), String>> {
        let life = (self.boot)(Node::new(node));
        Box::pin(async move { squall_host::run(life).await? })
    }

    fn client(&self, client: ClientContext) -> Box<dyn RunClient> {
        let (handing, life) = Handing::to(&self.clients, client.members.into_values().collect(), client.ordinal, client.op_timeout);
        squall_host::spawn(life);
        Box::new(handing)
    }

    fn connect(&self, client: RealContext) -> Option<Box<dyn RunClient>> {
        let (handing, life) = Handing::to(&self.clients, client.endpoints, client.ordinal, client.op_timeout);
        #[allow(clippy::disallowed_methods, reason = "a client that really runs")]
        drop(tokio::spawn(life));
        Some(Box::new(handing))
    }
}

/// A place that has a name is an event of that name.
struct Places(&'static [EventInfo]);

impl ServiceEvents for Places {
    fn of(&mut self, what: &EntryKind, _client: Option<ClientId>) -> Option<Event> {
        let EntryKind::Node { saw: Observation::Reached { place }, .. } = what else { return None };
        self.0.iter().map(|info| info.event).find(|event| event.name() == place)
    }
}

/// What shows what the operations of a run left behind, each once: by its words.
struct Looks<O>(BTreeMap<String, O>);

impl<O: Operation> Leftovers for Looks<O> {
    fn asked(&mut self, op: &Op) {
        let look = op.get::<Asked<O>>().and_then(|ask| ask.0.looked_at_by());
        if let Some(look) = look.filter(|_| self.0.len() < LOOKS_MAX) {
            self.0.entry(serde_json::to_string(&look).unwrap_or_default()).or_insert(look);
        }
    }

    fn reads(&self) -> Vec<Op> {
        self.0.values().cloned().map(Asked).map(Op::new).collect()
    }
}
