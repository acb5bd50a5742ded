//! The same random requests to a real etcd and to ours, answers compared field by field.
//!
//! `SQUALL_DIFFERENTIAL=SEEDSxREQUESTS` sets how many (default 2x2000), from seed
//! `SQUALL_DIFFERENTIAL_FIRST` on; `SQUALL_ETCD_35` says where etcd
//! 3.5's programs are. Not compared: member and cluster ids, terms, hashes, how events are batched.

mod support;

use bytes::Bytes;
use pb::range_request::SortTarget;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use squall_cluster::pb::{
    KeyValue,
    etcdserverpb::{
        self as pb, kv_client::KvClient, lease_client::LeaseClient, maintenance_client::MaintenanceClient, watch_client::WatchClient,
    },
    mvccpb::Event,
    v3electionpb::{self as election, election_client::ElectionClient},
    v3lockpb::{self as lock, lock_client::LockClient},
};
use squall_env::{Env, real::TokioEnv};
use squall_rpc::Channel;
use std::{
    collections::BTreeMap,
    fmt::Debug,
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};
use support::{Cluster, Process, channel, free_ports, persist, program};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use tower::Service as _;

/// A server, and what was opened on it.
struct Server {
    name: &'static str,
    /// Asked in turn: all of them are to answer alike.
    clients: Vec<SocketAddr>,
    turn: usize,
    channels: Vec<Channel<TokioEnv>>,
    watch: Option<Watching>,
}

struct Watching {
    /// The node that it is on.
    node: Channel<TokioEnv>,
    requests: mpsc::Sender<pb::WatchRequest>,
    answers: Streaming<pb::WatchResponse>,
    /// What was told, by watch.
    events: BTreeMap<i64, Vec<Event>>,
    /// What was said beside events.
    said: BTreeMap<i64, Vec<String>>,
    progress: usize,
}

/// One request, for both servers.
#[derive(Clone, Debug)]
enum Ask {
    Range(pb::RangeRequest),
    Put(pb::PutRequest),
    Delete(pb::DeleteRangeRequest),
    Txn(pb::TxnRequest),
    Compact(pb::CompactionRequest),
    Grant(pb::LeaseGrantRequest),
    Revoke(pb::LeaseRevokeRequest),
    KeepAlive(i64),
    TimeToLive(pb::LeaseTimeToLiveRequest),
    Leases,
    HashKv(i64),
    Alarms,
    Campaign(election::CampaignRequest),
    Proclaim(election::ProclaimRequest),
    Leader(election::LeaderRequest),
    Resign(election::ResignRequest),
    Lock(lock::LockRequest),
    Unlock(lock::UnlockRequest),
}

/// What must be equal: the revision of the header, and everything else that is not a server's own.
fn told<T: Debug>(answer: Result<tonic::Response<T>, Status>, header: impl Fn(&mut T) -> &mut Option<pb::ResponseHeader>) -> String {
    match answer {
        Ok(answer) => {
            let mut answer = answer.into_inner();
            let ours = header(&mut answer);
            if let Some(ours) = ours {
                *ours = pb::ResponseHeader { revision: ours.revision, ..Default::default() };
            }
            format!("{answer:?}")
        }
        Err(status) => format!("{:?}: {}", status.code(), status.message()),
    }
}

impl Server {
    fn new(name: &'static str, clients: Vec<SocketAddr>) -> Server {
        let channels = clients.iter().map(|addr| channel(*addr)).collect();
        Server { name, clients, turn: 0, channels, watch: None }
    }

    fn next(&mut self) -> Channel<TokioEnv> {
        self.turn += 1;
        self.channels[self.turn % self.channels.len()].clone()
    }

