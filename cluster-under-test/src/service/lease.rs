//! etcd's leases: a time to live, and keys that go when it is over.
//!
//! ```text
//!   grant, revoke ──► the log ──► every node's store: which leases there are, which keys hang on them
//!   keep-alive    ──► the leader's memory: until when, on its monotonic clock
//!   it is over    ──► the leader proposes a revocation, which takes effect through the log
//! ```
//!
//! A lease never ends early: a keep-alive counts from the moment at which it came in, and is answered
//! only once a quorum has confirmed that this node still led then (a read barrier). So a later leader
//! began later, and it gives every lease its whole time again. It may end late: by the time without a
//! leader, and by [`CHECKED_EVERY`].
//!
//! As in etcd, no time to live is shorter than one and a half election timeouts.

use super::replica::Replica;
use crate::{
    mvcc::AppliedResponse,
    pb::{
        etcdserverpb::{
            LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseLeasesRequest, LeaseLeasesResponse,
            LeaseRevokeRequest, LeaseRevokeResponse, LeaseStatus, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, lease_server,
        },
        internal::{self, command},
    },
    raft::Command,
};
use futures_util::{Stream, StreamExt};
use openraft::ServerState;
use openraft_rt::WatchReceiver as _;
use prost::Message as _;
use rand::Rng as _;
use squall_env::{Env, LocalInstant};
use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tonic::{Request, Response, Status, Streaming};

/// How often a leader looks for leases that are over (as etcd).
const CHECKED_EVERY: Duration = Duration::from_millis(500);

/// What a leader knows of the leases' ends.
#[derive(Default)]
struct Reign {
    /// In which term; what is known from another one is worth nothing.
    term: u64,
    ends: BTreeMap<Grant, LocalInstant>,
    /// The leases whose end is proposed: nothing can renew them now.
    ending: BTreeSet<Grant>,
}

/// A lease's id, and the so-manyth grant that it is.
type Grant = (i64, u64);

/// Keeps the ends of leases while its node leads. Clones share them.
pub(crate) struct Lessor<E: Env> {
    replica: Replica<E>,
    /// What a new leader adds to every lease: clients were told of their last renewal that much later.
    grace: Duration,
    ttl_min: i64,
    reign: Arc<Mutex<Reign>>,
}

impl<E: Env> Clone for Lessor<E> {
    fn clone(&self) -> Self {
        Lessor { replica: self.replica.clone(), grace: self.grace, ttl_min: self.ttl_min, reign: self.reign.clone() }
    }
}

fn seconds(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or(0))
}

impl<E: Env> Lessor<E> {
    pub(crate) fn new(replica: Replica<E>, election_timeout: Duration) -> Self {
        let ttl_min = (election_timeout * 3 / 2).as_secs_f64().ceil() as i64;
        Lessor { replica, grace: election_timeout, ttl_min: ttl_min.max(1), reign: Arc::default() }
    }

