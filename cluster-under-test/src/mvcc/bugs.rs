//! The planted bugs of the replicated store, which does not know its Env.

use crate::Bug;
use squall_env::Env;

/// The planted bugs of this place.
pub(super) struct Bugs {
    /// Compares see what the transaction itself has done.
    pub(super) not_atomic: bool,
    /// Each write of a transaction takes a revision.
    pub(super) revision_per_op: bool,
    /// Versions are dropped up to this far above the floor.
    pub(super) compact_beyond: i64,
    /// Keys keep their create revision beyond their deletion.
    pub(super) created_survives: bool,
    /// Compares of create revisions hold.
    pub(super) no_fencing: bool,
    /// A lease's keys go one by one.
    pub(super) lease_keys_one_by_one: bool,
    /// This put is not done, by this node's clock.
    pub(super) by_local_clock: bool,
    /// Deletions of ranges take their ends.
    pub(super) takes_end: bool,
    /// Reads of the past in transactions are of now.
    pub(super) reads_now: bool,
    /// A key that is written again under its lease leaves it.
    pub(super) overwrite_detaches: bool,
    /// A lease is over in whatever term.
    pub(super) any_term: bool,
}

impl Bugs {
    /// Those that are switched on.
    pub(super) fn of<E: Env>() -> Bugs {
        Bugs {
            not_atomic: E::bug(Bug::TxnNotAtomic),
            revision_per_op: E::bug(Bug::TxnRevisionPerOp),
            compact_beyond: if E::bug(Bug::CompactTooMuch) { 8 } else { i64::from(E::bug(Bug::CompactOneTooMuch)) },
            created_survives: E::bug(Bug::CreatedSurvivesDelete),
            no_fencing: E::bug(Bug::NoFencing),
            lease_keys_one_by_one: E::bug(Bug::LeaseKeysOneByOne),
            by_local_clock: E::bug(Bug::ApplyByLocalClock) && (E::now().0 / 1_000_000).is_multiple_of(8),
            takes_end: E::bug(Bug::DeleteRangeTakesEnd),
            reads_now: E::bug(Bug::TxnReadsNow),
            overwrite_detaches: E::bug(Bug::OverwriteDetaches),
            any_term: E::bug(Bug::ExpiryOutlivesTerm),
        }
    }
}
