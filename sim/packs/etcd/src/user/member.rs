//! Members.

use super::answer;
use squall_client::within;
use squall_cluster::pb::etcdserverpb::{
    MemberAddRequest, MemberListRequest, MemberPromoteRequest, MemberRemoveRequest, cluster_client::ClusterClient,
};
use squall_env::Env;
use squall_etcd_model::ops::{Answer, MemberId, MemberOp, MemberOutput, MemberSeen, Output};
use squall_rpc::Channel;
use std::time::Duration;
use tonic::Status;

/// Asks one node.
pub(super) async fn attempt<E: Env>(node: Channel<E>, ask: &MemberOp, left: Duration) -> Result<Answer, Status> {
    let mut cluster = ClusterClient::new(node);
    match ask {
        MemberOp::List => {
            let reply = cluster.member_list(within(left, MemberListRequest { linearizable: true })).await?.into_inner();
            let members = reply.members.iter().map(|m| MemberSeen { member: MemberId(m.id), learner: m.is_learner }).collect();
            Ok(answer(Output::Member(MemberOutput::Members { members }), reply.header))
        }
        MemberOp::AddLearner { url } => {
            let add = MemberAddRequest { peer_ur_ls: vec![url.clone()], is_learner: true };
            let reply = cluster.member_add(within(left, add)).await?.into_inner();
            let member = reply.member.map(|m| MemberId(m.id)).ok_or_else(|| Status::unknown("an answer without the member"))?;
            Ok(answer(Output::Member(MemberOutput::Added { member }), reply.header))
        }
        MemberOp::Promote { member } => {
            let reply = cluster.member_promote(within(left, MemberPromoteRequest { id: member.0 })).await?.into_inner();
            Ok(answer(Output::Member(MemberOutput::Promoted), reply.header))
        }
        MemberOp::Remove { member } => {
            let reply = cluster.member_remove(within(left, MemberRemoveRequest { id: member.0 })).await?.into_inner();
            Ok(answer(Output::Member(MemberOutput::Removed), reply.header))
        }
    }
}
