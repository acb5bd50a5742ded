//! The conformance suite on the simulated machine. `sim/env/tests/real.rs` runs it on the real one.

mod support;

use squall_env::conformance::{self, NetBed};
use squall_machine::{SimDisk, SimEnv, SimNet};
use support::{n, on_machine, run_on};

macro_rules! on_sockets {
    ($($case:ident),*) => {$(
        #[test]
        fn $case() {
            for seed in 0..5 {
                on_machine(seed, |machine| async move {
                    let (addr, closed) = (machine.addr(n(&machine, 1), 80), machine.addr(n(&machine, 1), 81));
                    run_on(&machine, 1, move || async move {
                        conformance::$case::<SimEnv>(NetBed { net: SimNet::current(), addr, closed }).await
                    })
                    .await
                });
            }
        }
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

#[test]
fn timers() {
    on_machine(1, |machine| async move {
        run_on(&machine, 1, || async {
            conformance::timers_end_in_order_and_never_early::<SimEnv>().await;
            conformance::a_timeout_cuts_off::<SimEnv>().await;
        })
        .await
    });
}

#[test]
fn files_and_directories() {
    on_machine(1, |machine| async move {
        run_on(&machine, 1, || async { conformance::files_read_what_was_written::<SimEnv>(SimDisk::current()).await }).await;
        run_on(&machine, 2, || async { conformance::directories_list_what_is_there::<SimEnv>(SimDisk::current()).await }).await;
    });
}
