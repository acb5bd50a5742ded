//! What works inside a node, and what does not: each row of the page `sim/host/WORKS.md` is a test here.

#![cfg(madsim)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "what services use is what is tried here")]

mod support;

use squall_effect::{ClockChange, PowerLoss};
use squall_host::{fs, net, outside, rpc, task, tokio_fs};
use std::{
    io::{Read, Seek, SeekFrom, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};
use support::{ends_with, n, on_machine, on_node, sleep};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

// ---- Time.

#[test]
fn timers_tasks_and_channels_are_tokios_own() {
    let (took, sum) = on_node(|| async {
        let began = tokio::time::Instant::now();
        let (tx, mut rx) = tokio::sync::mpsc::channel(1);
        let mut set = tokio::task::JoinSet::new();
        for i in 0..10_u64 {
            let tx = tx.clone();
            set.spawn(async move {
                tokio::time::sleep(ms(10 * i)).await;
                tx.send(i).await.unwrap();
            });
        }
        drop(tx);
        let mut sum = 0;
        while let Some(i) = rx.recv().await {
            sum += i;
        }
        set.join_all().await;
        assert!(tokio::time::timeout(ms(5), std::future::pending::<()>()).await.is_err());
        let mut every = tokio::time::interval(ms(20));
        for _ in 0..3 {
            every.tick().await;
        }
        (began.elapsed(), sum)
    });
    assert_eq!(sum, 45);
    // 90 ms for the tasks, 5 for the timeout, 40 for the interval, whose first tick is at once; a millisecond more for each wait.
    assert!((ms(135)..ms(145)).contains(&took), "{took:?}");
}

#[test]
fn an_unbiased_select_takes_each_branch() {
    let taken = on_node(|| async {
        let mut taken = [0; 2];
        for _ in 0..64 {
            tokio::select! {
                () = async {} => taken[0] += 1,
                () = async {} => taken[1] += 1,
            }
        }
        taken
    });
    assert!(taken[0] > 10 && taken[1] > 10, "{taken:?}");
}

#[test]
fn every_clock_is_the_nodes_own() {
    let shown = Arc::new(Mutex::new(None));
    let told = shown.clone();
    let (std_, tokio_, wall, really) = on_machine(7, move |machine| async move {
        let run = move || async move {
            let (std_, tokio_, wall) = (Instant::now(), tokio::time::Instant::now(), SystemTime::now());
            tokio::time::sleep(ms(5_500)).await;
            *told.lock().unwrap() = Some((std_.elapsed(), tokio_.elapsed(), wall.elapsed().unwrap()));
        };
        support::boot(&machine, 1, run);
        // A tenth too fast.
        machine.change_clock(n(&machine, 1), ClockChange::Rate(100_000));
        let began = machine.now();
        while shown.lock().unwrap().is_none() {
            sleep(&machine, 1).await;
        }
        let (std_, tokio_, wall) = shown.lock().unwrap().unwrap();
        (std_, tokio_, wall, machine.now().since(began))
    });
    assert!((ms(4_995)..ms(5_010)).contains(&really), "5.5 s of its clock are 5 s: {really:?}");
    for clock in [std_, tokio_, wall] {
        assert!((ms(5_499)..ms(5_503)).contains(&clock), "{clock:?}");
    }
}

#[test]
fn a_leap_of_the_clock_makes_timers_due() {
    let really = on_machine(7, |machine| async move {
        let done = Arc::new(AtomicU32::new(0));
        let told = done.clone();
        support::boot(&machine, 1, move || async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            told.store(1, Ordering::Relaxed);
        });
        sleep(&machine, 100).await;
        machine.change_clock(n(&machine, 1), ClockChange::Leap(Duration::from_secs(59)));
        while done.load(Ordering::Relaxed) == 0 {
            sleep(&machine, 1).await;
        }
        machine.now()
    });
    assert!((995..1_010).contains(&(really.0 / 1_000_000)), "{really}");
}

#[test]
fn a_pause_stops_it_and_a_kill_ends_it() {
    let (before, still, after, dead) = on_machine(7, |machine| async move {
        let ticks = Arc::new(AtomicU32::new(0));
        let told = ticks.clone();
        support::boot(&machine, 1, move || async move {
            loop {
                tokio::time::sleep(ms(10)).await;
                told.fetch_add(1, Ordering::Relaxed);
            }
        });
        let n1 = n(&machine, 1);
        let after = async |ms| {
            sleep(&machine, ms).await;
            ticks.load(Ordering::Relaxed)
        };
        let before = after(1_000).await;
        machine.pause(n1);
        let still = after(1_000).await;
        machine.resume(n1);
        let after_it = after(1_000).await;
        machine.end(n1, None);
        let dead = after(1_000).await;
        (before, still, after_it, dead)
    });
    assert!((85..=100).contains(&before), "{before}");
    assert!(still <= before + 1, "{before}, then {still}");
    assert!(after > still + 80, "{still}, then {after}");
    assert_eq!(dead, after);
}

