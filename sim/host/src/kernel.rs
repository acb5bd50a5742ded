//! What is asked of the kernel by number. Randomness, as getrandom 0.2 asks for it (rand 0.8, ahash, ...): the node's own stream; what is
//! asked of `getrandom` by name madsim answers from the world's seed. And to wait for another thread, as std's locks and tokio's driver do:
//! the process waits then, not the thread.

#![allow(unsafe_code, reason = "a function of libc, in its place")]

use crate::{
    guard,
    inside::{As, is_inside},
    real::{duration, real},
    runtime,
};
use libc::{c_int, c_long};
use rand_chacha::rand_core::Rng;
use squall_env::{Env, LocalInstant};
use squall_machine::SimEnv;
use std::sync::atomic::{AtomicU32, Ordering};

/// Each node is a machine of its own, with one process.
const OWN_PID: libc::pid_t = 1;

type Syscall = unsafe extern "C" fn(c_long, c_long, c_long, c_long, c_long, c_long, c_long) -> c_long;

/// Random bytes of the node's own.
fn fill(to: &mut [u8]) {
    let _as_machine = As::machine();
    SimEnv::rng().fill_bytes(to);
}

/// To wait at a futex: it is over at once, with this error. `None`: it does not ask to wait.
///
/// # Safety
/// The arguments are those of the system call.
unsafe fn waits(at: c_long, operation: c_long, value: c_long, timeout: c_long) -> Option<c_int> {
    let is_absolute = match operation as c_int & libc::FUTEX_CMD_MASK {
        libc::FUTEX_WAIT => false,
        libc::FUTEX_WAIT_BITSET => true,
        _ => return None,
    };
    if unsafe { &*(at as *const AtomicU32) }.load(Ordering::SeqCst) != value as u32 {
        return Some(libc::EAGAIN);
    }
    let timeout = unsafe { (timeout as *const libc::timespec).as_ref() };
    runtime::parks(timeout.map(|time| {
        let time = duration(*time);
        if is_absolute { LocalInstant(0) + time } else { runtime::now() + time }
    }));
    Some(libc::ETIMEDOUT)
}

// SAFETY: libc's signature.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn getpid() -> libc::pid_t {
    if is_inside() {
        return OWN_PID;
    }
    let real: unsafe extern "C" fn() -> libc::pid_t = unsafe { std::mem::transmute(real(c"getpid")) };
    unsafe { real() }
}

// SAFETY: libc's signature.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn getenv(name: *const libc::c_char) -> *mut libc::c_char {
    if is_inside() {
        return std::ptr::null_mut();
    }
    let real: unsafe extern "C" fn(*const libc::c_char) -> *mut libc::c_char = unsafe { std::mem::transmute(real(c"getenv")) };
    unsafe { real(name) }
}

// SAFETY: the signature is libc's, but for the number of arguments: on the calling conventions of Linux a caller may leave out the last ones.
// `getrandom` is given a buffer of the length that it says, or none.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn syscall(number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long) -> c_long {
    if is_inside() {
        if number == libc::SYS_getrandom {
            if a != 0 && b > 0 {
                fill(unsafe { std::slice::from_raw_parts_mut(a as *mut u8, b as usize) });
            }
            return b;
        }
        if number == libc::SYS_futex
            && let Some(errno) = unsafe { waits(a, b, c, d) }
        {
            unsafe { *libc::__errno_location() = errno };
            return -1;
        }
        if let Some(what) = guard::of_number(number) {
            crate::inside::leaks(what);
            unsafe { *libc::__errno_location() = libc::EPERM as c_int };
            return -1;
        }
    }
    let real: Syscall = unsafe { std::mem::transmute(real(c"syscall")) };
    unsafe { real(number, a, b, c, d, e, f) }
}
