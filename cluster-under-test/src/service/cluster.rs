//! etcd's Cluster service: members, added as learners, promoted, removed, by openraft's membership.
//!
//! A member that is added to vote is a learner first, and the leader promotes it once it has caught up:
//! adding a member that is not there yet never costs the quorum, as it does in etcd. `MemberList` shows
//! it as etcd would, as a member that has not started.

use super::replica::{Refused, Replica, leader, leader_changed, timed_out};
use crate::Bug;
use crate::{
    member,
    pb::{
        etcdserverpb::{
            Member, MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse, MemberPromoteRequest,
            MemberPromoteResponse, MemberRemoveRequest, MemberRemoveResponse, MemberUpdateRequest, MemberUpdateResponse, ResponseHeader,
            cluster_server,
        },
        internal::{self, MemberInfo, command},
        peer::{
            ChangeMembersReply, ChangeMembersRequest,
            change_members_request::{Add, Change, Update},
            peer_client::PeerClient,
        },
    },
    raft::Types,
};
use openraft::{
    BasicNode, ChangeMembers,
    errors::{ChangeMembershipError, ClientWriteError, RaftError},
    raft::ClientWriteResponse,
};
use openraft_rt::{Instant as _, WatchReceiver as _};
use prost::Message as _;
use rand::Rng as _;
use squall_env::{Env, timeout_at};
use squall_rpc::Channel;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tonic::{Request, Response, Status};

/// How often the leader looks for members that may vote now.
const CHECKED_EVERY: Duration = Duration::from_millis(500);

/// A learner that lags by no more entries may vote.
const LAG_MAX: u64 = 1000;

/// etcd: `--experimental-max-learners`.
const LEARNERS_MAX: usize = 1;

/// The membership of a cluster, as one node sees it.
pub(crate) struct Members<E: Env> {
    pub(crate) replica: Replica<E>,
}

impl<E: Env> Clone for Members<E> {
    fn clone(&self) -> Self {
        Members { replica: self.replica.clone() }
    }
}

fn not_found() -> Refused {
    Refused::Status(Status::not_found("etcdserver: member not found"))
}

fn refused(text: &str) -> Refused {
    Refused::Status(Status::failed_precondition(text))
}

fn checked(urls: &[String]) -> Result<(), Refused> {
    let bad = |why: String| Refused::Status(Status::invalid_argument(format!("etcdserver: given member URLs are invalid: {why}")));
    if urls.is_empty() {
        return Err(bad("there is none".to_string()));
    }
    urls.iter().try_for_each(|url| match member::url_addr(url) {
        Ok(_) if url.contains(',') => Err(bad(format!("{url:?} has a comma"))),
        Ok(_) => Ok(()),
        Err(why) => Err(bad(why)),
    })
}

/// A change of voters has two steps: whoever lost the leadership may have lost it between them.
fn half_done(refused: Refused) -> Refused {
    match refused {
        Refused::NotLeader(_) => Refused::Status(leader_changed()),
        other @ Refused::Status(_) => other,
    }
}

type Changed<E> = Result<ClientWriteResponse<Types<E>>, RaftError<Types<E>, ClientWriteError<Types<E>>>>;

impl<E: Env> Members<E> {
    /// Every member, in order of id.
    pub(crate) fn list(&self) -> Vec<Member> {
        let applying = self.replica.machine.applying();
        let membership = applying.membership.membership();
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let members = membership.nodes().map(|(id, node)| {
            let info = applying.store.members().get(id).cloned().unwrap_or_default();
            Member {
                id: *id,
                name: info.name,
                peer_ur_ls: node.addr.split(',').map(str::to_string).collect(),
                client_ur_ls: info.client_urls,
                is_learner: !voters.contains(id) && !info.vote_wanted,
            }
        });
        members.collect()
    }

    /// As in etcd, what is said of the members has no revision.
    fn header(&self) -> Option<ResponseHeader> {
        self.replica.header(0, self.replica.machine.applying().term())
    }

    /// Changes the membership, wherever the leader is; answers which member was changed.
    pub(crate) async fn change(&self, change: Change) -> Result<u64, Status> {
        let there = |mut leader: PeerClient<Channel<E>>, left| {
            let request = member::request(ChangeMembersRequest { change: Some(change.clone()) }, left);
            async move { Ok(leader.change_members(request).await?.into_inner()) }
        };
        let deadline = E::now() + self.replica.patience;
        let changed = self.replica.at_leader(|| self.change_here(&change), there).await?;
        timeout_at::<E, _>(deadline, self.replica.machine.applied(changed.index)).await.map_err(|_| timed_out())?;
        Ok(changed.id)
    }

    /// As the leader.
    pub(crate) async fn change_here(&self, change: &Change) -> Result<ChangeMembersReply, Refused> {
        self.replica.read_barrier_here().await?;
        match change {
            Change::Add(add) => self.add(add).await,
            Change::Remove(id) => self.remove(*id).await,
            Change::Promote(id) => self.promote(*id).await,
            Change::Update(update) => self.update(update).await,
        }
    }

