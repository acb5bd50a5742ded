//! Systems of one's own are given to [`squall::main`]. These are what a sweep must live with: nodes whose
//! process crashes, hangs or eats memory, and one that is not the same twice.

use squall_history::{Answer, Dialect, Observation, Op, Outcome, Output};
use squall_primary_backup::{PrimaryBackup, Ticket};
use squall_run::{BoxFuture, Checker, Client, ClientContext, NodeContext, Pack};
use squall_scenario::workloads::WorkloadKind;
use std::{process::ExitCode, sync::Arc};

#[derive(Clone, Copy)]
enum How {
    Crashes,
    Hangs,
    Eats,
    /// What it holds at the end depends on the process that it runs in.
    TossesCoins,
}

struct Misbehaving(How);

struct Nobody;

impl Pack for Misbehaving {
    fn name(&self) -> &'static str {
        match self.0 {
            How::Crashes => "crashes",
            How::Hangs => "hangs",
            How::Eats => "eats",
            How::TossesCoins => "tosses-coins",
        }
    }

    fn about(&self) -> &'static str {
        "a system that misbehaves, for the tests of sweeps"
    }

    fn workloads(&self) -> &'static [WorkloadKind] {
        PrimaryBackup.workloads()
    }

    fn checkers(&self) -> &'static [Checker] {
        PrimaryBackup.checkers()
    }

    fn dialect(&self) -> Dialect {
        PrimaryBackup.dialect()
    }

    fn boot(&self, node: NodeContext) -> BoxFuture<'static, Result<(), String>> {
        match self.0 {
            How::Crashes => std::process::abort(),
            How::Hangs => loop {
                std::thread::park();
            },
            How::Eats => {
                let mut eaten: Vec<Vec<u8>> = Vec::new();
                loop {
                    eaten.push(vec![1; 4 << 20]);
                }
            }
            How::TossesCoins => {
                node.on_probe(|| Observation::Final { applied: 1, hash: u64::from(std::process::id()) });
                Box::pin(std::future::pending())
            }
        }
    }

    fn client(&self, _client: ClientContext) -> Box<dyn Client> {
        Box::new(Nobody)
    }
}

impl Client for Nobody {
    fn call<'a>(&'a mut self, _op: &'a Op) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::Ok(Answer { output: Output::new(Ticket(0)), position: None }) })
    }
}

fn main() -> ExitCode {
    let mut systems: Vec<Arc<dyn Pack>> = vec![Arc::new(squall_etcd::Etcd), Arc::new(PrimaryBackup)];
    for how in [How::Crashes, How::Hangs, How::Eats, How::TossesCoins] {
        systems.push(Arc::new(Misbehaving(how)));
    }
    squall::main(systems)
}
