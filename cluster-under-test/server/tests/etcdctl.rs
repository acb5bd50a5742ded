//! etcd's own command line client, 3.4 and 3.5, against three nodes: scripted checks, each a command and
//! what it must print.

mod support;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use support::{Cluster, free_ports, program};

/// One etcdctl, of one version, on one cluster.
struct Ctl {
    program: PathBuf,
    endpoints: String,
    checks: usize,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Ctl {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.env("ETCDCTL_API", "3").arg("--endpoints").arg(&self.endpoints).args(["--command-timeout", "20s"]).args(args);
        command
    }

    fn run_with(&self, args: &[&str], input: &str) -> Output {
        let mut child = self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs it: it must succeed. What it printed.
    fn run(&mut self, args: &[&str]) -> String {
        self.checks += 1;
        let out = self.run_with(args, "");
        assert!(out.status.success(), "{args:?}: {}{}", text(&out.stdout), text(&out.stderr));
        text(&out.stdout)
    }

    /// It must print exactly this.
    fn says(&mut self, args: &[&str], expect: &str) {
        let said = self.run(args);
        assert_eq!(said.trim_end(), expect, "{args:?}");
    }

    /// It must fail, with these words.
    fn refuses(&mut self, args: &[&str], words: &str) {
        self.checks += 1;
        let out = self.run_with(args, "");
        let said = text(&out.stdout) + &text(&out.stderr);
        assert!(!out.status.success() && said.contains(words), "{args:?}: {said}");
    }

    fn start(&self, args: &[&str]) -> Running {
        Running(self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }
}

/// An etcdctl that goes on.
struct Running(Child);

impl Running {
    /// Ends it, and answers what it printed. Not by SIGINT: whoever starts the tests in the background of a shell has that ignored.
    fn stop(mut self) -> String {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut said = String::new();
        use std::io::Read;
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        self.0.wait().unwrap();
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Duration::from_secs(30);
    let began = now();
    while !holds() {
        assert!(now() - began < deadline, "{what}: not within {deadline:?}");
        pause(50);
    }
}

#[allow(clippy::disallowed_methods, reason = "a test of real processes")]
fn now() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods, reason = "a test of real processes")]
fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// The first word of a line that has this.
fn first_word(said: &str, having: &str) -> String {
    let line = said.lines().find(|line| line.contains(having)).unwrap_or_else(|| panic!("no {having} in {said}"));
    line.split([',', ' ']).next().unwrap().to_string()
}

fn keys(ctl: &mut Ctl) {
    ctl.says(&["put", "a", "1"], "OK");
    ctl.says(&["put", "b", "2"], "OK");
    ctl.says(&["put", "c", "3"], "OK");
    ctl.says(&["put", "a", "4", "--prev-kv"], "OK\na\n1");
    ctl.says(&["get", "a"], "a\n4");
    ctl.says(&["get", "a", "--print-value-only"], "4");
    ctl.says(&["get", "nothing"], "");
    ctl.says(&["get", "", "--prefix", "--keys-only"], "a\n\nb\n\nc");
    ctl.says(&["get", "b", "--from-key", "--limit", "1"], "b\n2");
    ctl.says(&["get", "a", "c"], "a\n4\nb\n2");
    ctl.says(&["get", "", "--prefix", "--order", "DESCEND", "--sort-by", "KEY"], "c\n3\nb\n2\na\n4");
    ctl.says(&["get", "", "--prefix", "--order", "ASCEND", "--sort-by", "MODIFY", "--print-value-only"], "2\n3\n4");
    ctl.says(&["get", "a", "--consistency", "s"], "a\n4");
    let old = ctl.run(&["get", "a", "-w", "json"]);
    let revision: i64 = old.split("\"create_revision\":").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    ctl.says(&["get", "a", "--rev", &revision.to_string()], "a\n1");
    ctl.refuses(&["get", "a", "--rev", "999999"], "required revision is a future revision");
    ctl.says(&["put", "a", "--ignore-value"], "OK");
    ctl.refuses(&["put", "nothing", "--ignore-value"], "key not found");
    ctl.says(&["del", "b", "--prev-kv"], "1\nb\n2");
    ctl.says(&["del", "b"], "0");
    ctl.says(&["del", "", "--prefix"], "2");
}

fn transactions(ctl: &mut Ctl) {
    ctl.says(&["put", "t", "1"], "OK");
    let txn = |ctl: &mut Ctl, text: &str| {
        ctl.checks += 1;
        let out = ctl.run_with(&["txn"], text);
        assert!(out.status.success(), "{}", self::text(&out.stderr));
        self::text(&out.stdout).trim().to_string()
    };
    assert_eq!(txn(ctl, "value(\"t\") = \"1\"\n\nput t 2\nget t\n\nput t no\n\n"), "SUCCESS\n\nOK\n\nt\n2");
    assert_eq!(txn(ctl, "version(\"t\") > \"5\"\n\nput t no\n\nget t\n\n"), "FAILURE\n\nt\n2");
    assert_eq!(txn(ctl, "create(\"absent\") = \"0\"\nmod(\"t\") > \"1\"\n\ndel t\n\n\n"), "SUCCESS\n\n1");
}

fn watches(ctl: &mut Ctl) {
    let header = ctl.run(&["put", "w1", "old", "-w", "json"]);
    let revision = header.split("\"revision\":").nth(1).unwrap().split([',', '}']).next().unwrap().to_string();
    ctl.says(&["put", "w1", "new"], "OK");
    let history = ctl.start(&["watch", "w1", "--rev", &revision, "--prev-kv"]);
    let prefix = ctl.start(&["watch", "w", "--prefix"]);
    pause(1000);
    ctl.says(&["put", "w2", "x"], "OK");
    ctl.says(&["del", "w1"], "1");
    pause(700);
    assert_eq!(history.stop().trim(), "PUT\nw1\nold\nPUT\nw1\nold\nw1\nnew\nDELETE\nw1\nnew\nw1");
    assert_eq!(prefix.stop().trim(), "PUT\nw2\nx\nDELETE\nw1");
    ctl.checks += 2;
    ctl.says(&["put", "w1", "again"], "OK");
    let now = ctl.run(&["get", "w1", "-w", "json"]);
    let now = now.split("\"revision\":").nth(1).unwrap().split([',', '}']).next().unwrap().to_string();
    ctl.says(&["compaction", &now], &format!("compacted revision {now}"));
    ctl.refuses(&["compaction", &now], "required revision has been compacted");
    ctl.refuses(&["get", "w1", "--rev", &revision], "required revision has been compacted");
    ctl.refuses(&["watch", "w1", "--rev", &revision], "watch is canceled by the server");
}

fn leases(ctl: &mut Ctl) {
    let granted = ctl.run(&["lease", "grant", "300"]);
    let id = granted.split(' ').nth(1).unwrap().to_string();
    assert!(granted.contains("granted with TTL(300s)"), "{granted}");
    ctl.says(&["put", "held", "x", "--lease", &id], "OK");
    let left = ctl.run(&["lease", "timetolive", &id, "--keys"]);
    assert!(left.contains("granted with TTL(300s)") && left.contains("attached keys([held])"), "{left}");
    assert!(ctl.run(&["lease", "list"]).contains(&id));
    ctl.says(&["lease", "keep-alive", "--once", &id], &format!("lease {id} keepalived with TTL(300)"));
    ctl.says(&["lease", "revoke", &id], &format!("lease {id} revoked"));
    ctl.says(&["get", "held"], "");
    ctl.says(&["lease", "timetolive", &id], &format!("lease {id} already expired"));
    ctl.refuses(&["lease", "revoke", &id], "requested lease not found");
    ctl.refuses(&["put", "held", "x", "--lease", "1234"], "requested lease not found");
    // One that is kept alive stays, one that is not goes.
    let ids: Vec<String> = (0..2).map(|_| ctl.run(&["lease", "grant", "2"]).split(' ').nth(1).unwrap().to_string()).collect();
    ctl.says(&["put", "kept", "x", "--lease", &ids[0]], "OK");
    ctl.says(&["put", "lost", "x", "--lease", &ids[1]], "OK");
    let keeper = ctl.start(&["lease", "keep-alive", &ids[0]]);
    eventually("the lease ends", || text(&ctl.run_with(&["get", "lost"], "").stdout).is_empty());
    ctl.says(&["get", "kept"], "kept\nx");
    drop(keeper);
    ctl.checks += 1;
}

fn locks_and_elections(ctl: &mut Ctl) {
    ctl.says(&["lock", "m", "echo", "held"], "held");
    let holder = ctl.start(&["lock", "m"]);
    eventually("the lock is taken", || !text(&ctl.run_with(&["get", "m/", "--prefix", "--keys-only"], "").stdout).is_empty());
    let waiter = ctl.start(&["lock", "m", "echo", "mine"]);
    pause(500);
    assert!(holder.stop().starts_with("m/"));
    let mut said = String::new();
    let mut waiter = waiter;
    use std::io::Read;
    waiter.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said.trim(), "mine");
    let leader = ctl.start(&["elect", "e", "first"]);
    eventually("there is a leader", || text(&ctl.run_with(&["get", "e/", "--prefix", "--print-value-only"], "").stdout).contains("first"));
    let observer = ctl.start(&["elect", "-l", "e"]);
    let second = ctl.start(&["elect", "e", "second"]);
    pause(1000);
    assert!(leader.stop().contains("first"));
    pause(1000);
    assert!(second.stop().contains("second"));
    let observed = observer.stop();
    assert!(observed.find("first").is_some_and(|first| observed.find("second").is_some_and(|second| first < second)), "{observed}");
    ctl.checks += 4;
}

