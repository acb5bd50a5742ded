//! What a node does with more than it takes: a clear status, bounded memory, and nobody else is hurt.

mod support;

use futures_util::{StreamExt, stream};
use http::{Request as HttpRequest, header};
use squall_cluster::pb::{
    etcdserverpb::{
        PutRequest, RangeRequest, RequestOp, TxnRequest, WatchCreateRequest, WatchRequest, kv_client::KvClient, request_op::Request as Op,
        watch_client::WatchClient, watch_request::RequestUnion,
    },
    peer::{MembersRequest, peer_client::PeerClient},
};
use squall_env::{Env, real::TokioEnv};
use squall_rpc::ChannelOptions;
use std::time::Duration;
use support::{Cluster, channel, persist, resident_mb};
use tonic::{Code, Request, body::Body};
use tower::Service as _;

async fn serves(cluster: &Cluster) {
    let put = PutRequest { key: "k".into(), value: "v".into(), ..Default::default() };
    persist(&cluster.clients, |channel| {
        let put = put.clone();
        async move { KvClient::new(channel).put(within(put)).await }
    })
    .await;
}

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(5));
    request
}

fn create(i: usize) -> WatchRequest {
    let create = WatchCreateRequest { key: format!("w/{}", i % 100).into(), ..Default::default() };
    WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
}

/// 10,000 watches on one node, over ten streams: all are told of a change, and others are served as before.
#[tokio::test]
async fn ten_thousand_watches_are_told_and_cost_little() {
    const STREAMS: usize = 10;
    const EACH: usize = 1000;
    let cluster = Cluster::start(1);
    serves(&cluster).await;
    let before = resident_mb(cluster.pid(0));
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let asked = stream::iter((0..EACH).map(create)).chain(stream::pending());
        let mut answers = WatchClient::new(channel(cluster.clients[0])).watch(Request::new(asked)).await.unwrap().into_inner();
        for _ in 0..EACH {
            assert!(answers.message().await.unwrap().unwrap().created);
        }
        streams.push(answers);
    }
    let with_watches = resident_mb(cluster.pid(0));
    let mut kv = KvClient::new(channel(cluster.clients[0]));
    for i in 0..100 {
        let put = PutRequest { key: format!("w/{i}").into(), value: "new".into(), ..Default::default() };
        kv.put(within(put)).await.unwrap();
    }
    let mut told = 0;
    for answers in &mut streams {
        for _ in 0..EACH {
            told += answers.message().await.unwrap().unwrap().events.len();
        }
    }
    assert_eq!(told, STREAMS * EACH);
    let after = resident_mb(cluster.pid(0));
    println!("resident: {before} MB, with {} watches {with_watches} MB, after {told} events {after} MB", STREAMS * EACH);
    assert!(after < before + 100, "{before} MB before, {after} MB after");
    serves(&cluster).await;
}

/// A client that never reads costs a position, not a buffer.
#[tokio::test]
async fn a_watcher_that_never_reads_costs_no_memory() {
    let cluster = Cluster::start(1);
    serves(&cluster).await;
    let create = WatchCreateRequest { key: "\0".into(), range_end: "\0".into(), ..Default::default() };
    let asked = stream::iter([WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }]).chain(stream::pending());
    let silent = WatchClient::new(channel(cluster.clients[0])).watch(Request::new(asked)).await.unwrap();
    let before = resident_mb(cluster.pid(0));
    let mut kv = KvClient::new(channel(cluster.clients[0]));
    // One key, so that the store itself can be compacted.
    for _ in 0..300 {
        let put = PutRequest { key: "large".into(), value: vec![b'x'; 200_000].into(), ..Default::default() };
        let revision = kv.put(within(put)).await.unwrap().into_inner().header.unwrap().revision;
        let compact = squall_cluster::pb::etcdserverpb::CompactionRequest { revision, physical: false };
        kv.compact(within(compact)).await.unwrap();
    }
    let after = resident_mb(cluster.pid(0));
    println!("resident: {before} MB, after 60 MB that a watcher did not read {after} MB");
    // The log keeps its last entries, by count: what is bounded here is what the watcher adds.
    assert!(after < before + 120, "{before} MB before, {after} MB after");
    drop(silent);
}

#[tokio::test]
async fn requests_over_a_limit_are_refused_with_etcds_words() {
    let cluster = Cluster::start(1);
    serves(&cluster).await;
    let mut kv = KvClient::new(channel(cluster.clients[0]));
    let large = PutRequest { key: "k".into(), value: vec![b'x'; 1600 << 10].into(), ..Default::default() };
    let status = kv.put(within(large)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "etcdserver: request is too large"));
    let get = |i: usize| RequestOp { request: Some(Op::RequestRange(RangeRequest { key: format!("{i}").into(), ..Default::default() })) };
    let many = TxnRequest { success: (0..129).map(get).collect(), ..Default::default() };
    let status = kv.txn(within(many)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "etcdserver: too many operations in txn request"));
    let put = |_| RequestOp { request: Some(Op::RequestPut(PutRequest { key: "same".into(), ..Default::default() })) };
    let twice = TxnRequest { success: (0..2).map(put).collect(), ..Default::default() };
    let status = kv.txn(within(twice)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "etcdserver: duplicate key given in txn request"));
    // Longer than a message may be: refused before it is decoded.
    let huge = PutRequest { key: "k".into(), value: vec![b'x'; 5 << 20].into(), ..Default::default() };
    let status = kv.put(within(huge)).await.unwrap_err();
    assert!(matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted), "{status:?}");
    let absent = kv.range(within(RangeRequest { key: "same".into(), ..Default::default() })).await.unwrap().into_inner();
    assert_eq!(absent.count, 0, "nothing of what was refused has happened");
    serves(&cluster).await;
}