    fn reign(&self) -> MutexGuard<'_, Reign> {
        self.reign.lock().expect("no panic under this lock")
    }

    /// The term in which this node leads, as far as it knows.
    fn leads(&self) -> Option<u64> {
        let metrics = self.replica.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        (metrics.state == ServerState::Leader).then(|| metrics.vote.leader_id.term)
    }

    /// Brings what is known up to the store: new leases get their whole time, and so does every lease in
    /// a new term. Refused when a later term is known.
    fn catch_up(&self, reign: &mut Reign, term: u64) -> Result<(), Status> {
        if term < reign.term {
            return Err(Status::unavailable("etcdserver: leader changed"));
        }
        let now = E::now();
        let applying = self.replica.machine.applying();
        let leases = applying.store.leases();
        let grace = if reign.term == term { Duration::ZERO } else { self.grace };
        if reign.term != term {
            *reign = Reign { term, ..Reign::default() };
        }
        let is_there = |&(id, grant): &Grant| leases.get(&id).is_some_and(|lease| lease.grant == grant);
        reign.ends.retain(|grant, _| is_there(grant));
        for (id, lease) in leases {
            reign.ends.entry((*id, lease.grant)).or_insert_with(|| now + seconds(lease.ttl) + grace);
        }
        Ok(())
    }

    /// While Raft runs: ends what is over.
    pub(crate) async fn keep_watch(self) {
        while self.replica.raft.metrics().borrow_watched().running_state.is_ok() {
            E::sleep(CHECKED_EVERY).await;
            let Some(term) = self.leads() else { continue };
            let over: Vec<Grant> = {
                let mut reign = self.reign();
                if self.catch_up(&mut reign, term).is_err() {
                    continue;
                }
                let now = E::now();
                let over = reign.ends.iter().filter(|(grant, end)| **end <= now && !reign.ending.contains(*grant));
                let over: Vec<Grant> = over.map(|(grant, _)| *grant).collect();
                reign.ending.extend(&over);
                over
            };
            for grant in over {
                drop(E::spawn(self.clone().end(grant, term)));
            }
        }
    }

    /// Until its outcome is certain a lease stays among the ending ones, however long that takes: what
    /// was proposed may still take effect. In a later term it cannot.
    async fn end(self, (id, grant): Grant, term: u64) {
        let over = internal::LeaseExpiry { id, grant, term };
        let command = internal::Command { request: Some(command::Request::LeaseExpiry(over)) };
        // Refused because another node leads: it was not written, or not in this term.
        let _ = self.replica.raft.client_write(Command(command.encode_to_vec().into())).await;
        let mut reign = self.reign();
        if reign.term == term {
            reign.ending.remove(&(id, grant));
        }
    }

    /// Renews a lease; answers its time to live, 0 when it is not there.
    async fn renew(&self, id: i64) -> Result<i64, Status> {
        loop {
            let asked = E::now();
            self.replica.read_barrier().await?;
            let term = self.leads().ok_or_else(|| Status::unavailable("etcdserver: leader changed"))?;
            {
                let mut reign = self.reign();
                self.catch_up(&mut reign, term)?;
                let found = self.replica.machine.applying().store.leases().get(&id).map(|lease| (lease.ttl, lease.grant));
                let Some((ttl, grant)) = found else { return Ok(0) };
                if !reign.ending.contains(&(id, grant)) {
                    let end = asked + seconds(ttl);
                    reign.ends.entry((id, grant)).and_modify(|known| *known = end.max(*known)).or_insert(end);
                    return Ok(ttl);
                }
            }
            // Its end is on the way: how that goes is known soon.
            E::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The Lease service of one node. Only the leader serves it.
pub(crate) struct LeaseService<E: Env> {
    pub(crate) lessor: Lessor<E>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl<E: Env> lease_server::Lease for LeaseService<E> {
    async fn lease_grant(&self, request: Request<LeaseGrantRequest>) -> Result<Response<LeaseGrantResponse>, Status> {
        let LeaseGrantRequest { ttl, id } = request.into_inner();
        // Whoever gives no id gets one; a clash is refused as if it had been given.
        let id = if id == 0 { (E::rng().next_u64() >> 1).max(1) as i64 } else { id };
        let grant = LeaseGrantRequest { id, ttl: ttl.max(self.lessor.ttl_min) };
        match self.lessor.replica.propose(command::Request::LeaseGrant(grant)).await? {
            (AppliedResponse::LeaseGrant(granted), header) => Ok(Response::new(LeaseGrantResponse { header, ..granted })),
            _ => Err(Status::internal("an answer of another kind than the request")),
        }
    }

    async fn lease_revoke(&self, request: Request<LeaseRevokeRequest>) -> Result<Response<LeaseRevokeResponse>, Status> {
        match self.lessor.replica.propose(command::Request::LeaseRevoke(request.into_inner())).await? {
            (AppliedResponse::LeaseRevoke(_), header) => Ok(Response::new(LeaseRevokeResponse { header })),
            _ => Err(Status::internal("an answer of another kind than the request")),
        }
    }

    type LeaseKeepAliveStream = Answers<LeaseKeepAliveResponse>;

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let lessor = self.lessor.clone();
        let answers = request.into_inner().then(move |asked| {
            let lessor = lessor.clone();
            async move {
                let id = asked?.id;
                let ttl = lessor.renew(id).await?;
                Ok(LeaseKeepAliveResponse { header: lessor.replica.header_now(), id, ttl })
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn lease_time_to_live(&self, request: Request<LeaseTimeToLiveRequest>) -> Result<Response<LeaseTimeToLiveResponse>, Status> {
        let LeaseTimeToLiveRequest { id, keys } = request.into_inner();
        let lessor = &self.lessor;
        lessor.replica.read_barrier().await?;
        let term = lessor.leads().ok_or_else(|| Status::unavailable("etcdserver: leader changed"))?;
        let header = lessor.replica.header_now();
        let mut reign = lessor.reign();
        lessor.catch_up(&mut reign, term)?;
        let applying = lessor.replica.machine.applying();
        let Some(lease) = applying.store.leases().get(&id) else {
            return Ok(Response::new(LeaseTimeToLiveResponse { header, id, ttl: -1, granted_ttl: 0, keys: vec![] }));
        };
        let left = reign.ends.get(&(id, lease.grant)).map_or(Duration::ZERO, |end| end.since(E::now()));
        let keys = if keys { lease.keys.iter().cloned().collect() } else { vec![] };
        // A new leader's grace is no time that anybody may count on.
        let ttl = (left.as_secs() as i64).min(lease.ttl);
        Ok(Response::new(LeaseTimeToLiveResponse { header, id, ttl, granted_ttl: lease.ttl, keys }))
    }

    async fn lease_leases(&self, _: Request<LeaseLeasesRequest>) -> Result<Response<LeaseLeasesResponse>, Status> {
        self.lessor.replica.read_barrier().await?;
        let header = self.lessor.replica.header_now();
        let leases = self.lessor.replica.machine.applying().store.leases().keys().map(|id| LeaseStatus { id: *id }).collect();
        Ok(Response::new(LeaseLeasesResponse { header, leases }))
    }
}