    async fn ask(&mut self, ask: Ask) -> String {
        let to = self.next();
        // These are answered with the revision that the node itself has seen.
        let by_itself = match &ask {
            Ask::Txn(txn) => is_serializable(txn),
            ask => matches!(ask, Ask::KeepAlive(_) | Ask::TimeToLive(_) | Ask::Leases),
        };
        if self.clients.len() > 1 && by_itself {
            up_to_date(&to).await;
        }
        let mut kv = KvClient::new(to.clone());
        let mut lease = LeaseClient::new(to.clone());
        let mut elections = ElectionClient::new(to.clone());
        match ask {
            Ask::Range(r) => {
                let (target, limited) = (r.sort_target(), r.limit > 0);
                let answer = kv.range(r).await.map(|mut answer| {
                    let kvs = &mut answer.get_mut().kvs;
                    // etcd's sort is not stable: which of two equals comes first is anybody's guess.
                    if target != SortTarget::Key {
                        let sorted_by = |kv: &KeyValue| match target {
                            SortTarget::Key => format!("{:?}", kv.key),
                            SortTarget::Version => kv.version.to_string(),
                            SortTarget::Create => kv.create_revision.to_string(),
                            SortTarget::Mod => kv.mod_revision.to_string(),
                            SortTarget::Value => format!("{:?}", kv.value),
                        };
                        let order: Vec<String> = kvs.iter().map(sorted_by).collect();
                        kvs.sort_by(|a, b| a.key.cmp(&b.key));
                        if limited {
                            kvs.clear();
                        }
                        kvs.push(KeyValue { value: order.join(",").into(), ..Default::default() });
                    }
                    answer
                });
                told(answer, |a| &mut a.header)
            }
            Ask::Put(r) => told(kv.put(r).await, |a| &mut a.header),
            Ask::Delete(r) => told(kv.delete_range(r).await, |a| &mut a.header),
            Ask::Txn(r) => told(kv.txn(r).await, |a| &mut a.header),
            Ask::Compact(r) => told(kv.compact(r).await, |a| &mut a.header),
            Ask::Grant(r) => told(lease.lease_grant(r).await, |a| &mut a.header),
            Ask::Revoke(r) => told(lease.lease_revoke(r).await, |a| &mut a.header),
            Ask::KeepAlive(id) => {
                let (send, receive) = mpsc::channel(1);
                send.try_send(pb::LeaseKeepAliveRequest { id }).unwrap();
                let answers = lease.lease_keep_alive(stream(receive)).await;
                match answers {
                    Ok(answers) => {
                        let answer = answers.into_inner().message().await;
                        told(answer.map(|a| tonic::Response::new(a.unwrap_or_default())), |a| &mut a.header)
                    }
                    Err(status) => format!("{status:?}"),
                }
            }
            Ask::TimeToLive(r) => {
                let answer = lease.lease_time_to_live(r).await.map(|mut answer| {
                    let body = answer.get_mut();
                    // The last seconds depend on the moment.
                    body.ttl = if body.ttl > 0 { 1 } else { body.ttl };
                    body.keys.sort();
                    answer
                });
                told(answer, |a| &mut a.header)
            }
            Ask::Leases => {
                let answer = lease.lease_leases(pb::LeaseLeasesRequest {}).await.map(|mut answer| {
                    answer.get_mut().leases.sort_by_key(|l| l.id);
                    answer
                });
                told(answer, |a| &mut a.header)
            }
            Ask::HashKv(revision) => {
                let answer = MaintenanceClient::new(to).hash_kv(pb::HashKvRequest { revision }).await.map(|mut answer| {
                    // Over other bytes: bbolt's there.
                    answer.get_mut().hash = 0;
                    answer
                });
                told(answer, |a| &mut a.header)
            }
            Ask::Alarms => told(MaintenanceClient::new(to).alarm(pb::AlarmRequest::default()).await, |a| &mut a.header),
            Ask::Campaign(r) => told(elections.campaign(r).await, |a| &mut a.header),
            Ask::Proclaim(r) => told(elections.proclaim(r).await, |a| &mut a.header),
            Ask::Leader(r) => told(elections.leader(r).await, |a| &mut a.header),
            Ask::Resign(r) => told(elections.resign(r).await, |a| &mut a.header),
            Ask::Lock(r) => told(LockClient::new(to).lock(r).await, |a| &mut a.header),
            Ask::Unlock(r) => told(LockClient::new(to).unlock(r).await, |a| &mut a.header),
        }
    }

