//! The ports of `squall-env`, implemented by the simulated machine.

use crate::{
    clock::SimSleep,
    disk::SimDisk,
    net::SimNet,
    process::{Process, SimJoin},
};
use squall_env::{Bug, Env, LocalInstant, WallTime};
use std::future::Future;

/// The marker of the simulated machine.
#[derive(Clone, Copy, Debug)]
pub struct SimEnv;

impl Env for SimEnv {
    type Sleep = SimSleep;
    type JoinHandle<T: Send + 'static> = SimJoin<T>;
    type Net = SimNet;
    type Disk = SimDisk;

    fn now() -> LocalInstant {
        let process = Process::current();
        let (now, state) = process.machine().lock();
        state.hosts[process.host].clock.local(now)
    }

    fn wall_now() -> WallTime {
        let process = Process::current();
        let (now, state) = process.machine().lock();
        state.hosts[process.host].clock.wall(now)
    }

    fn sleep_until(deadline: LocalInstant) -> SimSleep {
        SimSleep::new(Process::current(), deadline)
    }

    fn spawn<F>(future: F) -> SimJoin<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Process::current().spawn(future)
    }

    fn rng() -> rand_chacha::ChaCha8Rng {
        Process::current().fork_rng()
    }

    fn bug(bug: Bug) -> bool {
        Process::current().has_bug(bug)
    }
}
