//! `squall record`: the workloads of a scenario against a cluster that really runs, an etcd or a `squall-node`.
//! What its clients see is written down as in a simulation, and judged by the checkers that need no more.
//!
//! This is how a false alarm on the original would show. Time is real here: it is the one run that cannot be
//! repeated.

use crate::{Exit, Systems, failure::Failure, once::load};
use squall_adapters::User;
use squall_checker::{REGISTRY, check_all};
use squall_env::{
    Env, LocalInstant,
    real::{RealNet, TokioEnv},
    timeout,
};
use squall_history::{
    Answer, ClientId, Entry, Heard, History, LeaseId, LeaseOp, LeaseOutput, Op, OpId, Outcome, Output, SimTime, View, What, write_jsonl,
};
use squall_scenario::{
    Plan, plan,
    workloads::{OpSource, Pace},
};
use squall_world::{Client, Ear};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufWriter, Write as _},
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The scenario: its workloads and its duration are used, not its faults
    scenario: PathBuf,
    /// The nodes' client addresses
    #[arg(long, value_delimiter = ',', default_value = "127.0.0.1:2379")]
    endpoints: Vec<SocketAddr>,
    /// The seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write the history as JSON lines to this file
    #[arg(long)]
    history: Option<PathBuf>,
}

const OP_TIMEOUT: Duration = Duration::from_secs(2);
const PING_AFTER: Duration = Duration::from_secs(30);

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    let scenario = load(&args.scenario, &[], systems)?.scenario;
    let plan = plan(&scenario, args.seed);
    if !plan.faults.is_empty() {
        eprintln!("squall: a cluster that really runs is not broken here: the scenario's faults are left out");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Usage(format!("cannot start: {e}")))?;
    let history = runtime.block_on(record(&plan, &args.endpoints)).map_err(Failure::Usage)?;
    if let Some(path) = &args.history {
        let mut file = BufWriter::new(fs::File::create(path).map_err(Failure::io(path))?);
        write_jsonl(&history, &mut file).and_then(|()| file.flush()).map_err(Failure::io(path))?;
    }
    let view = View::new(&history);
    let client_side: Vec<String> = REGISTRY.iter().filter(|c| c.client_side && (c.applies)(&view)).map(|c| c.name.to_string()).collect();
    let mut exit = Exit::Ok;
    for (name, verdict) in check_all(&view, &client_side) {
        println!("{name:18} {}", verdict.word());
        match verdict {
            squall_checker::Verdict::Valid => {}
            squall_checker::Verdict::Unknown(why) => {
                println!("  {why}");
                exit = if exit == Exit::Ok { Exit::Inconclusive } else { exit };
            }
            squall_checker::Verdict::Invalid(witness) => {
                println!("  {}: {}", witness.kind, witness.summary);
                witness.details.iter().for_each(|line| println!("  {line}"));
                exit = Exit::Violation;
            }
        }
    }
    let ops = view.ops();
    println!("{} operations, {} of them answered", ops.len(), ops.iter().filter(|op| op.output().is_some()).count());
    Ok(exit)
}

#[derive(Default)]
struct Notes {
    history: History,
    next_op: u64,
    keys: BTreeSet<String>,
    leases: BTreeSet<LeaseId>,
    ttl_max: u64,
}

/// Where every client writes.
#[derive(Clone)]
struct Pen {
    began: LocalInstant,
    notes: Arc<Mutex<Notes>>,
}