    async fn watch(&mut self, request: pb::WatchRequest) {
        use pb::watch_request::RequestUnion;
        let creates = matches!(request.request_union, Some(RequestUnion::CreateRequest(_)));
        let cancels = match &request.request_union {
            Some(RequestUnion::CancelRequest(cancel)) => Some(cancel.watch_id),
            _ => None,
        };
        match &mut self.watch {
            Some(watch) => {
                up_to_date(&watch.node).await;
                watch.requests.send(request).await.unwrap();
            }
            // etcd sends no headers before its first answer.
            None if !creates => return,
            None => {
                let (requests, receive) = mpsc::channel(64);
                let mut first = tonic::Request::new(stream(receive));
                first.set_timeout(Duration::from_secs(3600));
                requests.try_send(request).unwrap();
                let node = self.next();
                up_to_date(&node).await;
                let opened = WatchClient::new(node.clone()).watch(first).await;
                let answers = opened.unwrap_or_else(|e| panic!("{}: no watch: {e:?}", self.name)).into_inner();
                self.watch = Some(Watching { node, requests, answers, events: BTreeMap::new(), said: BTreeMap::new(), progress: 0 });
            }
        }
        let watch = self.watch.as_mut().unwrap();
        if creates {
            // What comes next must come after the watch.
            let before: usize = watch.said.values().flatten().filter(|s| s.starts_with("created")).count();
            while watch.said.values().flatten().filter(|s| s.starts_with("created")).count() == before {
                watch.hear(self.name, "a watch's creation").await;
            }
        }
        if let Some(id) = cancels.filter(|id| watch.said.contains_key(id)) {
            // What comes next must come after its end.
            while !watch.said[&id].last().unwrap().starts_with("canceled") {
                watch.hear(self.name, "a watch's end").await;
            }
        }
    }
}

/// Whether any node may answer this transaction from what it has: one that reads serializably, and, in etcd, one that does nothing.
fn is_serializable(txn: &pb::TxnRequest) -> bool {
    txn.success
        .iter()
        .chain(&txn.failure)
        .all(|op| matches!(&op.request, Some(pb::request_op::Request::RequestRange(range)) if range.serializable))
}

/// Waits until this node has seen everything that was acknowledged.
async fn up_to_date(node: &Channel<TokioEnv>) {
    KvClient::new(node.clone()).range(pb::RangeRequest { key: "a".into(), ..Default::default() }).await.unwrap();
}

impl Watching {
    async fn hear(&mut self, name: &str, what: &str) {
        assert!(self.heard().await, "{name}: nothing heard, waiting for {what}");
    }

    /// Takes in an answer; false when none comes for long.
    async fn heard(&mut self) -> bool {
        let Ok(heard) = squall_env::timeout::<TokioEnv, _>(Duration::from_secs(20), self.answers.message()).await else { return false };
        let answer = heard.unwrap().unwrap();
        if answer.watch_id == -1 && !answer.created {
            self.progress += 1;
            return true;
        }
        let said = self.said.entry(answer.watch_id).or_default();
        let revision = answer.header.map_or(0, |h| h.revision);
        match (answer.created, answer.canceled) {
            (true, canceled) => said.push(format!("created at {revision}, canceled: {canceled}, {:?}", answer.cancel_reason)),
            (false, true) => said.push(format!("canceled, compacted {}, {:?}", answer.compact_revision, answer.cancel_reason)),
            (false, false) => {}
        }
        self.events.entry(answer.watch_id).or_default().extend(answer.events);
        true
    }
}

fn stream<T: Send + 'static>(mut receive: mpsc::Receiver<T>) -> impl futures_util::Stream<Item = T> + Send + 'static {
    futures_util::stream::poll_fn(move |cx| receive.poll_recv(cx))
}

/// Random requests over few keys, so that they meet.
struct Generator {
    rng: ChaCha8Rng,
    /// What it believes to be the revision; it need not be right.
    revision: i64,
    leases: Vec<i64>,
    leaders: Vec<election::LeaderKey>,
    watches: Vec<i64>,
}