#[test]
fn a_thread_that_sleeps_blocks_the_node() {
    let (slept, other) = on_node(|| async {
        let began = Instant::now();
        let other = tokio::spawn(async move {
            tokio::time::sleep(ms(10)).await;
            began.elapsed()
        });
        tokio::task::yield_now().await;
        std::thread::sleep(ms(300));
        let slept = began.elapsed();
        (slept, other.await.unwrap())
    });
    assert!((ms(300)..ms(302)).contains(&slept), "{slept:?}");
    assert!(other >= ms(300), "{other:?}");
}

#[test]
fn what_blocks_runs_as_a_task() {
    let (sum, here) = on_node(|| async {
        let sum = task::spawn_blocking(|| (0..100_u64).sum::<u64>()).await.unwrap();
        (sum, task::block_in_place(|| 7))
    });
    assert_eq!((sum, here), (4950, 7));
}

// ---- Randomness.

#[test]
fn randomness_is_the_nodes_own_and_the_same_in_each_run() {
    let drawn = |seed| {
        on_machine(seed, |machine| async move {
            support::result_of(&machine, 1, || async {
                let mut by_number = [0_u8; 16];
                #[allow(unsafe_code, reason = "as getrandom 0.2 asks")]
                // SAFETY: a buffer of this length.
                let got = unsafe { libc::syscall(libc::SYS_getrandom, by_number.as_mut_ptr(), by_number.len(), 0) };
                assert_eq!(got, 16);
                let map: std::collections::HashMap<u32, u32> = (0..50).map(|i| (i, i)).collect();
                (by_number, rand::TryRng::try_next_u64(&mut rand::rngs::SysRng).unwrap(), map.into_keys().collect::<Vec<_>>())
            })
            .await
        })
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1).0, drawn(2).0);
    assert_ne!(drawn(1).1, drawn(2).1);
}

// ---- The network.

#[test]
fn connections_by_name_and_on_every_address() {
    let echoed = on_machine(7, |machine| async move {
        support::boot(&machine, 1, || async {
            let listener = net::TcpListener::bind("0.0.0.0:7000").await.unwrap();
            assert_eq!(listener.local_addr().unwrap().to_string(), "10.0.0.1:7000");
            loop {
                let (stream, from) = listener.accept().await.unwrap();
                assert!(from.ip().to_string().starts_with("10.0.0.2"));
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    tokio::io::copy(&mut from, &mut to).await.unwrap();
                });
            }
        });
        support::result_of(&machine, 2, || async {
            let known: Vec<String> = net::lookup_host("n1:7000").await.unwrap().map(|addr| addr.to_string()).collect();
            assert_eq!(known, ["10.0.0.1:7000"]);
            assert_eq!(net::lookup_host("nobody:1").await.err().unwrap().kind(), std::io::ErrorKind::NotFound);
            assert_eq!(net::TcpStream::connect(("n1", 7001)).await.err().unwrap().kind(), std::io::ErrorKind::ConnectionRefused);
            let stream = net::TcpStream::connect("n1:7000").await.unwrap();
            stream.set_nodelay(true).unwrap();
            assert_eq!(stream.peer_addr().unwrap().to_string(), "10.0.0.1:7000");
            let mut answer = vec![0; 300_000];
            let asked: Vec<u8> = (0..answer.len()).map(|i| i as u8).collect();
            let (mut from, mut to) = stream.into_split();
            let sends = tokio::spawn(async move { to.write_all(&asked).await.map(|()| asked) });
            from.read_exact(&mut answer).await.unwrap();
            sends.await.unwrap().unwrap() == answer
        })
        .await
    });
    assert!(echoed);
}