    async fn add(&self, Add { id, peer_urls, learner }: &Add) -> Result<ChangeMembersReply, Refused> {
        checked(peer_urls)?;
        let members = self.list();
        if members.iter().any(|m| m.peer_ur_ls.iter().any(|url| peer_urls.contains(url))) {
            return Err(refused("etcdserver: Peer URLs already exists"));
        }
        if members.iter().any(|m| m.id == *id) {
            return Err(refused("etcdserver: member ID already exist"));
        }
        if *learner && members.iter().filter(|m| m.is_learner).count() >= LEARNERS_MAX {
            return Err(refused("etcdserver: too many learner members in cluster"));
        }
        let id = if *id == 0 { E::rng().next_u64().max(1) } else { *id };
        let info = MemberInfo { id, vote_wanted: !learner, ..Default::default() };
        let command = internal::Command { request: Some(command::Request::Member(info)) };
        self.replica.propose_here(command.encode_to_vec().into()).await?;
        let node = BasicNode::new(peer_urls.join(","));
        self.settled(id, || self.replica.raft.add_learner(id, node.clone(), false)).await
    }

    async fn remove(&self, id: u64) -> Result<ChangeMembersReply, Refused> {
        let (voters, known) = self.voters(id);
        if !known {
            return Err(not_found());
        }
        if voters.len() == 1 && voters.contains(&id) {
            let text = "etcdserver: re-configuration failed due to not enough started members";
            return Err(Refused::Status(Status::unknown(text)));
        }
        // etcd's strict check: a change that could not be committed would stop everything.
        let staying = voters.iter().filter(|voter| **voter != id);
        let active = staying.clone().filter(|voter| self.is_active(**voter)).count();
        if voters.contains(&id) && active < staying.count() / 2 + 1 {
            return Err(Refused::Status(Status::unavailable("etcdserver: unhealthy cluster")));
        }
        let change = match voters.contains(&id) {
            true => ChangeMembers::RemoveVoters([id].into()),
            false => ChangeMembers::RemoveNodes([id].into()),
        };
        self.settled(id, || self.replica.raft.change_membership(change.clone(), false)).await.map_err(half_done)
    }

    async fn promote(&self, id: u64) -> Result<ChangeMembersReply, Refused> {
        let (voters, known) = self.voters(id);
        if !known {
            return Err(not_found());
        }
        if voters.contains(&id) {
            return Err(refused("etcdserver: can only promote a learner member"));
        }
        if !self.in_sync(id) {
            return Err(refused("etcdserver: can only promote a learner member which is in sync with leader"));
        }
        self.settled(id, || self.replica.raft.change_membership(ChangeMembers::AddVoterIds([id].into()), true)).await.map_err(half_done)
    }

    async fn update(&self, Update { id, peer_urls }: &Update) -> Result<ChangeMembersReply, Refused> {
        checked(peer_urls)?;
        if !self.voters(*id).1 {
            return Err(not_found());
        }
        if self.list().iter().any(|m| m.id != *id && m.peer_ur_ls.iter().any(|url| peer_urls.contains(url))) {
            return Err(refused("etcdserver: Peer URLs already exists"));
        }
        let nodes: BTreeMap<u64, BasicNode> = [(*id, BasicNode::new(peer_urls.join(",")))].into();
        self.settled(*id, || self.replica.raft.change_membership(ChangeMembers::SetNodes(nodes.clone()), true)).await
    }

    /// The voters, and whether this one is a member at all.
    fn voters(&self, id: u64) -> (BTreeSet<u64>, bool) {
        let applying = self.replica.machine.applying();
        let membership = applying.membership.membership();
        (membership.voter_ids().collect(), membership.get_node(&id).is_some())
    }

    /// Whether a member answered the leader not long ago. The leader itself is there.
    pub(crate) fn is_active(&self, id: u64) -> bool {
        let metrics = self.replica.raft.metrics();
        let metrics = metrics.borrow_watched();
        let heard = metrics.heartbeat.as_ref().and_then(|all| all.get(&id)).and_then(|at| *at);
        id == self.replica.id || heard.is_some_and(|at| at.elapsed() < 2 * self.replica.leaderless)
    }

    /// Who could take over from this leader at once: a voter that is there, and whose log is long enough.
    pub(crate) fn successor(&self) -> Option<u64> {
        let voters = self.voters(self.replica.id).0;
        voters.into_iter().find(|id| *id != self.replica.id && self.in_sync(*id))
    }

    /// Whether a member is there, and its log about as long as the leader's.
    fn in_sync(&self, id: u64) -> bool {
        if !self.is_active(id) {
            return false;
        }
        let metrics = self.replica.raft.metrics();
        let metrics = metrics.borrow_watched();
        let matched = metrics.replication.as_ref().and_then(|all| all.get(&id)).and_then(|matched| matched.as_ref());
        matched.is_some_and(|matched| matched.index + LAG_MAX >= metrics.last_log_index.unwrap_or(0))
    }

    /// Whether this node is a member by the last membership in its log, which may not be applied yet, and by what that becomes.
    fn is_to_stay(&self) -> bool {
        let metrics = self.replica.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let wanted = membership.get_joint_config().last();
        membership.get_node(&self.replica.id).is_some() && wanted.is_none_or(|voters| voters.contains(&self.replica.id))
    }

