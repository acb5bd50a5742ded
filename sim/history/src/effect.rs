//! What the world did, or tried: data for whoever draws it, and one way to say it.

use crate::{ClientId, NodeId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// A member of the cluster.
    Node(NodeId),
    /// A client.
    Client(ClientId),
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Party::Node(id) => id.fmt(f),
            Party::Client(id) => id.fmt(f),
        }
    }
}

/// A directed link.
pub type Link = (Party, Party);

/// Which fault does something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FaultRef {
    /// Its id: unique in its plan.
    pub id: String,
    /// Its kind: the word that scenarios use.
    pub kind: String,
}

impl FaultRef {
    /// The heal, which ends whatever is still in force.
    pub const HEAL: &'static str = "heal";

    /// That.
    pub fn heal() -> FaultRef {
        FaultRef { id: FaultRef::HEAL.to_string(), kind: FaultRef::HEAL.to_string() }
    }

    /// What its scenario calls it: its id, where that is its own, else its kind.
    pub fn name(&self) -> &str {
        let number = self.id.strip_prefix(self.kind.as_str()).map(|rest| rest.strip_prefix('-').unwrap_or(rest));
        let planned = number.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        if planned { &self.kind } else { FaultRef::without_number(&self.id) }
    }

    /// `cut-off` of `cut-off-3`: a fault that recurs has its uses numbered.
    fn without_number(id: &str) -> &str {
        id.rsplit_once('-').filter(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())).map_or(id, |(name, _)| name)
    }

    /// Whether it is the heal.
    pub fn is_heal(&self) -> bool {
        self.kind == FaultRef::HEAL
    }

    /// The fault of an id that a planner gave: its kind and a number. Older histories name the id only.
    pub fn of_planned(id: &str) -> FaultRef {
        FaultRef { id: id.to_string(), kind: FaultRef::without_number(id).to_string() }
    }
}

/// What came of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectResult {
    /// It is in force from now on.
    Started,
    /// It is in force no more.
    Stopped,
    /// It is done, and nothing will end it.
    Applied,
    /// It will be done when somebody comes to a seam of its code.
    Armed,
    /// Armed it was, and nobody came there.
    NotHit,
    /// There was nobody, or nothing, to do it to.
    NoTarget,
    /// It was not done: committed data could have been lost.
    Spared,
    /// Somebody was asked to do it.
    Asked,
    /// Whoever was asked said no.
    Refused,
}

/// What becomes of what was written and not synced, when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PowerLoss {
    /// Each sector is kept, lost or torn, on its own draw.
    Chance,
    /// All of it is lost.
    Everything,
    /// Every sector is torn.
    Torn,
}

/// What changes. Measures (`how`) are in the words of the scenario language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Links carry nothing.
    Cut {
        /// Which.
        links: Vec<Link>,
    },
    /// Links are worse than they were.
    Shape {
        /// Which.
        links: Vec<Link>,
        /// In which way.
        how: String,
    },
    /// Connections die with a reset.
    ResetConnections {
        /// Of which links.
        links: Vec<Link>,
        /// How many there were.
        count: u64,
    },
    /// Whoever dials the host is answered with a reset.
    Refuse,
    /// The process is killed.
    Kill,
    /// Its host loses power.
    PowerLoss {
        /// What becomes of what was not synced.
        unsynced: PowerLoss,
    },
    /// The process starts.
    Boot,
    /// SIGSTOP.
    Pause,
    /// An administrator's request.
    Admin {
        /// What is asked.
        ask: String,
        /// What was said, where that is more than that it is done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said: Option<String>,
    },
    /// The clocks go wrong, or right.
    Clock {
        /// In which way.
        how: String,
    },
    /// Something is to happen at a seam of the code.
    Failpoint {
        /// Which seam.
        point: String,
        /// What happens there.
        how: String,
        /// How often it did so far.
        hits: u32,
    },
    /// Clients ask this many times as often as their workloads say; 0: not at all.
    Load {
        /// How many times.
        times: u32,
    },
    /// Something is wrong with the disk.
    Disk {
        /// What.
        how: String,
    },
    /// What is on the disk is damaged.
    Damage {
        /// In which way.
        how: String,
    },
    /// Power is lost, and an empty disk takes the place of the one before.
    Wipe,
    /// A new node starts, to join.
    Join,
    /// A member is to go.
    Leave,
    /// The fault matched no target.
    Nothing,
    /// Everything is mended.
    Healed,
    /// In the words of a history of an older format.
    Said {
        /// All that it says.
        text: String,
    },
}

/// The world did something, or tried. For people and pictures: checkers do not see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Effect {
    /// Which fault does it.
    pub fault: FaultRef,
    /// To whom; whose links they are is said there.
    pub on: Vec<Party>,
    /// What.
    pub change: Change,
    /// What came of it.
    pub result: EffectResult,
}

impl Effect {
    /// Whether it concerns this party.
    pub fn concerns(&self, party: Party) -> bool {
        let links = match &self.change {
            Change::Cut { links } | Change::Shape { links, .. } | Change::ResetConnections { links, .. } => &links[..],
            _ => &[],
        };
        self.on.contains(&party) || links.iter().any(|(from, to)| *from == party || *to == party)
    }

    /// Whether something that was in force is not any more.
    pub fn ends_something(&self) -> bool {
        let stays_down = self.change == Change::Boot && self.result == EffectResult::NoTarget;
        stays_down || matches!(self.result, EffectResult::Stopped | EffectResult::NotHit)
    }

    /// Whether something is in force from now on, or will be done when somebody comes to a seam.
    pub fn begins_something(&self) -> bool {
        matches!(self.result, EffectResult::Started | EffectResult::Armed)
    }