#[test]
fn tonics_own_client_and_server_talk_over_the_machines_network() {
    let (before, cut, healed) = on_machine(7, |machine| async move {
        support::boot(&machine, 1, || async {
            let router = tonic::transport::Server::builder().add_routes(tonic::service::Routes::default());
            rpc::serve(router, "10.0.0.1:7000".parse().unwrap()).await.unwrap();
        });
        let (n1, n2) = (n(&machine, 1), n(&machine, 2));
        let told = Arc::new(Mutex::new(vec![]));
        let tells = told.clone();
        support::boot(&machine, 2, move || async move {
            let endpoint = tonic::transport::Endpoint::from_static("http://n1:7000").connect_timeout(ms(200)).timeout(ms(500));
            let mut client = tonic::client::Grpc::new(rpc::connect_lazy(endpoint));
            loop {
                let code = match client.ready().await {
                    Err(_) => tonic::Code::Unavailable,
                    Ok(()) => {
                        let codec = tonic_prost::ProstCodec::<(), ()>::default();
                        let path = http::uri::PathAndQuery::from_static("/nobody.Serves/This");
                        client.unary(tonic::Request::new(()), path, codec).await.unwrap_err().code()
                    }
                };
                tells.lock().unwrap().push(code);
                tokio::time::sleep(ms(100)).await;
            }
        });
        let last = || *told.lock().unwrap().last().unwrap();
        sleep(&machine, 1_000).await;
        let before = last();
        machine.cut(n1, n2);
        machine.cut(n2, n1);
        sleep(&machine, 2_000).await;
        let cut = last();
        machine.heal_all_links();
        sleep(&machine, 5_000).await;
        (before, cut, last())
    });
    // Nobody serves it: the server said so.
    assert_eq!((before, healed), (tonic::Code::Unimplemented, tonic::Code::Unimplemented));
    assert!(matches!(cut, tonic::Code::Cancelled | tonic::Code::DeadlineExceeded | tonic::Code::Unavailable), "{cut:?}");
}

// ---- Files.

#[test]
fn files_are_read_written_renamed_and_listed() {
    on_node(|| async {
        fs::create_dir_all("/data/wal").unwrap();
        let mut file = fs::OpenOptions::new().create(true).read(true).append(true).open("data/wal/log").unwrap();
        file.write_all(b"one two three").unwrap();
        file.seek(SeekFrom::Start(4)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "two three");
        file.set_len(7).unwrap();
        assert_eq!(fs::read("./data/wal/log").unwrap(), b"one two");
        fs::rename("data/wal/log", "data/wal/old").unwrap();
        fs::write("data/wal/new", "x").unwrap();
        let names: Vec<_> = fs::read_dir("data/wal").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(names, ["new", "old"]);
        assert!(fs::metadata("data").unwrap().is_dir() && fs::metadata("data/wal/old").unwrap().len() == 7);
        fs::remove_file("data/wal/new").unwrap();
        assert!(!fs::exists("data/wal/new").unwrap());
        assert_eq!(fs::File::open("nothing").err().unwrap().kind(), std::io::ErrorKind::NotFound);
        assert_eq!(fs::File::create_new("data/wal/old").err().unwrap().kind(), std::io::ErrorKind::AlreadyExists);
        let mut read_only = fs::File::open("data/wal/old").unwrap();
        assert_eq!(read_only.write(b"x").err().unwrap().raw_os_error(), Some(9));

        let mut file = tokio_fs::OpenOptions::new().read(true).write(true).create(true).open("data/async").await.unwrap();
        file.write_all(b"hello world").await.unwrap();
        file.seek(SeekFrom::Start(6)).await.unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!((text.as_str(), file.metadata().await.unwrap().len()), ("world", 11));
        assert_eq!(tokio_fs::read_to_string("data/async").await.unwrap(), "hello world");
    });
}

#[test]
fn what_was_not_synced_is_lost_with_the_power() {
    let (synced, not, named) = on_machine(7, |machine| async move {
        support::result_of(&machine, 1, || async {
            fs::create_dir_all("d").unwrap();
            fs::write("d/synced", "kept").unwrap();
            fs::File::open("d/synced").unwrap().sync_all().unwrap();
            tokio_fs::File::open("d").await.unwrap().sync_all().await.unwrap();
            fs::write("d/not", "lost").unwrap();
            fs::write("d/unnamed", "synced, but its name is not").unwrap();
            fs::File::open("d/unnamed").unwrap().sync_all().unwrap();
        })
        .await;
        machine.end(n(&machine, 1), Some(PowerLoss::Everything));
        support::result_of(&machine, 1, || async { (fs::read("d/synced").ok(), fs::read("d/not").ok(), fs::exists("d/unnamed").unwrap()) })
            .await
    });
    assert_eq!(synced.as_deref(), Some(&b"kept"[..]));
    assert_eq!((not, named), (None, false));
}

