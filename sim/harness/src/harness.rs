//! What a harness is given, one thing after another.

use crate::{
    client::{Client, Makes, Making},
    kept::kept,
    loads::Load,
    node::Node,
    operation::{Answer, Asked, Operation, Told},
};
use squall_history::{CompletedOp, OpEnd, SeededStream as Draws, View};
use squall_judge::{Checker, Verdict, by_model_of};
use squall_linear::{Model, Nature};
use std::{
    collections::BTreeMap,
    fmt::{Debug, Display},
    future::Future,
    hash::Hash,
    marker::PhantomData,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
};

/// The life of one process of a node.
pub(crate) type Boot = dyn Fn(Node) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync;

/// What is tested, and by what: see the [crate](crate).
pub struct Harness<O: Operation, A: Answer> {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) has_leaders: bool,
    pub(crate) boot: Option<Box<Boot>>,
    pub(crate) clients: Option<Arc<dyn Makes<O, A>>>,
    pub(crate) loads: Vec<Load<O>>,
    pub(crate) checkers: Vec<Checker>,
    pub(crate) probe: Option<O>,
}

impl<O: Operation, A: Answer> Harness<O, A> {
    /// A harness of the service of this name: scenarios say `system: NAME`. The name is of letters, digits and dashes.
    pub fn new(name: &str) -> Harness<O, A> {
        Harness {
            name: name.to_string(),
            about: "a service of your own".to_string(),
            has_leaders: false,
            boot: None,
            clients: None,
            loads: vec![],
            checkers: vec![],
            probe: None,
        }
    }

    /// One sentence about it.
    pub fn about(mut self, about: &str) -> Self {
        self.about = about.to_string();
        self
    }

    /// The service: the life of one process of one node, on a tokio runtime of its own. Its end is the process' own; an error is its
    /// refusal to go on.
    pub fn service<F, E: Display>(mut self, service: impl Fn(Node) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.boot = Some(Box::new(move |node| {
            let life = service(node);
            Box::pin(async move { life.await.map_err(|e| e.to_string()) })
        }));
        self
    }

    /// A client of one node, by its address. Each client of a workload has one of each node, and goes on to the next node while it is
    /// certain that nothing happened. What it uses of tokio, tonic and std is as in the service.
    pub fn client<C: Client<Op = O, Answer = A>>(mut self, client: impl Fn(SocketAddr) -> C + Send + Sync + 'static) -> Self {
        self.clients = Some(Arc::new(Making(client)));
        self
    }

    /// A workload: scenarios say `workload: { NAME: { clients: 4 } }`. Each operation is drawn from a stream of its own.
    pub fn workload(mut self, name: &str, about: &str, draw: impl Fn(&mut Draws) -> O + Send + Sync + 'static) -> Self {
        self.loads.push(Load::new(name, about, draw));
        self
    }

    /// What clients ask when their operations are over, to find out whether they are served. Without it, the first operation of the first
    /// workload that only reads.
    pub fn probe(mut self, probe: O) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Its nodes say who leads ([`Node::leads`]): faults may be aimed at the leader.
    pub fn has_leaders(mut self) -> Self {
        self.has_leaders = true;
        self
    }

    /// The promise `linearizable`: in some order, in which each operation stands between its invocation and its answer, every answer is as
    /// this model has it. Each [object](Operation::object) has a state of its own.
    pub fn model<M: Model<Input = O, Output = A> + Send + Sync + 'static>(self, model: M) -> Self {
        let check = move |view: &View<'_>| {
            let mut objects: BTreeMap<Option<String>, Vec<&CompletedOp>> = BTreeMap::new();
            for op in view.ops() {
                let object = op.ask.get::<Asked<O>>().and_then(|ask| ask.0.object());
                objects.entry(object).or_default().push(op);
            }
            let mut worst = Verdict::Valid;
            for ops in objects.into_values() {
                let input = |ask: &squall_history::Op| ask.get::<Asked<O>>().map(|ask| ask.0.clone());
                let answer = |output: &squall_history::Output| output.get::<Told<A>>().map(|told| told.0.clone());
                let verdict = by_model_of(&ops, &model, input, answer);
                if verdict.judgement() > worst.judgement() {
                    worst = verdict;
                }
                if matches!(worst, Verdict::Invalid(_)) {
                    break;
                }
            }
            worst
        };
        self.checker("linearizable", "the operations of each object are linearizable, as its model has it", true, check)
    }

    /// The same promise, from a state at the beginning and one function: the state after this operation with this answer, or `None` where
    /// it is never answered so. Without an answer (nobody saw it), the state after whatever it would do.
    /// What [only reads](Operation::is_read) must leave the state as it is.
    pub fn specification<S: Clone + Eq + Hash + Debug + Send + Sync + 'static>(
        self,
        initial: S,
        step: impl Fn(&S, &O, Option<&A>) -> Option<S> + Send + Sync + 'static,
    ) -> Self {
        self.model(Specification { initial, step, of: PhantomData })
    }

    /// A promise of your own: what it says of everything that was asked. It is asked at the end of a run only.
    pub fn check(self, name: &str, about: &str, check: impl Fn(&[CompletedOp<O, A>]) -> Verdict + Send + Sync + 'static) -> Self {
        self.checker(name, about, false, move |view| {
            let typed = |op: &CompletedOp| {
                let end = match &op.end {
                    OpEnd::Ok(at, output) => OpEnd::Ok(*at, output.get::<Told<A>>()?.0.clone()),
                    OpEnd::Fail(at) => OpEnd::Fail(*at),
                    OpEnd::Open => OpEnd::Open,
                };
                let CompletedOp { id, client, invoked, invoked_at, ended_at, position, .. } = *op;
                let ask = op.ask.get::<Asked<O>>()?.0.clone();
                Some(CompletedOp { id, client, ask, invoked, invoked_at, ended_at, end, position })
            };
            match view.ops().iter().map(typed).collect::<Option<Vec<_>>>() {
                Some(ops) => check(&ops),
                None => Verdict::Unknown("there are operations of another service in it".to_string()),
            }
        })
    }

    fn checker(mut self, name: &str, about: &str, prefix: bool, check: impl Fn(&View<'_>) -> Verdict + Send + Sync + 'static) -> Self {
        self.checkers.push(Checker {
            name: kept(name),
            about: kept(about),
            client_side: true,
            prefix,
            applies: &|view| view.asks().any(|ask| ask.get::<Asked<O>>().is_some()),
            check: Box::leak(Box::new(check)),
        });
        self
    }
}

/// A model that is one function.
struct Specification<S, F, O, A> {
    initial: S,
    step: F,
    of: PhantomData<fn(O) -> A>,
}

impl<S, F, O, A> Model for Specification<S, F, O, A>
where
    S: Clone + Eq + Hash + Debug,
    F: Fn(&S, &O, Option<&A>) -> Option<S>,
    O: Operation,
    A: Answer,
{
    type State = S;
    type Input = O;
    type Output = A;

    fn init(&self) -> S {
        self.initial.clone()
    }

    fn step(&self, state: &S, op: &O, answer: Option<&A>) -> Option<S> {
        (self.step)(state, op, answer)
    }

    fn nature(&self, op: &O, _answer: Option<&A>) -> Nature {
        if op.is_read() { Nature::Observes } else { Nature::Changes }
    }

    fn show_state(&self, state: &S) -> String {
        format!("{state:?}")
    }

    fn show_call(&self, op: &O, answer: Option<&A>) -> String {
        let answer = answer.map_or("?".to_string(), |answer| Told(answer.clone()).to_string());
        format!("{}: {answer}", Asked(op.clone()))
    }
}
