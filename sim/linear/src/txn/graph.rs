//! A graph of what must come before what, and the shortest cycles of a kind in it.
//!
//! Some nodes are no transactions: an edge that holds for many (*everything that returned before this comes before everything
//! that begins after it*) goes through one, so that there are few of them. Such an edge has the kind of its first half.

use std::collections::VecDeque;

/// What kind of order an edge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Kind {
    /// A write, and one that overwrites it.
    Ww = 1,
    /// A write, and a read of it.
    Wr = 2,
    /// A read, and a write of what it did not see.
    Rw = 4,
    /// The same process did the one after the other.
    Process = 8,
    /// One had returned before the other began.
    Realtime = 16,
    /// The second half of another edge.
    Pass = 32,
}

/// Kinds, as a set of bits.
pub(super) type Mask = u8;

/// Why there is an edge: which key, and which values of it (places in the tables of whoever built it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Why {
    pub(super) key: u32,
    pub(super) before: u32,
    pub(super) after: u32,
}

pub(super) const NOTHING: Why = Why { key: u32::MAX, before: u32::MAX, after: u32::MAX };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) to: u32,
    pub(super) kind: Kind,
    pub(super) why: Why,
}

/// The graph, built edge by edge.
#[derive(Default)]
pub(super) struct Builder {
    /// Nodes below this are transactions.
    transactions: u32,
    nodes: u32,
    edges: Vec<(u32, Edge)>,
}

impl Builder {
    pub(super) fn new(transactions: usize) -> Builder {
        Builder { transactions: transactions as u32, nodes: transactions as u32, edges: vec![] }
    }

    /// A node that is no transaction.
    pub(super) fn place(&mut self) -> u32 {
        self.nodes += 1;
        self.nodes - 1
    }

    pub(super) fn edge(&mut self, from: u32, to: u32, kind: Kind, why: Why) {
        if from != to {
            self.edges.push((from, Edge { to, kind, why }));
        }
    }

