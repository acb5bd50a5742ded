//! What a service of one's own is told when it boots, and what it may tell.

use serde::Serialize;
use sha2::{Digest, Sha256};
use squall_history::{Observation, Role};
use squall_host::on_machine;
use squall_run::NodeContext;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

/// A node of the cluster that boots.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    context: NodeContext,
    /// What it said last that it is.
    shown: Mutex<Option<serde_json::Value>>,
}

impl Node {
    pub(crate) fn new(context: NodeContext) -> Node {
        Node(Arc::new(Inner { context, shown: Mutex::default() }))
    }

    /// Which node it is, from 1. It has the name `n1`, by which others find it.
    pub fn id(&self) -> u64 {
        self.0.context.id.0.into()
    }

    /// Where it is to listen.
    pub fn addr(&self) -> SocketAddr {
        self.0.context.hosts[&self.0.context.id]
    }

    /// Every node that founds the cluster, this one too, and where it listens.
    pub fn members(&self) -> BTreeMap<u64, SocketAddr> {
        self.0.context.members.iter().map(|(id, addr)| (id.0.into(), *addr)).collect()
    }

    /// The others.
    pub fn peers(&self) -> BTreeMap<u64, SocketAddr> {
        let mut members = self.members();
        members.remove(&self.id());
        members
    }

    /// Says what it is, for people who look at a run (`replay --until`): anything that serde writes. Said twice, it is written down once.
    pub fn shows(&self, state: &impl Serialize) {
        let state = serde_json::to_value(state).unwrap_or_else(|e| format!("it cannot be written down: {e}").into());
        let mut shown = self.0.shown.lock().expect("no panic under this lock");
        if shown.as_ref() != Some(&state) {
            *shown = Some(state.clone());
            on_machine(|| self.0.context.reporter.saw(Observation::State { state }));
        }
    }

    /// Says that it leads, from now on, in this term: targets such as `leader` go by it.
    pub fn leads(&self, term: u64) {
        self.has_role(term, Role::Leader);
    }

    /// Says that it follows.
    pub fn follows(&self, term: u64) {
        self.has_role(term, Role::Follower);
    }

    fn has_role(&self, term: u64, role: Role) {
        on_machine(|| self.0.context.reporter.saw(Observation::Role { term, role, leader: None }));
    }

    /// Says how its state can be read when the run is over: up to which change it has come, and what it holds. The replicas that have come
    /// equally far must hold the same (`replicas-equal`), and all must come as far as the furthest (`liveness`). It must only read memory.
    pub fn holds<S: Serialize>(&self, state: impl Fn() -> (u64, S) + Send + 'static) {
        let probe = move || {
            let (applied, state) = state();
            // Through a value: its maps are in order.
            let text = serde_json::to_value(&state).map_or_else(|e| e.to_string(), |state| state.to_string());
            let digest = Sha256::digest(text.as_bytes());
            Observation::Final { applied, hash: u64::from_be_bytes(digest[..8].try_into().expect("eight bytes")) }
        };
        self.0.context.on_probe(probe);
    }
}
