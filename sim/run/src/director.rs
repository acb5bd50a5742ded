//! The run of a plan, from its boot to its end.
//!
//! ```text
//!   0 ───────── faults and load ───────── duration │ heal │ served again? │ final reads │ replicas settle │ end
//! ```

use crate::{
    damage::Damage,
    driver::{Connect, Driver, Left, PATIENCE},
    faults::Faults,
    heal::Healer,
    interpreter::Interpreter,
    membership::{Membership, newcomers},
    pack::{ClientContext, Pack},
    recorder::{ContinueFn, Recorder},
    settle::settle,
    stage::Stage,
    tempo::Tempo,
};
use squall_effect::Party;
use squall_history::{ClientId, EntryKind, History, SimTime, digest_of};
use squall_machine::{DiskProfile, LinkProfile, Machine, MachineConfig, SimEnv, SimNet, cpu_clock};
use squall_scenario::Plan;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

/// The longest that one operation may take.
const OP_TIMEOUT: Duration = Duration::from_secs(1);

/// What a run gave.
#[derive(Debug)]
pub struct Run {
    /// Everything that was seen.
    pub history: History,
    /// The history's digest: it identifies the run.
    pub digest: String,
    /// How much virtual time it took.
    pub sim: Duration,
    /// How much CPU time, of its thread.
    pub cpu: Duration,
    /// Whether the history had to be cut off.
    pub overflowed: bool,
    /// Whether the monitor had seen enough: then the history has no end.
    pub stopped: bool,
}

/// Why a plan cannot be run.
#[derive(Debug, PartialEq, Eq)]
pub enum RunError {
    /// It asks for a planted bug that there is not.
    NoSuchBug {
        /// Its name.
        name: String,
        /// Those that there are.
        known: Vec<&'static str>,
    },
    /// The world itself panicked: a bug of the harness.
    Harness(String),
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RunError::NoSuchBug { name, known } if known.is_empty() => {
                write!(f, "there is no planted bug `{name}`: this system has none")
            }
            RunError::NoSuchBug { name, known } => write!(f, "there is no planted bug `{name}`; there are {}", known.join(", ")),
            RunError::Harness(why) => write!(f, "the harness itself failed: {why}"),
        }
    }
}

impl std::error::Error for RunError {}

/// Runs a plan on a fresh machine.
///
/// # Errors
/// When the plan asks for what the system does not have, or the harness itself failed.
pub fn run(plan: &Plan, pack: Arc<dyn Pack>) -> Result<Run, RunError> {
    run_while(plan, pack, None)
}

/// What a plan's machine is made of.
fn config(plan: &Plan, pack: &dyn Pack) -> Result<MachineConfig, RunError> {
    let known: Vec<&'static str> = pack.bugs().iter().map(|bug| bug.name).collect();
    if let Some(name) = plan.bugs.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(RunError::NoSuchBug { name: name.clone(), known });
    }
    let (network, disk) = (&plan.cluster.network, &plan.cluster.disk);
    Ok(MachineConfig {
        world_seed: plan.world_seed(),
        nodes: plan.nodes() + newcomers(plan),
        clients: plan.clients(),
        link: LinkProfile { latency_min: network.latency.0.min, latency_max: network.latency.0.max, loss: network.loss, bandwidth: None },
        disk: DiskProfile { sync_min: disk.sync.0.min, sync_max: disk.sync.0.max },
        bugs: plan.bugs.iter().cloned().collect(),
    })
}

/// The same, and somebody may look on, and stop it. Whether somebody does changes nothing in the run up to there.
///
/// # Errors
/// As [`run`].
pub fn run_while(plan: &Plan, pack: Arc<dyn Pack>, go_on: Option<ContinueFn>) -> Result<Run, RunError> {
    let config = config(plan, &*pack)?;
    let recorder = Arc::new(Recorder::new(config.nodes, pack.service_events()));
    let (plan, books) = (plan.clone(), recorder.clone());
    let ran = Machine::run_watched(config, recorder.clone(), move |machine| async move {
        let director = Director::new(Arc::new(Stage { machine: machine.clone(), recorder: books.clone(), plan }), pack);
        go_on.into_iter().for_each(|go_on| books.monitor(go_on));
        books.unless_stopped(director.direct()).await;
        (books.take(), machine.now())
    });
    let ((recorded, sim), cpu) = ran.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
        RunError::Harness(text.unwrap_or_else(|| "a panic without a message".to_string()))
    })?;
    if let Some(why) = recorded.harness_failure {
        return Err(RunError::Harness(why));
    }
    let digesting = cpu_clock();
    Ok(Run {
        digest: digest_of(&recorded.history),
        history: recorded.history,
        sim: Duration::from_nanos(sim.0),
        cpu: cpu + digesting.elapsed(),
        overflowed: recorded.overflowed,
        stopped: recorded.stopped,
    })
}

struct Director {
    stage: Arc<Stage>,
    pack: Arc<dyn Pack>,
    interpreter: Interpreter,
}

impl Director {
    fn new(stage: Arc<Stage>, pack: Arc<dyn Pack>) -> Director {
        let membership = Arc::new(Membership::new(stage.clone(), pack.clone()));
        let damage = Arc::new(Damage::new(stage.clone(), membership.clone()));
        let interpreter = Interpreter { stage: stage.clone(), membership, damage, tempo: Arc::new(Tempo::default()) };
        Director { stage, pack, interpreter }
    }

