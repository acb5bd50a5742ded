//! etcd's rules, as stories.

use super::*;
use crate::pb::{
    etcdserverpb::{
        CompactionRequest, Compare, DeleteRangeRequest, LeaseGrantRequest, LeaseRevokeRequest, PutRequest, RangeRequest, RequestOp,
        TxnRequest,
        compare::{CompareResult, CompareTarget, TargetUnion},
        range_request::{SortOrder, SortTarget},
        request_op::Request,
        response_op::Response,
    },
    internal::command,
};
use bytes::Bytes;
use prost::Message;

fn put(key: &str, value: &str) -> PutRequest {
    PutRequest { key: Bytes::from(key.to_string()), value: Bytes::from(value.to_string()), ..Default::default() }
}

fn delete(key: &str, end: &str) -> DeleteRangeRequest {
    DeleteRangeRequest { key: Bytes::from(key.to_string()), range_end: Bytes::from(end.to_string()), prev_kv: true }
}

fn read(key: &str, end: &str) -> RangeRequest {
    RangeRequest { key: Bytes::from(key.to_string()), range_end: Bytes::from(end.to_string()), ..Default::default() }
}

fn op(request: Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn when(key: &str, result: CompareResult, union: TargetUnion) -> Compare {
    let target = match union {
        TargetUnion::Version(_) => CompareTarget::Version,
        TargetUnion::CreateRevision(_) => CompareTarget::Create,
        TargetUnion::ModRevision(_) => CompareTarget::Mod,
        TargetUnion::Value(_) => CompareTarget::Value,
        TargetUnion::Lease(_) => CompareTarget::Lease,
    };
    Compare {
        result: result.into(),
        target: target.into(),
        key: Bytes::from(key.to_string()),
        range_end: Bytes::new(),
        target_union: Some(union),
    }
}

/// Checks as the service does, then applies.
fn run(store: &mut Store, request: command::Request) -> Result<AppliedResponse, String> {
    check_command(&request).map_err(|e| e.to_string())?;
    apply::<squall_env::real::TokioEnv>(store, &request, 1).result.map_err(|e| e.to_string())
}

fn txn(store: &mut Store, compare: Vec<Compare>, success: Vec<RequestOp>, failure: Vec<RequestOp>) -> Result<(bool, Vec<String>), String> {
    match run(store, command::Request::Txn(TxnRequest { compare, success, failure }))? {
        AppliedResponse::Txn(answer) => {
            let show = |r: &crate::pb::etcdserverpb::ResponseOp| match r.response.as_ref().unwrap() {
                Response::ResponseRange(r) => {
                    r.kvs.iter().map(|kv| format!("{}@{}", text(&kv.value), kv.mod_revision)).collect::<Vec<_>>().join(",")
                }
                Response::ResponsePut(_) => "put".to_string(),
                Response::ResponseDeleteRange(d) => format!("deleted {}", d.deleted),
                Response::ResponseTxn(t) => format!("txn {}", t.succeeded),
            };
            Ok((answer.succeeded, answer.responses.iter().map(show).collect()))
        }
        other => panic!("{other:?}"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `a=1@2/v1` is key, value, mod_revision and version.
fn show(store: &Store, request: &RangeRequest) -> Result<String, String> {
    let answer = range(store, request).map_err(|e| e.to_string())?;
    let kvs = answer.kvs.iter().map(|kv| format!("{}={}@{}/v{}", text(&kv.key), text(&kv.value), kv.mod_revision, kv.version));
    Ok(format!("{} of {}{}", kvs.collect::<Vec<_>>().join(" "), answer.count, if answer.more { " more" } else { "" }))
}

fn puts(store: &mut Store, pairs: &[(&str, &str)]) {
    for (key, value) in pairs {
        run(store, command::Request::Put(put(key, value))).unwrap();
    }
}

#[test]
fn each_request_that_changes_something_takes_one_revision() {
    let mut store = Store::default();
    assert_eq!(store.revision(), 1);
    puts(&mut store, &[("a", "1"), ("a", "2")]);
    assert_eq!(store.revision(), 3);
    run(&mut store, command::Request::DeleteRange(delete("none", ""))).unwrap();
    assert_eq!(store.revision(), 3, "a delete of nothing takes none");
    let reads = vec![op(Request::RequestRange(read("a", "")))];
    txn(&mut store, vec![], reads, vec![]).unwrap();
    assert_eq!(store.revision(), 3, "a transaction that only reads takes none");
    let writes = vec![op(Request::RequestPut(put("b", "1"))), op(Request::RequestPut(put("c", "1")))];
    txn(&mut store, vec![], writes, vec![]).unwrap();
    assert_eq!(store.revision(), 4);
    assert_eq!(show(&store, &read("b", "\0")).unwrap(), "b=1@4/v1 c=1@4/v1 of 2", "all of a transaction's keys share it");
    run(&mut store, command::Request::DeleteRange(delete("b", "d"))).unwrap();
    assert_eq!(store.revision(), 5);
}

#[test]
fn versions_count_from_the_creation_and_begin_again_after_a_deletion() {
    let mut store = Store::default();
    puts(&mut store, &[("a", "1"), ("a", "2")]);
    run(&mut store, command::Request::DeleteRange(delete("a", ""))).unwrap();
    puts(&mut store, &[("a", "3")]);
    let kv = &range(&store, &read("a", "")).unwrap().kvs[0];
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (5, 5, 1));
}

#[test]
fn ranges_sort_limit_and_count_as_etcd_does() {
    let mut store = Store::default();
    puts(&mut store, &[("a", "3"), ("b", "2"), ("c", "1"), ("a", "4")]);
    let cases: Vec<(RangeRequest, &str)> = vec![
        (read("a", ""), "a=4@5/v2 of 1"),
        (read("a", "c"), "a=4@5/v2 b=2@3/v1 of 2"),
        (read("b", "\0"), "b=2@3/v1 c=1@4/v1 of 2"),
        (read("c", "a"), " of 0"),
        (RangeRequest { limit: 2, ..read("a", "\0") }, "a=4@5/v2 b=2@3/v1 of 3 more"),
        (RangeRequest { limit: 3, ..read("a", "\0") }, "a=4@5/v2 b=2@3/v1 c=1@4/v1 of 3"),
        (RangeRequest { count_only: true, ..read("a", "\0") }, " of 3"),
        (RangeRequest { keys_only: true, ..read("a", "") }, "a=@5/v2 of 1"),
        (RangeRequest { min_mod_revision: 4, ..read("a", "\0") }, "a=4@5/v2 c=1@4/v1 of 3"),
        (RangeRequest { revision: 4, ..read("a", "\0") }, "a=3@2/v1 b=2@3/v1 c=1@4/v1 of 3"),
        (RangeRequest { sort_target: SortTarget::Value.into(), ..read("a", "\0") }, "c=1@4/v1 b=2@3/v1 a=4@5/v2 of 3"),
        // No order: only the first three in order of key are looked at, for a limit of two.
        (RangeRequest { sort_target: SortTarget::Value.into(), limit: 1, ..read("a", "\0") }, "b=2@3/v1 of 3 more"),
        (
            RangeRequest { sort_target: SortTarget::Value.into(), sort_order: SortOrder::Ascend.into(), limit: 1, ..read("a", "\0") },
            "c=1@4/v1 of 3 more",
        ),
        (RangeRequest { sort_order: SortOrder::Descend.into(), ..read("a", "\0") }, "c=1@4/v1 b=2@3/v1 a=4@5/v2 of 3"),
    ];
    for (request, expect) in cases {
        assert_eq!(show(&store, &request).unwrap(), expect, "{request:?}");
    }
    assert!(show(&store, &RangeRequest { revision: 6, ..read("a", "") }).unwrap_err().contains("future revision"));
}

#[test]
fn compaction_keeps_what_a_read_at_the_floor_may_ask_for() {
    let mut store = Store::default();
    puts(&mut store, &[("a", "1"), ("a", "2"), ("b", "1")]);
    run(&mut store, command::Request::DeleteRange(delete("b", ""))).unwrap();
    puts(&mut store, &[("a", "3")]);
    let before: Vec<String> = (5..=6).map(|revision| show(&store, &RangeRequest { revision, ..read("a", "\0") }).unwrap()).collect();
    let compact = |revision| command::Request::Compact(CompactionRequest { revision, physical: false });
    run(&mut store, compact(5)).unwrap();
    assert_eq!(store.revision(), 6, "a compaction takes no revision");
    let after: Vec<String> = (5..=6).map(|revision| show(&store, &RangeRequest { revision, ..read("a", "\0") }).unwrap()).collect();
    assert_eq!(before, after);
    assert!(show(&store, &RangeRequest { revision: 4, ..read("a", "") }).unwrap_err().contains("has been compacted"));
    assert!(run(&mut store, compact(5)).unwrap_err().contains("has been compacted"));
    assert!(run(&mut store, compact(7)).unwrap_err().contains("future revision"));
}

#[test]
fn compares_on_missing_keys() {
    let mut store = Store::default();
    let holds = |store: &mut Store, compare| txn(store, vec![compare], vec![], vec![]).unwrap().0;
    for (result, expect) in [(CompareResult::Equal, true), (CompareResult::NotEqual, false), (CompareResult::Greater, false)] {
        assert_eq!(holds(&mut store, when("none", result, TargetUnion::CreateRevision(0))), expect);
        assert_eq!(holds(&mut store, when("none", result, TargetUnion::Version(0))), expect);
    }
    for result in [CompareResult::Equal, CompareResult::NotEqual] {
        assert!(!holds(&mut store, when("none", result, TargetUnion::Value(Bytes::new()))), "false, even NOT_EQUAL");
    }
    let over_nothing = Compare { range_end: Bytes::from_static(b"z"), ..when("x", CompareResult::Equal, TargetUnion::ModRevision(0)) };
    assert!(holds(&mut store, over_nothing), "a range over nothing acts as a missing key");
    puts(&mut store, &[("a", "1"), ("b", "1")]);
    let each = |value: &'static str| Compare {
        range_end: Bytes::from_static(b"c"),
        ..when("a", CompareResult::Equal, TargetUnion::Value(Bytes::from_static(value.as_bytes())))
    };
    assert!(holds(&mut store, each("1")) && !holds(&mut store, each("2")));
    puts(&mut store, &[("b", "2")]);
    assert!(!holds(&mut store, each("1")), "every key of the range must agree");
}

#[test]
fn a_transaction_sees_its_own_writes_and_nested_ones_choose_on_the_state_before() {
    let mut store = Store::default();
    puts(&mut store, &[("a", "old")]);
    let nested = TxnRequest {
        compare: vec![when("a", CompareResult::Equal, TargetUnion::Value(Bytes::from_static(b"old")))],
        success: vec![op(Request::RequestPut(put("chosen", "before")))],
        failure: vec![op(Request::RequestPut(put("chosen", "after")))],
    };
    let ops = vec![
        op(Request::RequestPut(put("a", "new"))),
        op(Request::RequestRange(read("a", ""))),
        op(Request::RequestTxn(nested)),
        op(Request::RequestDeleteRange(delete("b", ""))),
    ];
    let (succeeded, answers) = txn(&mut store, vec![], ops, vec![]).unwrap();
    assert!(succeeded);
    assert_eq!(answers, ["put", "new@3", "txn true", "deleted 0"]);
    assert_eq!(show(&store, &read("chosen", "")).unwrap(), "chosen=before@3/v1 of 1");
}

#[test]
fn a_refused_transaction_leaves_nothing_behind() {
    let mut store = Store::default();
    puts(&mut store, &[("a", "1")]);
    let untouched = store.clone();
    let future = RangeRequest { revision: 99, ..read("a", "") };
    let refused = txn(&mut store, vec![], vec![op(Request::RequestPut(put("b", "1"))), op(Request::RequestRange(future))], vec![]);
    assert!(refused.unwrap_err().contains("future revision"));
    let ignoring = PutRequest { ignore_value: true, value: Bytes::new(), ..put("none", "") };
    let refused = txn(&mut store, vec![], vec![op(Request::RequestPut(put("b", "1"))), op(Request::RequestPut(ignoring))], vec![]);
    assert!(refused.unwrap_err().contains("key not found"));
    assert_eq!(store, untouched);
}

#[test]
fn requests_that_make_no_sense_are_refused_with_etcds_words() {
    let mut store = Store::default();
    let two_puts = || vec![op(Request::RequestPut(put("a", "1"))), op(Request::RequestPut(put("a", "2")))];
    let put_and_delete = vec![op(Request::RequestDeleteRange(delete("a", "c"))), op(Request::RequestPut(put("b", "2")))];
    let branch = |key| vec![op(Request::RequestPut(put(key, "1")))];
    let nested = |key| op(Request::RequestTxn(TxnRequest { compare: vec![], success: branch(key), failure: branch(key) }));
    let removal = |key| {
        let success = vec![op(Request::RequestDeleteRange(delete(key, "")))];
        op(Request::RequestTxn(TxnRequest { compare: vec![], success, failure: vec![] }))
    };
    let too_many: Vec<RequestOp> = (0..129).map(|i| op(Request::RequestPut(put(&format!("k{i}"), "")))).collect();
    for (ops, expect) in [
        (two_puts(), "duplicate key"),
        (put_and_delete, "duplicate key"),
        (vec![nested("x")], ""),
        (vec![nested("x"), nested("x")], "duplicate key"),
        (vec![nested("x"), removal("x")], ""),
        (vec![removal("x"), nested("x")], "duplicate key"),
        (vec![nested("x"), op(Request::RequestDeleteRange(delete("x", "")))], "duplicate key"),
        (vec![nested("x"), op(Request::RequestPut(put("x", "")))], "duplicate key"),
        (too_many, "too many operations"),
        (vec![op(Request::RequestPut(put("", "")))], "key is not provided"),
    ] {
        let error = txn(&mut store, vec![], ops, vec![]).err().unwrap_or_default();
        assert!(error.contains(expect) && error.is_empty() == expect.is_empty(), "{error:?}, not {expect:?}");
    }
    assert_eq!(check_range(&read("", "")), Err(RequestError::EmptyKey));
    let status = tonic::Status::from(RequestError::Compacted);
    assert_eq!((status.code(), status.message()), (tonic::Code::OutOfRange, "etcdserver: mvcc: required revision has been compacted"));
}

#[test]
fn transactions_nest_no_deeper_than_every_node_can_decode() {
    let nest = |depth: usize| {
        let mut txn = TxnRequest { success: vec![op(Request::RequestPut(put("deep", "1")))], ..Default::default() };
        for _ in 1..depth {
            txn = TxnRequest { success: vec![op(Request::RequestTxn(txn))], ..Default::default() };
        }
        command::Request::Txn(txn)
    };
    assert_eq!(check_command(&nest(32)), Ok(()));
    assert_eq!(check_command(&nest(33)), Err(RequestError::TooManyOps));
    let bytes = crate::pb::internal::Command { request: Some(nest(32)) }.encode_to_vec();
    assert!(crate::pb::internal::Command::decode(&bytes[..]).is_ok(), "what is accepted can be applied");
    run(&mut Store::default(), nest(32)).unwrap();
}

fn grant(id: i64, ttl: i64) -> command::Request {
    command::Request::LeaseGrant(LeaseGrantRequest { id, ttl })
}

fn revoke(id: i64) -> command::Request {
    command::Request::LeaseRevoke(LeaseRevokeRequest { id })
}

fn held(store: &Store, id: i64) -> Vec<String> {
    store.leases()[&id].keys.iter().map(|key| text(key)).collect()
}

#[test]
fn a_lease_takes_its_keys_with_it_in_one_revision() {
    let mut store = Store::default();
    let on = |key, lease| command::Request::Put(PutRequest { lease, ..put(key, "1") });
    run(&mut store, grant(7, 10)).unwrap();
    run(&mut store, grant(8, 10)).unwrap();
    assert_eq!(store.revision(), 1, "a grant takes no revision");
    assert!(run(&mut store, grant(7, 10)).unwrap_err().contains("lease already exists"));
    assert!(run(&mut store, grant(9, 9_000_000_001)).unwrap_err().contains("too large lease TTL"));
    assert!(run(&mut store, on("a", 9)).unwrap_err().contains("requested lease not found"));
    for key in ["c", "a", "b", "d", "e"] {
        run(&mut store, on(key, 7)).unwrap();
    }
    // A put without a lease detaches, one with another moves, a delete detaches, ignore_lease keeps.
    puts(&mut store, &[("b", "2")]);
    run(&mut store, on("c", 8)).unwrap();
    run(&mut store, command::Request::DeleteRange(delete("d", ""))).unwrap();
    run(&mut store, command::Request::Put(PutRequest { ignore_lease: true, ..put("e", "2") })).unwrap();
    assert_eq!((held(&store, 7), held(&store, 8)), (vec!["a".to_string(), "e".to_string()], vec!["c".to_string()]));
    let before = store.revision();
    run(&mut store, revoke(7)).unwrap();
    assert_eq!(store.revision(), before + 1, "all of a lease's keys go in one revision");
    assert_eq!(show(&store, &read("a", "\0")).unwrap(), "b=2@7/v2 c=1@8/v2 of 2");
    assert!(run(&mut store, revoke(7)).unwrap_err().contains("requested lease not found"));
    run(&mut store, grant(7, 10)).unwrap();
    run(&mut store, revoke(7)).unwrap();
    assert_eq!(store.revision(), before + 1, "a lease without keys takes no revision; nothing revives");
}

#[test]
fn an_expiry_is_of_one_grant_and_of_its_own_term() {
    let mut store = Store::default();
    run(&mut store, grant(7, 10)).unwrap();
    run(&mut store, revoke(7)).unwrap();
    run(&mut store, grant(7, 60)).unwrap();
    let over = |grant, term| command::Request::LeaseExpiry(crate::pb::internal::LeaseExpiry { id: 7, grant, term });
    for stale in [over(1, 1), over(2, 2)] {
        assert!(run(&mut store, stale).unwrap_err().contains("requested lease not found"));
    }
    assert!(store.leases().contains_key(&7));
    run(&mut store, over(2, 1)).unwrap();
    assert!(store.leases().is_empty());
}

/// `2 a=1, 3 b=2, 4 -a` from a revision on.
fn changes(store: &Store, from: i64) -> String {
    let one = |c: KeyChange<'_>| {
        let before = c.before.and_then(|v| v.value.as_ref()).map_or_else(String::new, |v| format!(" (was {})", text(v)));
        match &c.version.value {
            Some(value) => format!("{} {}={}{before}", c.version.mod_revision, text(c.key), text(value)),
            None => format!("{} -{}{before}", c.version.mod_revision, text(c.key)),
        }
    };
    store.changes(from).map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn changes_are_told_in_order_of_revision_and_within_one_as_they_were_made() {
    let mut store = Store::default();
    puts(&mut store, &[("b", "1"), ("a", "1"), ("b", "2")]);
    let both = vec![op(Request::RequestPut(put("z", "9"))), op(Request::RequestPut(put("a", "2")))];
    txn(&mut store, vec![], both, vec![]).unwrap();
    run(&mut store, command::Request::DeleteRange(delete("a", "c"))).unwrap();
    let all = "2 b=1, 3 a=1, 4 b=2 (was 1), 5 z=9, 5 a=2 (was 1), 6 -a (was 2), 6 -b (was 2)";
    assert_eq!(changes(&store, 0), all);
    assert_eq!(changes(&store, 5), "5 z=9, 5 a=2 (was 1), 6 -a (was 2), 6 -b (was 2)");
    assert_eq!(changes(&store, 7), "");
    // A snapshot keeps the order.
    assert_eq!(changes(&Store::from_snapshot(store.to_snapshot()), 0), all);
}

#[test]
fn what_was_changed_at_the_compaction_floor_is_still_told_deletions_too() {
    let mut store = Store::default();
    puts(&mut store, &[("a", "1"), ("b", "1"), ("a", "2")]);
    run(&mut store, command::Request::DeleteRange(delete("a", "c"))).unwrap();
    puts(&mut store, &[("c", "1")]);
    run(&mut store, command::Request::Compact(CompactionRequest { revision: 5, physical: false })).unwrap();
    assert_eq!(changes(&store, 5), "5 -a, 5 -b, 6 c=1");
    assert_eq!(changes(&Store::from_snapshot(store.to_snapshot()), 5), "5 -a, 5 -b, 6 c=1");
    let size = store.size();
    run(&mut store, command::Request::Compact(CompactionRequest { revision: 6, physical: false })).unwrap();
    assert_eq!(changes(&store, 6), "6 c=1");
    assert!(store.size() < size, "the deletions are gone");
    assert_eq!(Store::from_snapshot(store.to_snapshot()), store);
}

#[test]
fn an_update_of_what_the_transaction_itself_deletes_is_refused_before_anything_is_done() {
    // etcd 3.5 lets this through its checks, finds it in the middle, and ends.
    let mut store = Store::default();
    puts(&mut store, &[("a", "1"), ("b", "1")]);
    let before = store.clone();
    let update = PutRequest { ignore_value: true, ..put("b", "") };
    let ops = vec![op(Request::RequestDeleteRange(delete("a", "\0"))), op(Request::RequestPut(update))];
    assert_eq!(txn(&mut store, vec![], ops, vec![]), Err("etcdserver: key not found".to_string()));
    assert_eq!(store, before);
}

#[test]
fn a_transaction_that_names_a_lease_that_is_not_there_does_nothing() {
    let mut store = Store::default();
    let on = PutRequest { lease: 5, ..put("b", "1") };
    let ops = || vec![op(Request::RequestPut(put("a", "1"))), op(Request::RequestPut(on.clone()))];
    assert!(txn(&mut store, vec![], ops(), vec![]).unwrap_err().contains("requested lease not found"));
    assert_eq!(store, Store::default());
    run(&mut store, grant(5, 10)).unwrap();
    assert!(txn(&mut store, vec![], ops(), vec![]).unwrap().0);
    let compare = |id| when("b", CompareResult::Equal, TargetUnion::Lease(id));
    assert!(txn(&mut store, vec![compare(5)], vec![], vec![]).unwrap().0);
    assert!(!txn(&mut store, vec![compare(0)], vec![], vec![]).unwrap().0);
    assert_eq!(held(&store, 5), ["b"]);
}

#[test]
fn a_snapshot_holds_everything() {
    let mut store = Store::default();
    puts(&mut store, &[("a", "1"), ("b", "2"), ("a", "3")]);
    run(&mut store, grant(3, 10)).unwrap();
    run(&mut store, grant(4, 20)).unwrap();
    run(&mut store, command::Request::Put(PutRequest { lease: 3, ..put("c", "1") })).unwrap();
    run(&mut store, command::Request::Put(PutRequest { lease: 3, ..put("d", "1") })).unwrap();
    puts(&mut store, &[("d", "2")]);
    run(&mut store, command::Request::DeleteRange(delete("b", ""))).unwrap();
    run(&mut store, command::Request::Compact(CompactionRequest { revision: 3, physical: false })).unwrap();
    let bytes = store.to_snapshot().encode_to_vec();
    let back = Store::from_snapshot(crate::pb::internal::Snapshot::decode(&bytes[..]).unwrap());
    assert_eq!(back, store);
    assert_eq!(back.full_hash(), store.full_hash());
}

#[test]
fn the_wire_format_is_etcds() {
    // etcdctl put foo bar, as its client encodes it: field 1 `foo`, field 2 `bar`.
    assert_eq!(put("foo", "bar").encode_to_vec(), b"\x0a\x03foo\x12\x03bar");
    // Fields 4 (revision) and 7 (serializable) of a range; 64 (range_end) of a compare.
    let range = RangeRequest { revision: 5, serializable: true, ..read("k", "") };
    assert_eq!(range.encode_to_vec(), b"\x0a\x01k\x20\x05\x38\x01");
    let compare = Compare { range_end: Bytes::from_static(b"z"), ..when("k", CompareResult::Greater, TargetUnion::ModRevision(1)) };
    assert_eq!(compare.encode_to_vec(), b"\x08\x01\x10\x02\x1a\x01k\x30\x01\x82\x04\x01z");
}
