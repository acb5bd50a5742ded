//! Three real processes on loopback: what was acknowledged is there after `kill -9` of one, and of all.

use squall_cluster::pb::etcdserverpb::{PutRequest, RangeRequest, kv_client::KvClient};
use squall_env::{
    Env,
    real::{RealNet, TokioEnv},
};
use squall_rpc::{Channel, ChannelOptions};
use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tonic::Request;

struct Cluster {
    dir: tempfile::TempDir,
    addrs: Vec<SocketAddr>,
    running: BTreeMap<usize, Child>,
}

impl Cluster {
    fn start() -> Cluster {
        // Ports that are free now; held together, so that they differ.
        let held: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addrs = held.iter().map(|l| l.local_addr().unwrap()).collect();
        drop(held);
        let mut cluster = Cluster { dir: tempfile::tempdir().unwrap(), addrs, running: BTreeMap::new() };
        (0..3).for_each(|i| cluster.boot(i));
        cluster
    }

    fn boot(&mut self, i: usize) {
        let members: Vec<String> = self.addrs.iter().enumerate().map(|(i, addr)| format!("{}={addr}", i + 1)).collect();
        let data: &Path = self.dir.path();
        let child = Command::new(env!("CARGO_BIN_EXE_squall-node"))
            .args(["--id", &(i + 1).to_string(), "--members", &members.join(",")])
            .args(["--election-ms", "300", "--heartbeat-ms", "50", "--snapshot-every", "50"])
            .arg("--data-dir")
            .arg(data.join(format!("n{}", i + 1)))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.running.insert(i, child);
    }

    /// SIGKILL, and wait until the process is gone.
    fn kill(&mut self, i: usize) {
        let mut child = self.running.remove(&i).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

struct User {
    nodes: Vec<KvClient<Channel<TokioEnv>>>,
    at: usize,
}

impl User {
    fn new(cluster: &Cluster) -> User {
        let channel = |addr: &SocketAddr| KvClient::new(Channel::new(RealNet, *addr, ChannelOptions::default()));
        User { nodes: cluster.addrs.iter().map(channel).collect(), at: 0 }
    }

    /// Tries until a node answers, for at most a minute.
    async fn persist<T, F>(&mut self, mut ask: impl FnMut(KvClient<Channel<TokioEnv>>) -> F) -> T
    where
        F: Future<Output = Result<T, tonic::Status>>,
    {
        let mut last = None;
        for _ in 0..1200 {
            match ask(self.nodes[self.at].clone()).await {
                Ok(answer) => return answer,
                Err(status) => last = Some(status),
            }
            self.at = (self.at + 1) % self.nodes.len();
            TokioEnv::sleep(Duration::from_millis(50)).await;
        }
        panic!("no node served for a minute: {last:?}");
    }

    async fn put(&mut self, key: &str, value: &str) {
        let put = PutRequest { key: key.to_string().into(), value: value.to_string().into(), ..Default::default() };
        self.persist(|mut kv| {
            let mut request = Request::new(put.clone());
            request.set_timeout(Duration::from_secs(2));
            async move { kv.put(request).await }
        })
        .await;
    }

    async fn get(&mut self, key: &str) -> Option<String> {
        let range = RangeRequest { key: key.to_string().into(), ..Default::default() };
        let answer = self
            .persist(|mut kv| {
                let mut request = Request::new(range.clone());
                request.set_timeout(Duration::from_secs(2));
                async move { kv.range(request).await }
            })
            .await;
        answer.into_inner().kvs.first().map(|kv| String::from_utf8(kv.value.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_of_one_and_of_all() {
    let mut cluster = Cluster::start();
    let mut user = User::new(&cluster);
    for i in 0..100 {
        user.put(&format!("before/{i}"), &format!("v{i}")).await;
    }
    cluster.kill(0);
    for i in 0..100 {
        user.put(&format!("without-one/{i}"), &format!("w{i}")).await;
    }
    cluster.boot(0);
    user.put("before/7", "overwritten").await;
    (0..3).for_each(|i| cluster.kill(i));
    (0..3).for_each(|i| cluster.boot(i));

    for i in 0..100 {
        let expect = if i == 7 { "overwritten".to_string() } else { format!("v{i}") };
        assert_eq!(user.get(&format!("before/{i}")).await, Some(expect));
        assert_eq!(user.get(&format!("without-one/{i}")).await, Some(format!("w{i}")));
    }
    assert_eq!(user.get("never").await, None);
    assert!(std::fs::read_dir(cluster.dir.path().join("n2/snap")).unwrap().count() > 0, "snapshots were taken on the way");
}
