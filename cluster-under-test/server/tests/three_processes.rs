//! Three real processes on loopback: what was acknowledged is there after `kill -9` of one, and of all.

mod support;

use squall_cluster::pb::etcdserverpb::{PutRequest, RangeRequest, kv_client::KvClient};
use std::time::Duration;
use support::{Cluster, persist};
use tonic::Request;

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
