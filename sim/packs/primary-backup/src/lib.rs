//! A ticket office that is *supposed* to lose: a primary by convention, backups that are told later, no consensus, no disk.
//!
//! The lowest node that a node believes alive is the primary; belief comes from pings. A ticket is handed out once the primary has
//! counted it, then the backups are told. So a partition makes two primaries, which hand out the same numbers, and a kill loses what
//! was not told yet. It shows a newcomer what a violation looks like; and how small the pack of a service of one's own is.

mod asked;
mod checks;
#[cfg(test)]
mod tests;

pub use asked::{Ask, Ticket};

use asked::{DIALECT, WORKLOADS};
use squall_client::{Nodes, Retrying, Stub, within};
use squall_env::{Env, LocalInstant, Net};
use squall_history::{Answer, Dialect, NodeId, Observation, Op};
use squall_rpc::{Channel, ChannelOptions, Refusals, ServerOptions, serve};
use squall_run::{BoxFuture, Checker, Client, ClientContext, Gives, Leftovers, NodeContext, Pack, SimEnv};
use squall_scenario::workloads::WorkloadKind;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tonic::{Code, Request, Response, Status, service::Routes};

mod pb {
    #![allow(missing_docs, clippy::all)]
    tonic::include_proto!("squall.primary_backup");
}

use pb::{office_client::OfficeClient, office_server};

/// How often peers are pinged; one that was silent for four times that is believed dead.
const PING: Duration = Duration::from_millis(100);

/// How it refuses: its own messages begin with `not `, all others are a library's.
const REFUSALS: Refusals =
    Refusals { before_proposing: &[(Code::FailedPrecondition, "not the primary")], own: "not ", everywhere: |_| false };

/// The broken office.
pub struct PrimaryBackup;

struct State {
    taken: u64,
    heard: BTreeMap<NodeId, LocalInstant>,
}

#[derive(Clone)]
struct Replica {
    id: NodeId,
    state: Arc<Mutex<State>>,
    peers: BTreeMap<NodeId, OfficeClient<Channel<SimEnv>>>,
}

impl Replica {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under this lock")
    }

    /// Refuses unless this node believes that it is the primary.
    fn primary(&self) -> Result<MutexGuard<'_, State>, Status> {
        let (state, now) = (self.state(), SimEnv::now());
        let alive = |id: &NodeId| state.heard.get(id).is_some_and(|at| now.since(*at) < 4 * PING);
        match self.peers.keys().any(|id| *id < self.id && alive(id)) {
            true => Err(Status::failed_precondition("not the primary")),
            false => Ok(state),
        }
    }

    /// Tells every backup, some time, what was taken; 0 only says that it lives.
    fn tell(&self, number: u64) {
        for (_, mut peer) in self.peers.clone() {
            let message = pb::Ticket { from: self.id.0, number };
            drop(SimEnv::spawn(async move { peer.replicate(message).await }));
        }
    }

    async fn ping(self) {
        loop {
            self.tell(0);
            SimEnv::sleep(PING).await;
        }
    }
}

#[tonic::async_trait]
impl office_server::Office for Replica {
    async fn ask(&self, request: Request<pb::AskRequest>) -> Result<Response<pb::Ticket>, Status> {
        let take = request.into_inner().take;
        let number = {
            let mut state = self.primary()?;
            state.taken += u64::from(take);
            state.taken
        };
        if take {
            self.tell(number);
        }
        Ok(Response::new(pb::Ticket { from: self.id.0, number }))
    }

    async fn replicate(&self, request: Request<pb::Ticket>) -> Result<Response<pb::Ticket>, Status> {
        // News may come late or twice: the larger number wins, because the number never goes down. An operation that lowers it would
        // need another rule.
        let mut state = self.state();
        state.heard.insert(NodeId(request.get_ref().from), SimEnv::now());
        state.taken = state.taken.max(request.get_ref().number);
        Ok(Response::new(pb::Ticket::default()))
    }
}

impl Pack for PrimaryBackup {
    fn name(&self) -> &'static str {
        "primary-backup"
    }

    fn about(&self) -> &'static str {
        "a ticket office that is supposed to lose: a primary by convention, asynchronous backups, no consensus"
    }

    fn gives(&self) -> Gives {
        Gives::NOTHING
    }

    fn workloads(&self) -> &'static [WorkloadKind] {
        WORKLOADS
    }

    fn checkers(&self) -> &'static [Checker] {
        &[checks::TICKETS]
    }

    fn dialect(&self) -> Dialect {
        DIALECT
    }

    fn leftovers(&self) -> Box<dyn Leftovers> {
        // How many were taken?
        Box::new(vec![Op::new(Ask::Last)])
    }

    fn boot(&self, node: NodeContext) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async move {
            let options = ChannelOptions { default_deadline: Some(Duration::from_millis(500)), ..Default::default() };
            let peers = node.members.iter().filter(|(id, _)| **id != node.id);
            let peers = peers.map(|(id, addr)| (*id, OfficeClient::new(Channel::new(node.net.clone(), *addr, options.clone())))).collect();
            let now = SimEnv::now();
            let state = State { taken: 0, heard: node.members.keys().map(|id| (*id, now)).collect() };
            let replica = Replica { id: node.id, state: Arc::new(Mutex::new(state)), peers };
            let listener = node.net.listen(node.members[&node.id]).await.map_err(|e| e.to_string())?;
            let probed = replica.clone();
            // `replicas-equal` compares it: `applied` is 0 everywhere, so all offices must hold the same number in the end.
            node.on_probe(move || Observation::Final { applied: 0, hash: probed.state().taken });
            drop(SimEnv::spawn(replica.clone().ping()));
            let routes = Routes::new(office_server::OfficeServer::new(replica));
            serve::<SimEnv>(listener, routes, ServerOptions::default()).await.map_err(|e| e.to_string())
        })
    }

    fn client(&self, client: ClientContext) -> Box<dyn Client> {
        Retrying::simulated(&client, &ChannelOptions::default(), Customer)
    }
}

/// Asks one node after the other.
struct Customer;

impl Stub<SimEnv> for Customer {
    type Ask = Ask;
    type Answer = Ticket;

    fn refusals(&self) -> &Refusals {
        &REFUSALS
    }

    async fn attempt(&mut self, nodes: &Nodes<SimEnv>, ask: &Ask, left: Duration) -> Result<Answer<Ticket>, Status> {
        let request = within(left, pb::AskRequest { take: *ask == Ask::Take });
        let ticket = OfficeClient::new(nodes.current()).ask(request).await?.into_inner();
        Ok(Answer { output: Ticket(ticket.number), position: None })
    }
}