impl Generator {
    fn one_of(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn key(&mut self) -> Bytes {
        match self.rng.random_range(0..40) {
            0 => Bytes::new(),
            1 => Bytes::from_static(b"\0"),
            2 => Bytes::from_static(b"\xff\xfe"),
            n => format!("k{}", n % 12).into(),
        }
    }

    fn range_end(&mut self) -> Bytes {
        match self.rng.random_range(0..10) {
            0..=4 => Bytes::new(),
            5 => Bytes::from_static(b"\0"),
            6 => Bytes::from_static(b"l"),
            _ => self.key(),
        }
    }

    fn value(&mut self) -> Bytes {
        let length = if self.one_of(3) { 60 } else { self.rng.random_range(0..6) };
        let letter = self.rng.random_range(b'a'..=b'c');
        vec![letter; length].into()
    }

    fn lease(&mut self, percent: u32) -> i64 {
        match self.one_of(percent) {
            true if self.one_of(90) && !self.leases.is_empty() => self.leases[self.rng.random_range(0..self.leases.len())],
            true => 999,
            false => 0,
        }
    }

    fn some_revision(&mut self) -> i64 {
        match self.rng.random_range(0..12) {
            0..=5 => 0,
            6..=9 => self.rng.random_range((self.revision - 30).max(0)..=self.revision),
            10 => self.rng.random_range(0..=self.revision),
            _ => self.revision + self.rng.random_range(0..3),
        }
    }

    fn range(&mut self) -> pb::RangeRequest {
        let bound = |g: &mut Self| if g.one_of(12) { g.some_revision() } else { 0 };
        pb::RangeRequest {
            key: self.key(),
            range_end: self.range_end(),
            limit: if self.one_of(30) { self.rng.random_range(0..5) } else { 0 },
            revision: self.some_revision(),
            sort_order: self.rng.random_range(0..3),
            sort_target: self.rng.random_range(0..5),
            serializable: self.one_of(20),
            keys_only: self.one_of(15),
            count_only: self.one_of(10),
            min_mod_revision: bound(self),
            max_mod_revision: bound(self),
            min_create_revision: bound(self),
            max_create_revision: bound(self),
        }
    }

    fn put(&mut self) -> pb::PutRequest {
        let (ignore_value, ignore_lease) = (self.one_of(6), self.one_of(6));
        pb::PutRequest {
            key: self.key(),
            value: if ignore_value && self.one_of(80) { Bytes::new() } else { self.value() },
            lease: if ignore_lease && self.one_of(80) { 0 } else { self.lease(25) },
            prev_kv: self.one_of(40),
            ignore_value,
            ignore_lease,
        }
    }

    fn delete(&mut self) -> pb::DeleteRangeRequest {
        let range_end = if self.one_of(75) { Bytes::new() } else { self.range_end() };
        pb::DeleteRangeRequest { key: self.key(), range_end, prev_kv: self.one_of(40) }
    }

    fn compare(&mut self) -> pb::Compare {
        use pb::compare::TargetUnion;
        let target = self.rng.random_range(0..5);
        let union = match target {
            0 => TargetUnion::Version(self.rng.random_range(0..4)),
            1 => TargetUnion::CreateRevision(self.some_revision()),
            2 => TargetUnion::ModRevision(self.some_revision()),
            3 => TargetUnion::Value(self.value()),
            _ => TargetUnion::Lease(self.lease(50)),
        };
        pb::Compare {
            result: self.rng.random_range(0..4),
            target,
            key: self.key(),
            range_end: if self.one_of(15) { self.range_end() } else { Bytes::new() },
            target_union: Some(union),
        }
    }

    fn op(&mut self, depth: u32) -> pb::RequestOp {
        use pb::request_op::Request;
        let request = match self.rng.random_range(0..10) {
            0..=2 => Request::RequestRange(pb::RangeRequest { sort_target: SortTarget::Key.into(), ..self.range() }),
            3..=6 => Request::RequestPut(self.put()),
            7..=8 => Request::RequestDeleteRange(self.delete()),
            _ if depth > 0 => Request::RequestTxn(self.txn(depth - 1)),
            _ => Request::RequestPut(self.put()),
        };
        pb::RequestOp { request: Some(request) }
    }

    /// Leaves out what one of the two servers cannot answer.
    fn whole_txn(&mut self) -> pb::TxnRequest {
        fn updates(txn: &mut pb::TxnRequest, strip: bool) -> bool {
            use pb::request_op::Request;
            let mut from_key_on = false;
            for op in txn.success.iter_mut().chain(&mut txn.failure) {
                match &mut op.request {
                    Some(Request::RequestDeleteRange(delete)) => from_key_on |= delete.range_end.as_ref() == [0],
                    Some(Request::RequestPut(put)) if strip => (put.ignore_value, put.ignore_lease) = (false, false),
                    Some(Request::RequestTxn(inner)) => from_key_on |= updates(inner, strip),
                    _ => {}
                }
            }
            from_key_on
        }
        let mut txn = self.txn(2);
        if updates(&mut txn, false) {
            updates(&mut txn, true);
        }
        txn
    }

    fn txn(&mut self, depth: u32) -> pb::TxnRequest {
        let count = |g: &mut Self, most: usize| g.rng.random_range(0..=most);
        let compare = (0..count(self, 2)).map(|_| self.compare()).collect();
        let success = (0..count(self, 4)).map(|_| self.op(depth)).collect();
        let failure = (0..count(self, 3)).map(|_| self.op(depth)).collect();
        pb::TxnRequest { compare, success, failure }
    }

    fn ask(&mut self) -> Ask {
        match self.rng.random_range(0..1000) {
            0..250 => Ask::Range(self.range()),
            250..500 => Ask::Put(self.put()),
            500..600 => Ask::Delete(self.delete()),
            600..790 => Ask::Txn(self.whole_txn()),
            790..800 => {
                let revision = self.some_revision();
                Ask::Compact(pb::CompactionRequest { revision, physical: self.one_of(20) })
            }
            800..830 => {
                let id = self.rng.random_range(1..40);
                self.leases.push(id);
                let ttl = if self.one_of(5) { 9_000_000_001 } else { self.rng.random_range(3600..7200) };
                Ask::Grant(pb::LeaseGrantRequest { ttl, id })
            }
            830..850 => Ask::Revoke(pb::LeaseRevokeRequest { id: self.lease(95) }),
            850..870 => Ask::KeepAlive(self.lease(95)),
            870..890 => Ask::TimeToLive(pb::LeaseTimeToLiveRequest { id: self.lease(95), keys: self.one_of(70) }),
            890..900 => Ask::Leases,
            900..910 => Ask::HashKv(self.some_revision()),
            910..915 => Ask::Alarms,
            915..935 => {
                let lease = self.lease(100);
                Ask::Campaign(election::CampaignRequest { name: self.line(lease), lease, value: self.value() })
            }
            935..950 => match self.leader() {
                Some(leader) => Ask::Proclaim(election::ProclaimRequest { leader: Some(leader), value: self.value() }),
                None => Ask::Proclaim(election::ProclaimRequest::default()),
            },
            950..960 => {
                let lease = self.lease(100);
                Ask::Leader(election::LeaderRequest { name: self.line(lease) })
            }
            960..975 => Ask::Resign(election::ResignRequest { leader: self.leader() }),
            975..990 => {
                let lease = self.lease(100);
                Ask::Lock(lock::LockRequest { name: self.line(lease), lease })
            }
            _ => Ask::Unlock(lock::UnlockRequest { key: self.leader().map_or_else(|| self.key(), |l| l.key) }),
        }
    }

    /// One line a lease: nobody waits for ever here.
    fn line(&mut self, lease: i64) -> Bytes {
        format!("line{lease}").into()
    }

    fn leader(&mut self) -> Option<election::LeaderKey> {
        if self.leaders.is_empty() { None } else { Some(self.leaders[self.rng.random_range(0..self.leaders.len())].clone()) }
    }

    /// A watch that a compaction cancelled keeps its id in etcd until its client cancels it too; here it is
    /// gone. So ids are used again only of watches that no compaction can reach.
    fn watch(&mut self) -> pb::WatchRequest {
        use pb::watch_request::RequestUnion;
        let union = match self.rng.random_range(0..10) {
            0..=7 => {
                let mut create = pb::WatchCreateRequest {
                    key: self.key(),
                    range_end: self.range_end(),
                    start_revision: self.some_revision(),
                    progress_notify: false,
                    filters: (0..2).filter(|_| self.rng.random_range(0..6) == 0).collect(),
                    prev_kv: self.one_of(50),
                    watch_id: 0,
                    fragment: self.one_of(20),
                };
                match self.rng.random_range(0..10) {
                    0 if !self.watches.is_empty() => create.watch_id = self.watches[self.rng.random_range(0..self.watches.len())],
                    1..=3 => {
                        create.watch_id = 1000 + self.rng.random_range(0..1_000_000);
                        create.start_revision = 0;
                        self.watches.push(create.watch_id);
                    }
                    _ => {}
                }
                // Before all revisions: compacted away, or none at all.
                if create.watch_id == 0 && self.one_of(12) {
                    create.start_revision = -self.rng.random_range(1..4);
                }
                RequestUnion::CreateRequest(create)
            }
            _ => {
                let watch_id = if self.watches.is_empty() { 77 } else { self.watches.swap_remove(0) };
                RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id })
            }
        };
        pb::WatchRequest { request_union: Some(union) }
    }
}

