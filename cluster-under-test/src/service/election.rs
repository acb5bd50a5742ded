//! etcd's election service, on lines: the head leads.

use super::line::{Lines, Place, head, prefix, prefix_end};
use crate::Bug;
use crate::{
    pb::{
        KeyValue,
        v3electionpb::{
            CampaignRequest, CampaignResponse, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest, ProclaimResponse, ResignRequest,
            ResignResponse, election_server,
        },
    },
    raft::OrderedReceiver,
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use openraft_rt::WatchReceiver as _;
use squall_env::Env;
use std::{collections::VecDeque, ops::ControlFlow, pin::Pin, time::Duration};
use tonic::{Request, Response, Status};

/// The Election service of one node. Its errors have code Unknown, as etcd's.
pub(crate) struct ElectionService<E: Env> {
    pub(crate) lines: Lines<E>,
}

fn place(leader: Option<LeaderKey>) -> Result<Place, Status> {
    let leader = leader.ok_or_else(|| Status::unknown(r#""leader" field must be provided"#))?;
    Ok(Place { key: leader.key, revision: leader.rev, lease: leader.lease, header: None, held: None })
}

#[tonic::async_trait]
impl<E: Env> election_server::Election for ElectionService<E> {
    async fn campaign(&self, request: Request<CampaignRequest>) -> Result<Response<CampaignResponse>, Status> {
        let CampaignRequest { name, lease, value } = request.into_inner();
        let Place { key, revision, lease, header, .. } = self.lines.queue(name.clone(), lease, Some(value)).await?;
        Ok(Response::new(CampaignResponse { header, leader: Some(LeaderKey { name, key, rev: revision, lease }) }))
    }

    async fn proclaim(&self, request: Request<ProclaimRequest>) -> Result<Response<ProclaimResponse>, Status> {
        let ProclaimRequest { leader, value } = request.into_inner();
        match self.lines.proclaim(&place(leader)?, value).await? {
            // Of the revision that it made.
            Some(header) => Ok(Response::new(ProclaimResponse { header: Some(header) })),
            None => Err(Status::unknown("election: not leader")),
        }
    }

    async fn leader(&self, request: Request<LeaderRequest>) -> Result<Response<LeaderResponse>, Status> {
        let replica = &self.lines.lessor.replica;
        replica.read_barrier().await?;
        let prefix = prefix(&request.into_inner().name);
        let end = prefix_end(&prefix);
        let applying = replica.machine.applying();
        let (key, version) =
            head(&applying.store, &prefix, &end, applying.store.revision()).ok_or_else(|| Status::unknown("election: no leader"))?;
        let header = replica.header(applying.store.revision(), applying.term());
        Ok(Response::new(LeaderResponse { header, kv: Some(version.to_kv(key, false)) }))
    }

    type ObserveStream = Pin<Box<dyn Stream<Item = Result<LeaderResponse, Status>> + Send>>;

    async fn observe(&self, request: Request<LeaderRequest>) -> Result<Response<Self::ObserveStream>, Status> {
        let replica = &self.lines.lessor.replica;
        let progress = replica.machine.progress();
        if !E::bug(Bug::ObserveOldLeader) {
            replica.read_barrier().await?;
        }
        let prefix = prefix(&request.into_inner().name);
        let observer = Observing::<E> {
            lines: self.lines.clone(),
            end: prefix_end(&prefix),
            prefix,
            progress,
            seen: None,
            leader: None,
            proclaimed: VecDeque::new(),
        };
        let answers = stream::unfold(observer, |mut observer| async move { Some((observer.next().await, observer)) });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn resign(&self, request: Request<ResignRequest>) -> Result<Response<ResignResponse>, Status> {
        // Of a place that is somebody else's by now, it is done already.
        let place = place(request.into_inner().leader)?;
        if E::bug(Bug::ResignAnsweredEarly) {
            let lines = self.lines.clone();
            let header = lines.lessor.replica.header_now();
            drop(E::spawn(async move {
                E::sleep(Duration::from_millis(200)).await;
                drop(lines.resign(&place).await);
            }));
            return Ok(Response::new(ResignResponse { header }));
        }
        let header = self.lines.resign(&place).await?;
        Ok(Response::new(ResignResponse { header }))
    }
}

/// How often a planted bug looks who leads.
const POLLED_EVERY: Duration = Duration::from_millis(300);

/// Follows who leads, and what they proclaim: every change, in order.
struct Observing<E: Env> {
    lines: Lines<E>,
    prefix: Bytes,
    end: Bytes,
    progress: OrderedReceiver<()>,
    /// Up to which revision it has looked; `None` at first.
    seen: Option<i64>,
    leader: Option<Bytes>,
    proclaimed: VecDeque<KeyValue>,
}

impl<E: Env> Observing<E> {
    async fn next(&mut self) -> Result<LeaderResponse, Status> {
        loop {
            if let Some(kv) = self.proclaimed.pop_front() {
                return Ok(LeaderResponse { header: self.lines.lessor.replica.header_now(), kv: Some(kv) });
            }
            if E::bug(Bug::ObservePolls) && self.seen.take().is_some() {
                E::sleep(POLLED_EVERY).await;
                let last = self.leader.take();
                self.look();
                self.proclaimed.retain(|kv| last.as_ref() != Some(&kv.key));
            } else {
                self.look();
            }
            if self.proclaimed.is_empty() {
                self.progress.changed().await.map_err(|_| Status::unavailable("etcdserver: server stopped"))?;
            }
        }
    }

    /// Takes in what changed since it last looked. Where that is compacted away, begins again with now.
    fn look(&mut self) {
        let Observing { prefix, end, seen, leader, proclaimed, .. } = self;
        let applying = self.lines.lessor.replica.machine.applying();
        let store = &applying.store;
        let now = store.revision();
        let at_head = |at: i64| head(store, prefix, end, at.max(store.compacted())).map(|(key, version)| version.to_kv(key, false));
        let mut news: Vec<KeyValue> = Vec::new();
        let followed = seen.is_some_and(|seen| {
            let visited = applying.recent.visit(store, seen + 1, |change| {
                if !change.key.starts_with(prefix) {
                    return ControlFlow::Continue(());
                }
                match (&*leader, &change.version.value) {
                    (Some(who), Some(_)) if who == change.key => {
                        let kv = change.version.to_kv(change.key, false);
                        // It may have become the head in this very revision.
                        if news.last() != Some(&kv) {
                            news.push(kv);
                        }
                    }
                    (Some(who), _) if who != change.key => {}
                    // The first one to come, or the one who went.
                    _ => {
                        let found = at_head(change.version.mod_revision);
                        *leader = found.as_ref().map(|kv| kv.key.clone());
                        news.extend(found);
                    }
                }
                ControlFlow::Continue(())
            });
            visited.is_ok()
        });
        if !followed {
            news = at_head(now).into_iter().collect();
            *leader = news.first().map(|kv| kv.key.clone());
        }
        proclaimed.extend(news);
        *seen = Some(now);
    }
}