#[tokio::test]
async fn malformed_messages_end_their_call_and_nothing_else() {
    let cluster = Cluster::start(1);
    serves(&cluster).await;
    let mut raw = channel(cluster.clients[0]);
    for (path, frame) in [
        // A field that is longer than the message.
        ("/etcdserverpb.KV/Put", &b"\0\0\0\0\x03\x0a\xff\x01"[..]),
        // No protobuf at all.
        ("/etcdserverpb.KV/Txn", b"\0\0\0\0\x08garbage!"),
        // A frame that is shorter than it says.
        ("/etcdserverpb.Lease/LeaseGrant", b"\0\0\0\0\x40\x08\x01"),
        // Compressed, which nobody agreed on.
        ("/etcdserverpb.KV/Range", b"\x01\0\0\0\x02\x0a\0"),
        ("/etcdserverpb.KV/NoSuchMethod", b"\0\0\0\0\0"),
    ] {
        let request = HttpRequest::post(path)
            .header(header::CONTENT_TYPE, "application/grpc")
            .header("te", "trailers")
            .body(Body::new(http_body_util::Full::new(bytes::Bytes::copy_from_slice(frame))))
            .unwrap();
        std::future::poll_fn(|cx| raw.poll_ready(cx)).await.unwrap();
        let answer = raw.call(request).await.unwrap();
        let status = answer.headers().get("grpc-status").map(|s| s.to_str().unwrap().to_string());
        assert!(status.as_deref().is_some_and(|s| s != "0"), "{path}: {status:?}");
    }
    serves(&cluster).await;
}

#[tokio::test]
async fn a_peer_of_another_cluster_is_refused() {
    let cluster = Cluster::start(1);
    serves(&cluster).await;
    let header = (http::HeaderName::from_static("squall-cluster"), http::HeaderValue::from_static("dead"));
    let options = ChannelOptions { header: Some(header), ..Default::default() };
    let stranger = squall_rpc::Channel::<TokioEnv>::new(squall_env::real::RealNet, cluster.peers[0], options);
    let status = PeerClient::new(stranger).members(within(MembersRequest::default())).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("another cluster"), "{status:?}");
}

/// SIGTERM: what is under way is answered, and the process ends by itself, successfully.
#[tokio::test]
async fn a_node_that_is_told_to_stop_answers_what_it_was_asked() {
    let mut cluster = Cluster::start(3);
    serves(&cluster).await;
    let mut asked = Vec::new();
    for i in 0..20 {
        let mut kv = KvClient::new(channel(cluster.clients[0]));
        asked.push(TokioEnv::spawn(async move {
            let mut refused = 0;
            for j in 0..50 {
                let put = PutRequest { key: format!("stop/{i}/{j}").into(), value: "v".into(), ..Default::default() };
                match kv.put(within(put)).await {
                    Ok(_) => {}
                    // Told to go elsewhere, or not connected any more; never left without an answer.
                    Err(status) => {
                        assert_ne!(status.code(), Code::DeadlineExceeded, "{status:?}");
                        refused += 1;
                    }
                }
            }
            refused
        }));
    }
    TokioEnv::sleep(Duration::from_millis(30)).await;
    let ended = cluster.terminate(0).await;
    assert!(ended.success(), "{ended:?}");
    for client in asked {
        client.await.unwrap();
    }
    cluster.boot(0);
    serves(&cluster).await;
}

/// A method, or a service, that nobody has is told so, in etcd's words.
#[tokio::test]
async fn what_nobody_serves_is_told_in_words() {
    let cluster = Cluster::start_with(1, &[]);
    serves(&cluster).await;
    for (path, says) in [
        ("/etcdserverpb.KV/Frobnicate", "unknown method Frobnicate for service etcdserverpb.KV"),
        ("/etcdserverpb.Nothing/Range", "unknown service etcdserverpb.Nothing"),
    ] {
        let status = raw(channel(cluster.clients[0]), path).await;
        assert_eq!((status.code(), status.message()), (Code::Unimplemented, says));
    }
}

async fn raw(mut channel: squall_rpc::Channel<TokioEnv>, path: &str) -> tonic::Status {
    let request = HttpRequest::post(path).header("content-type", "application/grpc").header("te", "trailers").body(Body::empty()).unwrap();
    std::future::poll_fn(|cx| channel.poll_ready(cx)).await.unwrap();
    let answer = channel.call(request).await.unwrap();
    tonic::Status::from_header_map(answer.headers()).unwrap()
}
