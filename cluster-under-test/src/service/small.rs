//! Health, a greeting, and what is not there.

use super::replica::Replica;
use crate::Bug;
use crate::pb::{
    etcdserverpb::{AuthRequest, AuthResponse, auth_server},
    grpc::health::v1::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server},
    myservice::{self, my_service_server},
};
use futures_util::{Stream, stream};
use openraft_rt::WatchReceiver as _;
use squall_env::Env;
use std::{marker::PhantomData, pin::Pin, sync::Mutex, time::Duration};
use tonic::{Request, Response, Status};

/// gRPC's health protocol. A node serves once it knows a leader.
pub(crate) struct HealthService<E: Env> {
    pub(crate) replica: Replica<E>,
}

impl<E: Env> HealthService<E> {
    fn status(replica: &Replica<E>) -> ServingStatus {
        if replica.leader().is_some() { ServingStatus::Serving } else { ServingStatus::NotServing }
    }

    fn knows(service: &str) -> bool {
        // The server as a whole, as etcd, and what etcd does not have.
        matches!(service, "" | "myservice.MyService")
    }
}

#[tonic::async_trait]
impl<E: Env> health_server::Health for HealthService<E> {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        if !Self::knows(&request.get_ref().service) {
            return Err(Status::not_found("unknown service"));
        }
        Ok(Response::new(HealthCheckResponse { status: Self::status(&self.replica).into() }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let known = Self::knows(&request.get_ref().service);
        let (replica, metrics) = (self.replica.clone(), self.replica.raft.server_metrics());
        let told: Option<ServingStatus> = None;
        let answers = stream::unfold((replica, metrics, told), move |(replica, mut metrics, told)| async move {
            loop {
                let now = if known { Self::status(&replica) } else { ServingStatus::ServiceUnknown };
                if told != Some(now) {
                    let answer = HealthCheckResponse { status: now.into() };
                    return Some((Ok(answer), (replica, metrics, Some(now))));
                }
                metrics.changed().await.ok()?;
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// The greeting.
pub(crate) struct Greeter<E: Env> {
    /// A planted bug: who came last.
    last: Mutex<String>,
    env: PhantomData<fn() -> E>,
}

impl<E: Env> Greeter<E> {
    pub(crate) fn new() -> Self {
        Greeter { last: Mutex::default(), env: PhantomData }
    }
}

#[tonic::async_trait]
impl<E: Env> my_service_server::MyService for Greeter<E> {
    async fn my_method(&self, request: Request<myservice::Request>) -> Result<Response<myservice::Response>, Status> {
        let mut name = request.into_inner().name;
        if E::bug(Bug::GreetsAnother) {
            self.last.lock().expect("no panic under this lock").clone_from(&name);
            E::sleep(Duration::from_millis(2)).await;
            name.clone_from(&self.last.lock().expect("no panic under this lock"));
        }
        Ok(Response::new(myservice::Response { message: format!("Hello {name}") }))
    }
}

/// etcd's Auth service, which is not there.
pub(crate) struct NoAuth;

macro_rules! refuse {
    ($($method:ident)*) => {
        #[tonic::async_trait]
        impl auth_server::Auth for NoAuth {
            $(async fn $method(&self, _: Request<AuthRequest>) -> Result<Response<AuthResponse>, Status> {
                Err(Status::unimplemented("squall: there are no users and roles here; restrict access with TLS and client certificates"))
            })*
        }
    };
}

refuse!(auth_enable auth_disable auth_status authenticate user_add user_get user_list user_delete user_change_password user_grant_role
    user_revoke_role role_add role_get role_list role_delete role_grant_permission role_revoke_permission);