/// Both have told the same.
async fn same_watches(etcd: &mut Server, ours: &mut Server, context: &str) {
    use pb::watch_request::RequestUnion;
    let (Some(theirs), Some(mine)) = (&mut etcd.watch, &mut ours.watch) else { return };
    // Ours says when everything is told; theirs may say so too early (etcd issue 15220).
    up_to_date(&mine.node).await;
    let before = mine.progress;
    let progress = pb::WatchRequest { request_union: Some(RequestUnion::ProgressRequest(pb::WatchProgressRequest {})) };
    mine.requests.send(progress).await.unwrap();
    while mine.progress == before {
        mine.hear("ours", "progress").await;
    }
    let counts = |w: &Watching| -> (usize, usize) { (w.events.values().map(Vec::len).sum(), w.said.values().map(Vec::len).sum()) };
    while counts(theirs).0 < counts(mine).0 || counts(theirs).1 < counts(mine).1 {
        if theirs.heard().await {
            continue;
        }
        let differs = |(id, events): (&i64, &Vec<Event>)| {
            let other = theirs.events.get(id).map(Vec::as_slice).unwrap_or_default();
            let at = (0..events.len()).find(|i| events.get(*i) != other.get(*i))?;
            Some(format!("watch {id}, event {at}: ours {:?}, etcd {:?}", &events[at..events.len().min(at + 2)], other.get(at)))
        };
        let events: Vec<String> = mine.events.iter().filter_map(differs).collect();
        let said: Vec<_> = mine.said.iter().filter(|(id, said)| theirs.said.get(*id) != Some(*said)).collect();
        panic!("etcd told less: {events:?} {said:?}; {context}");
    }
    for (id, events) in &mine.events {
        let other = theirs.events.get(id).cloned().unwrap_or_default();
        let differs = events.iter().zip(&other).position(|(a, b)| a != b).or((events.len() != other.len()).then_some(0));
        if let Some(at) = differs {
            panic!(
                "watch {id}, event {at} of {} and {}:\nours {:?}\netcd {:?}\n{context}",
                events.len(),
                other.len(),
                events.get(at),
                other.get(at)
            );
        }
    }
    assert_eq!(mine.said, theirs.said, "what was said of the watches; {context}");
}

