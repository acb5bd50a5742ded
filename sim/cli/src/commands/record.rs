//! `squall record`: the workloads of a scenario against a cluster that really runs.
//! What its clients see is written down as in a simulation, and judged by the checkers that need no more.
//!
//! This is how a false alarm on the original would show. Time is real here: it is the one run that cannot be
//! repeated.

use crate::{Exit, Systems, failure::Failure, session::load};
use squall_env::{Env, LocalInstant, real::TokioEnv};
use squall_history::{Entry, EntryKind, History, SimTime, View, write_jsonl};
use squall_judge::{check_all, every};
use squall_run::{Connect, Driver, Pack, Pen, RealContext, StreamSink};
use squall_scenario::{Plan, plan};
use std::{
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

/// The longest that one operation may take.
const OP_TIMEOUT: Duration = Duration::from_secs(2);

/// How long every client may take to be served when the load is over.
const WITHIN: Duration = Duration::from_secs(10);

/// How long each last read is tried.
const LAST_READS: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    let scenario = load(&args.scenario, &[], systems)?.scenario;
    let plan = plan(&scenario, args.seed);
    if !plan.faults.is_empty() {
        eprintln!("squall: a cluster that really runs is not broken here: the scenario's faults are left out");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Usage(format!("cannot start: {e}")))?;
    let system = systems.get(&plan.system)?;
    let own = system.checkers();
    let history = runtime.block_on(record(&plan, system, &args.endpoints)).map_err(Failure::Usage)?;
    if let Some(path) = &args.history {
        let mut file = BufWriter::new(fs::File::create(path).map_err(Failure::io(path))?);
        write_jsonl(&history, &mut file).and_then(|()| file.flush()).map_err(Failure::io(path))?;
    }
    let view = View::new(&history);
    let client_side: Vec<String> = every(own).filter(|c| c.client_side && (c.applies)(&view)).map(|c| c.name.to_string()).collect();
    let mut exit = Exit::Ok;
    for (name, verdict) in check_all(&view, &client_side, own) {
        println!("{name:18} {}", verdict.word());
        match verdict {
            squall_judge::Verdict::Valid => {}
            squall_judge::Verdict::Unknown(why) => {
                println!("  {why}");
                exit = if exit == Exit::Ok { Exit::Inconclusive } else { exit };
            }
            squall_judge::Verdict::Invalid(witness) => {
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

/// A history of what really happens.
struct Notes {
    began: LocalInstant,
    history: Mutex<History>,
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, History> {
        self.history.lock().expect("no panic under this lock")
    }
}

impl Pen for Notes {
    fn now(&self) -> SimTime {
        SimTime(TokioEnv::now().since(self.began).as_nanos() as u64)
    }

    /// The time is taken under the lock: it never goes back along the history.
    fn write(&self, what: EntryKind) {
        let mut history = self.lock();
        let t = self.now();
        history.push(Entry { t, what });
    }
}

async fn record(plan: &Plan, system: Arc<dyn Pack>, endpoints: &[SocketAddr]) -> Result<History, String> {
    let context = {
        let endpoints = endpoints.to_vec();
        move |ordinal, sink| RealContext { endpoints: endpoints.clone(), op_timeout: OP_TIMEOUT, ordinal, sink }
    };
    if system.connect(context(1, StreamSink::new(|_| {}))).is_none() {
        return Err(format!("clients of the system `{}` are simulated only: it cannot be recorded", system.name()));
    }
    system.is_new(endpoints).await?;
    let leftovers = system.leftovers();
    let connect: Connect = Arc::new(move |ordinal, sink| system.connect(context(ordinal, sink)).expect("it connected before"));
    let notes = Arc::new(Notes { began: TokioEnv::now(), history: Mutex::default() });
    let driver: Driver<TokioEnv> = Driver::new(notes.clone(), Arc::default(), connect, leftovers);
    let mut running = Vec::new();
    driver.start(plan.planned_workloads(), |_, life| running.push(TokioEnv::spawn(life)));
    TokioEnv::sleep(plan.duration).await;
    driver.stop();
    for client in running {
        client.await.map_err(|e| format!("a client ended badly: {e}"))?;
    }
    notes.write(EntryKind::Healed { within: WITHIN.as_nanos() as u64, nodes: vec![] });
    notes.write(EntryKind::FinalReads);
    driver.read_again(LAST_READS).await;
    notes.write(EntryKind::End);
    let history = std::mem::take(&mut *notes.lock());
    Ok(history)
}
