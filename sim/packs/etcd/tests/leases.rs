//! Leases end late if need be, never early; whoever leads.

mod support;

use squall_cluster::pb::{
    etcdserverpb::{
        LeaseGrantRequest, LeaseKeepAliveRequest, LeaseLeasesRequest, LeaseTimeToLiveRequest, PutRequest, RangeRequest,
        kv_client::KvClient, lease_client::LeaseClient,
    },
    v3electionpb::{CampaignRequest, election_client::ElectionClient},
};
use squall_env::Env;
use squall_history::NodeId;
use squall_machine::{SimEnv, SimNet};
use squall_rpc::{Channel, ChannelOptions};
use std::{net::SocketAddr, time::Duration};
use support::{Cluster, on_cluster};
use tokio::sync::{mpsc, oneshot};
use tonic::{Request, Status};

/// A client of one node.
#[derive(Clone)]
struct User {
    kv: KvClient<Channel<SimEnv>>,
    lease: LeaseClient<Channel<SimEnv>>,
}

impl User {
    fn of(addr: SocketAddr) -> User {
        let options = ChannelOptions { default_deadline: None, ..Default::default() };
        let channel = Channel::<SimEnv>::new(SimNet::current(), addr, options);
        User { kv: KvClient::new(channel.clone()), lease: LeaseClient::new(channel) }
    }

    async fn grant(&mut self, ttl: i64) -> i64 {
        let granted = self.lease.lease_grant(within(LeaseGrantRequest { ttl, id: 0 })).await.unwrap().into_inner();
        assert_eq!(granted.ttl, ttl);
        granted.id
    }

    async fn put(&mut self, key: &'static str, lease: i64) {
        let put = PutRequest { key: key.into(), value: "v".into(), lease, ..Default::default() };
        self.kv.put(within(put)).await.unwrap();
    }

    async fn has(&mut self, key: &'static str) -> Result<bool, Status> {
        Ok(self.kv.range(within(RangeRequest { key: key.into(), ..Default::default() })).await?.into_inner().count == 1)
    }

    async fn renew(&mut self, id: i64) -> Result<i64, Status> {
        let one = futures_util::stream::iter([LeaseKeepAliveRequest { id }]);
        let mut answers = self.lease.lease_keep_alive(within(one)).await?.into_inner();
        Ok(answers.message().await?.expect("one answer").ttl)
    }

    async fn left(&mut self, id: i64) -> i64 {
        self.lease.lease_time_to_live(within(LeaseTimeToLiveRequest { id, keys: false })).await.unwrap().into_inner().ttl
    }
}

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(1));
    request
}