    /// One change after the other: waits while another one is on the way.
    async fn settled<F: Future<Output = Changed<E>>>(&self, id: u64, change: impl Fn() -> F) -> Result<ChangeMembersReply, Refused> {
        loop {
            // Who is on the way out leads on for a while, and changes nobody else: openraft takes for granted that who changes members is
            // one of them.
            if !self.is_to_stay() {
                return Err(Refused::NotLeader(None));
            }
            let error = match change().await {
                Ok(done) => return Ok(ChangeMembersReply { id, index: done.log_id.index }),
                Err(error) => error,
            };
            match error {
                RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => return Err(Refused::NotLeader(leader::<E>(&to))),
                RaftError::APIError(ClientWriteError::ChangeMembershipError(
                    ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_),
                )) => E::sleep(CHECKED_EVERY / 10).await,
                other => return Err(Refused::Status(Status::unavailable(format!("etcdserver: {other}")))),
            }
        }
    }

    /// While Raft runs: the leader promotes who waits for it, and ends changes that an earlier leader began.
    pub(crate) async fn keep_watch(self) {
        let mut joint_for = 0;
        while self.replica.runs() {
            E::sleep(CHECKED_EVERY).await;
            if self.replica.leads().is_none() {
                joint_for = 0;
                continue;
            }
            let (waiting, joint): (Vec<u64>, _) = {
                let applying = self.replica.machine.applying();
                let membership = applying.membership.membership();
                let wanted = |id: &u64| applying.store.members().get(id).is_some_and(|info| info.vote_wanted);
                (membership.learner_ids().filter(wanted).collect(), membership.get_joint_config().len() > 1)
            };
            joint_for = if joint { joint_for + 1 } else { 0 };
            if joint_for > 4 {
                // Its last configuration is the one that was wanted.
                let last = self.replica.machine.applying().membership.membership().get_joint_config().last().cloned();
                let whole = ChangeMembers::ReplaceAllVoters(last.unwrap_or_default());
                let _ = squall_env::timeout::<E, _>(self.replica.patience, self.replica.raft.change_membership(whole, false)).await;
            }
            for id in waiting.into_iter().filter(|id| self.in_sync(*id)) {
                // Refused or lost, it comes again.
                let _ = squall_env::timeout::<E, _>(self.replica.patience, self.promote(id)).await;
            }
        }
    }

    /// Tells the cluster this member's name and where clients find it, until it knows.
    pub(crate) async fn publish(self, name: String, client_urls: Vec<String>) {
        let id = self.replica.id;
        while self.replica.runs() {
            if self.replica.read_barrier().await.is_ok() {
                let known = self.replica.machine.applying().store.members().get(&id).cloned().unwrap_or_default();
                if known.name == name && known.client_urls == client_urls {
                    return;
                }
                let info = MemberInfo { id, name: name.clone(), client_urls: client_urls.clone(), vote_wanted: known.vote_wanted };
                if self.replica.propose(command::Request::Member(info)).await.is_ok() {
                    return;
                }
            }
            E::sleep(CHECKED_EVERY).await;
        }
    }
}

#[tonic::async_trait]
impl<E: Env> cluster_server::Cluster for Members<E> {
    async fn member_add(&self, request: Request<MemberAddRequest>) -> Result<Response<MemberAddResponse>, Status> {
        let MemberAddRequest { peer_ur_ls, is_learner } = request.into_inner();
        let id = self.change(Change::Add(Add { id: 0, peer_urls: peer_ur_ls, learner: is_learner })).await?;
        let members = self.list();
        let member = members.iter().find(|m| m.id == id).cloned();
        Ok(Response::new(MemberAddResponse { header: self.header(), member, members }))
    }

    async fn member_remove(&self, request: Request<MemberRemoveRequest>) -> Result<Response<MemberRemoveResponse>, Status> {
        self.change(Change::Remove(request.into_inner().id)).await?;
        Ok(Response::new(MemberRemoveResponse { header: self.header(), members: self.list() }))
    }

    async fn member_update(&self, request: Request<MemberUpdateRequest>) -> Result<Response<MemberUpdateResponse>, Status> {
        let MemberUpdateRequest { id, peer_ur_ls } = request.into_inner();
        self.change(Change::Update(Update { id, peer_urls: peer_ur_ls })).await?;
        Ok(Response::new(MemberUpdateResponse { header: self.header(), members: self.list() }))
    }

    async fn member_list(&self, request: Request<MemberListRequest>) -> Result<Response<MemberListResponse>, Status> {
        if request.into_inner().linearizable && !E::bug(Bug::MemberListLocal) {
            self.replica.read_barrier().await?;
        }
        Ok(Response::new(MemberListResponse { header: self.header(), members: self.list() }))
    }

    async fn member_promote(&self, request: Request<MemberPromoteRequest>) -> Result<Response<MemberPromoteResponse>, Status> {
        self.change(Change::Promote(request.into_inner().id)).await?;
        Ok(Response::new(MemberPromoteResponse { header: self.header(), members: self.list() }))
    }
}
