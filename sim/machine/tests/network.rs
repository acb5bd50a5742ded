//! What the simulated network claims, on a bare pair of nodes.

mod support;

use squall_effect::{LinkChange, Probability, Span};
use squall_env::{Env, Listener, Net};
use squall_machine::{HostId, Machine, SimEnv, SimNet, SimStream, USER_TIMEOUT};
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{n, on_machine, run_on, sleep};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What happened at both ends, with the virtual millisecond.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(u64, String)>>>);

impl Log {
    fn add(&self, machine: &Machine, what: impl Into<String>) {
        self.0.lock().unwrap().push((machine.now().0 / 1_000_000, what.into()));
    }

    /// When this happened.
    fn at(&self, what: &str) -> Option<u64> {
        self.0.lock().unwrap().iter().find(|(_, w)| w == what).map(|(at, _)| *at)
    }

    fn expect(&self, what: &str) -> u64 {
        self.at(what).unwrap_or_else(|| panic!("{what:?} never happened: {:?}", self.0.lock().unwrap()))
    }
}

/// n2 accepts connections and logs each byte that it reads, and how the stream ends.
fn boot_reader(machine: &Arc<Machine>, log: &Log) {
    let (log, m) = (log.clone(), machine.clone());
    let addr = machine.addr(n(machine, 2), 80);
    machine.boot(n(machine, 2), |_| async move {
        let mut listener = SimNet::current().listen(addr).await.unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            log.add(&m, "accepted");
            let (log, m) = (log.clone(), m.clone());
            drop(SimEnv::spawn(async move {
                let mut byte = [0; 1];
                loop {
                    match stream.read(&mut byte).await {
                        Ok(0) => return log.add(&m, "end"),
                        Ok(_) => log.add(&m, format!("got {}", byte[0])),
                        Err(e) => return log.add(&m, format!("reader: {:?}", e.kind())),
                    }
                }
            }));
        }
    });
}

/// n1 connects and writes 1, 2, 3 ... every `every` ms, `count` times, then waits for the stream's end.
fn boot_writer(machine: &Arc<Machine>, log: &Log, every: u64, count: u8) {
    let (log, m) = (log.clone(), machine.clone());
    let addr = machine.addr(n(machine, 2), 80);
    machine.boot(n(machine, 1), |_| async move {
        let mut stream: SimStream = match SimNet::current().connect(addr).await {
            Ok(stream) => stream,
            Err(e) => {
                log.add(&m, format!("connect: {:?}", e.kind()));
                return std::future::pending().await;
            }
        };
        log.add(&m, "connected");
        for i in 1..=count {
            if let Err(e) = stream.write_all(&[i]).await {
                log.add(&m, format!("writer: {:?}", e.kind()));
                break;
            }
            log.add(&m, format!("wrote {i}"));
            SimEnv::sleep(Duration::from_millis(every)).await;
        }
        let mut byte = [0; 1];
        match stream.read(&mut byte).await {
            Ok(n) => log.add(&m, format!("writer read {n}")),
            Err(e) => log.add(&m, format!("writer: {:?}", e.kind())),
        }
        std::future::pending().await
    });
}

fn cut_both(machine: &Machine, cut: bool) {
    let (a, b) = (n(machine, 1), n(machine, 2));
    for (from, to) in [(a, b), (b, a)] {
        if cut { machine.cut(from, to) } else { machine.heal(from, to) }
    }
}

/// Runs the pair: `script` drives the faults; the log is what it is judged by.
fn story<F: Future<Output = ()>>(seed: u64, every: u64, count: u8, script: impl FnOnce(Arc<Machine>) -> F + Send + 'static) -> Log {
    on_machine(seed, move |machine| async move {
        let log = Log::default();
        boot_reader(&machine, &log);
        sleep(&machine, 1).await;
        boot_writer(&machine, &log, every, count);
        script(machine).await;
        log
    })
}

#[test]
fn data_sent_into_a_partition_arrives_late_after_the_heal() {
    let log = story(1, 100, 20, |machine| async move {
        sleep(&machine, 500).await;
        cut_both(&machine, true);
        sleep(&machine, 3000).await;
        cut_both(&machine, false);
        sleep(&machine, 6000).await;
    });
    let (wrote, got) = (log.expect("wrote 10"), log.expect("got 10"));
    assert!(wrote < 1100, "the writer is not held by silence");
    assert!(got >= 3500, "nothing gets through while the link is cut: byte 10 at {got} ms");
    assert!(log.at("got 20").is_some() && log.at("reader: TimedOut").is_none(), "the connection survives");
}