impl Pen {
    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().expect("no panic under this lock")
    }

    /// The time is taken under the lock: it never goes back along the history.
    fn write(&self, what: What) {
        let mut notes = self.lock();
        let t = SimTime(TokioEnv::now().since(self.began).as_nanos() as u64);
        notes.history.push(Entry { t, what });
    }

    async fn perform(&self, id: ClientId, current: &Mutex<Option<OpId>>, client: &mut User<TokioEnv>, op: &Op) -> Option<Answer> {
        let number = {
            let mut notes = self.lock();
            notes.next_op += 1;
            notes.keys.extend(op.keys().iter().map(ToString::to_string));
            OpId(notes.next_op)
        };
        self.write(What::Invoke { client: id, op: number, ask: op.clone() });
        let set = |op| *current.lock().expect("no panic under this lock") = op;
        set(Some(number));
        let called = timeout::<TokioEnv, _>(2 * OP_TIMEOUT + op.lasts(), client.call(op)).await;
        set(None);
        match called.unwrap_or_else(|_| Outcome::Info("the client never said how it ended".to_string())) {
            Outcome::Ok(answer) => {
                if let (Op::Lease(ask), Output::Lease(output)) = (op, &answer.output) {
                    self.follow(ask, output);
                }
                self.write(What::Ok { op: number, output: answer.output.clone(), revision: answer.revision });
                Some(answer)
            }
            Outcome::Fail(squall_history::Failure { code, why }) => {
                self.write(What::Fail { op: number, code: code.to_string(), why });
                None
            }
            Outcome::Info(why) => {
                self.write(What::Info { op: number, why });
                None
            }
        }
    }

    fn follow(&self, ask: &LeaseOp, output: &LeaseOutput) {
        let mut notes = self.lock();
        match output {
            LeaseOutput::Granted { lease, ttl } => {
                notes.leases.insert(*lease);
                notes.ttl_max = notes.ttl_max.max(*ttl);
            }
            LeaseOutput::Renewed { ttl: 0 } | LeaseOutput::Left { ttl: -1, .. } | LeaseOutput::Revoked => {
                _ = ask.lease().map(|lease| notes.leases.remove(&lease));
            }
            LeaseOutput::Renewed { .. } | LeaseOutput::Left { .. } | LeaseOutput::Attached => {}
        }
    }

    fn client(&self, endpoints: &[SocketAddr], ordinal: u32) -> (User<TokioEnv>, Arc<Mutex<Option<OpId>>>) {
        let current: Arc<Mutex<Option<OpId>>> = Arc::default();
        let (pen, of) = (self.clone(), current.clone());
        let ear = Ear::new(move |heard: Heard| {
            let op = *of.lock().expect("no panic under this lock");
            if let Some(op) = op {
                pen.write(What::Heard { op, heard });
            }
        });
        (User::new(RealNet, endpoints, ordinal, OP_TIMEOUT, PING_AFTER, ear), current)
    }
}

async fn record(plan: &Plan, endpoints: &[SocketAddr]) -> Result<History, String> {
    let pen = Pen { began: TokioEnv::now(), notes: Arc::default() };
    let (mut first, current) = pen.client(endpoints, 1);
    match first.revision().await {
        Ok(1) => {}
        Ok(revision) => {
            return Err(format!(
                "the store is at revision {revision}: a history begins with an empty one, so start the cluster on new data directories"
            ));
        }
        Err(status) => return Err(format!("the cluster does not answer: {}", status.message())),
    }
    let until = TokioEnv::now() + plan.duration;
    let mut running = Vec::new();
    let mut ordinal = 0;
    for workload in plan.planned_workloads() {
        for i in 1..=workload.clients() {
            ordinal += 1;
            let id = ClientId(ordinal);
            let source = workload.source(i, &id.to_string());
            running.push(TokioEnv::spawn(ask_until(pen.clone(), id, source, endpoints.to_vec(), until)));
        }
    }
    for client in running {
        client.await.map_err(|e| format!("a client ended badly: {e}"))?;
    }
    pen.write(What::Healed { within: 10_000_000_000, nodes: vec![] });
    pen.write(What::FinalReads);
    let (keys, mut leases, ttl_max) = {
        let notes = pen.lock();
        (notes.keys.clone(), notes.leases.clone(), notes.ttl_max)
    };
    for key in keys {
        pen.perform(ClientId(1), &current, &mut first, &Op::Get { key }).await;
    }
    let gone_by = TokioEnv::now() + Duration::from_secs(ttl_max + 6);
    while !leases.is_empty() && TokioEnv::now() < gone_by {
        for lease in leases.clone() {
            let answer = pen.perform(ClientId(1), &current, &mut first, &Op::Lease(LeaseOp::TimeLeft { lease })).await;
            if matches!(answer, Some(Answer { output: Output::Lease(LeaseOutput::Left { ttl: -1, .. }), .. })) {
                leases.remove(&lease);
            }
        }
        TokioEnv::sleep(Duration::from_millis(500)).await;
    }
    pen.write(What::End);
    let history = std::mem::take(&mut pen.lock().history);
    Ok(history)
}

/// One client, until its time is up.
async fn ask_until(pen: Pen, id: ClientId, mut source: Box<dyn OpSource>, endpoints: Vec<SocketAddr>, until: LocalInstant) {
    let (mut client, current) = pen.client(&endpoints, id.0);
    let begun = TokioEnv::now();
    let (mut started, mut ended) = (begun, begun);
    while let Some((pace, op)) = source.next() {
        let due = match pace {
            Pace::At(after) => begun + after,
            Pace::AfterLast(pause) => ended + pause,
            Pace::AfterStart(interval) => started + interval,
        };
        if due >= until {
            break;
        }
        TokioEnv::sleep_until(due).await;
        started = TokioEnv::now();
        match pen.perform(id, &current, &mut client, &op).await {
            Some(answer) => source.answered(&op, &answer),
            None => source.unanswered(&op),
        }
        ended = TokioEnv::now();
    }
    client.close();
}
