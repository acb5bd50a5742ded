//! The conformance suite on the real machine: kernel sockets, kernel files.

use squall_env::{
    conformance::{self, NetBed},
    real::{RealDisk, RealNet, TokioEnv},
};

async fn bed() -> NetBed<RealNet> {
    // A port that was just free and that nothing listens on: bound, read, dropped.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    NetBed { net: RealNet, addr: "127.0.0.1:0".parse().unwrap(), closed }
}

macro_rules! on_sockets {
    ($($case:ident),*) => {$(
        #[tokio::test]
        async fn $case() { conformance::$case::<TokioEnv>(bed().await).await }
    )*};
}
on_sockets!(
    connect_is_refused_where_nothing_listens,
    an_address_is_listened_on_once,
    bytes_arrive_in_order_and_a_half_close_ends_one_way,
    a_closed_peer_is_seen,
    a_peer_gone_with_unread_data_resets,
    back_pressure_holds_a_writer
);

#[tokio::test]
async fn timers() {
    conformance::timers_end_in_order_and_never_early::<TokioEnv>().await;
    conformance::a_timeout_cuts_off::<TokioEnv>().await;
}

#[tokio::test]
async fn files_and_directories() {
    let dir = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(dir.path()).unwrap();
    conformance::files_read_what_was_written::<TokioEnv>(disk.clone()).await;
    conformance::directories_list_what_is_there::<TokioEnv>(disk).await;
}
