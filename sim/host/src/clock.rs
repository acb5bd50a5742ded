//! `std::time::Instant` and `SystemTime` inside a node: the node's own clocks, drift, leaps and wrong wall clocks included.

#![allow(unsafe_code, reason = "functions of libc, in their place")]

use crate::{
    inside::{As, is_inside},
    real::real,
    runtime,
};
use libc::{c_int, c_void, clockid_t, timespec, timeval};
use squall_env::Env;
use squall_machine::{SimEnv, virtual_time};
use std::time::Duration;

/// What a clock of the system shows; `None`: what the real one does.
pub(crate) fn shown(clock: clockid_t) -> Option<Duration> {
    let is_wall = match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI => true,
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_MONOTONIC_COARSE | libc::CLOCK_BOOTTIME => false,
        _ => return None,
    };
    if is_inside() {
        let now = runtime::now();
        let _as_machine = As::machine();
        let wall = || SimEnv::wall_now().0 + now.since(SimEnv::now()).as_nanos() as i64;
        let nanos = if is_wall { u64::try_from(wall()).unwrap_or(0) } else { now.0 };
        return Some(Duration::from_nanos(nanos));
    }
    let (monotonic, wall) = virtual_time()?;
    Some(if is_wall { wall } else { monotonic })
}

// SAFETY: libc's signature; `to` is what the caller gave to be written.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, to: *mut timespec) -> c_int {
    match shown(clock) {
        Some(at) => {
            unsafe { to.write(timespec { tv_sec: at.as_secs() as _, tv_nsec: at.subsec_nanos().into() }) };
            0
        }
        None => {
            let real: unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int = unsafe { std::mem::transmute(real(c"clock_gettime")) };
            unsafe { real(clock, to) }
        }
    }
}

// SAFETY: libc's signature; `to` is what the caller gave to be written, or nothing.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn gettimeofday(to: *mut timeval, zone: *mut c_void) -> c_int {
    match shown(libc::CLOCK_REALTIME) {
        Some(_) if to.is_null() => 0,
        Some(at) => {
            unsafe { to.write(timeval { tv_sec: at.as_secs() as _, tv_usec: at.subsec_micros().into() }) };
            0
        }
        None => {
            let real: unsafe extern "C" fn(*mut timeval, *mut c_void) -> c_int = unsafe { std::mem::transmute(real(c"gettimeofday")) };
            unsafe { real(to, zone) }
        }
    }
}
