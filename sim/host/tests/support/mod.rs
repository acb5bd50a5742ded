//! Nodes with a tokio runtime of their own, on a bare machine.

#![allow(dead_code, reason = "each test file uses its part of this")]

use squall_history::{NodeId, Observation};
use squall_machine::{HostId, Machine, MachineConfig, Seen};
use std::{future::Future, sync::Arc, time::Duration};

/// Runs `body` on a machine of three bare nodes.
pub fn on_machine<T: Send + 'static, F: Future<Output = T>>(seed: u64, body: impl FnOnce(Arc<Machine>) -> F + Send + 'static) -> T {
    Machine::run(MachineConfig::bare(seed), body).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub fn n(machine: &Machine, i: u32) -> HostId {
    machine.node(NodeId(i))
}

pub async fn sleep(machine: &Machine, ms: u64) {
    machine.sleep_until(machine.now() + Duration::from_millis(ms)).await;
}

/// Boots a node that runs `main`, and then does nothing.
pub fn boot<F: Future<Output: Send> + Send + 'static>(machine: &Arc<Machine>, i: u32, main: impl FnOnce() -> F + Send + 'static) {
    machine.boot(n(machine, i), |_| async move {
        squall_host::run(async move { main().await }).await?;
        std::future::pending().await
    });
}

/// The result of `main` on a node.
pub async fn result_of<T: Send + 'static, F>(machine: &Arc<Machine>, i: u32, main: impl FnOnce() -> F + Send + 'static) -> T
where
    F: Future<Output = T> + Send + 'static,
{
    let (tx, rx) = tokio::sync::oneshot::channel();
    boot(machine, i, move || async move { drop(tx.send(main().await)) });
    rx.await.expect("the node lives long enough to answer")
}

/// The result of `main` on a node of a machine of its own.
pub fn on_node<T: Send + 'static, F>(main: impl FnOnce() -> F + Send + 'static) -> T
where
    F: Future<Output = T> + Send + 'static,
{
    on_machine(7, |machine| async move { result_of(&machine, 1, main).await })
}

/// What a node panics with that runs `main`.
pub fn ends_with<F: Future<Output: Send> + Send + 'static>(main: impl FnOnce() -> F + Send + 'static) -> String {
    let seen = Arc::new(Seen::default());
    let body = |machine: Arc<Machine>| async move {
        boot(&machine, 1, main);
        sleep(&machine, 1_000).await;
        machine.is_running(n(&machine, 1))
    };
    let (runs, _) =
        Machine::run_watched(MachineConfig::bare(7), seen.clone(), body).unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    assert!(!runs, "the node lives on");
    let panics =
        seen.all().into_iter().filter_map(|(_, _, saw)| if let Observation::Panicked { message } = saw { Some(message) } else { None });
    let panics: Vec<String> = panics.collect();
    assert_eq!(panics.len(), 1, "{panics:?}");
    panics[0].clone()
}
