//! Real processes on loopback: our nodes, and etcd where it is there.
#![allow(dead_code, unreachable_pub)]

use squall_env::{Env, real::TokioEnv};
use squall_rpc::{Channel, ChannelOptions};
use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tonic::Status;

/// Ports that are free now; held together, so that they differ.
pub fn free_ports(count: usize) -> Vec<SocketAddr> {
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|l| l.local_addr().unwrap()).collect()
}

/// A program of etcd's that is there, in the version that the variable is named for: in the directory
/// that the variable names, or on the PATH. Where it is not, the test says so and is skipped; with
/// `SQUALL_REQUIRE_ETCD` set that is a failure.
pub fn program(name: &str, dir_variable: &str, test: &str) -> Option<PathBuf> {
    let named = std::env::var_os(dir_variable).map(|dir| PathBuf::from(dir).join(name));
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    let found = match named {
        Some(path) => path.is_file().then_some(path),
        None => std::env::split_paths(&dirs).map(|dir| dir.join(name)).find(|path| path.is_file()),
    };
    // The versions answer differently.
    let version = if dir_variable.ends_with("34") { "3.4." } else { "3.5." };
    let found = found.filter(|path| says_version(path, name, version));
    if found.is_none() {
        assert!(std::env::var_os("SQUALL_REQUIRE_ETCD").is_none(), "{test} needs {name} (on the PATH, or where {dir_variable} says)");
        eprintln!("SKIPPED {test}: there is no {name} (on the PATH, or where {dir_variable} says)");
    }
    found
}

fn says_version(path: &PathBuf, name: &str, version: &str) -> bool {
    let ask = if name == "etcdctl" { "version" } else { "--version" };
    let said = Command::new(path).arg(ask).env("ETCDCTL_API", "3").output();
    said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).lines().next().is_some_and(|line| line.contains(&format!(": {version}"))))
}

/// A process that ends with the test.
pub struct Process(pub Child);

impl Process {
    /// SIGKILL, and wait until it is gone.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Nodes n1, n2, ... of one cluster.
pub struct Cluster {
    pub dir: tempfile::TempDir,
    pub clients: Vec<SocketAddr>,
    pub peers: Vec<SocketAddr>,
    running: BTreeMap<usize, Process>,
    extra: Vec<String>,
}

impl Cluster {
    pub fn start(nodes: usize) -> Cluster {
        Self::start_with(nodes, &["--election-ms", "300", "--heartbeat-ms", "50", "--snapshot-count", "50"])
    }

    /// With these flags beside the names and addresses.
    pub fn start_with(nodes: usize, extra: &[&str]) -> Cluster {
        let ports = free_ports(2 * nodes);
        let (clients, peers) = (ports[..nodes].to_vec(), ports[nodes..].to_vec());
        let extra = extra.iter().map(|s| s.to_string()).collect();
        let mut cluster = Cluster { dir: tempfile::tempdir().unwrap(), clients, peers, running: BTreeMap::new(), extra };
        (0..nodes).for_each(|i| cluster.boot(i));
        cluster
    }

    pub fn initial_cluster(&self) -> String {
        let members: Vec<String> = self.peers.iter().enumerate().map(|(i, addr)| format!("n{}=http://{addr}", i + 1)).collect();
        members.join(",")
    }

    pub fn data_dir(&self, i: usize) -> PathBuf {
        self.dir.path().join(format!("n{}", i + 1))
    }

    pub fn boot(&mut self, i: usize) {
        // Beside the data, or where it outlives the test.
        let logs = std::env::var_os("SQUALL_TEST_LOGS").map_or_else(|| self.dir.path().to_path_buf(), PathBuf::from);
        let log = std::fs::File::options().create(true).append(true).open(logs.join(format!("n{}-{}.log", i + 1, self.peers[i].port())));
        let log = log.map_or_else(|_| Stdio::null(), Stdio::from);
        let child = Command::new(env!("CARGO_BIN_EXE_squall-node"))
            .args(["--name", &format!("n{}", i + 1), "--initial-cluster", &self.initial_cluster()])
            .args(["--listen-client", &format!("http://{}", self.clients[i]), "--listen-peer", &format!("http://{}", self.peers[i])])
            .args(&self.extra)
            .arg("--data-dir")
            .arg(self.data_dir(i))
            .stderr(log)
            .spawn()
            .unwrap();
        self.running.insert(i, Process(child));
    }

    pub fn kill(&mut self, i: usize) {
        self.running.remove(&i).unwrap().kill();
    }

    /// SIGTERM, and how it ended.
    pub async fn terminate(&mut self, i: usize) -> std::process::ExitStatus {
        let mut process = self.running.remove(&i).unwrap();
        let pid = process.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        for _ in 0..400 {
            if let Some(status) = process.0.try_wait().unwrap() {
                return status;
            }
            TokioEnv::sleep(Duration::from_millis(50)).await;
        }
        panic!("it goes on after SIGTERM");
    }

    pub fn pid(&self, i: usize) -> u32 {
        self.running[&i].0.id()
    }

    /// For `etcdctl --endpoints`.
    pub fn endpoints(&self) -> String {
        self.clients.iter().map(|a| a.to_string()).collect::<Vec<_>>().join(",")
    }
}

/// The resident memory of a process, in MB.
pub fn resident_mb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

/// A channel to a server.
pub fn channel(addr: SocketAddr) -> Channel<TokioEnv> {
    // etcd ends a connection that pings more often than every five seconds.
    let options = ChannelOptions { ping_after: Duration::from_secs(30), ..Default::default() };
    Channel::new(squall_env::real::RealNet, addr, options)
}

/// Asks one server after the other until one answers, for at most a minute.
pub async fn persist<T, F>(clients: &[SocketAddr], mut ask: impl FnMut(Channel<TokioEnv>) -> F) -> T
where
    F: Future<Output = Result<T, Status>>,
{
    let mut last = None;
    for turn in 0..1200 {
        match ask(channel(clients[turn % clients.len()])).await {
            Ok(answer) => return answer,
            Err(status) => last = Some(status),
        }
        TokioEnv::sleep(Duration::from_millis(50)).await;
    }
    panic!("no node served for a minute: {last:?}");
}
