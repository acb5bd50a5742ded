//! etcd's column, as far as it is pure: what clients ask ([`ops`]), what a service promises them ([`checks`]), what is asked at random
//! ([`workloads`]).
//!
//! What this crate is not: a client. It knows neither gRPC nor a cluster; `squall-etcd` does.

pub mod checks;
mod events;
pub mod ops;
pub mod workloads;

pub use events::{Derived, HOLDER, ServiceEvents};

use squall_history::Dialect;
use squall_scenario::EventInfo;

/// How histories of this service are read. Before failures had codes, they had these sentences.
pub const DIALECT: Dialect = Dialect::of::<ops::Op, ops::Output, ops::StreamEvent>(&[
    ("has been compacted", ops::COMPACTED),
    ("requested lease not found", ops::LEASE_NOT_FOUND),
    ("space exceeded", squall_history::Failure::NO_SPACE),
]);

/// The events of this service.
pub const EVENTS: &[EventInfo] = events::ALL;