fn the_cluster(ctl: &mut Ctl, cluster: &Cluster, dir: &Path) {
    let members = ctl.run(&["member", "list"]);
    assert_eq!(members.lines().count(), 3);
    assert!(members.lines().all(|line| line.contains("started")), "{members}");
    let healthy = ctl.command(&["endpoint", "health"]).output().unwrap();
    assert_eq!((text(&healthy.stdout) + &text(&healthy.stderr)).matches("is healthy").count(), 3);
    let hashes = ctl.run(&["endpoint", "hashkv"]);
    let hashes: std::collections::BTreeSet<&str> = hashes.lines().map(|line| line.split(", ").nth(1).unwrap()).collect();
    assert_eq!(hashes.len(), 1, "replicas hold the same");
    let status = |ctl: &mut Ctl| ctl.run(&["endpoint", "status", "-w", "fields"]);
    let leader = |ctl: &mut Ctl| status(ctl).split("\"Leader\" : ").nth(1).unwrap().split('\n').next().unwrap().to_string();
    let before: u64 = leader(ctl).parse().unwrap();
    let other = members.lines().map(|line| u64::from_str_radix(line.split(',').next().unwrap(), 16).unwrap()).find(|id| *id != before);
    let moved = ctl.run(&["move-leader", &format!("{:x}", other.unwrap())]);
    assert!(moved.contains("Leadership transferred"), "{moved}");
    assert_eq!(leader(ctl).parse(), Ok(other.unwrap()));
    assert_eq!(ctl.run(&["defrag"]).matches("Finished defragmenting").count(), 3);
    let one = cluster.clients[0].to_string();
    let file = dir.join("saved.db");
    let whole = std::mem::replace(&mut ctl.endpoints, one);
    ctl.run(&["snapshot", "save", file.to_str().unwrap()]);
    ctl.endpoints = whole;
    assert_eq!(std::fs::metadata(&file).unwrap().len() % 512, 32);
    ctl.says(&["alarm", "list"], "");
    ctl.refuses(&["user", "list"], "there are no users and roles here");
    // A member that has not started costs nothing, and goes again.
    let url = format!("http://{}", free_ports(1)[0]);
    let added = ctl.run(&["member", "add", "n4", "--peer-urls", &url]);
    assert!(added.contains("added to cluster"), "{added}");
    let list = ctl.run(&["member", "list"]);
    assert!(list.lines().any(|line| line.contains("unstarted") && line.contains(&url)), "{list}");
    ctl.refuses(&["member", "add", "n5", "--peer-urls", &url], "Peer URLs already exists");
    let id = first_word(&list, &url);
    let moved = format!("http://{}", free_ports(1)[0]);
    ctl.run(&["member", "update", &id, "--peer-urls", &moved]);
    assert!(ctl.run(&["member", "list"]).contains(&moved));
    ctl.run(&["member", "remove", &id]);
    assert_eq!(ctl.run(&["member", "list"]).lines().count(), 3);
    ctl.refuses(&["member", "remove", &id], "member not found");
}

