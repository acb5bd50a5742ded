//! Three real processes on loopback: what was acknowledged is there after `kill -9` of one, and of all.

mod support;

use futures_util::{StreamExt, stream};
use squall_cluster::pb::etcdserverpb::{
    PutRequest, RangeRequest, StatusRequest, WatchCreateRequest, WatchRequest, kv_client::KvClient, maintenance_client::MaintenanceClient,
    watch_client::WatchClient, watch_request::RequestUnion,
};
use squall_env::real::{RealNet, TokioEnv};
use squall_rpc::{Channel, ChannelOptions};
use std::time::Duration;
use support::{Cluster, persist};
use tokio::time::timeout;
use tonic::{Code, Request};

fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(2));
    request
}

async fn put(cluster: &Cluster, key: &str, value: &str) {
    let put = PutRequest { key: key.to_string().into(), value: value.to_string().into(), ..Default::default() };
    persist(&cluster.clients, |channel| {
        let put = put.clone();
        async move { KvClient::new(channel).put(request(put)).await }
    })
    .await;
}

async fn get(cluster: &Cluster, key: &str) -> Option<String> {
    let range = RangeRequest { key: key.to_string().into(), ..Default::default() };
    let answer = persist(&cluster.clients, |channel| {
        let range = range.clone();
        async move { KvClient::new(channel).range(request(range)).await }
    })
    .await;
    answer.into_inner().kvs.first().map(|kv| String::from_utf8(kv.value.to_vec()).unwrap())
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_of_one_and_of_all() {
    let mut cluster = Cluster::start(3);
    for i in 0..100 {
        put(&cluster, &format!("before/{i}"), &format!("v{i}")).await;
    }
    cluster.kill(0);
    for i in 0..100 {
        put(&cluster, &format!("without-one/{i}"), &format!("w{i}")).await;
    }
    cluster.boot(0);
    put(&cluster, "before/7", "overwritten").await;
    (0..3).for_each(|i| cluster.kill(i));
    (0..3).for_each(|i| cluster.boot(i));

    for i in 0..100 {
        let expect = if i == 7 { "overwritten".to_string() } else { format!("v{i}") };
        assert_eq!(get(&cluster, &format!("before/{i}")).await, Some(expect));
        assert_eq!(get(&cluster, &format!("without-one/{i}")).await, Some(format!("w{i}")));
    }
    assert_eq!(get(&cluster, "never").await, None);
    assert!(std::fs::read_dir(cluster.data_dir(1).join("snap")).unwrap().count() > 0, "snapshots were taken on the way");
}

/// etcd's Go library sends this where somebody asks for `WithRequireLeader`.
fn requiring_a_leader<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("hasleader", "true".parse().unwrap());
    request
}

#[tokio::test]
async fn who_requires_a_leader_is_refused_and_let_go_without_one() {
    let mut cluster = Cluster::start(3);
    put(&cluster, "k", "v").await;
    let options = ChannelOptions { ping_after: Duration::from_secs(30), default_deadline: None, ..Default::default() };
    let channel = Channel::<TokioEnv>::new(RealNet, cluster.clients[0], options);
    let local = || RangeRequest { key: "k".into(), serializable: true, ..Default::default() };
    let (mut kv, mut watch) = (KvClient::new(channel.clone()), WatchClient::new(channel.clone()));
    // A read of its own state may be older than what the others acknowledged, until one that is not has been answered here.
    let here = [cluster.clients[0]];
    let linearizable =
        || async { KvClient::new(channel.clone()).range(request(RangeRequest { key: "k".into(), ..Default::default() })).await };
    persist(&here, |_| linearizable()).await;
    let led_read = persist(&here, |_| async { KvClient::new(channel.clone()).range(requiring_a_leader(local())).await }).await;
    assert_eq!(led_read.into_inner().kvs.len(), 1);
    let create = |prefix: &'static str| {
        let create = WatchCreateRequest { key: prefix.into(), ..Default::default() };
        let ask = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        stream::iter([ask]).chain(stream::pending())
    };
    let mut led = watch.watch(requiring_a_leader(create("k"))).await.unwrap().into_inner();
    let mut unled = watch.watch(Request::new(create("k"))).await.unwrap().into_inner();
    assert!(led.message().await.unwrap().unwrap().created && unled.message().await.unwrap().unwrap().created);

    cluster.kill(1);
    cluster.kill(2);
    let told = timeout(Duration::from_secs(20), led.message()).await.expect("it is let go").unwrap_err();
    assert_eq!((told.code(), told.message()), (Code::Unavailable, "etcdserver: no leader"));
    let refused = kv.range(requiring_a_leader(local())).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "etcdserver: no leader"));
    let refused = watch.watch(requiring_a_leader(create("k"))).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "etcdserver: no leader"));
    // Nor does it name one, whoever led: not itself, and not one that is silent.
    let status = MaintenanceClient::new(channel).status(Request::new(StatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.leader, &status.errors[..]), (0, &["etcdserver: no leader".to_string()][..]));
    // Nobody else minds.
    assert_eq!(kv.range(Request::new(local())).await.unwrap().into_inner().kvs.len(), 1);
    assert!(timeout(Duration::from_millis(300), unled.message()).await.is_err(), "this stream stands");
}
