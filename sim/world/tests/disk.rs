//! What the simulated disk claims, on a bare node. The sector's fates are tested beside the model.

mod support;

use squall_env::{Disk, File, OpenMode};
use squall_world::{Machine, SimDisk};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use support::{n, on_machine, run_on, sleep};

async fn names_after_power_loss(machine: &Arc<Machine>) -> Vec<String> {
    machine.end_process(n(machine, 1), true);
    let names = run_on(machine, 1, || async { SimDisk::current().list("").await.unwrap() }).await;
    machine.end_process(n(machine, 1), false);
    names
}

#[test]
fn a_rename_is_lost_or_kept_without_sync_dir_and_kept_with_it() {
    for synced in [false, true] {
        let mut outcomes = BTreeSet::new();
        for seed in 0..40 {
            outcomes.insert(on_machine(seed, move |machine| async move {
                run_on(&machine, 1, move || async move {
                    let disk = SimDisk::current();
                    let file = disk.open("new", OpenMode::New).await.unwrap();
                    file.append(b"x".to_vec()).await.unwrap();
                    file.sync_data().await.unwrap();
                    disk.sync_dir("").await.unwrap();
                    disk.rename("new", "final").await.unwrap();
                    if synced {
                        disk.sync_dir("").await.unwrap();
                    }
                })
                .await;
                names_after_power_loss(&machine).await.join(",")
            }));
        }
        let expect: &[&str] = if synced { &["final"] } else { &["final", "new"] };
        assert_eq!(outcomes.iter().map(String::as_str).collect::<Vec<_>>(), expect, "never both, never none");
    }
}

#[test]
fn a_rename_into_another_directory_brings_its_file_along() {
    for seed in 0..20 {
        on_machine(seed, move |machine| async move {
            run_on(&machine, 1, || async {
                let disk = SimDisk::current();
                disk.create_dir("a").await.unwrap();
                disk.create_dir("b").await.unwrap();
                let file = disk.open("a/x", OpenMode::New).await.unwrap();
                file.append(b"kept".to_vec()).await.unwrap();
                file.sync_data().await.unwrap();
                disk.rename("a/x", "b/y").await.unwrap();
                disk.sync_dir("b").await.unwrap();
            })
            .await;
            machine.end_process(n(&machine, 1), true);
            let found = run_on(&machine, 1, || async {
                let disk = SimDisk::current();
                let file = disk.open("b/y", OpenMode::Existing).await.unwrap();
                (disk.list("a").await.unwrap(), file.read_at(0, 9).await.unwrap())
            })
            .await;
            assert_eq!(found, (vec![], b"kept".to_vec()), "seed {seed}");
        });
    }
}

#[test]
fn a_new_file_may_be_missing_until_its_directory_is_synced() {
    let found: BTreeSet<usize> = (0..40)
        .map(|seed| {
            on_machine(seed, |machine| async move {
                run_on(&machine, 1, || async {
                    let file = SimDisk::current().open("wal", OpenMode::New).await.unwrap();
                    file.append(b"x".to_vec()).await.unwrap();
                    file.sync_data().await.unwrap();
                })
                .await;
                names_after_power_loss(&machine).await.len()
            })
        })
        .collect();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_killed_process_loses_nothing_and_a_power_loss_during_a_sync_may() {
    let mut survived = BTreeSet::new();
    for seed in 0..40 {
        survived.insert(on_machine(seed, |machine| async move {
            machine.boot(n(&machine, 1), |_| async {
                let disk = SimDisk::current();
                let file = disk.open("f", OpenMode::New).await.unwrap();
                disk.sync_dir("").await.unwrap();
                file.append(b"unsynced".to_vec()).await.unwrap();
                let _never_in_time = file.sync_data().await;
                std::future::pending().await
            });
            sleep(&machine, 3).await;
            machine.end_process(n(&machine, 1), false);
            let read = || async {
                let file = SimDisk::current().open("f", OpenMode::Existing).await.unwrap();
                file.read_at(0, 100).await.unwrap()
            };
            assert_eq!(run_on(&machine, 1, read).await, b"unsynced", "the page cache outlives the process");
            machine.end_process(n(&machine, 1), true);
            run_on(&machine, 1, read).await
        }));
    }
    assert!(survived.contains(b"unsynced".as_slice()) && survived.contains([].as_slice()) && survived.len() > 2, "{survived:?}");
}

#[test]
fn syncs_take_their_time_one_after_another() {
    on_machine(1, |machine| async move {
        let m = machine.clone();
        let took = run_on(&machine, 1, move || async move {
            let disk = SimDisk::current();
            let (a, b) = (disk.open("a", OpenMode::New).await.unwrap(), disk.open("b", OpenMode::New).await.unwrap());
            let start = m.now();
            let (first, second) = futures_util::join!(a.sync_data(), b.sync_data());
            first.and(second).unwrap();
            m.now().since(start).as_micros()
        })
        .await;
        assert!((4000..4010).contains(&took), "{took} us");
    });
}

#[test]
fn a_slow_disk_takes_longer_to_sync_until_it_is_well_again() {
    on_machine(3, |machine| async move {
        let m = machine.clone();
        let took = run_on(&machine, 1, move || async move {
            let file = SimDisk::current().open("f", OpenMode::New).await.unwrap();
            let mut took = Vec::new();
            for round in 0..4 {
                match round {
                    1 => m.slow_disk(n(&m, 1), Duration::from_millis(50)..=Duration::from_millis(60)),
                    2 => m.slow_disk(n(&m, 1), Duration::from_millis(100)..=Duration::from_millis(100)),
                    3 => m.restore_disk_entirely(n(&m, 1)),
                    _ => {}
                }
                file.append(b"x".to_vec()).await.unwrap();
                let began = m.now();
                file.sync_data().await.unwrap();
                took.push(m.now().since(began).as_millis());
            }
            took
        })
        .await;
        assert!(took[0] < 30 && took[3] < 30, "{took:?}");
        assert!((50..90).contains(&took[1]) && (150..190).contains(&took[2]), "several add up: {took:?}");
    });
}
