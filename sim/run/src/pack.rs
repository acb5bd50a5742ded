//! What a service is to a run: its pack.

use crate::{
    pen::Pen,
    service_events::{Leftovers, Nothing, ServiceEvents},
    stage::Stage,
};
use squall_history::{Dialect, EntryKind, NodeId, Observation, Op, OpId, Outcome, StreamEvent, View};
use squall_judge::Checker;
use squall_linear::{Judged, Options, Progress, RawHistory, StreamingVerdict};
use squall_machine::{SimDisk, SimNet};
use squall_scenario::{Admin, Cluster, EventInfo, Failpoint, Gives, Holder, Named, Service, workloads::WorkloadKind};
use std::{
    collections::BTreeMap,
    fs::File,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

/// A future that the world runs on a node or a client.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Everything about a service, in one column: what its clients ask, what it promises, how it is booted and asked.
pub trait Pack: Send + Sync {
    /// The name that scenarios use.
    fn name(&self) -> &'static str;

    /// One sentence.
    fn about(&self) -> &'static str;

    /// What it has besides: a scenario that waits for what it has not is a mistake.
    fn gives(&self) -> Gives {
        Gives::EVERYTHING
    }

    /// What its clients may ask.
    fn workloads(&self) -> &'static [WorkloadKind];

    /// What it promises, beside what every service does ([`squall_judge::GENERAL`]).
    fn checkers(&self) -> &'static [Checker];

    /// How its own data is read from histories.
    fn dialect(&self) -> Dialect;

    /// What may happen in it, beside what may happen in any service.
    fn events(&self) -> &'static [EventInfo] {
        &[]
    }

    /// The client that has what only one of them can have, where there is such a thing.
    fn holder(&self) -> Option<&'static Holder> {
        None
    }

    /// What finds [`Pack::events`] and the [`Pack::holder`] in a history that is being made.
    fn service_events(&self) -> Box<dyn ServiceEvents> {
        Box::new(Nothing)
    }

    /// The bugs that can be planted in it.
    fn bugs(&self) -> Vec<Named> {
        vec![]
    }

    /// The seams of its code, at which a fault may strike.
    fn failpoints(&self) -> &'static [Failpoint] {
        &[]
    }

    /// What is looked at once more when the load is over.
    fn leftovers(&self) -> Box<dyn Leftovers> {
        Box::new(Nothing)
    }

    /// Its operations as calls, as models of any history read them; `None`: they have no such form.
    fn calls(&self, _view: &View<'_>) -> Option<RawHistory> {
        None
    }

    /// A model of its own, of everything that its clients ask.
    fn model(&self) -> Option<&'static OwnModel> {
        None
    }

    /// The life of one process of a node, on that node. It ends when the node does; an error is the
    /// node's own refusal to go on.
    fn boot(&self, node: NodeContext) -> BoxFuture<'static, Result<(), String>>;

    /// A client, on a client host.
    fn client(&self, client: ClientContext) -> Box<dyn Client>;

    /// A client of a cluster that really runs; `None` of a service that cannot be recorded.
    fn connect(&self, _client: RealContext) -> Option<Box<dyn Client>> {
        None
    }

    /// Why what really runs at these addresses cannot be recorded: a history begins with an empty store.
    fn is_new<'a>(&'a self, _endpoints: &'a [SocketAddr]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

/// A model of a service, for `squall check --model`.
#[derive(Debug)]
pub struct OwnModel {
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Decides.
    pub judge: fn(&View<'_>, &mut Options<'_>) -> Judged,
    /// Reads and decides at once, without keeping the history: for long ones.
    pub at_once: Option<AtOnce>,
}

/// Reads a file, says that it is read, and decides; asked now and then whether it may go on. `None`: somebody else is to.
pub type AtOnce = fn(File, &mut dyn FnMut(), &mut dyn FnMut(Progress) -> bool) -> io::Result<Option<StreamingVerdict>>;

/// What scenarios may name of a service.
pub fn service(pack: &dyn Pack) -> Service {
    Service {
        name: pack.name(),
        gives: pack.gives(),
        workloads: pack.workloads(),
        events: pack.events(),
        holder: pack.holder(),
        bugs: pack.bugs(),
        failpoints: pack.failpoints(),
        checkers: squall_judge::every(pack.checkers()).map(|checker| checker.name).collect(),
    }
}

/// One client of a system under test.
pub trait Client: Send {
    /// Asks, and says how it ended. One operation at a time. What is heard while it lasts goes into the
    /// [`StreamSink`] that the client was made with.
    fn call<'a>(&'a mut self, op: &'a Op) -> BoxFuture<'a, Outcome>;

