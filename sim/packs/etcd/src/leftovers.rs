//! What is looked at once more when the load is over: every key that was asked for, then every lease until it is gone, or should be.

use squall_etcd_model::ops::{LeaseId, LeaseOp, LeaseOutput, LineOp, Op, Output, work_key};
use squall_history::Answer;
use squall_run::Leftovers;
use std::{collections::BTreeSet, time::Duration};

/// A lease that nobody renews ends this much later than its time to live at the most.
const LEASE_GRACE: Duration = Duration::from_secs(9);

#[derive(Default)]
pub(crate) struct EtcdLeftovers {
    keys: BTreeSet<String>,
    /// The leases that were granted, and are not known to be gone; the longest time to live of any.
    leases: BTreeSet<LeaseId>,
    ttl_max: u64,
}

impl EtcdLeftovers {
    fn follow(&mut self, ask: &LeaseOp, output: &LeaseOutput) {
        match output {
            LeaseOutput::Granted { lease, ttl } => {
                self.leases.insert(*lease);
                self.ttl_max = self.ttl_max.max(*ttl);
            }
            LeaseOutput::Renewed { ttl: 0 } | LeaseOutput::Left { ttl: -1, .. } | LeaseOutput::Revoked => {
                _ = ask.lease().map(|lease| self.leases.remove(&lease));
            }
            LeaseOutput::Renewed { .. } | LeaseOutput::Left { .. } | LeaseOutput::Attached => {}
        }
    }
}

impl Leftovers for EtcdLeftovers {
    fn asked(&mut self, op: &squall_history::Op) {
        let Some(op) = op.get::<Op>() else { return };
        // What hangs on a lease is to be gone with it.
        let attached = if let Op::Lease(LeaseOp::Attach { key, .. }) = op { Some(key.as_str()) } else { None };
        for key in op.keys().into_iter().chain(attached) {
            if !self.keys.contains(key) {
                self.keys.insert(key.to_string());
            }
        }
        // What whoever holds a lock, or leads, has done is to be there at the end.
        if let Op::Line(LineOp::Work { name, .. }) = op {
            self.keys.insert(work_key(name));
        }
    }

    fn answered(&mut self, op: &squall_history::Op, answer: &Answer) {
        if let (Some(Op::Lease(ask)), Some(Output::Lease(output))) = (op.get(), answer.output.get()) {
            self.follow(ask, output);
        }
    }

    fn reads(&self) -> Vec<squall_history::Op> {
        self.keys.iter().map(|key| Op::Get { key: key.clone() }.into()).collect()
    }

    fn looks(&self) -> Vec<squall_history::Op> {
        self.leases.iter().map(|lease| Op::Lease(LeaseOp::TimeLeft { lease: *lease }).into()).collect()
    }

    fn lives(&self) -> Duration {
        if self.leases.is_empty() { Duration::ZERO } else { Duration::from_secs(self.ttl_max) + LEASE_GRACE }
    }
}
