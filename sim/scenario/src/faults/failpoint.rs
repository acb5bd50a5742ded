//! `failpoint`: something happens to a node when it comes to a named seam of its code.

use super::{Arg, Family, Fault, FaultKind, mapping};
use crate::{
    effect::{Armed, ClusterView, Effect, Errno, Size, Strike},
    target::{Target, Whom},
    values::{self, Span},
    yaml::{Decoder, Diagnostic, Node},
};
use squall_env::Failpoint;
use squall_history::SeededStream;
use std::time::Duration;

pub(super) const KIND: FaultKind = FaultKind {
    name: "failpoint",
    family: Family::Failpoint,
    about: "Strikes a node when it comes to a named seam of its code (`squall list failpoints`).",
    args: &[
        Arg { name: "point", form: "the name of a failpoint", about: "which seam" },
        Arg { name: "target", form: "a target", about: "which nodes" },
        Arg { name: "action", form: "kill, power-loss, pause, delay or error", about: "what happens there" },
        Arg { name: "by", form: "a duration or a range", about: "how long a pause or a delay is" },
        Arg { name: "errno", form: "EIO, ENOSPC or EROFS", about: "how it fails (default EIO); only where something can fail" },
        Arg { name: "skip", form: "a number", about: "how many passes go by before that (default 0)" },
        Arg { name: "times", form: "a number", about: "on how many passes it happens (default 1)" },
        Arg { name: "for", form: "a duration or a range", about: "how long it is armed" },
        Arg { name: "restart_after", form: "a duration or a range", about: "boots who died there so much later" },
    ],
    example: "failpoint: { point: after-log-sync, target: leader, action: kill, for: 3s, restart_after: 500ms }",
    decode,
    draw,
};

/// What happens, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Kill,
    PowerLoss,
    Pause,
    Delay,
    Error,
}

const ACTIONS: &[(&str, Action)] = &[
    ("kill", Action::Kill),
    ("power-loss", Action::PowerLoss),
    ("pause", Action::Pause),
    ("delay", Action::Delay),
    ("error", Action::Error),
];

#[derive(Clone, Debug)]
struct Seam {
    point: Failpoint,
    target: Target,
    action: Action,
    by: Span,
    errno: Errno,
    skip: u32,
    times: u32,
    lasts: Span,
    restart_after: Option<Span>,
}

fn decode(d: &mut Decoder, node: &Node) -> Option<Box<dyn Fault>> {
    let mut fields = d.fields(node, "a failpoint")?;
    let points: Vec<(&str, Failpoint)> = Failpoint::ALL.iter().map(|p| (p.name(), *p)).collect();
    let point = fields.need(d, "point").and_then(|n| d.word(n, "a failpoint", &points));
    let target = fields.need(d, "target").and_then(|n| Target::decode(d, n, Whom::Nodes));
    let action_node = fields.need(d, "action");
    let action = action_node.and_then(|n| d.word(n, "what happens at a failpoint", ACTIONS));
    let by_node = fields.take("by");
    let by = by_node.map_or(Some(Span::fixed(Duration::ZERO)), |n| values::span(d, n));
    let errno_node = fields.take("errno");
    let errno = errno_node.map_or(Some(Errno::Eio), |n| d.word(n, "an error of a disk", Errno::WORDS));
    let skip = fields.take("skip").map_or(Some(0), |n| values::number(d, n, 0, 1_000_000));
    let times = fields.take("times").map_or(Some(1), |n| values::number(d, n, 1, 1_000_000));
    let lasts = fields.need(d, "for").and_then(|n| values::span(d, n));
    let restart_node = fields.take("restart_after");
    let restart_after = restart_node.map_or(Some(None), |n| values::span(d, n).map(Some));
    fields.done(d);
    let (point, action, place) = (point?, action?, action_node?.place);
    let is_slow = matches!(action, Action::Pause | Action::Delay);
    match by_node {
        None if is_slow => return d.wrong(Diagnostic::new(place, "how long? a pause or a delay needs `by`")),
        Some(node) if !is_slow => return d.wrong(Diagnostic::new(node.place, "`by` is how long a pause or a delay is")),
        _ => {}
    }
    if let Some(node) = errno_node.filter(|_| action != Action::Error) {
        return d.wrong(Diagnostic::new(node.place, "`errno` needs `action: error`"));
    }
    if action == Action::Error && !point.can_fail() {
        return d.wrong(Diagnostic::new(place, format!("what comes after `{}` cannot fail", point.name())));
    }
    // An error ends the node too.
    if let Some(node) = restart_node.filter(|_| is_slow) {
        return d.wrong(Diagnostic::new(node.place, "`restart_after` is for who died there"));
    }
    let (skip, times) = (skip? as u32, times? as u32);
    let seam = Seam { point, target: target?, action, by: by?, errno: errno?, skip, times, lasts: lasts?, restart_after: restart_after? };
    Some(Box::new(seam))
}