    /// It is asked nothing more.
    fn close(&mut self) {}
}

/// Answers what a node's store holds, when asked after the end. It must only read memory.
pub(crate) type Probe = Box<dyn Fn() -> Observation + Send>;

/// Does what an administrator asks of a node.
pub(crate) type Administrator = Box<dyn Fn(Admin) -> BoxFuture<'static, Result<(), String>> + Send>;

/// What a node is booted with.
pub struct NodeContext {
    /// Which node this is.
    pub id: NodeId,
    /// The nodes that found the cluster, and where they listen.
    pub members: BTreeMap<NodeId, SocketAddr>,
    /// Those, and every node that may join later.
    pub hosts: BTreeMap<NodeId, SocketAddr>,
    /// Whether this node joins a cluster that is there.
    pub joins: bool,
    /// The cluster's make.
    pub cluster: Cluster,
    /// The host's network.
    pub net: SimNet,
    /// The host's disk.
    pub disk: SimDisk,
    /// Where to tell what the node does.
    pub reporter: Reporter,
    pub(crate) probe: Arc<Mutex<Option<Probe>>>,
    pub(crate) administrator: Arc<Mutex<Option<Administrator>>>,
}

impl NodeContext {
    /// Says how the node's final state can be read.
    pub fn on_probe(&self, probe: impl Fn() -> Observation + Send + 'static) {
        *self.probe.lock().expect("no panic under this lock") = Some(Box::new(probe));
    }

    /// Says how the node can be administered: transfers of the leadership, compactions, snapshots. The
    /// future runs as a task of the node; an error is the node's refusal, and no violation.
    pub fn on_admin(&self, administrator: impl Fn(Admin) -> BoxFuture<'static, Result<(), String>> + Send + 'static) {
        *self.administrator.lock().expect("no panic under this lock") = Some(Box::new(administrator));
    }
}

/// Writes a node's observations into the history.
#[derive(Clone)]
pub struct Reporter {
    pub(crate) stage: Arc<Stage>,
    pub(crate) node: NodeId,
    pub(crate) incarnation: u32,
}

impl Reporter {
    /// This node was seen to do this, now. What a dead process says is not heard.
    pub fn saw(&self, saw: Observation) {
        let machine = &self.stage.machine;
        if machine.process(machine.node(self.node)).is_some_and(|p| p.incarnation == self.incarnation) {
            self.stage.record(EntryKind::Node { node: self.node, saw });
        }
    }
}

/// What a client is made with.
pub struct ClientContext {
    /// Every node that there is or may be, and where it listens.
    pub members: BTreeMap<NodeId, SocketAddr>,
    /// The client host's network.
    pub net: SimNet,
    /// The longest that an operation may take.
    pub op_timeout: Duration,
    /// Which client this is, from 1: clients start at different nodes.
    pub ordinal: u32,
    /// Where to write down what an operation lets the client hear.
    pub sink: StreamSink,
}

/// What a client of a cluster that really runs is made with.
pub struct RealContext {
    /// Where the nodes listen for clients.
    pub endpoints: Vec<SocketAddr>,
    /// The longest that an operation may take.
    pub op_timeout: Duration,
    /// Which client this is, from 1: clients start at different nodes.
    pub ordinal: u32,
    /// Where to write down what an operation lets the client hear.
    pub sink: StreamSink,
}

/// Writes down what a client hears while its operation lasts.
#[derive(Clone)]
pub struct StreamSink(Arc<dyn Fn(StreamEvent) + Send + Sync>);

impl StreamSink {
    /// A sink that tells this.
    pub fn new(tell: impl Fn(StreamEvent) + Send + Sync + 'static) -> StreamSink {
        StreamSink(Arc::new(tell))
    }

    /// The operation that is under way lets the client hear this, now.
    pub fn hears(&self, heard: StreamEvent) {
        (self.0)(heard);
    }
}

/// The operation that a client is in.
#[derive(Clone, Default)]
pub(crate) struct CurrentOp(Arc<Mutex<Option<OpId>>>);

impl CurrentOp {
    pub(crate) fn set(&self, op: Option<OpId>) {
        *self.0.lock().expect("no panic under this lock") = op;
    }

    /// A sink that writes there.
    pub(crate) fn sink(&self, pen: &Arc<dyn Pen>) -> StreamSink {
        let (current, pen) = (self.0.clone(), pen.clone());
        StreamSink::new(move |heard| {
            let op = *current.lock().expect("no panic under this lock");
            if let Some(op) = op {
                pen.write(EntryKind::Heard { op, heard });
            }
        })
    }
}
