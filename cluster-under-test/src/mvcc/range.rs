//! Reading.

use super::{RequestError, Store, Version};
use crate::pb::etcdserverpb::{
    RangeRequest, RangeResponse,
    range_request::{SortOrder, SortTarget},
};
use bytes::Bytes;

/// Answers a range request, without its header. `revision` 0 in the request means now.
pub fn range(store: &Store, request: &RangeRequest) -> Result<RangeResponse, RequestError> {
    let at = match request.revision {
        asked if asked > store.revision => return Err(RequestError::FutureRevision),
        asked if asked > 0 && asked < store.compacted => return Err(RequestError::Compacted),
        asked if asked > 0 => asked,
        _ => store.revision,
    };
    let live = store.scan(&request.key, &request.range_end, at);
    if request.count_only {
        return Ok(RangeResponse { count: live.count() as i64, ..Default::default() });
    }
    let mut found: Vec<(&Bytes, &Version)> = live.collect();
    // `count` ignores the limit and the revision filters.
    let count = found.len() as i64;
    let between = |n: i64, min: i64, max: i64| (min == 0 || n >= min) && (max == 0 || n <= max);
    found.retain(|(_, v)| {
        between(v.mod_revision, request.min_mod_revision, request.max_mod_revision)
            && between(v.create_revision, request.min_create_revision, request.max_create_revision)
    });
    let limit = usize::try_from(request.limit).unwrap_or(0);
    // As etcd does: without an order and filters, no more is fetched than the limit and one, in order of
    // key, and only that is sorted.
    let filters = [request.min_mod_revision, request.max_mod_revision, request.min_create_revision, request.max_create_revision];
    if limit > 0 && request.sort_order() == SortOrder::None && filters == [0; 4] {
        found.truncate(limit + 1);
    }
    sort(&mut found, request.sort_target(), request.sort_order());
    let more = limit > 0 && found.len() > limit;
    if more {
        found.truncate(limit);
    }
    let kvs = found.into_iter().map(|(key, v)| v.to_kv(key, request.keys_only)).collect();
    Ok(RangeResponse { header: None, kvs, more, count })
}

fn sort(found: &mut [(&Bytes, &Version)], target: SortTarget, order: SortOrder) {
    let order = match (target, order) {
        // Already in order of key. etcd: a target other than the key, with no order, ascends.
        (SortTarget::Key, SortOrder::None) => return,
        (_, SortOrder::None) => SortOrder::Ascend,
        (_, order) => order,
    };
    match target {
        SortTarget::Key => found.sort_by_key(|(key, _)| *key),
        SortTarget::Version => found.sort_by_key(|(_, v)| v.version),
        SortTarget::Create => found.sort_by_key(|(_, v)| v.create_revision),
        SortTarget::Mod => found.sort_by_key(|(_, v)| v.mod_revision),
        SortTarget::Value => found.sort_by(|(_, a), (_, b)| a.value.cmp(&b.value)),
    }
    if order == SortOrder::Descend {
        found.reverse();
    }
}