#[test]
fn a_one_way_cut_delivers_but_the_sender_gives_up_in_the_end() {
    let log = story(2, 100, 250, |machine| async move {
        sleep(&machine, 500).await;
        machine.cut(n(&machine, 2), n(&machine, 1));
        sleep(&machine, 30_000).await;
    });
    assert!(log.expect("got 100") < 11_000, "data still flows one way");
    let gave_up = log.expect("writer: TimedOut");
    let earliest = 500 + USER_TIMEOUT.as_millis() as u64;
    assert!((earliest..earliest + 500).contains(&gave_up), "gave up at {gave_up} ms");
}

#[test]
fn unacknowledged_data_aborts_the_connection_after_the_user_timeout() {
    let log = story(3, 100, 30, |machine| async move {
        sleep(&machine, 500).await;
        cut_both(&machine, true);
        sleep(&machine, 30_000).await;
    });
    let gave_up = log.expect("writer: TimedOut");
    assert!((20_400..21_000).contains(&gave_up), "gave up at {gave_up} ms");
    assert_eq!(log.at("reader: TimedOut"), None, "the idle end never learns: half-open");
    assert_eq!(log.at("reader: ConnectionReset"), None);
}

#[test]
fn a_killed_process_resets_its_peers_at_once() {
    let log = story(4, 100, 5, |machine| async move {
        sleep(&machine, 2000).await;
        machine.end_process(n(&machine, 2), false);
        sleep(&machine, 100).await;
    });
    let reset = log.expect("writer: ConnectionReset");
    assert!((2001..2015).contains(&reset), "reset at {reset} ms, one way away");
}

#[test]
fn a_host_without_power_is_silent_until_it_is_back() {
    let log = story(5, 1000, 10, |machine| async move {
        sleep(&machine, 2500).await;
        machine.end_process(n(&machine, 2), true);
        sleep(&machine, 4000).await;
        // Back, and nobody there knows the connection: the next retransmission is answered with a reset.
        machine.boot(n(&machine, 2), |_| std::future::pending());
        sleep(&machine, 8000).await;
    });
    let reset = log.expect("writer: ConnectionReset");
    assert!(reset > 6500, "reset at {reset} ms, before the host was back");
}

#[test]
fn a_reset_into_a_cut_link_is_lost_and_the_peer_stays_half_open() {
    let log = story(6, 1, 1, |machine| async move {
        sleep(&machine, 500).await;
        cut_both(&machine, true);
        machine.end_process(n(&machine, 2), false);
        sleep(&machine, 500).await;
        cut_both(&machine, false);
        sleep(&machine, 60_000).await;
    });
    assert_eq!(log.at("writer: ConnectionReset"), None, "an idle peer never learns");
}

#[test]
fn what_is_written_while_a_retransmission_is_in_flight_is_not_forgotten() {
    for seed in 0..30 {
        // Cut from 50 to 140 ms; retransmitted at about 250 ms; the last write falls into its flight.
        let log = story(seed, 1, 240, |machine| async move {
            sleep(&machine, 50).await;
            cut_both(&machine, true);
            sleep(&machine, 90).await;
            cut_both(&machine, false);
            sleep(&machine, 500).await;
        });
        let last = log.expect("got 240");
        assert!(last < 320, "seed {seed}: the last byte came at {last} ms");
    }
}

#[test]
fn data_for_a_dead_process_is_retransmitted_until_its_reset_gets_through() {
    let log = story(14, 3000, 2, |machine| async move {
        sleep(&machine, 500).await;
        machine.cut(n(&machine, 2), n(&machine, 1));
        machine.end_process(n(&machine, 2), false);
        sleep(&machine, 5000).await;
        machine.heal(n(&machine, 2), n(&machine, 1));
        sleep(&machine, 20_000).await;
    });
    let reset = log.expect("writer: ConnectionReset");
    assert!((5500..12_000).contains(&reset), "reset at {reset} ms");
}

#[test]
fn a_connect_into_a_partition_is_silent_and_completes_after_the_heal() {
    let log = on_machine(7, |machine| async move {
        let log = Log::default();
        boot_reader(&machine, &log);
        cut_both(&machine, true);
        boot_writer(&machine, &log, 1, 1);
        sleep(&machine, 2500).await;
        assert_eq!(log.at("connected"), None);
        cut_both(&machine, false);
        sleep(&machine, 2000).await;
        log
    });
    let connected = log.expect("connected");
    assert!((3000..3050).contains(&connected), "at the retry after 3 s, not at {connected} ms");
}