#[test]
fn a_sync_takes_its_time_of_the_node_or_of_the_task() {
    let (blocking, meanwhile, waiting, others) = on_node(|| async {
        let ticks = Arc::new(AtomicU32::new(0));
        let counts = ticks.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(ms(1)).await;
                counts.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut file = fs::OpenOptions::new().create(true).append(true).open("log").unwrap();
        tokio::time::sleep(ms(10)).await;
        let (began, before) = (Instant::now(), ticks.load(Ordering::Relaxed));
        for _ in 0..10 {
            file.write_all(b"x").unwrap();
            file.sync_data().unwrap();
        }
        let (blocking, meanwhile) = (began.elapsed(), ticks.load(Ordering::Relaxed) - before);
        tokio::time::sleep(ms(10)).await;
        let file = tokio_fs::File::from(file);
        let (began, before) = (Instant::now(), ticks.load(Ordering::Relaxed));
        for _ in 0..10 {
            file.sync_data().await.unwrap();
        }
        (blocking, meanwhile, began.elapsed(), ticks.load(Ordering::Relaxed) - before)
    });
    // A sync of this disk takes 2 ms.
    assert!((ms(20)..ms(22)).contains(&blocking) && meanwhile == 0, "{blocking:?}, meanwhile {meanwhile}");
    assert!((ms(20)..ms(24)).contains(&waiting) && others > 5, "{waiting:?}, meanwhile {others}");
}

#[test]
fn the_ports_of_the_machine_can_be_awaited() {
    let slept = on_node(|| async {
        use squall_env::Env;
        let began = Instant::now();
        outside(squall_machine::SimEnv::sleep(ms(50))).await;
        began.elapsed()
    });
    assert!((ms(50)..ms(53)).contains(&slept), "{slept:?}");
}

// ---- What cannot be simulated ends the node, with what to use.

#[test]
fn a_panic_anywhere_ends_the_node() {
    let why = ends_with(|| async {
        tokio::spawn(async { panic!("in a task that nobody waits for") });
        tokio::time::sleep(ms(10)).await;
    });
    assert!(why.starts_with("in a task that nobody waits for at probes.rs:"), "{why}");
}

#[test]
fn a_real_file_ends_the_node() {
    let path = std::env::temp_dir().join("squall-no-node-writes-this");
    let file = path.clone();
    let why = ends_with(move || async move {
        // Whatever the service makes of the error.
        let _ = std::fs::write(&file, "x");
        tokio::time::sleep(ms(10)).await;
    });
    assert_eq!(
        why,
        format!(
            "the node used a real file, {}: use squall_host::fs or squall_host::tokio_fs, whose files are on the node's simulated disk",
            path.display()
        )
    );
    assert!(!path.exists());
    let others: [fn(std::path::PathBuf); 6] = [
        |path| drop(std::fs::create_dir_all(path)),
        |path| drop(std::fs::metadata(path)),
        |path| drop(std::fs::read_dir(path)),
        |path| drop(std::fs::rename(&path, "elsewhere")),
        |path| drop(std::fs::remove_file(path)),
        |path| _ = path.exists(),
    ];
    for other in others {
        let file = path.clone();
        let why = ends_with(move || async move { other(file) });
        assert!(why.starts_with(&format!("the node used a real file, {}: ", path.display())), "{why}");
    }
    assert!(!path.exists());
}

/// Touches a real file when it is dropped.
struct Untidy(std::path::PathBuf);

impl Drop for Untidy {
    fn drop(&mut self) {
        let _ = std::fs::write(&self.0, "x");
    }
}

#[test]
fn what_is_dropped_with_a_node_touches_nothing_either() {
    let path = std::env::temp_dir().join("squall-no-dropped-task-writes-this");
    let file = path.clone();
    let killed = on_machine(7, move |machine| async move {
        support::boot(&machine, 1, move || async move {
            let _untidy = Untidy(file);
            std::future::pending::<()>().await;
        });
        sleep(&machine, 100).await;
        machine.end(n(&machine, 1), None);
        // The next node knows nothing of it.
        support::result_of(&machine, 2, || async { 7 }).await
    });
    assert_eq!(killed, 7);
    assert!(!path.exists());
    let file = path.clone();
    let why = ends_with(move || async move {
        let untidy = Untidy(file);
        drop(tokio::spawn(async move {
            std::future::pending::<()>().await;
            drop(untidy);
        }));
    });
    assert!(why.starts_with("the node used a real file"), "{why}");
    assert!(!path.exists());
}