    /// Whether it is certain that nothing was done, so far.
    pub fn did_nothing(&self) -> bool {
        use EffectResult::{Armed, NoTarget, NotHit, Refused, Spared};
        matches!(self.result, Armed | NotHit | NoTarget | Spared | Refused)
    }

    /// Whether something was done to somebody.
    pub fn did_something(&self) -> bool {
        matches!(self.result, EffectResult::Started | EffectResult::Applied)
    }
}

/// At most this many links are named one by one.
const LINKS_SHOWN: usize = 12;

fn links_text(links: &[Link]) -> String {
    let shown: Vec<String> = links.iter().take(LINKS_SHOWN).map(|(from, to)| format!("{from}>{to}")).collect();
    let more = links.len().saturating_sub(LINKS_SHOWN);
    if more > 0 { format!("{} and {more} more", shown.join(" ")) } else { shown.join(" ") }
}

/// The only place where an effect is put into words.
impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self.on.iter().map(Party::to_string).collect::<Vec<_>>().join(" ");
        let stopped = self.result == EffectResult::Stopped;
        match &self.change {
            Change::Said { text } => return f.write_str(text),
            Change::Nothing => return write!(f, "{}: skipped, it matched no target", self.fault.kind),
            Change::Healed => return f.write_str("everything is healed"),
            Change::Cut { links } => write!(f, "{} {}", if stopped { "heal" } else { "cut" }, links_text(links))?,
            Change::Shape { links, how } => {
                write!(f, "{}{how} on {}", if stopped { "no more: " } else { "" }, links_text(links))?;
            }
            Change::ResetConnections { links, count } => write!(f, "reset {count} connections of {}", links_text(links))?,
            Change::Refuse if stopped => write!(f, "{who} accepts connections again")?,
            Change::Refuse => write!(f, "{who} refuses new connections")?,
            Change::Kill => write!(f, "kill {who}")?,
            Change::PowerLoss { unsynced: PowerLoss::Chance } => write!(f, "power loss of {who}")?,
            Change::PowerLoss { unsynced: PowerLoss::Everything } => write!(f, "power loss, and everything unsynced is lost, of {who}")?,
            Change::PowerLoss { unsynced: PowerLoss::Torn } => write!(f, "power loss, and everything unsynced is torn, of {who}")?,
            Change::Boot => write!(f, "boot {who}")?,
            Change::Pause => write!(f, "{} {who}", if stopped { "resume" } else { "pause" })?,
            Change::Admin { ask, said } => {
                if !who.is_empty() {
                    write!(f, "{who}: ")?;
                }
                f.write_str(ask)?;
                match (self.result, said) {
                    (EffectResult::Applied, _) => f.write_str(": done")?,
                    (EffectResult::Refused, Some(said)) => write!(f, ": refused: {said}")?,
                    (_, Some(said)) => write!(f, " ({said})")?,
                    _ => {}
                }
                return Ok(());
            }
            Change::Clock { how } | Change::Damage { how } => write!(f, "{who}: {how}")?,
            Change::Disk { how } => write!(f, "{who}: {}{how}", if stopped { "no more: " } else { "" })?,
            Change::Failpoint { point, how, hits } => match self.result {
                EffectResult::Armed => write!(f, "{who}: when it comes to {point}, {how}")?,
                EffectResult::Applied => write!(f, "{who} comes to {point}: {how}")?,
                _ => {
                    let times = if *hits == 1 { "once".to_string() } else { format!("{hits} times") };
                    return write!(f, "{who}: {point} is a seam like any other again; it was hit {times}");
                }
            },
            Change::Load { .. } if stopped => f.write_str("clients ask as before")?,
            Change::Load { times: 0 } => f.write_str("clients are idle")?,
            Change::Load { times } => write!(f, "clients ask {times} times as often")?,
            Change::Wipe if self.result == EffectResult::Spared => write!(f, "{who}: power loss and an empty disk")?,
            Change::Wipe => write!(f, "{who} loses power, and gets an empty disk")?,
            Change::Join => match self.result {
                EffectResult::NoTarget => return f.write_str("no more nodes join in one run"),
                _ => write!(f, "{who} starts, to join")?,
            },
            Change::Leave => write!(f, "{who} is to go")?,
        }
        match self.result {
            EffectResult::Spared => f.write_str(": spared, since too many others are damaged: committed data could be lost"),
            EffectResult::NoTarget => f.write_str(match self.change {
                Change::Kill | Change::PowerLoss { .. } => " (it was down)",
                Change::Boot => " (it belongs to the cluster no more)",
                Change::Pause => " (not running)",
                Change::Damage { .. } => " (there is nothing to damage)",
                _ => " (nothing to do it to)",
            }),
            _ => Ok(()),
        }
    }
}

/// As histories have it, of this format or an older one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Now {
        fault: FaultRef,
        on: Vec<Party>,
        change: Change,
        result: EffectResult,
    },
    /// Formats 1 to 3: a sentence.
    Then {
        fault: String,
        phase: Phase,
        text: String,
    },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Phase {
    Start,
    Stop,
    Once,
}

impl From<Written> for Effect {
    fn from(written: Written) -> Effect {
        match written {
            Written::Now { fault, on, change, result } => Effect { fault, on, change, result },
            Written::Then { fault, phase, text } => {
                let result = match phase {
                    Phase::Start => EffectResult::Started,
                    Phase::Stop => EffectResult::Stopped,
                    Phase::Once => EffectResult::Applied,
                };
                Effect { fault: FaultRef::of_planned(&fault), on: vec![], change: Change::Said { text }, result }
            }
        }
    }
}