    pub(super) fn finish(self) -> Graph {
        let mut starts = vec![0_u32; self.nodes as usize + 1];
        self.edges.iter().for_each(|(from, _)| starts[*from as usize + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut edges = vec![Edge { to: 0, kind: Kind::Pass, why: NOTHING }; self.edges.len()];
        for (from, edge) in self.edges {
            edges[next[from as usize] as usize] = edge;
            next[from as usize] += 1;
        }
        Graph { transactions: self.transactions, starts, edges }
    }
}

/// The graph: from each node its edges, in the order in which they were found.
pub(super) struct Graph {
    transactions: u32,
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

/// A cycle: transactions, each with the edge to the next one, and from the last to the first.
pub(super) type Cycle = Vec<(u32, Kind, Why)>;

/// What a cycle is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// It begins with an edge of this kind.
    pub(super) first: Kind,
    /// And goes on along these.
    pub(super) rest: Mask,
    /// No two edges of kind `Rw` stand side by side.
    pub(super) apart: bool,
}

impl Graph {
    fn of(&self, node: u32) -> &[Edge] {
        &self.edges[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The strongly connected component of each node along such edges: those of one are equal (Tarjan 1972, without recursion).
    fn components(&self, mask: Mask) -> Vec<u32> {
        const UNSEEN: u32 = u32::MAX;
        let n = self.len();
        let (mut index, mut low, mut component) = (vec![UNSEEN; n], vec![0_u32; n], vec![UNSEEN; n]);
        let (mut stack, mut path, mut next, mut found) = (Vec::new(), Vec::new(), 0, 0);
        for root in 0..n as u32 {
            if index[root as usize] != UNSEEN {
                continue;
            }
            path.push((root, self.starts[root as usize]));
            while let Some((node, at)) = path.last_mut() {
                let node = *node;
                if index[node as usize] == UNSEEN {
                    (index[node as usize], low[node as usize]) = (next, next);
                    next += 1;
                    stack.push(node);
                }
                if *at < self.starts[node as usize + 1] {
                    let edge = self.edges[*at as usize];
                    *at += 1;
                    if edge.kind as Mask & mask == 0 {
                        continue;
                    }
                    if index[edge.to as usize] == UNSEEN {
                        path.push((edge.to, self.starts[edge.to as usize]));
                    } else if component[edge.to as usize] == UNSEEN {
                        low[node as usize] = low[node as usize].min(index[edge.to as usize]);
                    }
                    continue;
                }
                path.pop();
                if let Some((above, _)) = path.last() {
                    low[*above as usize] = low[*above as usize].min(low[node as usize]);
                }
                if low[node as usize] == index[node as usize] {
                    while let Some(member) = stack.pop() {
                        component[member as usize] = found;
                        if member == node {
                            break;
                        }
                    }
                    found += 1;
                }
            }
        }
        component
    }

    /// The shortest cycle that is so, in transactions; the first of several. `suits` may refuse one. `Err`: `budget` visits were not enough.
    pub(super) fn cycle(&self, wanted: Wanted, suits: impl Fn(&Cycle) -> bool, budget: &mut u64) -> Result<Option<Cycle>, ()> {
        let mask = wanted.rest | wanted.first as Mask | Kind::Pass as Mask;
        let component = self.components(mask);
        // A walk in a graph of nodes, each twice: come to by an edge of kind `Rw`, or otherwise.
        let mut seen = vec![0_u32; 2 * self.len()];
        let mut from: Vec<(u32, Edge)> = vec![(0, Edge { to: 0, kind: Kind::Pass, why: NOTHING }); 2 * self.len()];
        let (mut walk, mut queue) = (0, VecDeque::new());
        let mut best: Option<Cycle> = None;
        for u in 0..self.transactions {
            for first in self.of(u).iter().filter(|edge| edge.kind == wanted.first && component[edge.to as usize] == component[u as usize])
            {
                walk += 1;
                queue.clear();
                let state = |node: u32, kind: Kind| 2 * node as usize + usize::from(wanted.apart && kind == Kind::Rw);
                let start = state(first.to, first.kind);
                seen[start] = walk;
                queue.push_back((start, usize::from(first.to < self.transactions)));
                let mut end = None;
                // `others`: how many transactions lie on the way, with this one.
                'walk: while let Some((at, others)) = queue.pop_front() {
                    if *budget == 0 {
                        return best.map(Some).ok_or(());
                    }
                    *budget -= 1;
                    if best.as_ref().is_some_and(|best| others + 1 >= best.len()) {
                        continue;
                    }
                    for edge in self.of((at / 2) as u32) {
                        if edge.kind as Mask & (wanted.rest | Kind::Pass as Mask) == 0
                            || component[edge.to as usize] != component[u as usize]
                        {
                            continue;
                        }
                        let by_rw = at % 2 == 1;
                        if wanted.apart && by_rw && edge.kind == Kind::Rw {
                            continue;
                        }
                        // The second half of an edge is of the kind of the first.
                        let to = match edge.kind {
                            Kind::Pass => 2 * edge.to as usize + usize::from(by_rw),
                            kind => state(edge.to, kind),
                        };
                        // What holds for many holds for none by itself.
                        if seen[to] == walk || (edge.to == u && others == 0) {
                            continue;
                        }
                        // Side by side with the first edge, too.
                        if edge.to == u && wanted.apart && first.kind == Kind::Rw && to % 2 == 1 {
                            continue;
                        }
                        seen[to] = walk;
                        from[to] = (at as u32, *edge);
                        if edge.to == u {
                            end = Some(to);
                            break 'walk;
                        }
                        queue.push_back((to, others + usize::from(edge.to < self.transactions)));
                    }
                }
                let Some(mut at) = end else { continue };
                let mut steps: Vec<(u32, Edge)> = vec![];
                while at != start {
                    let (before, edge) = from[at];
                    steps.push((before / 2, edge));
                    at = before as usize;
                }
                steps.push((u, *first));
                steps.reverse();
                let cycle = self.joined(&steps);
                if cycle.len() > 1 && suits(&cycle) && best.as_ref().is_none_or(|best| cycle.len() < best.len()) {
                    let shortest = cycle.len() == 2;
                    best = Some(cycle);
                    if shortest {
                        return Ok(best);
                    }
                }
            }
        }
        Ok(best)
    }

    /// Halves of edges put together.
    fn joined(&self, steps: &[(u32, Edge)]) -> Cycle {
        let mut cycle: Cycle = vec![];
        for (node, edge) in steps {
            match cycle.last_mut() {
                Some((_, _, why)) if *node >= self.transactions => {
                    // What is known of both halves.
                    why.after = if edge.why.after == u32::MAX { why.after } else { edge.why.after };
                    why.key = if why.key == u32::MAX { edge.why.key } else { why.key };
                }
                _ => cycle.push((*node, edge.kind, edge.why)),
            }
        }
        cycle
    }

    /// An order of the transactions along every edge; `None` where there is a cycle.
    pub(super) fn order(&self) -> Option<Vec<u32>> {
        let mut before = vec![0_u32; self.len()];
        self.edges.iter().for_each(|edge| before[edge.to as usize] += 1);
        let ready = (0..self.len() as u32).filter(|node| before[*node as usize] == 0).map(std::cmp::Reverse);
        let mut ready: std::collections::BinaryHeap<_> = ready.collect();
        let mut order = vec![];
        while let Some(std::cmp::Reverse(node)) = ready.pop() {
            order.push(node);
            for edge in self.of(node) {
                before[edge.to as usize] -= 1;
                if before[edge.to as usize] == 0 {
                    ready.push(std::cmp::Reverse(edge.to));
                }
            }
        }
        let all = order.len() == self.len();
        order.retain(|node| *node < self.transactions);
        all.then_some(order)
    }
}
