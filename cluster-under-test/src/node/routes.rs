//! The services that clients find, and how requests are routed to them.

use crate::{
    pb::{
        admin::admin_server::AdminServer,
        etcdserverpb::{
            auth_server::AuthServer, cluster_server::ClusterServer, kv_server::KvServer, lease_server::LeaseServer,
            maintenance_server::MaintenanceServer, watch_server::WatchServer,
        },
        grpc::health::v1::health_server::HealthServer,
        myservice::my_service_server::MyServiceServer,
        v3electionpb::election_server::ElectionServer,
        v3lockpb::lock_server::LockServer,
    },
    service::{
        AdminService, ElectionService, Greeter, HealthService, KvService, LeaseService, Lessor, Lines, LockService, MaintenanceService,
        Members, NoAuth, Replica, WatchService, refuse_without_leader,
    },
};
use squall_env::Env;
use std::{sync::Arc, time::Duration};
use tonic::{
    server::NamedService,
    service::{Routes, interceptor::InterceptedService},
};

/// The longest message that a client may send: etcd's limit on a request, and room for what is around it.
const MESSAGE_BYTES_MAX: usize = 2 << 20;

/// The services that clients find.
pub(super) fn public_routes<E: Env>(
    replica: &Replica<E>,
    lessor: &Lessor<E>,
    handover: Duration,
    progress_every: Duration,
    admin: AdminService<E>,
) -> Routes {
    let lines = Lines { lessor: lessor.clone() };
    let watch = WatchService { replica: replica.clone(), open: Arc::default(), progress_every };
    let led = || refuse_without_leader(replica);
    let kv = KvServer::new(KvService { replica: replica.clone() }).max_decoding_message_size(MESSAGE_BYTES_MAX);
    Routes::new(InterceptedService::new(kv, led()))
        .add_service(WatchServer::with_interceptor(watch, led()))
        .add_service(LeaseServer::with_interceptor(LeaseService { lessor: lessor.clone() }, led()))
        .add_service(ClusterServer::with_interceptor(Members { replica: replica.clone() }, led()))
        .add_service(MaintenanceServer::with_interceptor(MaintenanceService { replica: replica.clone(), handover }, led()))
        .add_service(ElectionServer::with_interceptor(ElectionService { lines: lines.clone() }, led()))
        .add_service(LockServer::with_interceptor(LockService { lines }, led()))
        .add_service(AuthServer::new(NoAuth))
        .add_service(HealthServer::new(HealthService { replica: replica.clone() }))
        .add_service(MyServiceServer::new(Greeter::<E>::new()))
        .add_service(AdminServer::new(admin))
}

/// Their names.
pub(super) const SERVICES: &[&str] = &[
    KvServer::<()>::NAME,
    WatchServer::<()>::NAME,
    LeaseServer::<()>::NAME,
    ClusterServer::<()>::NAME,
    MaintenanceServer::<()>::NAME,
    ElectionServer::<()>::NAME,
    LockServer::<()>::NAME,
    AuthServer::<()>::NAME,
    HealthServer::<()>::NAME,
    MyServiceServer::<()>::NAME,
    AdminServer::<()>::NAME,
];
