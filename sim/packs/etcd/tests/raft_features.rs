//! What openraft leaves to its user, and defaults to nothing: pre-vote, leader transfer, snapshots to
//! lagging nodes, and recovery from what a power loss leaves of a disk.

mod support;

use squall_history::NodeId;
use squall_machine::{SimEnv, SimNet};
use std::time::Duration;
use support::on_cluster;

#[test]
fn a_leader_hands_over_at_once_and_refuses_nonsense() {
    for seed in 0..5 {
        on_cluster(seed, true, move |cluster| async move {
            let leader = cluster.log.leader().unwrap();
            let to = leader % 3 + 1;
            let ask = async |from: u64, to: u64| {
                let (tell, told) = tokio::sync::oneshot::channel();
                cluster.orders[&from].send((to, tell)).unwrap();
                told.await.unwrap()
            };
            assert!(ask(leader, leader).await.is_err() && ask(leader, 9).await.is_err() && ask(to, leader).await.is_err());
            let asked = cluster.machine.now();
            assert_eq!(ask(leader, to).await, Ok(true), "seed {seed}");
            let took = cluster.machine.now().since(asked);
            assert_eq!(cluster.log.leader(), Some(to));
            assert!(took < Duration::from_millis(250), "no election timeout was waited for: {took:?}");
        });
    }
}

#[test]
fn with_pre_vote_an_isolated_node_stands_for_nothing_and_without_it_does() {
    for (pre_vote, expect) in [(true, 0..1), (false, 3..100)] {
        on_cluster(7, pre_vote, move |cluster| async move {
            let victim = cluster.log.leader().unwrap() % 3 + 1;
            let stood = || cluster.log.count(|node, what| node == victim && what.starts_with("stand"));
            let before = stood();
            cluster.isolate(victim, true);
            cluster.sleep(8000).await;
            let times = stood() - before;
            assert!(expect.contains(&times), "pre_vote {pre_vote}: it stood {times} times");
            let (led, leader) = (cluster.log.count(|_, what| what.starts_with("lead")), cluster.log.leader());
            cluster.isolate(victim, false);
            cluster.sleep(5000).await;
            if pre_vote {
                let still = (cluster.log.count(|_, what| what.starts_with("lead")), cluster.log.leader());
                assert_eq!(still, (led, leader), "its return disturbs nobody");
            }
        });
    }
}

#[test]
fn a_node_that_lags_behind_the_logs_head_gets_a_snapshot() {
    use squall_cluster::pb::etcdserverpb::{PutRequest, kv_client::KvClient};
    on_cluster(9, true, |mut cluster| async move {
        let leader = cluster.log.leader().unwrap();
        let victim = leader % 3 + 1;
        cluster.machine.end_process(cluster.machine.node(NodeId(victim as u32)), true);
        let addr = cluster.machine.addr(cluster.machine.node(NodeId(leader as u32)), 80);
        let (tell, told) = tokio::sync::oneshot::channel();
        cluster.machine.boot(cluster.machine.client_host(1), |_| async move {
            let channel = squall_rpc::Channel::<SimEnv>::new(SimNet::current(), addr, Default::default());
            let mut kv = KvClient::new(channel);
            for i in 0..100 {
                kv.put(PutRequest { key: format!("k{i}").into(), value: vec![7; 100].into(), ..Default::default() }).await.unwrap();
            }
            let _ = tell.send(());
            std::future::pending().await
        });
        told.await.unwrap();
        cluster.boot(victim);
        cluster.sleep(5000).await;
        assert_eq!(cluster.log.count(|node, what| node == victim && what.starts_with("install")), 1);
    });
}
