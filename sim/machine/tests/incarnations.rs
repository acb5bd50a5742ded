//! A dead process does nothing more: no write, no sync, no spawn, no packet.

mod support;

use squall_effect::ClockChange;
use squall_env::{Disk, Env, File, OpenMode};
use squall_history::Observation;
use squall_machine::{Machine, Seen, SimDisk, SimEnv, SimFile};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{n, on_machine, run_on, sleep};

/// Flushes on drop, as a BufWriter does; and spawns on drop, as careless code does.
struct Careless {
    file: Arc<SimFile>,
    ran: Arc<Mutex<Vec<&'static str>>>,
}

impl Drop for Careless {
    fn drop(&mut self) {
        let (file, ran) = (self.file.clone(), self.ran.clone());
        self.ran.lock().unwrap().push("dropped");
        let spawned = SimEnv::spawn(async move {
            ran.lock().unwrap().push("spawned from a drop");
            let _ = file.append(b"written by the dead".to_vec()).await;
        });
        drop(spawned);
        // A flush in a Drop cannot await: poll it once, as a blocking write would run.
        let mut write = Box::pin(self.file.append(b"flushed by the dead".to_vec()));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = write.as_mut().poll(&mut cx);
    }
}

fn careless_life(pause: bool, restart_at_once: bool) {
    on_machine(1, move |machine| async move {
        let ran = Arc::new(Mutex::new(Vec::new()));
        let inner = ran.clone();
        machine.boot(n(&machine, 1), |_| async move {
            let file = Arc::new(SimDisk::current().open("log", OpenMode::New).await.unwrap());
            file.append(b"alive".to_vec()).await.unwrap();
            let _guard = Careless { file, ran: inner };
            std::future::pending().await
        });
        sleep(&machine, 10).await;
        if pause {
            machine.pause(n(&machine, 1));
            sleep(&machine, 10).await;
        }
        machine.end_process(n(&machine, 1), false);
        if !restart_at_once {
            sleep(&machine, 10).await;
        }
        let read = run_on(&machine, 1, || async {
            SimEnv::sleep(Duration::from_millis(20)).await;
            let file = SimDisk::current().open("log", OpenMode::Existing).await.unwrap();
            file.read_at(0, 100).await.unwrap()
        })
        .await;
        assert_eq!(read, b"alive", "pause {pause}, restart at once {restart_at_once}");
        assert_eq!(*ran.lock().unwrap(), ["dropped"], "pause {pause}, restart at once {restart_at_once}");
    });
}

#[test]
fn a_flush_or_a_spawn_in_a_drop_of_a_dead_process_does_nothing() {
    for pause in [false, true] {
        for restart_at_once in [false, true] {
            careless_life(pause, restart_at_once);
        }
    }
}

#[test]
fn a_paused_process_stands_still_and_its_timers_queue_up() {
    on_machine(2, |machine| async move {
        let ticks = Arc::new(Mutex::new(Vec::new()));
        let (inner, m) = (ticks.clone(), machine.clone());
        machine.boot(n(&machine, 1), |_| async move {
            loop {
                SimEnv::sleep(Duration::from_millis(100)).await;
                inner.lock().unwrap().push(m.now().0 / 1_000_000);
            }
        });
        sleep(&machine, 250).await;
        // By two faults: it goes on once both are over.
        assert!(machine.pause(n(&machine, 1)) && machine.pause(n(&machine, 1)));
        assert!(machine.resume(n(&machine, 1)));
        sleep(&machine, 1000).await;
        assert!(machine.resume(n(&machine, 1)) && !machine.resume(n(&machine, 1)));
        sleep(&machine, 160).await;
        assert_eq!(*ticks.lock().unwrap(), [100, 200, 1250, 1350]);
    });
}

#[test]
fn a_panic_is_the_nodes_death_and_an_entry_not_the_runs_end() {
    let seen = Arc::new(Seen::default());
    let watcher = seen.clone();
    let ran = Machine::run_watched(squall_machine::MachineConfig::bare(3), watcher, move |machine| async move {
        machine.boot(n(&machine, 1), |_| async {
            SimEnv::sleep(Duration::from_millis(5)).await;
            panic!("the disk is on fire");
        });
        sleep(&machine, 20).await;
        assert!(!machine.is_running(n(&machine, 1)));
        let saws: Vec<Observation> = seen.all().into_iter().map(|(_, _, saw)| saw).collect();
        let [Observation::Booted { .. }, Observation::Panicked { message }, Observation::Stopped] = &saws[..] else { panic!("{saws:?}") };
        assert!(message.starts_with("the disk is on fire at incarnations.rs:"), "{message}");
    });
    ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
fn each_clock_runs_at_its_own_rate_and_timers_follow() {
    on_machine(4, |machine| async move {
        machine.change_clock(n(&machine, 1), ClockChange::Rate(100_000));
        let m = machine.clone();
        let fast = run_on(&machine, 1, move || async move {
            let start = m.now();
            SimEnv::sleep(Duration::from_millis(1100)).await;
            m.now().since(start)
        })
        .await;
        assert!(fast >= Duration::from_millis(1000) && fast < Duration::from_millis(1001), "{fast:?}");

        let m = machine.clone();
        let sleeper = async {
            run_on(&machine, 2, move || async move {
                let (start, wall) = (m.now(), SimEnv::wall_now());
                SimEnv::sleep(Duration::from_secs(10)).await;
                (m.now().since(start), SimEnv::wall_now().0 - wall.0)
            })
            .await
        };
        let changes = async {
            sleep(&machine, 1000).await;
            machine.change_clock(n(&machine, 2), ClockChange::Leap(Duration::from_secs(4)));
            machine.change_clock(n(&machine, 2), ClockChange::Wall(-60_000_000_000));
        };
        let ((slept, wall), ()) = futures_util::join!(sleeper, changes);
        assert!(slept >= Duration::from_secs(6) && slept < Duration::from_millis(6001), "a leap shortens the wait: {slept:?}");
        assert!((-50_001_000_000..-49_999_000_000).contains(&wall), "ten seconds minus a minute: {wall}");
    });
}

#[test]
fn clocks_that_are_set_right_show_the_true_time_and_run_exactly() {
    on_machine(5, |machine| async move {
        let m = machine.clone();
        let (off, right) = run_on(&machine, 1, move || async move {
            let offset = |m: &squall_machine::Machine| SimEnv::wall_now().0 - m.now().0 as i64;
            let host = n(&m, 1);
            let true_time = offset(&m);
            m.change_clock(host, ClockChange::Rate(-100_000));
            m.change_clock(host, ClockChange::Wall(5_000_000_000));
            m.change_clock(host, ClockChange::Leap(Duration::from_secs(2)));
            SimEnv::sleep(Duration::from_millis(900)).await;
            let off = offset(&m) - true_time;
            m.change_clock(host, ClockChange::Reset);
            let before = m.now();
            SimEnv::sleep(Duration::from_secs(1)).await;
            (off, (offset(&m) - true_time, m.now().since(before)))
        })
        .await;
        // Five seconds and two, less the tenth of the second that it ran too slowly.
        assert!((6_890_000_000..6_910_000_000).contains(&off), "{off}");
        assert!(right.0.abs() < 1_000_000 && right.1 < Duration::from_millis(1001), "{right:?}");
    });
}