#[test]
fn a_connect_to_a_dead_process_is_refused_and_to_a_dead_host_times_out() {
    for (power_loss, expect, at) in [(false, "connect: ConnectionRefused", 2..30), (true, "connect: TimedOut", 20_000..20_100)] {
        let log = on_machine(8, move |machine| async move {
            let log = Log::default();
            machine.end_process(n(&machine, 2), power_loss);
            boot_writer(&machine, &log, 1, 1);
            sleep(&machine, 25_000).await;
            log
        });
        let failed = log.expect(expect);
        assert!(at.contains(&failed), "{expect} at {failed} ms");
    }
}

#[test]
fn a_paused_process_reads_its_backlog_when_it_goes_on() {
    let log = story(9, 10, 50, |machine| async move {
        sleep(&machine, 200).await;
        machine.pause(n(&machine, 2));
        sleep(&machine, 1800).await;
        machine.resume(n(&machine, 2));
        sleep(&machine, 100).await;
    });
    assert!(log.expect("wrote 50") < 600, "the writer goes on: the kernel takes the data");
    let last = log.expect("got 50");
    assert!((2000..2010).contains(&last), "everything is read at once, at {last} ms");
}

#[test]
fn a_lossy_link_delays_by_the_retransmission_timeout_and_keeps_order() {
    let log = on_machine(10, |machine| async move {
        let log = Log::default();
        let lossy = squall_machine::LinkProfile {
            loss: Probability { numerator: 20, denominator: 100 },
            ..squall_machine::MachineConfig::bare(0).link
        };
        machine.set_link(n(&machine, 1), n(&machine, 2), lossy);
        boot_reader(&machine, &log);
        sleep(&machine, 1).await;
        boot_writer(&machine, &log, 2000, 40);
        sleep(&machine, 90_000).await;
        log
    });
    let delays: Vec<u64> = (1..=40).map(|i| log.expect(&format!("got {i}")) - log.expect(&format!("wrote {i}"))).collect();
    let late = delays.iter().filter(|d| **d >= 200).count();
    assert!((2..=20).contains(&late), "about one in five is late: {delays:?}");
    assert!(delays.iter().all(|d| *d <= 10 || *d >= 200), "{delays:?}");
}

#[test]
fn a_slow_link_takes_its_time_for_each_byte() {
    on_machine(11, |machine| async move {
        let slow = squall_machine::LinkProfile { bandwidth: Some(1_000_000), ..squall_machine::MachineConfig::bare(0).link };
        machine.set_link(n(&machine, 1), n(&machine, 2), slow);
        let addr = machine.addr(n(&machine, 2), 80);
        let (tx, rx) = tokio::sync::oneshot::channel();
        machine.boot(n(&machine, 2), |_| async move {
            let mut listener = SimNet::current().listen(addr).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut data = Vec::new();
            stream.read_to_end(&mut data).await.unwrap();
            let _ = tx.send(data.len());
            std::future::pending().await
        });
        machine.boot(n(&machine, 1), |_| async move {
            let mut stream = SimNet::current().connect(addr).await.unwrap();
            stream.write_all(&vec![1; 300_000]).await.unwrap();
            stream.shutdown().await.unwrap();
            std::future::pending().await
        });
        assert_eq!(rx.await.unwrap(), 300_000);
        let took = machine.now().0 / 1_000_000;
        assert!((300..350).contains(&took), "300 kB at 1 MB/s took {took} ms");
    });
}

#[test]
fn a_full_backlog_drops_and_the_client_tries_again() {
    on_machine(12, |machine| async move {
        let addr = machine.addr(n(&machine, 2), 80);
        let taken = Arc::new(Mutex::new(0));
        let counted = taken.clone();
        machine.boot(n(&machine, 2), |_| async move {
            let mut listener = SimNet::current().listen(addr).await.unwrap();
            SimEnv::sleep(Duration::from_millis(2500)).await;
            loop {
                let kept = listener.accept().await.unwrap();
                *counted.lock().unwrap() += 1;
                std::mem::forget(kept);
            }
        });
        machine.boot(n(&machine, 1), |_| async move {
            for _ in 0..squall_machine::BACKLOG + 20 {
                drop(SimEnv::spawn(async move {
                    let stream = SimNet::current().connect(addr).await.unwrap();
                    std::mem::forget(stream);
                }));
            }
            std::future::pending().await
        });
        sleep(&machine, 2600).await;
        assert_eq!(*taken.lock().unwrap(), squall_machine::BACKLOG);
        sleep(&machine, 6000).await;
        assert_eq!(*taken.lock().unwrap(), squall_machine::BACKLOG + 20);
    });
}

