//! The named seams of the cluster under test, at which a fault may strike (etcd calls them failpoints, `gofail`).
//!
//! A site awaits `E::failpoint(Failpoint::X)`; outside a simulation that is nothing.

macro_rules! failpoints {
    ($($(#[doc = $about:literal])* $variant:ident = $name:literal, $can_fail:literal;)*) => {
        /// A seam.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Failpoint { $($(#[doc = $about])* $variant,)* }

        impl Failpoint {
            /// Every seam, in the order of their declaration.
            pub const ALL: &'static [Failpoint] = &[$(Failpoint::$variant,)*];

            /// The name that scenarios use.
            pub const fn name(self) -> &'static str {
                match self { $(Failpoint::$variant => $name,)* }
            }

            /// Where it is.
            pub const fn about(self) -> &'static str {
                match self { $(Failpoint::$variant => concat!($($about),*).trim_ascii(),)* }
            }

            /// Whether what comes next can fail, so that `action: error` is possible.
            pub const fn can_fail(self) -> bool {
                match self { $(Failpoint::$variant => $can_fail,)* }
            }
        }
    };
}

failpoints! {
    /// Records are written to the log, and not synced.
    BeforeLogSync = "before-log-sync", true;
    /// The log is synced, and nobody was told.
    AfterLogSync = "after-log-sync", true;
    /// A vote is about to be written.
    BeforeVote = "before-vote", true;
    /// A new log segment is durable, and has no name yet.
    DuringLogRotation = "during-log-rotation", true;
    /// Committed entries are about to be applied.
    BeforeApply = "before-apply", false;
    /// A compaction is about to be applied.
    DuringCompaction = "during-compaction", false;
    /// A snapshot is durable, and has no name yet.
    DuringSnapshotWrite = "during-snapshot-write", true;
    /// A peer's snapshot was received and checked, and has not replaced the state.
    DuringSnapshotInstall = "during-snapshot-install", false;
    /// A proposal is applied, and its client was not told.
    BeforeReply = "before-reply", false;
    /// The leader found that a lease is over, and has not proposed its end.
    BeforeLeaseEnd = "before-lease-end", false;
    /// A watch has events to send.
    BeforeWatchSend = "before-watch-send", false;
}

impl From<Failpoint> for squall_env::Failpoint {
    fn from(point: Failpoint) -> squall_env::Failpoint {
        squall_env::Failpoint(point.name())
    }
}