/// A lease runs out on both, with nothing else going on.
async fn expire(g: &mut Generator, etcd: &mut Server, ours: &mut Server) {
    let id = g.rng.random_range(100..1_000_000);
    let keys = g.rng.random_range(0..3);
    let mut asks = vec![Ask::Grant(pb::LeaseGrantRequest { ttl: 1, id })];
    asks.extend((0..keys).map(|i| Ask::Put(pb::PutRequest { key: format!("k{i}").into(), lease: id, ..Default::default() })));
    for ask in asks {
        assert_eq!(ours.ask(ask.clone()).await, etcd.ask(ask).await);
    }
    for server in [&mut *etcd, &mut *ours] {
        let gone = Ask::TimeToLive(pb::LeaseTimeToLiveRequest { id, keys: false });
        for turn in 0.. {
            let answer = server.ask(gone.clone()).await;
            if answer.contains("ttl: -1") {
                break;
            }
            assert!(turn < 100, "{}: the lease does not end: {answer}", server.name);
            TokioEnv::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn start_etcd(program: &std::path::Path, dir: &std::path::Path) -> (Process, SocketAddr) {
    let ports = free_ports(2);
    let (client, peer) = (format!("http://{}", ports[0]), format!("http://{}", ports[1]));
    let child = Command::new(program)
        .args(["--name", "e", "--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer, "--initial-cluster", &format!("e={peer}")])
        .args(["--unsafe-no-fsync", "--log-level", "error"])
        .arg("--data-dir")
        .arg(dir)
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(dir.with_extension("log")).unwrap())
        .spawn()
        .unwrap();
    (Process(child), ports[0])
}

async fn ready(clients: &[SocketAddr]) {
    for addr in clients {
        persist(&[*addr], |channel| async move {
            KvClient::new(channel).range(pb::RangeRequest { key: "a".into(), ..Default::default() }).await
        })
        .await;
    }
}

async fn unserved(mut node: Channel<TokioEnv>, path: &str) -> Status {
    let request = http::Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
    std::future::poll_fn(|cx| node.poll_ready(cx)).await.unwrap();
    let answer = node.call(request.body(tonic::body::Body::empty()).unwrap()).await.unwrap();
    Status::from_header_map(answer.headers()).unwrap()
}

async fn compare(program: &std::path::Path, seed: u64, requests: usize) {
    let dir = tempfile::tempdir().unwrap();
    let (_process, addr) = start_etcd(program, &dir.path().join("data"));
    // Every third time by three nodes, asked in turn.
    let cluster = Cluster::start_with(if seed.is_multiple_of(3) { 3 } else { 1 }, &[]);
    let (mut etcd, mut ours) = (Server::new("etcd", vec![addr]), Server::new("ours", cluster.clients.clone()));
    ready(&etcd.clients).await;
    ready(&ours.clients).await;
    // What nobody serves.
    for path in ["/etcdserverpb.KV/Frobnicate", "/etcdserverpb.Nothing/Range", "/Nothing", "/v3lockpb.Lock/Steal"] {
        let (mine, theirs) = (unserved(ours.next(), path).await, unserved(etcd.next(), path).await);
        assert_eq!((mine.code(), mine.message()), (theirs.code(), theirs.message()), "{path}");
    }
    let mut g = Generator { rng: ChaCha8Rng::seed_from_u64(seed), revision: 1, leases: vec![], leaders: vec![], watches: vec![] };
    let mut differences = Vec::new();
    let expiries = (requests / 4000).max(1);
    for i in 0..requests {
        if i % (requests / expiries) == requests / expiries / 2 {
            expire(&mut g, &mut etcd, &mut ours).await;
        }
        if g.one_of(1) {
            let request = g.watch();
            if std::env::var_os("SQUALL_TRACE").is_some() {
                eprintln!("{seed} {i} {request:?}");
            }
            etcd.watch(request.clone()).await;
            ours.watch(request).await;
            // etcd reads history every 100 ms: nothing is to be compacted away under it.
            TokioEnv::sleep(Duration::from_millis(200)).await;
        }
        let mut ask = g.ask();
        // What a node says of itself may be a little old: with several of them only what all must say is asked.
        match &mut ask {
            Ask::Range(range) if ours.clients.len() > 1 => range.serializable = false,
            Ask::HashKv(_) | Ask::Alarms if ours.clients.len() > 1 => ask = Ask::Leases,
            _ => {}
        }
        if std::env::var_os("SQUALL_TRACE").is_some() {
            eprintln!("{seed} {i} {ask:?}");
        }
        let (mine, theirs) = (ours.ask(ask.clone()).await, etcd.ask(ask.clone()).await);
        if mine != theirs {
            differences.push(format!("seed {seed}, request {i}: {ask:?}\nours {mine}\netcd {theirs}"));
            assert!(differences.len() < 5, "{}", differences.join("\n\n"));
        }
        if let Some(revision) = mine.split("revision: ").nth(1).and_then(|r| r.split([',', ' ', '}']).next()).and_then(|r| r.parse().ok()) {
            g.revision = revision;
        }
        if let Ask::Campaign(campaign) = &ask
            && let Some(rev) = mine.split("rev: ").nth(1).and_then(|r| r.split([',', ' ', '}']).next()).and_then(|r| r.parse().ok())
        {
            let key = [campaign.name.as_ref(), format!("/{:x}", campaign.lease).as_bytes()].concat().into();
            g.leaders.push(election::LeaderKey { name: campaign.name.clone(), key, rev, lease: campaign.lease });
        }
        if i % 500 == 499 {
            same_watches(&mut etcd, &mut ours, &format!("seed {seed}, after request {i}")).await;
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    let everything = pb::RangeRequest { key: "\0".into(), range_end: "\0".into(), ..Default::default() };
    assert_eq!(ours.ask(Ask::Range(everything.clone())).await, etcd.ask(Ask::Range(everything)).await);
}

#[tokio::test]
async fn the_same_requests_get_the_same_answers_as_from_etcd() {
    let Some(program) = program("etcd", "SQUALL_ETCD_35", "the_same_requests_get_the_same_answers_as_from_etcd") else { return };
    let asked = std::env::var("SQUALL_DIFFERENTIAL").unwrap_or_else(|_| "2x2000".to_string());
    let (seeds, requests) = asked.split_once('x').expect("SEEDSxREQUESTS");
    let (seeds, requests): (u64, usize) = (seeds.parse().unwrap(), requests.parse().unwrap());
    let first: u64 = std::env::var("SQUALL_DIFFERENTIAL_FIRST").map_or(0, |first| first.parse().expect("a seed"));
    for seed in first..first + seeds {
        compare(&program, seed, requests).await;
        eprintln!("seed {seed}: {requests} requests, no difference");
    }
}
