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
        internal::command,
    },
};
use futures_util::{Stream, StreamExt};
use openraft::ServerState;
use openraft_rt::WatchReceiver as _;
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
    ends: BTreeMap<i64, LocalInstant>,
    /// The leases whose revocation is proposed: nothing can renew them now.
    ending: BTreeSet<i64>,
}

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

    /// Brings what is known up to the store: new leases get their whole time, and so does every lease in a new term.
    fn catch_up(&self, reign: &mut Reign, term: u64) {
        let now = E::now();
        let applying = self.replica.machine.applying();
        let leases = applying.store.leases();
        let grace = if reign.term == term { Duration::ZERO } else { self.grace };
        if reign.term != term {
            *reign = Reign { term, ..Reign::default() };
        }
        reign.ends.retain(|id, _| leases.contains_key(id));
        for (id, lease) in leases {
            reign.ends.entry(*id).or_insert_with(|| now + seconds(lease.ttl) + grace);
        }
    }

    /// While the node lives: ends what is over.
    pub(crate) async fn keep_watch(self) {
        loop {
            E::sleep(CHECKED_EVERY).await;
            let Some(term) = self.leads() else { continue };
            let over: Vec<i64> = {
                let mut reign = self.reign();
                self.catch_up(&mut reign, term);
                let now = E::now();
                let over: Vec<i64> =
                    reign.ends.iter().filter(|(id, end)| **end <= now && !reign.ending.contains(*id)).map(|(id, _)| *id).collect();
                reign.ending.extend(&over);
                over
            };
            for id in over {
                // Refused or lost, it comes again at the next look.
                let _ = self.replica.propose(command::Request::LeaseRevoke(LeaseRevokeRequest { id })).await;
                self.reign().ending.remove(&id);
            }
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
                self.catch_up(&mut reign, term);
                let Some(ttl) = self.replica.machine.applying().store.leases().get(&id).map(|lease| lease.ttl) else { return Ok(0) };
                if !reign.ending.contains(&id) {
                    let end = asked + seconds(ttl);
                    reign.ends.entry(id).and_modify(|known| *known = end.max(*known)).or_insert(end);
                    return Ok(ttl);
                }
            }
            // Its revocation is on the way: how that ends is known soon.
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
        lessor.catch_up(&mut reign, term);
        let applying = lessor.replica.machine.applying();
        let Some(lease) = applying.store.leases().get(&id) else {
            return Ok(Response::new(LeaseTimeToLiveResponse { header, id, ttl: -1, granted_ttl: 0, keys: vec![] }));
        };
        let left = reign.ends.get(&id).map_or(Duration::ZERO, |end| end.since(E::now()));
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
