//! The ports of `squall-env`, implemented by the simulated machine.

use crate::{
    clock::SimSleep,
    disk::SimDisk,
    net::SimNet,
    process::{Process, SimJoin},
};
use squall_effect::Strike;
use squall_env::{Bug, Env, Failpoint, LocalInstant, WallTime};
use std::{future::Future, io, net::SocketAddr, task::Poll, time::Duration};

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

    fn bug(bug: impl Into<Bug>) -> bool {
        Process::current().has_bug(bug.into())
    }

    async fn failpoint(point: impl Into<Failpoint> + Send) -> io::Result<()> {
        let Some((strike, over)) = Process::current().hit_failpoint(point.into()) else { return Ok(()) };
        match strike {
            // Until then, or until the fault is over.
            Strike::Delay(by) => {
                let (mut held, mut over) = (SimEnv::sleep_until(SimEnv::now() + by), std::pin::pin!(over.notified()));
                std::future::poll_fn(|cx| match over.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(()),
                    Poll::Pending => std::pin::Pin::new(&mut held).poll(cx),
                })
                .await;
                Ok(())
            }
            Strike::Error(errno) => Err(io::Error::from_raw_os_error(errno.number())),
            // A paused process goes on from here.
            Strike::Pause(_) => {
                SimEnv::sleep(Duration::ZERO).await;
                Ok(())
            }
            Strike::Kill | Strike::PowerLoss => std::future::pending().await,
        }
    }

    fn sends_twice(to: SocketAddr) -> bool {
        let process = Process::current();
        let (_, mut state) = process.machine().lock();
        state.net.sends_twice(process.host, to)
    }
}
