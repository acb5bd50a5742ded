//! The bugs that can be planted in the cluster under test, by name.
//!
//! A bug's site asks `E::bug(Bug::X)`. Each variant has a canary scenario `scenarios/canary/<name>.yaml`
//! (a tidy test demands it): a harness that never fails proves nothing.

macro_rules! bugs {
    ($($(#[doc = $about:literal])* $variant:ident = $name:literal,)*) => {
        /// A planted bug: real, from the history of Raft systems and etcd, off unless asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug { $($(#[doc = $about])* $variant,)* }

        impl Bug {
            /// Every bug, in the order of their declaration.
            pub const ALL: &'static [Bug] = &[$(Bug::$variant,)*];

            /// The name used on the command line and in canary files.
            pub fn name(self) -> &'static str {
                match self { $(Bug::$variant => $name,)* }
            }

            /// What is broken, and where that was seen.
            pub fn about(self) -> &'static str {
                match self { $(Bug::$variant => concat!($($about),*).trim_ascii(),)* }
            }
        }
    };
}

bugs! {
    /// The vote is not on disk before the reply (Raft 5.1). Seen in several young Raft libraries.
    ForgetVote = "forget-vote",
    /// A log append is acknowledged before `sync_data` (etcd #14370's family).
    AckBeforeSync = "ack-before-sync",
    /// Reads are served from local state without asking a quorum (early etcd, many others).
    StaleRead = "stale-read",
    /// Truncating a conflicting suffix does nothing.
    KeepConflictingSuffix = "keep-conflicting-suffix",
    /// No checksum on the records of the write-ahead log (etcd's WAL history).
    WalAcceptsTornTail = "wal-accepts-torn-tail",
    /// A disk that is full ends the node, rather than its writes (etcd before its space quota; many others).
    FullDiskIsFatal = "full-disk-is-fatal",
    /// A file is created or renamed without syncing its directory (fsync folklore; ALICE, OSDI 2014).
    NoDirSync = "no-dir-sync",
    /// A read is answered before the applied index reaches the read index (redisraft #22).
    ReadIndexNoWait = "read-index-no-wait",
    /// A replication RPC may wait for ever (openraft's own fuzzer notes).
    RpcWithoutDeadline = "rpc-without-deadline",
    /// A transaction's compares are evaluated after its first operation.
    TxnNotAtomic = "txn-not-atomic",
    /// Truncating a conflicting suffix eats one entry that does not conflict (willemt/raft #37).
    TruncateOneTooMany = "truncate-one-too-many",
    /// A log is cut off before the snapshot is there that takes its place (openraft 0.10, see reports/findings).
    TruncateEagerly = "truncate-eagerly",
    /// A candidate claims a longer log than it has (Raft 5.4.1: the up-to-date check is missing).
    CandidateLies = "candidate-lies",
    /// A snapshot's applied index is read after its data was (etcd #13766, #14370).
    AppliedAheadOfData = "applied-ahead-of-data",
    /// Compaction drops versions that a reader may still ask for (etcd #18667's family).
    CompactTooMuch = "compact-too-much",
    /// Each write of a transaction takes a revision of its own.
    TxnRevisionPerOp = "txn-revision-per-op",
    /// Leases are missing from the snapshot.
    SnapshotWithoutLeases = "snapshot-without-leases",
    /// A leader that was deposed and leads again goes by the ends that it knew (etcd #15247, #12528).
    DeposedLeaderRevokes = "deposed-leader-revokes",
    /// Whenever a leader looks whether leases are over, it gives them their whole time again (etcd #9395, #13294).
    LeaseNeverExpires = "lease-never-expires",
    /// Leases end by the wall clock.
    LeaseByWallClock = "lease-by-wall-clock",
    /// A lock is granted to somebody whose lease is gone (etcd #11456, Jepsen's etcd 3.4.3).
    LockAfterExpiry = "lock-after-expiry",
    /// A candidate leads when the one before it goes, without looking again (microsoft/etcd3 #176).
    CampaignWatchesOne = "campaign-watches-one",
    /// Observe shows what this node knows, which may be a leader that resigned (etcd #18163).
    ObserveOldLeader = "observe-old-leader",
    /// Observe looks at the line now and then: whoever led or spoke in between is not shown.
    ObservePolls = "observe-polls",
    /// Whoever asks how long a lease has left is told how long it lives.
    LeftIsGranted = "left-is-granted",
    /// At its start a node takes the last entry of its log for a torn one.
    RecoverOneTooFew = "recover-one-too-few",
    /// A watch that lags leaves events out (etcd #17529).
    WatchDropsSlow = "watch-drops-slow",
    /// A watch that is taken up again skips a revision (etcd #15271, #17247).
    WatchResumeOffByOne = "watch-resume-off-by-one",
    /// The events of one revision come in several answers.
    WatchSplitsRevision = "watch-splits-revision",
    /// A watch from a compacted revision begins later, without a word.
    WatchIgnoresCompaction = "watch-ignores-compaction",
    /// A watch that catches up does not tell what was before.
    WatchWithoutPrevious = "watch-without-previous",
    /// Asked how far a watch has come, a node answers with its own revision, before it has told all (etcd #15220).
    WatchProgressOvertakes = "watch-progress-overtakes",
    /// A watch that is taken up again begins one revision too early.
    WatchResumeRepeats = "watch-resume-repeats",
    /// A key that is made anew keeps the create revision that it had before it was deleted.
    CreatedSurvivesDelete = "created-survives-delete",
    /// A compare of a create revision holds whatever it was asked for: fencing tokens fence nothing (Jepsen's etcd 3.4.3).
    NoFencing = "no-fencing",
    /// A keep-alive of a lease that is gone grants it anew.
    LeaseRevives = "lease-revives",
    /// The keys of a lease that ends go one by one, each at a revision of its own.
    LeaseKeysOneByOne = "lease-keys-one-by-one",
    /// A resignation is answered before it is done.
    ResignAnsweredEarly = "resign-answered-early",
    /// Members are listed from local state, whatever was asked for (etcd before 3.5).
    MemberListLocal = "member-list-local",
    /// A greeting is for whoever came last.
    GreetsAnother = "greets-another",
    /// What a write does hangs on the clock of the node that applies it (etcd's consistency history).
    ApplyByLocalClock = "apply-by-local-clock",
    /// A deletion of a range takes the key at its end, too.
    DeleteRangeTakesEnd = "delete-range-takes-end",
    /// A transaction that only reads is answered from local state, without asking a quorum.
    ReadTxnLocal = "read-txn-local",
    /// A serializable read tells the revision that the node has after it read.
    SerializableHeaderLate = "serializable-header-late",
    /// A read of the past inside a transaction is answered as of now.
    TxnReadsNow = "txn-reads-now",
    /// A key that is written again under the same lease does not hang on it any more.
    OverwriteDetaches = "overwrite-detaches",
    /// A read at the very revision up to which was compacted is refused.
    FloorRefused = "floor-refused",
    /// Compaction drops what can be read at the very revision up to which it compacts.
    CompactOneTooMuch = "compact-one-too-much",
    /// A watch that catches up leaves out nothing, whatever it was to leave out.
    WatchCatchesUpUnfiltered = "watch-catches-up-unfiltered",
    /// A watch of one key is told of the keys, too, that begin with it.
    WatchKeyAsPrefix = "watch-key-as-prefix",
    /// A snapshot is installed though the node is ahead of it (camunda #6092, hashicorp/raft #85).
    StaleSnapshotInstalls = "stale-snapshot-installs",
    /// That a lease is over counts in a later term, too, in which it was given its whole time again.
    ExpiryOutlivesTerm = "expiry-outlives-term",
}

impl Bug {
    /// The bug of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Bug> {
        Bug::ALL.iter().copied().find(|b| b.name() == name)
    }
}

impl From<Bug> for squall_env::Bug {
    fn from(bug: Bug) -> squall_env::Bug {
        squall_env::Bug(bug.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Bug;

    #[test]
    fn names_are_unique_and_round_trip() {
        for &bug in Bug::ALL {
            assert_eq!(Bug::from_name(bug.name()), Some(bug));
        }
        assert_eq!(Bug::from_name("no-such-bug"), None);
    }
}
