//! `failpoint`: something happens to a node when it comes to a named seam of its code.

use super::{Acts, Family, Kind, to_each};
use crate::{
    Decoder, Failpoint, Service, Vocabulary,
    effect::{Armed, ClusterView, Effect, Errno, Strike},
    language::{Check, Value, arguments, as_written, schema, words},
    target::{OfNodes, Target},
    values::{Number, Span},
    vocabulary::every,
    yaml::Node,
};
use serde_json::Value as Json;
use serde_yaml::Value as Yaml;
use squall_history::SeededStream;
use std::time::Duration;

/// The seam that is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point(Failpoint);

impl Value for Point {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let all = every(decoder.services(), |service| service.failpoints.to_vec());
        let words: Vec<(&str, Failpoint)> = all.into_iter().map(|point| (point.name, point)).collect();
        let names = |service: &Service| service.failpoints.iter().map(|point| point.name).collect();
        decoder.word_of_service(node, "a failpoint", &words, names).map(Point)
    }

    fn write(&self) -> Yaml {
        self.0.name.into()
    }

    fn form() -> String {
        "a failpoint".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        schema::words(vocabulary.all(|service| service.failpoints.to_vec()).iter().map(|point| point.name))
    }
}

words! {
    /// What happens at a failpoint.
    pub(crate) enum Action, "what happens at a failpoint" {
        /// The process dies there.
        Kill = "kill",
        /// Its host loses power.
        PowerLoss = "power-loss",
        /// SIGSTOP, for a while.
        Pause = "pause",
        /// What comes next is later.
        Delay = "delay",
        /// What comes next fails.
        Error = "error",
    }
}

impl Action {
    fn is_slow(self) -> bool {
        matches!(self, Action::Pause | Action::Delay)
    }
}

arguments! {
    /// Strikes a node when it comes to a named seam of its code (`squall list failpoints`).
    pub(crate) struct Seam => Armament, "a failpoint" {
        /// which seam
        point: Point,
        /// which nodes
        target: OfNodes,
        /// what happens there
        action: Action,
        /// how long a pause or a delay is
        by: Option<Span>,
        /// how it fails, EIO if nothing is said; only where something can fail
        errno: Option<Errno>,
        /// how many passes go by before that
        skip: Number<0, 1_000_000> = Number(0),
        /// on how many passes it happens
        times: Number<1, 1_000_000> = Number(1),
        /// how long it is armed
        lasts ["for"]: Span,
        /// how much later a node that died there boots
        restart_after: Option<Span>,
    }
    check check
}

fn check(it: &Seam, check: &mut Check<'_>) {
    match it.by {
        None if it.action.is_slow() => _ = check.wrong("action", "how long? a pause or a delay needs `by`"),
        Some(_) if !it.action.is_slow() => _ = check.wrong("by", "`by` is how long a pause or a delay is"),
        _ => {}
    }
    if it.errno.is_some() && it.action != Action::Error {
        check.wrong("errno", "`errno` needs `action: error`");
    }
    if it.action == Action::Error && !it.point.0.can_fail {
        check.wrong("action", format!("what comes after `{}` cannot fail", it.point.0.name));
    }
    // An error ends the node too.
    if it.restart_after.is_some() && it.action.is_slow() {
        check.wrong("restart_after", "`restart_after` is for who died there");
    }
}

impl Kind for Seam {
    const NAME: &'static str = "failpoint";
    const FAMILY: Family = Family::Failpoint;
    const EXAMPLE: &'static str = "failpoint: { point: after-log-sync, target: leader, action: kill, for: 3s, restart_after: 500ms }";

    fn draw(draws: &mut SeededStream, service: &Service) -> Self {
        let point = *draws.pick(service.failpoints);
        let action = loop {
            let action = *draws.pick(&[Action::Kill, Action::PowerLoss, Action::PowerLoss, Action::Pause, Action::Delay, Action::Error]);
            if action != Action::Error || point.can_fail {
                break action;
            }
        };
        // Whoever dies there dies as elsewhere; what is decided there is to be late.
        let Failpoint { only_late, .. } = point;
        let point = Point(point);
        if only_late {
            return Seam {
                point,
                target: OfNodes(Target::All),
                action: Action::Delay,
                by: Some(Span::millis(200, 4_000)),
                errno: None,
                skip: Number(0),
                times: Number(50),
                lasts: Span::millis(3_000, 12_000),
                restart_after: None,
            };
        }
        let target = draws.pick(&[Target::One, Target::LEADER, Target::LEADER, Target::Minority, Target::All]).clone();
        Seam {
            point,
            target: OfNodes(target),
            action,
            by: action.is_slow().then(|| *draws.pick(&[Span::millis(5, 100), Span::millis(100, 2_000)])),
            errno: None,
            skip: Number(*draws.pick(&[0, 0, 3, 20])),
            times: Number(if action == Action::Delay { *draws.pick(&[1, 20]) } else { 1 }),
            lasts: Span::millis(500, 4_000),
            restart_after: (!action.is_slow()).then(|| Span::millis(0, 1_500)),
        }
    }
}

impl Acts for Armament {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let by = self.by.unwrap_or_default();
        let strike = match self.action {
            Action::Kill => Strike::Kill,
            Action::PowerLoss => Strike::PowerLoss,
            Action::Pause => Strike::Pause(by),
            Action::Delay => Strike::Delay(by),
            Action::Error => Strike::Error(self.errno.unwrap_or(Errno::Eio)),
        };
        let (skip, times) = (self.skip.small(), self.times.small());
        let armed = Armed { point: self.point.0.name.to_string(), strike, skip, times, restart_after: self.restart_after };
        to_each(self.target.nodes(view), |node| {
            let (arm, disarm) = (armed.clone(), armed.clone());
            vec![(Duration::ZERO, Effect::Arm { node, armed: arm }), (self.lasts, Effect::Disarm { node, armed: disarm })]
        })
    }

    fn max_duration(&self) -> Duration {
        self.lasts
    }
}