fn draw(draws: &mut SeededStream) -> Box<dyn Fault> {
    let point = *draws.pick(Failpoint::ALL);
    let action = loop {
        let action = *draws.pick(&[Action::Kill, Action::PowerLoss, Action::PowerLoss, Action::Pause, Action::Delay, Action::Error]);
        if action != Action::Error || point.can_fail() {
            break action;
        }
    };
    // Whoever dies there dies as elsewhere; what is decided there is to be late.
    if point == Failpoint::BeforeLeaseEnd {
        return Box::new(Seam {
            point,
            target: Target::All,
            action: Action::Delay,
            by: Span::millis(200, 4_000),
            errno: Errno::Eio,
            skip: 0,
            times: 50,
            lasts: Span::millis(3_000, 12_000),
            restart_after: None,
        });
    }
    let is_slow = matches!(action, Action::Pause | Action::Delay);
    let target = draws.pick(&[Target::One, Target::LEADER, Target::LEADER, Target::Minority, Target::All]).clone();
    Box::new(Seam {
        point,
        target,
        action,
        by: if is_slow { *draws.pick(&[Span::millis(5, 100), Span::millis(100, 2_000)]) } else { Span::fixed(Duration::ZERO) },
        errno: Errno::Eio,
        skip: *draws.pick(&[0, 0, 3, 20]),
        times: if action == Action::Delay { *draws.pick(&[1, 20]) } else { 1 },
        lasts: Span::millis(500, 4_000),
        restart_after: (!is_slow).then(|| Span::millis(0, 1_500)),
    })
}

impl Fault for Seam {
    fn fix(&self, draws: &mut SeededStream, size: Size) -> Box<dyn Fault> {
        let mut fixed = |span: Span| Span::fixed(span.draw(draws));
        let (by, lasts, restart_after) = (fixed(self.by), fixed(self.lasts), self.restart_after.map(&mut fixed));
        Box::new(Seam { target: self.target.fix(draws, size), by, lasts, restart_after, ..self.clone() })
    }

    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let strike = match self.action {
            Action::Kill => Strike::Kill,
            Action::PowerLoss => Strike::PowerLoss,
            Action::Pause => Strike::Pause(self.by.max),
            Action::Delay => Strike::Delay(self.by.max),
            Action::Error => Strike::Error(self.errno),
        };
        let restart_after = self.restart_after.map(|span| span.max);
        let armed = Armed { point: self.point.name().to_string(), strike, skip: self.skip, times: self.times, restart_after };
        let each = |node| {
            let (arm, disarm) = (armed.clone(), armed.clone());
            [(Duration::ZERO, Effect::Arm { node, armed: arm }), (self.lasts.max, Effect::Disarm { node, armed: disarm })]
        };
        self.target.resolve_nodes(view).into_iter().flat_map(each).collect()
    }

    fn lasts(&self) -> Duration {
        self.lasts.max
    }

    fn targets(&self) -> Vec<&Target> {
        vec![&self.target]
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn to_yaml(&self) -> serde_yaml::Value {
        let is_slow = matches!(self.action, Action::Pause | Action::Delay);
        let action = ACTIONS.iter().find(|(_, action)| *action == self.action).expect("every action has a name").0;
        mapping([
            ("point", Some(self.point.name().into())),
            ("target", Some(self.target.to_yaml())),
            ("action", Some(action.into())),
            ("by", is_slow.then(|| self.by.to_text().into())),
            ("errno", (self.errno != Errno::Eio).then(|| self.errno.name().into())),
            ("skip", (self.skip > 0).then(|| self.skip.into())),
            ("times", (self.times > 1).then(|| self.times.into())),
            ("for", Some(self.lasts.to_text().into())),
            ("restart_after", self.restart_after.map(|span| span.to_text().into())),
        ])
    }

    fn boxed(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }
}