#[test]
fn a_listener_that_closes_refuses() {
    on_machine(13, |machine| async move {
        let log = Log::default();
        let addr = machine.addr(n(&machine, 2), 80);
        machine.boot(n(&machine, 2), |_| async move {
            drop(SimNet::current().listen(addr).await.unwrap());
            std::future::pending().await
        });
        sleep(&machine, 1).await;
        boot_writer(&machine, &log, 1, 1);
        sleep(&machine, 100).await;
        log.expect(&format!("connect: {:?}", io::ErrorKind::ConnectionRefused));
    });
}

fn between(machine: &Machine) -> [(HostId, HostId); 2] {
    let (a, b) = (n(machine, 1), n(machine, 2));
    [(a, b), (b, a)]
}

fn shape_both(machine: &Machine, change: LinkChange, on: bool) {
    for (from, to) in between(machine) {
        if on { machine.shape(from, to, change) } else { machine.unshape(from, to, change) }
    }
}

/// How many milliseconds a byte was on its way.
fn took(log: &Log, i: u8) -> u64 {
    log.expect(&format!("got {i}")) - log.expect(&format!("wrote {i}"))
}

#[test]
fn a_delay_makes_each_byte_late_by_as_much_and_ends_with_the_fault() {
    let delay = LinkChange::Delay(Span::millis(300, 320));
    let log = story(21, 100, 30, move |machine| async move {
        sleep(&machine, 550).await;
        shape_both(&machine, delay, true);
        sleep(&machine, 1000).await;
        shape_both(&machine, delay, false);
        sleep(&machine, 3000).await;
    });
    assert!(took(&log, 3) <= 11, "before");
    for i in 8..=14 {
        assert!((300..=332).contains(&took(&log, i)), "byte {i} took {} ms", took(&log, i));
    }
    // What is sent after may wait for what was sent before, and no longer.
    assert!(took(&log, 25) <= 11, "after");
}

#[test]
fn delays_of_two_faults_add_up() {
    let log = story(22, 100, 12, |machine| async move {
        shape_both(&machine, LinkChange::Delay(Span::millis(100, 100)), true);
        shape_both(&machine, LinkChange::Delay(Span::millis(50, 50)), true);
        sleep(&machine, 3000).await;
    });
    assert!((150..=162).contains(&took(&log, 9)), "{} ms", took(&log, 9));
}

#[test]
fn losses_are_retransmissions_nothing_is_missing_and_the_order_stands() {
    let rate = Probability { numerator: 30, denominator: 100 };
    let log = story(23, 50, 60, move |machine| async move {
        shape_both(&machine, LinkChange::Loss(rate), true);
        sleep(&machine, 20_000).await;
    });
    let late = (1..=60).filter(|i| took(&log, *i) >= 190).count();
    assert!((5..=55).contains(&late), "{late} of 60 were late");
    assert!((2..=60).all(|i| log.expect(&format!("got {i}")) >= log.expect(&format!("got {}", i - 1))));
}

#[test]
fn a_narrow_link_makes_bytes_queue_up() {
    let log = story(24, 1, 20, |machine| async move {
        shape_both(&machine, LinkChange::Bandwidth(10), true);
        sleep(&machine, 6_000).await;
    });
    let last = log.expect("got 20");
    assert!((1_900..=2_300).contains(&last), "20 bytes at 10 B/s take 2 s: {last} ms");
}

#[test]
fn what_queued_up_at_a_narrow_place_flows_once_it_is_wide_again() {
    let narrow = LinkChange::Bandwidth(1);
    let log = story(27, 10, 40, move |machine| async move {
        shape_both(&machine, narrow, true);
        sleep(&machine, 1_000).await;
        shape_both(&machine, narrow, false);
        shape_both(&machine, LinkChange::Bandwidth(1 << 30), true);
        sleep(&machine, 2_000).await;
    });
    let last = log.expect("got 40");
    assert!((1_000..=1_040).contains(&last), "40 bytes at 1 B/s would take 40 s: {last} ms");
}

#[test]
fn a_reset_kills_the_connection_at_both_ends_at_once() {
    let log = story(25, 100, 50, |machine| async move {
        sleep(&machine, 1000).await;
        let [(a, b), _] = between(&machine);
        assert_eq!(machine.reset_connections(b, a), 1, "whichever end is named first");
        assert_eq!(machine.reset_connections(a, b), 0, "it is gone");
        sleep(&machine, 1000).await;
    });
    for end in ["reader: ConnectionReset", "writer: ConnectionReset"] {
        assert!((1_000..=1_110).contains(&log.expect(end)), "{end} at {}", log.expect(end));
    }
}