// ---- There is one thread.

#[test]
fn to_wait_for_another_thread_for_a_while_blocks_the_node() {
    let waited = on_node(|| async {
        let began = Instant::now();
        let (_tx, rx) = std::sync::mpsc::channel::<()>();
        assert!(rx.recv_timeout(ms(200)).is_err());
        let pair = (std::sync::Mutex::new(()), std::sync::Condvar::new());
        assert!(pair.1.wait_timeout(pair.0.lock().unwrap(), ms(100)).unwrap().1.timed_out());
        began.elapsed()
    });
    assert!((ms(300)..ms(302)).contains(&waited), "{waited:?}");
}

#[test]
fn a_lock_that_nobody_can_release_ends_the_run_with_a_sentence() {
    const CHILD: &str = "SQUALL_TEST_DEADLOCKS";
    if std::env::var_os(CHILD).is_some() {
        return on_node(|| async {
            let lock = std::sync::Mutex::new(());
            let _held = lock.lock().unwrap();
            drop(lock.lock().unwrap());
        });
    }
    let this = std::env::current_exe().unwrap();
    let test = "a_lock_that_nobody_can_release_ends_the_run_with_a_sentence";
    let child = std::process::Command::new(this).args(["--exact", test, "--nocapture"]).env(CHILD, "1").output().unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(!child.status.success() && said.contains("waits for another one, for ever"), "{:?}: {said}", child.status);
}

#[test]
fn a_real_socket_a_thread_and_a_process_end_the_node() {
    let why = ends_with(|| async { drop(std::net::TcpListener::bind("127.0.0.1:0")) });
    assert!(why.contains("use squall_host::net"), "{why}");
    let why = ends_with(|| async { drop(std::net::UdpSocket::bind("127.0.0.1:0")) });
    assert!(why.contains("UDP"), "{why}");
    let why = ends_with(|| async { drop(std::thread::Builder::new().spawn(|| {})) });
    assert!(why.contains("use tokio::spawn"), "{why}");
    let why = ends_with(|| async { drop(tokio::task::spawn_blocking(|| {}).await) });
    assert!(why.contains("squall_host::task::spawn_blocking"), "{why}");
    let why = ends_with(|| async { drop(std::process::Command::new("true").status()) });
    assert!(why.contains("another process"), "{why}");
    let why = ends_with(|| async { drop(tokio::fs::read("x").await) });
    assert!(why.contains("squall_host::task::spawn_blocking"), "{why}");
}

#[test]
fn tokios_own_sockets_say_what_to_use() {
    let why = ends_with(|| async { drop(tokio::net::TcpListener::bind("127.0.0.1:0").await) });
    assert!(why.contains("squall_host::net") || why.contains("IO is disabled"), "{why}");
}

// ---- All of it.

#[test]
fn two_runs_of_one_seed_are_the_same_to_the_nanosecond() {
    /// Two nodes ask a third one, which keeps what it is told in a file, loses power now and then, and counts.
    fn run(seed: u64) -> Vec<(u32, u64, String)> {
        on_machine(seed, |machine| async move {
            let log = Arc::new(Mutex::new(vec![]));
            let serve = || async {
                fs::create_dir_all("data").unwrap();
                let mut file = fs::OpenOptions::new().create(true).append(true).open("data/log").unwrap();
                fs::File::open("data").unwrap().sync_all().unwrap();
                let listener = net::TcpListener::bind("0.0.0.0:7000").await.unwrap();
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut asked = [0; 8];
                    if stream.read_exact(&mut asked).await.is_err() {
                        continue;
                    }
                    file.write_all(&asked).unwrap();
                    file.sync_data().unwrap();
                    let kept = fs::metadata("data/log").unwrap().len();
                    let _ = stream.write_all(&kept.to_be_bytes()).await;
                }
            };
            support::boot(&machine, 1, serve);
            for i in [2, 3] {
                let log = log.clone();
                support::boot(&machine, i, move || async move {
                    let began = Instant::now();
                    loop {
                        let ask = async {
                            let mut stream = net::TcpStream::connect("n1:7000").await?;
                            let number = rand::TryRng::try_next_u64(&mut rand::rngs::SysRng).unwrap();
                            stream.write_all(&number.to_be_bytes()).await?;
                            let kept = stream.read_u64().await?;
                            std::io::Result::Ok(format!("{number}: {kept}"))
                        };
                        let said = match tokio::time::timeout(ms(80), ask).await {
                            Ok(Ok(said)) => said,
                            Ok(Err(e)) => e.kind().to_string(),
                            Err(late) => late.to_string(),
                        };
                        log.lock().unwrap().push((i, began.elapsed().as_nanos() as u64, said));
                        tokio::time::sleep(ms(7)).await;
                    }
                });
            }
            for _ in 0..5 {
                sleep(&machine, 500).await;
                machine.end(n(&machine, 1), Some(PowerLoss::Chance));
                machine.change_clock(n(&machine, 2), ClockChange::Rate(50_000));
                sleep(&machine, 100).await;
                support::boot(&machine, 1, serve);
            }
            std::mem::take(&mut *log.lock().unwrap())
        })
    }
    let (one, again, other) = (run(11), run(11), run(12));
    assert!(one.len() > 100, "{}", one.len());
    assert!(one.iter().any(|(_, _, said)| said.contains("deadline")) && one.iter().any(|(_, _, said)| said.contains(": ")));
    assert_eq!(one, again);
    assert_ne!(one, other);
}

