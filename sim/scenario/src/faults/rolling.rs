//! `rolling-restart`: one node after the other goes down and comes back, as in an upgrade.

use super::{Acts, Family, Kind, kill::end};
use crate::{
    Decoder, Service, Vocabulary,
    effect::{ClusterView, Effect},
    language::{Draws, Part, Value, Visit, arguments, schema},
    values::Span,
    yaml::{self, Node},
};
use serde_json::{Value as Json, json};
use serde_yaml::Value as Yaml;
use squall_history::{NodeId, SeededStream};
use std::time::Duration;

arguments! {
    /// Restarts every node, one after the other.
    pub(crate) struct RollingRestart => RollingOn, "a rolling restart" {
        /// in which order; a list restarts those only
        order: Order = Order::Ascending,
        /// how long each is down
        down: Span = Span::millis(500, 500),
        /// from one's return to the next one's end
        gap: Span = Span::millis(1_000, 1_000),
        /// pull the plug instead of SIGKILL
        power_loss: bool = false,
    }
}

/// In which order nodes are restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Random,
    LeaderLast,
    These(Vec<NodeId>),
}

const WORDS: [(&str, u8); 3] = [("ascending", 0), ("random", 1), ("leader-last", 2)];

/// The same, when it is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ordered {
    /// All of this many nodes, by name.
    Ascending(u32),
    /// All of this many nodes, the leader last.
    LeaderLast(u32),
    These(Vec<NodeId>),
}

impl Value for Order {
    type Planned = Ordered;

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        if let yaml::Kind::List(_) = &node.kind {
            return Value::read(decoder, node).map(Order::These);
        }
        let word = decoder.word(node, "an order", &WORDS)?;
        Some([Order::Ascending, Order::Random, Order::LeaderLast][usize::from(word)].clone())
    }

    fn write(&self) -> Yaml {
        match self {
            Order::Ascending => "ascending".into(),
            Order::Random => "random".into(),
            Order::LeaderLast => "leader-last".into(),
            Order::These(ids) => ids.write(),
        }
    }

    fn form() -> String {
        "ascending, random, leader-last or [n2, n1]".to_string()
    }

    fn schema(vocabulary: &Vocabulary) -> Json {
        json!({ "anyOf": [schema::words(WORDS.map(|(word, _)| word)), Vec::<NodeId>::schema(vocabulary)] })
    }

    fn plan(&self, draws: &Draws) -> Ordered {
        match self {
            Order::Ascending => Ordered::Ascending(draws.size.nodes),
            Order::LeaderLast => Ordered::LeaderLast(draws.size.nodes),
            Order::These(ids) => Ordered::These(ids.clone()),
            Order::Random => {
                let mut ids: Vec<NodeId> = (1..=draws.size.nodes).map(NodeId).collect();
                draws.stream().shuffle(&mut ids);
                Ordered::These(ids)
            }
        }
    }

    fn planned(&self) -> Option<Ordered> {
        match self {
            Order::Ascending => Some(Ordered::Ascending(NODES_MAX)),
            Order::LeaderLast => Some(Ordered::LeaderLast(NODES_MAX)),
            Order::These(ids) => Some(Ordered::These(ids.clone())),
            Order::Random => None,
        }
    }

    fn unplanned(planned: &Ordered) -> Self {
        match planned {
            Ordered::Ascending(_) => Order::Ascending,
            Ordered::LeaderLast(_) => Order::LeaderLast,
            Ordered::These(ids) => Order::These(ids.clone()),
        }
    }

    fn parts(&mut self, key: &'static str, visit: &mut Visit<'_>) {
        if let Order::These(ids) = self {
            visit(key, Part::Nodes(ids));
        }
    }
}

impl Kind for RollingRestart {
    const NAME: &'static str = "rolling-restart";
    const FAMILY: Family = Family::Process;
    const EXAMPLE: &'static str = "rolling-restart: { order: leader-last, down: 300ms, gap: 1s }";

    fn draw(draws: &mut SeededStream, _service: &Service) -> Self {
        let order = draws.pick(&[Order::Ascending, Order::Random, Order::LeaderLast]).clone();
        let gap = *draws.pick(&[Span::millis(0, 200), Span::millis(200, 1_500)]);
        RollingRestart { order, down: Span::millis(0, 800), gap, power_loss: draws.ratio(1, 2) }
    }
}

/// No cluster has more nodes at first: where the size is not known, as in a plan that is read.
const NODES_MAX: u32 = 9;

impl Acts for RollingOn {
    fn effects(&self, view: &ClusterView) -> Vec<(Duration, Effect)> {
        let mut ids = view.nodes.clone();
        match &self.order {
            Ordered::These(these) => ids.clone_from(these),
            Ordered::LeaderLast(_) => ids.sort_by_key(|id| Some(*id) == view.leader),
            Ordered::Ascending(_) => {}
        }
        let mut at = Duration::ZERO;
        let mut effects = Vec::new();
        for node in ids {
            effects.push((at, end(node, self.power_loss)));
            effects.push((at + self.down, Effect::Boot { node }));
            at += self.down + self.gap;
        }
        effects
    }

    fn max_duration(&self) -> Duration {
        let count = match &self.order {
            Ordered::Ascending(nodes) | Ordered::LeaderLast(nodes) => *nodes,
            Ordered::These(ids) => ids.len() as u32,
        };
        (self.down + self.gap) * count
    }
}