#[test]
fn a_host_that_refuses_answers_at_once_and_lets_what_stands_go_on() {
    let log = on_machine(26, |machine| async move {
        let log = Log::default();
        boot_reader(&machine, &log);
        sleep(&machine, 1).await;
        boot_writer(&machine, &log, 100, 20);
        sleep(&machine, 500).await;
        // Refused by two faults: it accepts once both are over.
        machine.refuse(n(&machine, 2), true);
        machine.refuse(n(&machine, 2), true);
        machine.refuse(n(&machine, 2), false);
        let addr = machine.addr(n(&machine, 2), 80);
        let kinds = run_on(&machine, 3, move || async move { SimNet::current().connect(addr).await.map(drop).map_err(|e| e.kind()) });
        assert_eq!(kinds.await, Err(std::io::ErrorKind::ConnectionRefused));
        machine.refuse(n(&machine, 2), false);
        sleep(&machine, 3000).await;
        log
    });
    assert!(log.at("got 20").is_some(), "the connection that stood goes on");
}

#[test]
fn a_corrupted_segment_arrives_with_a_bit_of_its_first_byte_flipped() {
    let rate = Probability { numerator: 100, denominator: 100 };
    let flipped = on_machine(31, move |machine| async move {
        let addr = machine.addr(n(&machine, 2), 1000);
        let (tx, rx) = tokio::sync::oneshot::channel();
        machine.boot(n(&machine, 2), move |_| async move {
            let mut listener = SimNet::current().listen(addr).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 6];
            stream.read_exact(&mut bytes).await.unwrap();
            let _ = tx.send(bytes);
            std::future::pending().await
        });
        let from = n(&machine, 1);
        machine.boot(from, move |_| async move {
            let mut stream = SimNet::current().connect(addr).await.unwrap();
            stream.write_all(b"abc").await.unwrap();
            SimEnv::sleep(Duration::from_millis(100)).await;
            stream.write_all(b"def").await.unwrap();
            std::future::pending().await
        });
        sleep(&machine, 50).await;
        machine.shape(from, n(&machine, 2), LinkChange::Corrupt(rate));
        rx.await.unwrap()
    });
    assert_eq!(&flipped[..3], b"abc", "before");
    assert_eq!((flipped[3] ^ b'd').count_ones(), 1);
    assert_eq!(&flipped[4..], b"ef");
}

#[test]
fn each_connection_of_a_reordering_link_has_a_delay_of_its_own() {
    let took: Vec<u64> = on_machine(32, |machine| async move {
        let addr = machine.addr(n(&machine, 2), 1000);
        machine.boot(n(&machine, 2), move |_| async move {
            let mut listener = SimNet::current().listen(addr).await.unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                drop(SimEnv::spawn(async move {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).await.is_ok() {
                        stream.write_all(&byte).await.unwrap();
                    }
                }));
            }
        });
        machine.shape(n(&machine, 1), n(&machine, 2), LinkChange::Reorder(Span::millis(0, 1_000)));
        run_on(&machine, 1, move || async move {
            let mut took = Vec::new();
            for _ in 0..6 {
                let mut stream = SimNet::current().connect(addr).await.unwrap();
                for _ in 0..2 {
                    let began = SimEnv::now();
                    stream.write_all(b"x").await.unwrap();
                    stream.read_exact(&mut [0]).await.unwrap();
                    took.push(SimEnv::now().since(began).as_millis() as u64);
                }
            }
            took
        })
        .await
    });
    assert!(took.chunks(2).all(|same| same[0].abs_diff(same[1]) <= 20), "the same for all that a connection carries: {took:?}");
    let (low, high) = (took.iter().min().unwrap(), took.iter().max().unwrap());
    assert!(high - low > 200, "and another for each: {took:?}");
}

#[test]
fn requests_are_sent_twice_where_a_link_says_so() {
    let twice = on_machine(33, |machine| async move {
        let addr = machine.addr(n(&machine, 2), 1000);
        let m = machine.clone();
        run_on(&machine, 1, move || async move {
            let rate = |percent| LinkChange::Duplicate(Probability { numerator: percent, denominator: 100 });
            let mut counts = Vec::new();
            for percent in [0, 100, 30] {
                let change = rate(percent);
                m.shape(n(&m, 1), n(&m, 2), change);
                counts.push((0..200).filter(|_| SimEnv::sends_twice(addr)).count());
                m.unshape(n(&m, 1), n(&m, 2), change);
            }
            counts
        })
        .await
    });
    assert_eq!(&twice[..2], [0, 200]);
    assert!((30..90).contains(&twice[2]), "{twice:?}");
}