    async fn direct(&self) {
        if let Some(available) = &self.stage.plan.available {
            self.stage.record(EntryKind::Available { max_gap: available.max_gap.as_nanos() as u64, until: available.until });
        }
        self.apply_zones();
        let membership = &self.interpreter.membership;
        membership.founders().into_iter().for_each(|id| membership.boot(id));
        let driver = self.start_clients();
        Faults::new(&self.interpreter).run().await;
        let healer = Healer::new(&self.interpreter);
        let healed = healer.heal().await;
        healer.starting_again(self.after_the_heal(&healer, driver, healed)).await;
        self.stage.record(EntryKind::End);
    }

    /// Links between zones are longer than those within one.
    fn apply_zones(&self) {
        let Some(zones) = &self.stage.plan.cluster.network.zones else { return };
        let machine = &self.stage.machine;
        let zone = |party: &Party| zones.groups.iter().position(|group| group.contains(party));
        let nodes = self.interpreter.membership.hosts().keys().map(|id| Party::Node(*id));
        let all: Vec<Party> = nodes.chain((1..=self.stage.plan.clients()).map(|id| Party::Client(ClientId(id)))).collect();
        let near = machine.config().link.clone();
        let latency_min = near.latency_min + zones.between.0.min;
        let far = LinkProfile { latency_min, latency_max: near.latency_max + zones.between.0.max, ..near };
        for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (from, to))) {
            if zone(from) != zone(to) {
                machine.set_link(self.stage.host(*from), self.stage.host(*to), far.clone());
            }
        }
    }

    /// How a client is made, on the host that it runs on.
    fn connect(&self) -> Connect {
        let (pack, members) = (self.pack.clone(), self.interpreter.membership.hosts().clone());
        Arc::new(move |ordinal, sink| {
            let net = SimNet::current();
            pack.client(ClientContext { members: members.clone(), net, op_timeout: OP_TIMEOUT, ordinal, sink })
        })
    }

    /// Every client, on a host of its own.
    fn start_clients(&self) -> Driver<SimEnv> {
        let driver = Driver::new(self.stage.clone(), self.interpreter.tempo.clone(), self.connect(), self.pack.leftovers());
        let machine = &self.stage.machine;
        driver.start(self.stage.plan.planned_workloads(), |ordinal, client| {
            machine.boot(machine.client_host(ordinal), |_| async move {
                client.await;
                Ok(())
            });
        });
        driver
    }

    async fn after_the_heal(&self, healer: &Healer<'_>, driver: Driver<SimEnv>, healed: SimTime) {
        let stage = &self.stage;
        let mut deadline = healed + stage.plan.liveness.within;
        driver.hurry(healed);
        loop {
            self.wait(&driver, deadline, || driver.all_served(healed)).await;
            // Whoever had to be started again has as long from then on.
            let later = healer.grace(healed);
            if driver.all_served(healed) || later <= deadline {
                break;
            }
            deadline = later;
        }
        driver.stop();
        self.wait(&driver, stage.now() + Duration::from_secs(60), || driver.has_ended()).await;
        stage.record(EntryKind::FinalReads);
        // A client that was served late still gets its time to find the nodes that are left.
        let until = deadline.max(stage.now() + Duration::from_secs(5));
        self.final_reads(&driver, driver.leftovers(), until).await;
        // To wait for what is to be gone may have taken longer than that.
        settle(stage, &self.interpreter.membership, healer.grace(healed).max(stage.now() + Duration::from_secs(3))).await;
    }

    /// Waits until this is so of the clients, or the deadline.
    async fn wait(&self, driver: &Driver<SimEnv>, deadline: SimTime, mut done: impl FnMut() -> bool) {
        let mut late = std::pin::pin!(self.stage.machine.sleep_until(deadline));
        while !done() {
            let mut changed = std::pin::pin!(driver.changed());
            let waited = std::future::poll_fn(|cx| match changed.as_mut().poll(cx) {
                std::task::Poll::Ready(()) => std::task::Poll::Ready(true),
                std::task::Poll::Pending => late.as_mut().poll(cx).map(|()| false),
            });
            if !waited.await {
                return;
            }
        }
    }

    /// Reads everything once more, through client c1.
    async fn final_reads(&self, driver: &Driver<SimEnv>, left: Left, deadline: SimTime) {
        let machine = &self.stage.machine;
        let host = machine.client_host(1);
        machine.end_process(host, false);
        let everybody = self.interpreter.membership.hosts().len() as u32;
        let (lives, count) = (left.lives, left.count());
        let finished = Arc::new(Notify::new());
        let (reads, tell) = (driver.final_reads(left, deadline, everybody), finished.clone());
        machine.boot(host, |_| async move {
            reads.await;
            tell.notify_one();
            Ok(())
        });
        // Bounded, should the client die: its panic is seen by the one who asked for the run.
        let late = machine.sleep_until(deadline.max(machine.now()) + lives + PATIENCE * (count + everybody + 1));
        let (mut late, mut done) = (std::pin::pin!(late), std::pin::pin!(finished.notified()));
        std::future::poll_fn(|cx| match done.as_mut().poll(cx) {
            std::task::Poll::Ready(()) => std::task::Poll::Ready(()),
            std::task::Poll::Pending => late.as_mut().poll(cx),
        })
        .await;
    }
}
