//! Locks and elections.

use super::{User, answer, bytes, counted, text};
use squall_client::within;
use squall_cluster::pb::{
    etcdserverpb::{
        Compare, PutRequest, RangeRequest, RequestOp, TxnRequest,
        compare::{CompareResult, CompareTarget, TargetUnion},
        kv_client::KvClient,
        request_op::Request as OpRequest,
    },
    v3electionpb::{
        CampaignRequest, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest, ResignRequest, election_client::ElectionClient,
    },
    v3lockpb::{LockRequest, UnlockRequest, lock_client::LockClient},
};
use squall_env::{Env, timeout_at};
use squall_etcd_model::ops::{Answer, Led, LineKind, LineOp, LineOutput, Output, StreamEvent, Ticket, work_key};
use squall_rpc::Channel;
use std::time::Duration;
use tonic::{Request, Status};

fn leader_key(name: &str, place: &Ticket) -> Option<LeaderKey> {
    Some(LeaderKey { name: bytes(name), key: bytes(&place.key), rev: place.token as i64, lease: place.lease.0 })
}

fn led(reply: LeaderResponse) -> Option<Led> {
    let kv = reply.kv?;
    Some(Led { key: text(&kv.key), token: counted(kv.create_revision), value: text(&kv.value), revision: counted(kv.mod_revision) })
}

impl User {
    pub(super) async fn line<E: Env>(&mut self, node: Channel<E>, ask: &LineOp, left: Duration) -> Result<Answer, Status> {
        let mut elections = ElectionClient::new(node.clone());
        let mut kv = KvClient::new(node.clone());
        match ask {
            LineOp::Acquire { kind: LineKind::Lock, name, lease, .. } => {
                let ask = LockRequest { name: bytes(name), lease: lease.0 };
                let reply = LockClient::new(node.clone()).lock(within(left, ask)).await?.into_inner();
                // The answer has no token: the key is read, as of the answer's revision. It must have been there
                // then; if it was not, the checker is to see that.
                let revision = reply.header.map_or(0, |h| h.revision);
                let look = RangeRequest { key: reply.key.clone(), revision, ..Default::default() };
                let found = kv.range(within(left, look)).await.map_err(after_the_fact)?.into_inner();
                let token = found.kvs.first().map_or(0, |kv| counted(kv.create_revision));
                let place = Ticket { key: text(&reply.key), token, lease: *lease };
                Ok(answer(Output::Line(LineOutput::Held { place }), reply.header))
            }
            LineOp::Acquire { kind: LineKind::Election, name, lease, value, .. } => {
                let ask = CampaignRequest { name: bytes(name), lease: lease.0, value: bytes(value) };
                let reply = elections.campaign(within(left, ask)).await?.into_inner();
                let leader = reply.leader.ok_or_else(|| Status::unknown("a campaign's answer without a leader"))?;
                let place = Ticket { key: text(&leader.key), token: counted(leader.rev), lease: *lease };
                // Its header is of when it stood in line, not of when it came to the head.
                Ok(Answer::from(Output::Line(LineOutput::Held { place })))
            }
            LineOp::Work { name, place, value, fenced } => {
                let put = PutRequest { key: bytes(&work_key(name)), value: bytes(value), ..Default::default() };
                if !fenced {
                    let reply = kv.put(within(left, put)).await?.into_inner();
                    return Ok(answer(Output::Line(LineOutput::Worked { yes: true }), reply.header));
                }
                let still_mine = Compare {
                    result: CompareResult::Equal.into(),
                    target: CompareTarget::Create.into(),
                    key: bytes(&place.key),
                    target_union: Some(TargetUnion::CreateRevision(place.token as i64)),
                    ..Default::default()
                };
                let success = vec![RequestOp { request: Some(OpRequest::RequestPut(put)) }];
                let txn = TxnRequest { compare: vec![still_mine], success, failure: vec![] };
                let reply = kv.txn(within(left, txn)).await?.into_inner();
                Ok(answer(Output::Line(LineOutput::Worked { yes: reply.succeeded }), reply.header))
            }
            LineOp::Proclaim { name, place, value } => {
                let ask = ProclaimRequest { leader: leader_key(name, place), value: bytes(value) };
                let reply = elections.proclaim(within(left, ask)).await?.into_inner();
                Ok(answer(Output::Line(LineOutput::Proclaimed), reply.header))
            }
            LineOp::Release { kind: LineKind::Lock, place, .. } => {
                let reply =
                    LockClient::new(node.clone()).unlock(within(left, UnlockRequest { key: bytes(&place.key) })).await?.into_inner();
                Ok(answer(Output::Line(LineOutput::Released), reply.header))
            }
            LineOp::Release { kind: LineKind::Election, name, place } => {
                let reply = elections.resign(within(left, ResignRequest { leader: leader_key(name, place) })).await?.into_inner();
                Ok(answer(Output::Line(LineOutput::Released), reply.header))
            }
            LineOp::Leader { name } => match elections.leader(within(left, LeaderRequest { name: bytes(name) })).await {
                Ok(reply) => {
                    let (header, leader) = (reply.get_ref().header, led(reply.into_inner()));
                    Ok(answer(Output::Line(LineOutput::Led { leader }), header))
                }
                Err(status) if status.message() == "election: no leader" => {
                    Ok(Answer::from(Output::Line(LineOutput::Led { leader: None })))
                }
                Err(status) => Err(status),
            },
            LineOp::Observe { name, lasts_ms } => {
                let until = E::now() + Duration::from_millis(*lasts_ms).min(left);
                let observing = elections.observe(Request::new(LeaderRequest { name: bytes(name) }));
                let Ok(answers) = timeout_at::<E, _>(until, observing).await else {
                    return Err(Status::unavailable("nothing was observed"));
                };
                let mut answers = answers?.into_inner();
                self.sink.hears(StreamEvent::Observing.into());
                while let Ok(reply) = timeout_at::<E, _>(until, answers.message()).await {
                    let Some(reply) = reply? else { break };
                    if let Some(leader) = led(reply) {
                        self.sink.hears(StreamEvent::Leader { leader }.into());
                    }
                }
                Ok(Answer::from(Output::Line(LineOutput::Observed)))
            }
        }
    }
}

/// What was asked before has happened; that the reading failed does not take it back.
fn after_the_fact(status: Status) -> Status {
    Status::unknown(format!("the lock was held, and its token could not be read: {}", status.message()))
}
