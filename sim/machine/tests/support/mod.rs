//! Bare hosts for tests of the machine: no cluster, no plan.

#![allow(dead_code, reason = "each test file uses its part of this")]

use squall_history::NodeId;
use squall_machine::{HostId, Machine, MachineConfig};
use std::{future::Future, sync::Arc, time::Duration};

/// Runs `body` on a machine of three bare nodes.
pub fn on_machine<T: Send + 'static, F: Future<Output = T>>(seed: u64, body: impl FnOnce(Arc<Machine>) -> F + Send + 'static) -> T {
    Machine::run(MachineConfig::bare(seed), body).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub fn n(machine: &Machine, i: u32) -> HostId {
    machine.node(NodeId(i))
}

/// Boots a process that runs `main` and gives its result to the supervisor.
pub async fn run_on<T: Send + 'static, F>(machine: &Arc<Machine>, i: u32, main: impl FnOnce() -> F) -> T
where
    F: Future<Output = T> + Send + 'static,
{
    let (tx, rx) = tokio::sync::oneshot::channel();
    machine.boot(n(machine, i), |_| {
        let main = main();
        async move {
            let _ = tx.send(main.await);
            std::future::pending().await
        }
    });
    rx.await.expect("the process lives long enough to answer")
}

pub async fn sleep(machine: &Machine, ms: u64) {
    machine.sleep_until(machine.now() + Duration::from_millis(ms)).await;
}