fn checks(program: PathBuf) {
    let cluster = Cluster::start(3);
    let mut ctl = Ctl { program, endpoints: cluster.endpoints(), checks: 0 };
    eventually("the cluster serves", || {
        let out = ctl.run_with(&["endpoint", "health"], "");
        (text(&out.stdout) + &text(&out.stderr)).matches("is healthy").count() == 3
            && text(&ctl.run_with(&["member", "list"], "").stdout).matches(", started").count() == 3
    });
    keys(&mut ctl);
    transactions(&mut ctl);
    watches(&mut ctl);
    leases(&mut ctl);
    locks_and_elections(&mut ctl);
    the_cluster(&mut ctl, &cluster, cluster.dir.path());
    assert!(ctl.checks >= 40, "only {} checks", ctl.checks);
    eprintln!("{} checks passed", ctl.checks);
}

#[test]
fn etcdctl_3_5_finds_what_it_expects() {
    if let Some(program) = program("etcdctl", "SQUALL_ETCD_35", "etcdctl_3_5_finds_what_it_expects") {
        checks(program);
    }
}

#[test]
fn etcdctl_3_4_finds_what_it_expects() {
    if let Some(program) = program("etcdctl", "SQUALL_ETCD_34", "etcdctl_3_4_finds_what_it_expects") {
        checks(program);
    }
}
