//! What a client hears while one of its operations lasts: the events of a watch, the leaders that it
//! observes.

use super::{Led, brief};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A change of one key, as a watch tells it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WatchEvent {
    /// The key.
    pub key: String,
    /// What it holds since; `None`: it was removed.
    pub value: Option<String>,
    /// The revision that did that.
    pub revision: u64,
    /// The revision that made the key, and how often it was written since; zeros when it was removed.
    pub created: u64,
    /// 1 when it was made.
    pub version: u64,
    /// What it was before, where the watch told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
}

/// What a key was before a change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Before {
    /// What it held.
    pub value: String,
    /// The revision that had written that.
    pub revision: u64,
    /// The revision that had made the key.
    pub created: u64,
    /// How often it had been written.
    pub version: u64,
}

/// One thing heard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamEvent {
    /// The watch is there; the store was at this revision.
    Created {
        /// Where the store was.
        revision: u64,
    },
    /// Changes, in one answer.
    Events {
        /// Where the store was.
        revision: u64,
        /// The changes, in order of revision.
        events: Vec<WatchEvent>,
    },
    /// Everything up to this revision has been told.
    Progress {
        /// Up to where all is told.
        revision: u64,
    },
    /// There is nothing more to come; `compacted`: the store remembers only from there on.
    Canceled {
        /// The store remembers from this revision on; 0: it was not for that.
        compacted: u64,
        /// In the words of whoever said so.
        why: String,
    },
    /// The observation is there, or there again: whoever led until now is not told.
    Observing,
    /// This one leads.
    Leader {
        /// Who leads.
        leader: Led,
    },
}

impl fmt::Display for WatchEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => {
                let WatchEvent { key, revision, created, version, .. } = self;
                write!(f, "{key} = {} at revision {revision} (made at {created}, version {version})", brief(value))
            }
            None => write!(f, "{} removed at revision {}", self.key, self.revision),
        }
    }
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Before { value, revision, created, version } = self;
        write!(f, "{} of revision {revision} (made at {created}, version {version})", brief(value))
    }
}

impl fmt::Display for StreamEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamEvent::Created { revision } => write!(f, "the watch is there, the store is at revision {revision}"),
            StreamEvent::Events { events, .. } => {
                let events: Vec<String> = events.iter().map(WatchEvent::to_string).collect();
                f.write_str(&events.join("; "))
            }
            StreamEvent::Progress { revision } => write!(f, "everything up to revision {revision} was told"),
            StreamEvent::Canceled { compacted: 0, why } => write!(f, "ended: {why}"),
            StreamEvent::Canceled { compacted, why } => write!(f, "ended, compacted up to revision {compacted}: {why}"),
            StreamEvent::Observing => f.write_str("who leads is told from now on"),
            StreamEvent::Leader { leader } => write!(f, "{} leads (token {})", leader.value, leader.token),
        }
    }
}
