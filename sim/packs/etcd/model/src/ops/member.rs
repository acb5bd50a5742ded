//! The cluster's members: what an administrator asks.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A member's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberId(pub u64);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberOp {
    /// A linearizable list of all.
    List,
    /// A new member that does not vote, at this address.
    AddLearner {
        /// The address.
        url: String,
    },
    /// It shall vote.
    Promote {
        /// Which member.
        member: MemberId,
    },
    /// It shall go.
    Remove {
        /// Which member.
        member: MemberId,
    },
}

impl MemberOp {
    /// Whether it can change anything.
    pub fn may_write(&self) -> bool {
        !matches!(self, MemberOp::List)
    }
}

impl fmt::Display for MemberOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemberOp::List => f.write_str("list the members"),
            MemberOp::AddLearner { url } => write!(f, "add a learner at {url}"),
            MemberOp::Promote { member } => write!(f, "promote member {member}"),
            MemberOp::Remove { member } => write!(f, "remove member {member}"),
        }
    }
}

/// A member as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemberSeen {
    /// Which.
    pub member: MemberId,
    /// Whether it does not vote.
    pub learner: bool,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberOutput {
    /// Everybody.
    Members {
        /// Every member.
        members: Vec<MemberSeen>,
    },
    /// It is one now.
    Added {
        /// Which member.
        member: MemberId,
    },
    /// It votes now.
    Promoted,
    /// It is gone.
    Removed,
}

impl fmt::Display for MemberOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemberOutput::Members { members } => {
                let show = |m: &MemberSeen| format!("{}{}", m.member, if m.learner { " (learner)" } else { "" });
                f.write_str(&members.iter().map(show).collect::<Vec<_>>().join(", "))
            }
            MemberOutput::Added { member } => write!(f, "member {member}"),
            MemberOutput::Promoted => f.write_str("promoted"),
            MemberOutput::Removed => f.write_str("removed"),
        }
    }
}
