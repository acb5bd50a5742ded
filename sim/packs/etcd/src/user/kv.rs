//! Keys and values.

use super::{answer, bytes, counted, prefixed, text};
use bytes::Bytes;
use squall_client::within;
use squall_cluster::pb::{
    KeyValue as PbKeyValue,
    etcdserverpb::{
        CompactionRequest, Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, ResponseOp, TxnRequest,
        compare::{CompareResult, CompareTarget, TargetUnion},
        kv_client::KvClient,
        request_op::Request as OpRequest,
        response_op::Response as OpResponse,
    },
};
use squall_env::Env;
use squall_etcd_model::ops::{Act, Answer, KeyValue, Made, Op, Output, Read};
use squall_rpc::Channel;
use std::time::Duration;
use tonic::Status;

fn put(key: &str, value: &str) -> PutRequest {
    PutRequest { key: bytes(key), value: bytes(value), ..Default::default() }
}

fn delete(key: &str) -> DeleteRangeRequest {
    DeleteRangeRequest { key: bytes(key), ..Default::default() }
}

fn get(key: &str) -> RangeRequest {
    RangeRequest { key: bytes(key), ..Default::default() }
}

fn range(prefix: &str, at: Option<u64>) -> RangeRequest {
    let (key, range_end) = prefixed(prefix);
    RangeRequest { key, range_end, revision: at.map_or(0, |at| at as i64), ..Default::default() }
}

fn seen(kv: &PbKeyValue) -> KeyValue {
    KeyValue {
        key: text(&kv.key),
        value: text(&kv.value),
        revision: Some(counted(kv.mod_revision)),
        made: Some(Made { created: counted(kv.create_revision), version: counted(kv.version) }),
    }
}

fn step(act: &Act) -> RequestOp {
    let request = match act {
        Act::Get { key } => OpRequest::RequestRange(get(key)),
        Act::Put { key, value } => OpRequest::RequestPut(put(key, value)),
        Act::Delete { key } => OpRequest::RequestDeleteRange(delete(key)),
    };
    RequestOp { request: Some(request) }
}

fn got(kvs: &[PbKeyValue]) -> Output {
    Output::Got { value: kvs.first().map(|kv| text(&kv.value)) }
}

/// What a step answered. `None`: an answer of another kind than the question.
fn stepped(act: &Act, response: &ResponseOp) -> Option<Output> {
    match (act, response.response.as_ref()?) {
        (Act::Get { .. }, OpResponse::ResponseRange(range)) => Some(got(&range.kvs)),
        (Act::Put { .. }, OpResponse::ResponsePut(_)) => Some(Output::Done),
        (Act::Delete { .. }, OpResponse::ResponseDeleteRange(delete)) => Some(Output::Deleted { count: delete.deleted as u64 }),
        _ => None,
    }
}

/// "The key holds this", or "the key is absent".
fn holds(key: &str, expect: Option<&str>) -> Compare {
    let (target, union) = match expect {
        Some(value) => (CompareTarget::Value, TargetUnion::Value(bytes(value))),
        None => (CompareTarget::Create, TargetUnion::CreateRevision(0)),
    };
    Compare {
        result: CompareResult::Equal.into(),
        target: target.into(),
        key: bytes(key),
        range_end: Bytes::new(),
        target_union: Some(union),
    }
}

/// Asks one node.
pub(super) async fn attempt<E: Env>(node: Channel<E>, op: &Op, left: Duration) -> Result<Answer, Status> {
    let mut kv = KvClient::new(node);
    match op {
        Op::Get { key } => {
            let reply = kv.range(within(left, get(key))).await?.into_inner();
            Ok(answer(got(&reply.kvs), reply.header))
        }
        Op::Put { key, value } => {
            let reply = kv.put(within(left, put(key, value))).await?.into_inner();
            Ok(answer(Output::Done, reply.header))
        }
        Op::Cas { key, expect, value } => {
            let success = vec![RequestOp { request: Some(OpRequest::RequestPut(put(key, value))) }];
            let txn = TxnRequest { compare: vec![holds(key, expect.as_deref())], success, failure: vec![] };
            let reply = kv.txn(within(left, txn)).await?.into_inner();
            Ok(answer(Output::Swapped { yes: reply.succeeded }, reply.header))
        }
        Op::Delete { key } => {
            let reply = kv.delete_range(within(left, delete(key))).await?.into_inner();
            Ok(answer(Output::Deleted { count: reply.deleted as u64 }, reply.header))
        }
        Op::Range { prefix, at } => {
            let reply = kv.range(within(left, range(prefix, *at))).await?.into_inner();
            Ok(answer(Output::Ranged { kvs: reply.kvs.iter().map(seen).collect() }, reply.header))
        }
        Op::Txn { compare, then, otherwise } => {
            let compare = compare.iter().map(|c| holds(&c.key, c.holds.as_deref())).collect();
            let branch = |acts: &[Act]| acts.iter().map(step).collect();
            let txn = TxnRequest { compare, success: branch(then), failure: branch(otherwise) };
            let reply = kv.txn(within(left, txn)).await?.into_inner();
            let acts = if reply.succeeded { then } else { otherwise };
            let results: Option<Vec<Output>> = acts.iter().zip(&reply.responses).map(|(act, r)| stepped(act, r)).collect();
            match results {
                Some(results) if results.len() == acts.len() => {
                    Ok(answer(Output::Txn { succeeded: reply.succeeded, results }, reply.header))
                }
                // It happened, and what it answered makes no sense: the checkers are to see that.
                _ => Ok(answer(Output::Txn { succeeded: reply.succeeded, results: vec![] }, reply.header)),
            }
        }
        Op::DeleteRange { from, to } => {
            let ask = DeleteRangeRequest { key: bytes(from), range_end: bytes(to), prev_kv: true };
            let reply = kv.delete_range(within(left, ask)).await?.into_inner();
            let kvs = reply.prev_kvs.iter().map(seen).collect();
            Ok(answer(Output::Removed { kvs, count: counted(reply.deleted) }, reply.header))
        }
        // Without a transaction where one range is all that is asked for.
        Op::Reads { reads, put: None, serializable } if reads.len() == 1 => {
            let ask = RangeRequest { serializable: *serializable, ..range(&reads[0].prefix, reads[0].at) };
            let reply = kv.range(within(left, ask)).await?.into_inner();
            Ok(answer(Output::ReadAll { ranges: vec![reply.kvs.iter().map(seen).collect()] }, reply.header))
        }
        Op::Reads { reads, put: write, serializable } => {
            let look =
                |Read { prefix, at }: &Read| OpRequest::RequestRange(RangeRequest { serializable: *serializable, ..range(prefix, *at) });
            let puts = write.iter().map(|write| OpRequest::RequestPut(put(&write.key, &write.value)));
            let success = reads.iter().map(look).chain(puts).map(|step| RequestOp { request: Some(step) }).collect();
            let reply = kv.txn(within(left, TxnRequest { compare: vec![], success, failure: vec![] })).await?.into_inner();
            let ranges = reply.responses.iter().take(reads.len()).map_while(|r| match &r.response {
                Some(OpResponse::ResponseRange(range)) => Some(range.kvs.iter().map(seen).collect()),
                _ => None,
            });
            Ok(answer(Output::ReadAll { ranges: ranges.collect() }, reply.header))
        }
        Op::Compact { revision } => {
            let reply = kv.compact(within(left, CompactionRequest { revision: *revision as i64, physical: false })).await?.into_inner();
            Ok(answer(Output::Compacted, reply.header))
        }
        Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => {
            unreachable!("{op} is not asked of the KV service")
        }
    }
}