#[test]
fn each_row_of_the_page_names_a_test_and_each_test_has_a_row() {
    let (page, tests) = (include_str!("../WORKS.md"), include_str!("probes.rs"));
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    let named: Vec<&str> = rows.iter().flat_map(|row| row.rsplit(" | ").next().unwrap().split('`').skip(1).step_by(2)).collect();
    let mut there: Vec<&str> = tests.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next()).collect();
    there.retain(|test| !test.starts_with("each_row_of_the_page"));
    assert_eq!(named.len(), there.len(), "{named:?}");
    there.iter().for_each(|test| assert!(named.contains(test), "no row of the page names {test}"));
}

// ---- The rest of the world, and places with names.

#[test]
fn a_node_has_its_own_process_and_an_empty_environment() {
    let path = std::env::var("PATH");
    assert!(path.is_ok() && std::process::id() > 1);
    let (id, path) = on_node(|| async { (std::process::id(), std::env::var("PATH")) });
    assert_eq!((id, path), (1, Err(std::env::VarError::NotPresent)));
}

#[test]
fn places_with_names_are_found_planted_struck_and_told() {
    use squall_host::named::{PlaceKind, places};
    async fn served(told: Arc<AtomicU32>) {
        loop {
            if squall_host::bug!("probe-bug", "it counts twice") {
                told.fetch_add(1, Ordering::Relaxed);
            }
            told.fetch_add(1, Ordering::Relaxed);
            squall_host::sometimes!("probe-place");
            squall_host::failpoint!("probe-seam").await.expect("nothing is armed");
            tokio::time::sleep(ms(100)).await;
        }
    }
    let found: Vec<_> = places().into_iter().map(|place| (place.kind, place.name, place.about)).collect();
    let all = [
        (PlaceKind::Bug, "probe-bug", "it counts twice"),
        (PlaceKind::Failpoint, "probe-seam", ""),
        (PlaceKind::Sometimes, "probe-place", ""),
    ];
    assert_eq!(found, all);
    for planted in [false, true] {
        let seen = Arc::new(squall_machine::Seen::default());
        let told = Arc::new(AtomicU32::new(0));
        let count = told.clone();
        let mut config = squall_machine::MachineConfig::bare(7);
        config.bugs.extend(planted.then(|| "probe-bug".to_string()));
        let body = |machine: Arc<squall_machine::Machine>| async move {
            support::boot(&machine, 1, move || served(count));
            sleep(&machine, 450).await;
            let strike = squall_effect::Strike::Kill;
            let armed = squall_effect::Armed { point: "probe-seam".to_string(), skip: 0, times: 1, strike, restart_after: None };
            machine.arm(n(&machine, 1), &squall_history::FaultRef { id: "f".to_string(), kind: "failpoint".to_string() }, armed);
            sleep(&machine, 550).await;
            machine.is_running(n(&machine, 1))
        };
        let (runs, _) = squall_machine::Machine::run_watched(config, seen.clone(), body).expect("no panic");
        assert!(!runs, "it is killed at the failpoint");
        // Of five rounds and the one in which it dies.
        assert_eq!(told.load(Ordering::Relaxed), if planted { 12 } else { 6 });
        let reached =
            seen.all().into_iter().filter(|(_, _, saw)| *saw == squall_history::Observation::Reached { place: "probe-place".to_string() });
        assert_eq!(reached.count(), 6);
    }
}