/// Runs a story on the client's machine, and waits for it.
async fn as_client<T: Send + 'static, F>(cluster: &Cluster, story: impl FnOnce(Vec<SocketAddr>) -> F + Send + 'static) -> T
where
    F: Future<Output = T> + Send + 'static,
{
    let addrs = (1..=3).map(|i| cluster.machine.addr(cluster.machine.node(NodeId(i)), 80)).collect();
    let (tell, told) = oneshot::channel();
    let host = cluster.machine.client_host(1);
    cluster.machine.end_process(host, false);
    cluster.machine.boot(host, |_| async move {
        let _ = tell.send(story(addrs).await);
        std::future::pending::<Result<(), String>>().await
    });
    told.await.unwrap_or_else(|_| panic!("the story comes to no end: {:?}", cluster.panics()))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_lease_lives_while_it_is_renewed_and_takes_its_key_with_it() {
    for seed in 0..5 {
        on_cluster(seed, true, move |cluster| async move {
            let leader = cluster.log.leader().unwrap();
            as_client(&cluster, move |addrs| async move {
                let mut user = User::of(addrs[leader as usize - 1]);
                let id = user.grant(1).await;
                user.put("k", id).await;
                // One stream, many renewals.
                let (ask, asked) = mpsc::channel(1);
                let asked = futures_util::stream::unfold(asked, |mut asked| async { Some((asked.recv().await?, asked)) });
                let mut answers = user.lease.lease_keep_alive(Request::new(asked)).await.unwrap().into_inner();
                let mut renewed = SimEnv::now();
                for _ in 0..10 {
                    SimEnv::sleep(ms(300)).await;
                    renewed = SimEnv::now();
                    ask.send(LeaseKeepAliveRequest { id }).await.unwrap();
                    assert_eq!(answers.message().await.unwrap().unwrap().ttl, 1);
                    assert!(user.has("k").await.unwrap());
                }
                assert_eq!(user.left(id).await, 0, "less than a second is left");
                while user.has("k").await.unwrap() {
                    SimEnv::sleep(ms(20)).await;
                }
                let lived = SimEnv::now().since(renewed);
                assert!(lived >= ms(1000) && lived < ms(1700), "seed {seed}: {lived:?} after its last renewal");
                assert_eq!((user.renew(id).await.unwrap(), user.left(id).await), (0, -1));
            })
            .await;
        });
    }
}

#[test]
fn the_leader_lists_leases_in_the_order_of_their_ends() {
    on_cluster(1, true, move |cluster| async move {
        let leader = cluster.log.leader().unwrap();
        as_client(&cluster, move |addrs| async move {
            let mut user = User::of(addrs[leader as usize - 1]);
            let (late, soon, between) = (user.grant(30).await, user.grant(10).await, user.grant(20).await);
            let list = |mut user: User| async move {
                let leases = user.lease.lease_leases(within(LeaseLeasesRequest {})).await.unwrap().into_inner().leases;
                leases.into_iter().map(|lease| lease.id).collect::<Vec<i64>>()
            };
            assert_eq!(list(user.clone()).await, [soon, between, late]);
            SimEnv::sleep(ms(9000)).await;
            assert_eq!(user.renew(soon).await.unwrap(), 10);
            SimEnv::sleep(ms(4000)).await;
            assert_eq!(list(user.clone()).await, [soon, between, late], "6 s, 7 s and 17 s are left");
            assert_eq!(user.renew(soon).await.unwrap(), 10);
            assert_eq!(list(user.clone()).await, [between, soon, late]);
        })
        .await;
    });
}

#[test]
fn the_lease_of_somebody_who_waits_in_line_ends_unless_they_renew_it() {
    for seed in 0..3 {
        on_cluster(seed, true, move |cluster| async move {
            let leader = cluster.log.leader().unwrap();
            as_client(&cluster, move |addrs| async move {
                let addr = addrs[leader as usize - 1];
                let mut user = User::of(addr);
                let options = ChannelOptions { default_deadline: None, ..Default::default() };
                let elections = ElectionClient::new(Channel::<SimEnv>::new(SimNet::current(), addr, options));
                let campaign = |lease| {
                    let mut elections = elections.clone();
                    let mut request = Request::new(CampaignRequest { name: "e".into(), lease, value: "v".into() });
                    request.set_timeout(Duration::from_secs(20));
                    async move { elections.campaign(request).await }
                };
                let first = user.grant(60).await;
                campaign(first).await.unwrap();
                let (idle, kept) = (user.grant(1).await, user.grant(1).await);
                let began = SimEnv::now();
                let waiting = campaign(idle);
                let renewing = async {
                    for _ in 0..10 {
                        SimEnv::sleep(ms(300)).await;
                        assert_eq!(user.renew(kept).await.unwrap(), 1);
                    }
                };
                let (ended, ()) = futures_util::future::join(waiting, renewing).await;
                assert_eq!(ended.unwrap_err().message(), "mutex: session is expired");
                assert!(SimEnv::now().since(began) < ms(3500), "seed {seed}");
                assert_eq!((user.left(idle).await, user.left(kept).await >= 0), (-1, true));
            })
            .await;
        });
    }
}

#[test]
fn a_new_leader_gives_a_lease_its_whole_time_again() {
    for seed in 0..5 {
        on_cluster(seed, true, move |cluster| async move {
            let leader = cluster.log.leader().unwrap();
            let id = as_client(&cluster, move |addrs| async move {
                let mut user = User::of(addrs[leader as usize - 1]);
                let id = user.grant(2).await;
                user.put("k", id).await;
                SimEnv::sleep(ms(1500)).await;
                id
            })
            .await;
            cluster.machine.end_process(cluster.machine.node(NodeId(leader as u32)), true);
            as_client(&cluster, move |addrs| async move {
                let killed = SimEnv::now();
                let mut users: Vec<User> = addrs.into_iter().map(User::of).collect();
                let mut at = 0;
                // Until somebody leads.
                while users[at].has("k").await.is_err() {
                    at = (at + 1) % users.len();
                    SimEnv::sleep(ms(20)).await;
                }
                let user = &mut users[at];
                while user.has("k").await.unwrap() {
                    SimEnv::sleep(ms(20)).await;
                }
                // Its reign began after the old one's end.
                let lived = SimEnv::now().since(killed);
                assert!(lived >= ms(2000) && lived < ms(6000), "seed {seed}: {lived:?} after the old leader's death");
                assert_eq!(user.left(id).await, -1);
            })
            .await;
        });
    }
}

#[test]
fn a_leader_that_is_cut_off_renews_nothing() {
    for seed in 0..5 {
        on_cluster(seed, true, move |cluster| async move {
            let leader = cluster.log.leader().unwrap();
            let id = as_client(&cluster, move |addrs| async move { User::of(addrs[leader as usize - 1]).grant(1).await }).await;
            cluster.isolate(leader, true);
            as_client(&cluster, move |addrs| async move {
                let mut user = User::of(addrs[leader as usize - 1]);
                for _ in 0..5 {
                    let answer = user.renew(id).await;
                    assert!(answer.is_err(), "seed {seed}: {answer:?}, and nobody confirmed that it leads");
                }
            })
            .await;
        });
    }
}
