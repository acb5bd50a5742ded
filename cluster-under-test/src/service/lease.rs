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
//! Clocks may run up to a tenth too fast: a leader waits that much longer. It goes by the monotonic clock alone.
//!
//! As in etcd, no time to live is shorter than one and a half election timeouts. Other members ask the
//! leader for what only it knows.

use super::{
    replica::{Refused, Replica, leader_changed, unexpected},
    require_leader,
};
use crate::{Bug, Failpoint};
use crate::{
    member,
    mvcc::AppliedResponse,
    pb::{
        etcdserverpb::{
            LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseLeasesRequest, LeaseLeasesResponse,
            LeaseRevokeRequest, LeaseRevokeResponse, LeaseStatus, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, lease_server,
        },
        internal::{self, command},
        peer::{LeaseLeftReply, LeaseLeftRequest, LeaseRenewRequest, peer_client::PeerClient},
    },
    raft::Command,
};
use futures_util::{Stream, StreamExt};
use openraft_rt::WatchReceiver as _;
use prost::Message as _;
use rand::Rng as _;
use squall_env::{Env, LocalInstant, timeout};
use squall_rpc::Channel;
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

/// A lease's id, and the number of its grant.
type Grant = (i64, u64);

/// Keeps the ends of leases while its node leads. Clones share them.
pub(crate) struct Lessor<E: Env> {
    pub(crate) replica: Replica<E>,
    ttl_min: i64,
    reign: Arc<Mutex<Reign>>,
}

impl<E: Env> Clone for Lessor<E> {
    fn clone(&self) -> Self {
        Lessor { replica: self.replica.clone(), ttl_min: self.ttl_min, reign: self.reign.clone() }
    }
}

/// How long a leader waits, on a clock that may run a tenth too fast.
fn life(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or(0)) * 11 / 10
}

/// The clock that leases go by: a planted bug takes the wall clock for it.
fn now<E: Env>() -> LocalInstant {
    match E::bug(Bug::LeaseByWallClock) {
        true => LocalInstant(E::wall_now().0.unsigned_abs()),
        false => E::now(),
    }
}

impl<E: Env> Lessor<E> {
    pub(crate) fn new(replica: Replica<E>, election_timeout: Duration) -> Self {
        let ttl_min = (election_timeout * 3 / 2).as_secs_f64().ceil() as i64;
        Lessor { replica, ttl_min: ttl_min.max(1), reign: Arc::default() }
    }

