//! What every service of a node asks of Raft: to replicate a command, and to read what is committed.
//!
//! Every node serves everything, as in etcd: what only the leader can do is asked of it over the `Peer`
//! service, and the answer waits until it is applied here too. Whoever is asked so and does not lead
//! refuses; nobody passes a request on twice.

use crate::{Bug, Failpoint};
use crate::{
    member,
    mvcc::{Applied, AppliedResponse, check_command},
    pb::{
        etcdserverpb::ResponseHeader,
        internal,
        peer::{self, peer_client::PeerClient},
    },
    raft::{Command, Heard, LogSpace, Raft, StateMachine, Types},
};
use bytes::Bytes;
use openraft::{
    BasicNode, ReadPolicy, ServerState,
    errors::{ClientWriteError, ForwardToLeader, LinearizableReadError, RaftError},
};
use openraft_rt::{Instant as _, WatchReceiver as _};
use prost::Message;
use squall_env::{Env, LocalInstant, timeout, timeout_at};
use squall_rpc::{
    Channel,
    outcome::{Certainty, classify},
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tonic::Status;

/// etcd: `--max-request-bytes`, 1.5 MiB.
pub(crate) const REQUEST_BYTES_MAX: usize = 3 << 19;

/// The pause before a leader is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a replica is made of.
pub(crate) struct Parts<E: Env> {
    pub(crate) id: u64,
    pub(crate) cluster_id: u64,
    pub(crate) raft: Raft<E>,
    pub(crate) machine: StateMachine<E>,
    pub(crate) space: Arc<LogSpace<E>>,
    pub(crate) net: E::Net,
    /// How long a request may take inside this node.
    pub(crate) patience: Duration,
    /// How long a leader is looked for.
    pub(crate) leaderless: Duration,
    /// When the leader was heard of.
    pub(crate) heard: Heard,
}

/// One node's copy of the replicated state, and its way to change it. Clones share it.
pub(crate) struct Replica<E: Env> {
    parts: Arc<Parts<E>>,
    /// Where leaders were.
    channels: Arc<Mutex<BTreeMap<SocketAddr, Channel<E>>>>,
}

impl<E: Env> Clone for Replica<E> {
    fn clone(&self) -> Self {
        Replica { parts: self.parts.clone(), channels: self.channels.clone() }
    }
}

impl<E: Env> std::ops::Deref for Replica<E> {
    type Target = Parts<E>;

    fn deref(&self) -> &Parts<E> {
        &self.parts
    }
}

/// A command that is applied.
pub(crate) struct Written {
    pub(crate) applied: Applied,
    pub(crate) index: u64,
    pub(crate) term: u64,
}

/// Why this node did not do what only a leader does.
pub(crate) enum Refused {
    /// Another one leads, or nobody does. Nothing was done.
    NotLeader(Option<Leader>),
    /// Something else.
    Status(Status),
}

/// Who leads, and where it listens.
pub(crate) struct Leader {
    id: u64,
    addr: Option<SocketAddr>,
}

impl Refused {
    /// For a member that asked.
    pub(crate) fn status(self) -> Status {
        match self {
            Refused::NotLeader(None) => no_leader(),
            Refused::NotLeader(Some(_)) => not_leader(),
            Refused::Status(status) => status,
        }
    }
}

// etcd's texts: clients match on them.

pub(crate) fn no_leader() -> Status {
    Status::unavailable("etcdserver: no leader")
}

pub(crate) fn not_leader() -> Status {
    Status::failed_precondition("etcdserver: not leader")
}

pub(crate) fn no_space() -> Status {
    Status::resource_exhausted("etcdserver: mvcc: database space exceeded")
}

pub(crate) fn leader_changed() -> Status {
    Status::unavailable("etcdserver: leader changed")
}

pub(crate) fn timed_out() -> Status {
    Status::unavailable("etcdserver: request timed out")
}

/// The state machine answered something else than what it was asked.
pub(crate) fn unexpected<T>(answer: AppliedResponse) -> Result<T, Status> {
    Err(Status::internal(format!("an answer of another kind than the request: {answer:?}")))
}

impl<E: Env> Replica<E> {
    pub(crate) fn new(parts: Parts<E>) -> Self {
        Replica { parts: Arc::new(parts), channels: Arc::default() }
    }

    pub(crate) fn header(&self, revision: i64, raft_term: u64) -> Option<ResponseHeader> {
        Some(ResponseHeader { cluster_id: self.cluster_id, member_id: self.id, revision, raft_term })
    }

    /// The header of an answer from what this node has applied.
    pub(crate) fn header_now(&self) -> Option<ResponseHeader> {
        let applying = self.machine.applying();
        self.header(applying.store.revision(), applying.term())
    }

    /// The term in which this node leads, as far as it knows.
    pub(crate) fn leads(&self) -> Option<u64> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        (metrics.state == ServerState::Leader).then(|| metrics.vote.leader_id.term)
    }

    /// As the leader: who acknowledged anything to it. `None` where this node does not lead.
    pub(crate) fn replicated(&self) -> Option<Vec<u64>> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let progress = metrics.replication.as_ref().filter(|_| metrics.state == ServerState::Leader)?;
        Some(progress.iter().filter(|(_, matched)| matched.is_some()).map(|(id, _)| *id).collect())
    }

    /// Whether Raft has not ended.
    pub(crate) fn runs(&self) -> bool {
        self.raft.metrics().borrow_watched().running_state.is_ok()
    }

    /// Who leads, as far as this node knows.
    pub(crate) fn leader(&self) -> Option<u64> {
        self.raft.server_metrics().borrow_watched().current_leader
    }

    /// The same, as it is told to whoever asks: a leader that no quorum has answered for two election timeouts names nobody, and so does
    /// whoever has not heard of its leader for so long.
    pub(crate) fn served_leader(&self) -> Option<u64> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let mut voters = metrics.membership_config.voter_ids();
        let is_alone = voters.next() == Some(self.id) && voters.next().is_none();
        let is_heard = || metrics.last_quorum_acked.is_some_and(|at| at.elapsed() < 2 * self.leaderless);
        let hears = || self.heard.within::<E>(2 * self.leaderless);
        metrics.current_leader.filter(|id| if *id == self.id { is_alone || is_heard() } else { hears() })
    }

    fn channel(&self, addr: SocketAddr) -> Channel<E> {
        let mut channels = self.channels.lock().expect("no panic under this lock");
        let options = || member::channel_options(self.cluster_id, self.patience);
        channels.entry(addr).or_insert_with(|| Channel::new(self.net.clone(), addr, options())).clone()
    }

    /// Does `here` what only a leader does; where this node does not lead, asks the one that does,
    /// `there`. While it is certain that nothing was done, a leader is looked for again.
    pub(crate) async fn at_leader<T, H, HF, A, AF>(&self, here: H, there: A) -> Result<T, Status>
    where
        H: Fn() -> HF,
        HF: Future<Output = Result<T, Refused>> + Send,
        A: Fn(PeerClient<Channel<E>>, Duration) -> AF,
        AF: Future<Output = Result<T, Status>> + Send,
    {
        let began = E::now();
        let (deadline, until) = (began + self.patience, began + self.leaderless);
        loop {
            let refused = match timeout_at::<E, _>(deadline, here()).await.map_err(|_| timed_out())? {
                Ok(done) => return Ok(done),
                Err(Refused::Status(status)) => return Err(status),
                Err(Refused::NotLeader(leader)) => leader.filter(|leader| leader.id != self.id),
            };
            let why = match refused.and_then(|leader| leader.addr) {
                None => no_leader(),
                Some(addr) => {
                    // What a leader answers may be long: all keys that a deletion removed.
                    let client = PeerClient::new(self.channel(addr)).max_decoding_message_size(usize::MAX);
                    match there(client, deadline.since(E::now())).await {
                        Ok(done) => return Ok(done),
                        Err(status) if classify(&status, &crate::REFUSALS) == Certainty::Unknown => return Err(lost(&status)),
                        Err(status) => status,
                    }
                }
            };
            if !nobody_leads_there(&why) {
                return Err(why);
            }
            if E::now() + LOOK_AGAIN >= until {
                return Err(no_leader());
            }
            E::sleep(LOOK_AGAIN).await;
        }
    }

    /// Proposes a command, and answers what it answered when it was applied.
    pub(crate) async fn propose(&self, request: internal::command::Request) -> Result<(AppliedResponse, Option<ResponseHeader>), Status> {
        let written = self.replicate(request).await?;
        Ok((written.applied.result?, self.header(written.applied.revision, written.term)))
    }

    async fn replicate(&self, request: internal::command::Request) -> Result<Written, Status> {
        let command = internal::Command { request: Some(request) };
        let bytes = Bytes::from(command.encode_to_vec());
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(Status::invalid_argument("etcdserver: request is too large"));
        }
        check_command(command.request.as_ref().expect("just made"))?;
        let here = || self.propose_here(bytes.clone());
        let there = |mut leader: PeerClient<Channel<E>>, left| {
            let request = member::request(peer::ProposeRequest { command: bytes.clone() }, left);
            async move {
                let reply = leader.propose(request).await?.into_inner();
                let applied = reply.applied.and_then(Applied::from_wire);
                let applied = applied.ok_or_else(|| Status::internal("a leader's answer that makes no sense"))?;
                Ok(Written { applied, index: reply.index, term: reply.term })
            }
        };
        let began = E::now();
        let written = self.at_leader(here, there).await?;
        // It is done, whatever comes now; but a client that reads here is to see it.
        self.seen_here(written.index, began + self.patience).await?;
        Ok(written)
    }

    async fn seen_here(&self, index: u64, deadline: LocalInstant) -> Result<(), Status> {
        timeout_at::<E, _>(deadline, self.machine.applied(index)).await.map_err(|_| timed_out())
    }

    /// As the leader: writes a command to the log, and waits until it is applied.
    pub(crate) async fn propose_here(&self, command: Bytes) -> Result<Written, Refused> {
        if !self.space.admits(command.len()) {
            return Err(Refused::Status(no_space()));
        }
        let written = self.raft.client_write(Command(command)).await.map_err(|e| match e {
            RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => Refused::NotLeader(leader::<E>(&to)),
            // It was in the log of a leader that lost its term: nobody knows.
            RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => Refused::Status(leader_changed()),
            other => Refused::Status(Status::unavailable(format!("etcdserver: {other}"))),
        })?;
        E::failpoint(Failpoint::BeforeReply).await.map_err(|e| Refused::Status(Status::unavailable(e.to_string())))?;
        let applied = written.data.0.ok_or_else(|| Refused::Status(Status::internal("a command without an answer")))?;
        Ok(Written { applied, index: written.log_id.index, term: written.log_id.leader_id.term })
    }

    /// Waits until a read here sees every write that was acknowledged before it began.
    pub(crate) async fn read_barrier(&self) -> Result<(), Status> {
        if E::bug(Bug::StaleRead) {
            return Ok(());
        }
        let began = E::now();
        let there = |mut leader: PeerClient<Channel<E>>, left| async move {
            Ok(leader.read_index(member::request(peer::ReadIndexRequest {}, left)).await?.into_inner().index)
        };
        // What a read asks for does no harm if it is lost.
        let index = self.at_leader(|| self.read_index_here(), there).await?;
        if E::bug(Bug::ReadIndexNoWait) {
            return Ok(());
        }
        self.seen_here(index, began + self.patience).await
    }

    /// As the leader: up to which index a read that begins now must see, confirmed by a quorum.
    pub(crate) async fn read_index_here(&self) -> Result<u64, Refused> {
        let asked = self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await;
        let linearizer = asked.map_err(|e| match e {
            RaftError::APIError(LinearizableReadError::ForwardToLeader(to)) => Refused::NotLeader(leader::<E>(&to)),
            other => Refused::Status(Status::unavailable(format!("etcdserver: {other}"))),
        })?;
        Ok(linearizer.read_log_id().index())
    }

    /// The same, for a member that asked, or for a service that only the leader gives.
    pub(crate) async fn read_barrier_here(&self) -> Result<(), Refused> {
        if E::bug(Bug::StaleRead) {
            return self.leads().map(drop).ok_or(Refused::NotLeader(None));
        }
        let index = self.read_index_here().await?;
        timeout::<E, _>(self.patience, self.machine.applied(index)).await.map_err(|_| Refused::Status(timed_out()))
    }
}

/// What a leader did not answer, in etcd's words.
fn lost(status: &Status) -> Status {
    match status.message() {
        text if text.starts_with("etcdserver:") => status.clone(),
        _ => timed_out(),
    }
}

/// Refused since it does not lead, or never sent.
fn nobody_leads_there(status: &Status) -> bool {
    let never_sent = std::error::Error::source(status).is_some_and(|s| s.is::<squall_rpc::NeverSent>());
    never_sent || [not_leader(), no_leader()].iter().any(|s| s.code() == status.code() && s.message() == status.message())
}

pub(crate) fn leader<E: Env>(to: &ForwardToLeader<Types<E>>) -> Option<Leader> {
    let addr = |node: &BasicNode| member::peer_addr(&node.addr);
    to.leader_id.map(|id| Leader { id, addr: to.leader_node.as_ref().and_then(addr) })
}