    fn reign(&self) -> MutexGuard<'_, Reign> {
        self.reign.lock().expect("no panic under this lock")
    }

    /// Brings what is known up to the store: new leases get their whole time, and so does every lease in
    /// a new term. Refused when a later term is known.
    fn catch_up(&self, reign: &mut Reign, term: u64) -> Result<(), Status> {
        if term < reign.term {
            return Err(leader_changed());
        }
        let now = now::<E>();
        let applying = self.replica.machine.applying();
        let leases = applying.store.leases();
        if reign.term != term && E::bug(Bug::DeposedLeaderRevokes) {
            reign.term = term;
        }
        if reign.term != term {
            *reign = Reign { term, ..Reign::default() };
        }
        if E::bug(Bug::LeaseNeverExpires) {
            reign.ends.clear();
        }
        let is_there = |&(id, grant): &Grant| leases.get(&id).is_some_and(|lease| lease.grant == grant);
        reign.ends.retain(|grant, _| is_there(grant));
        for (id, lease) in leases {
            reign.ends.entry((*id, lease.grant)).or_insert_with(|| now + life(lease.ttl));
        }
        Ok(())
    }

    /// While Raft runs: ends what is over.
    pub(crate) async fn keep_watch(self) {
        while self.replica.runs() {
            E::sleep(CHECKED_EVERY).await;
            let Some(term) = self.replica.leads() else { continue };
            let over: Vec<Grant> = {
                let mut reign = self.reign();
                if self.catch_up(&mut reign, term).is_err() {
                    continue;
                }
                let now = now::<E>();
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
        // A failure would end the proposal; this seam only takes time.
        let _ = E::failpoint(Failpoint::BeforeLeaseEnd).await;
        // Refused because another node leads: it was not written, or not in this term.
        let _ = self.replica.raft.client_write(Command(command.encode_to_vec().into())).await;
        let mut reign = self.reign();
        if reign.term == term {
            reign.ending.remove(&(id, grant));
        }
    }

    /// As the leader, confirmed by a quorum: the term in which it leads.
    async fn term_here(&self) -> Result<u64, Refused> {
        self.replica.read_barrier_here().await?;
        self.replica.leads().ok_or(Refused::NotLeader(None))
    }

    /// As the leader: renews a lease; answers its time to live in seconds, 0 when it is not there.
    pub(crate) async fn renew_here(&self, id: i64) -> Result<i64, Refused> {
        loop {
            let asked = now::<E>();
            let mut progress = self.replica.machine.progress();
            let term = self.term_here().await?;
            if !self.replica.machine.applying().store.leases().contains_key(&id) && E::bug(Bug::LeaseRevives) {
                return self.grant_again(id).await;
            }
            {
                let mut reign = self.reign();
                self.catch_up(&mut reign, term).map_err(Refused::Status)?;
                let found = self.replica.machine.applying().store.leases().get(&id).map(|lease| (lease.ttl, lease.grant));
                let Some((ttl, grant)) = found else { return Ok(0) };
                if !reign.ending.contains(&(id, grant)) {
                    let end = asked + life(ttl);
                    reign.ends.entry((id, grant)).and_modify(|known| *known = end.max(*known)).or_insert(end);
                    return Ok(ttl);
                }
            }
            // Its end is on the way: how that goes is known once more is applied.
            let _ = timeout::<E, _>(CHECKED_EVERY, progress.changed()).await;
        }
    }

    /// A planted bug: whoever renews a lease that is gone gets it back.
    async fn grant_again(&self, id: i64) -> Result<i64, Refused> {
        Ok(self.grant(id, self.ttl_min).await.map_or(0, |granted| granted.ttl))
    }

    /// As the leader: how long a lease has left.
    pub(crate) async fn left_here(&self, id: i64) -> Result<LeaseLeftReply, Refused> {
        let term = self.term_here().await?;
        let mut reign = self.reign();
        self.catch_up(&mut reign, term).map_err(Refused::Status)?;
        let applying = self.replica.machine.applying();
        let Some(lease) = applying.store.leases().get(&id) else { return Ok(LeaseLeftReply::default()) };
        let left = reign.ends.get(&(id, lease.grant)).map_or(Duration::ZERO, |end| end.since(now::<E>()) * 10 / 11);
        let left = if E::bug(Bug::LeftIsGranted) { Duration::from_secs(lease.ttl.unsigned_abs()) } else { left };
        Ok(LeaseLeftReply { found: true, left: left.as_secs() as i64, granted: lease.ttl })
    }

    /// Every lease: where this node leads in order of their ends, as etcd's leader has them; else nobody here knows these.
    fn listed(&self) -> Vec<i64> {
        if let Some(term) = self.replica.leads() {
            let mut reign = self.reign();
            if self.catch_up(&mut reign, term).is_ok() {
                let mut ends: Vec<(LocalInstant, i64)> = reign.ends.iter().map(|((id, _), end)| (*end, *id)).collect();
                ends.sort_unstable();
                return ends.into_iter().map(|(_, id)| id).collect();
            }
        }
        self.replica.machine.applying().store.leases().keys().copied().collect()
    }

    /// Renews a lease, wherever the leader is.
    pub(crate) async fn renew(&self, id: i64) -> Result<i64, Status> {
        let there = |mut leader: PeerClient<Channel<E>>, left| async move {
            Ok(leader.lease_renew(member::request(LeaseRenewRequest { id }, left)).await?.into_inner().ttl)
        };
        self.replica.at_leader(|| self.renew_here(id), there).await
    }

    async fn left(&self, id: i64) -> Result<LeaseLeftReply, Status> {
        let there = |mut leader: PeerClient<Channel<E>>, left| async move {
            Ok(leader.lease_left(member::request(LeaseLeftRequest { id }, left)).await?.into_inner())
        };
        self.replica.at_leader(|| self.left_here(id), there).await
    }

    /// Grants a lease: of this id, or of one that is drawn.
    pub(crate) async fn grant(&self, id: i64, ttl: i64) -> Result<LeaseGrantResponse, Status> {
        // Whoever gives no id gets one; a clash is refused as if it had been given.
        let id = if id == 0 { (E::rng().next_u64() >> 1).max(1) as i64 } else { id };
        let grant = LeaseGrantRequest { id, ttl: ttl.max(self.ttl_min) };
        match self.replica.propose(command::Request::LeaseGrant(grant)).await? {
            (AppliedResponse::LeaseGrant(granted), header) => Ok(LeaseGrantResponse { header, ..granted }),
            (other, _) => unexpected(other),
        }
    }
}

/// The Lease service of one node.
pub(crate) struct LeaseService<E: Env> {
    pub(crate) lessor: Lessor<E>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl<E: Env> lease_server::Lease for LeaseService<E> {
    async fn lease_grant(&self, request: Request<LeaseGrantRequest>) -> Result<Response<LeaseGrantResponse>, Status> {
        let LeaseGrantRequest { ttl, id } = request.into_inner();
        Ok(Response::new(self.lessor.grant(id, ttl).await?))
    }

    async fn lease_revoke(&self, request: Request<LeaseRevokeRequest>) -> Result<Response<LeaseRevokeResponse>, Status> {
        match self.lessor.replica.propose(command::Request::LeaseRevoke(request.into_inner())).await? {
            (AppliedResponse::LeaseRevoke(_), header) => Ok(Response::new(LeaseRevokeResponse { header })),
            (other, _) => unexpected(other),
        }
    }

    type LeaseKeepAliveStream = Answers<LeaseKeepAliveResponse>;

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let lessor = self.lessor.clone();
        let requires_leader = require_leader::asks(request.metadata());
        let answers = request.into_inner().then(move |asked| {
            let lessor = lessor.clone();
            async move {
                let id = asked?.id;
                let ttl = lessor.renew(id).await?;
                Ok(LeaseKeepAliveResponse { header: lessor.replica.header_now(), id, ttl })
            }
        });
        Ok(Response::new(match requires_leader {
            true => require_leader::while_led(Box::pin(answers), self.lessor.replica.clone()),
            false => Box::pin(answers),
        }))
    }

    async fn lease_time_to_live(&self, request: Request<LeaseTimeToLiveRequest>) -> Result<Response<LeaseTimeToLiveResponse>, Status> {
        let LeaseTimeToLiveRequest { id, keys } = request.into_inner();
        let known = self.lessor.left(id).await?;
        self.lessor.replica.read_barrier().await?;
        let header = self.lessor.replica.header_now();
        let applying = self.lessor.replica.machine.applying();
        let lease = applying.store.leases().get(&id).filter(|_| known.found);
        let Some(lease) = lease else {
            return Ok(Response::new(LeaseTimeToLiveResponse { header, id, ttl: -1, granted_ttl: 0, keys: vec![] }));
        };
        let keys = if keys { lease.keys.iter().cloned().collect() } else { vec![] };
        Ok(Response::new(LeaseTimeToLiveResponse { header, id, ttl: known.left, granted_ttl: known.granted, keys }))
    }

    async fn lease_leases(&self, _: Request<LeaseLeasesRequest>) -> Result<Response<LeaseLeasesResponse>, Status> {
        self.lessor.replica.read_barrier().await?;
        let header = self.lessor.replica.header_now();
        let leases = self.lessor.listed().into_iter().map(|id| LeaseStatus { id }).collect();
        Ok(Response::new(LeaseLeasesResponse { header, leases }))
    }
}
