//! What cannot be simulated is refused, with a sentence that says what to use: real files, real sockets, threads, processes.

#![allow(unsafe_code, reason = "functions of libc, in their place")]

use crate::{
    inside::{is_inside, leaks},
    real::{duration, real},
};
use libc::{c_char, c_int, c_long, c_uint, c_void, mode_t, pid_t};
use std::ffi::CStr;

const FILE: &str = "use squall_host::fs or squall_host::tokio_fs, whose files are on the node's simulated disk";
const SOCKET: &str = "the node opened a real socket: use squall_host::net (TcpListener, TcpStream) or squall_host::rpc; UDP and Unix sockets cannot be simulated";
const PROCESS: &str = "the node started another process, which cannot be simulated";
const THREAD: &str =
    "the node started a thread, which cannot be simulated: use tokio::spawn, or squall_host::task::spawn_blocking for what does not wait";

/// System calls by number that a node may not make.
pub(crate) fn of_number(number: c_long) -> Option<&'static str> {
    Some(match number {
        libc::SYS_socket => SOCKET,
        libc::SYS_clone | libc::SYS_clone3 | libc::SYS_execve => PROCESS,
        _ => return None,
    })
}

fn refused(errno: c_int) -> c_int {
    // SAFETY: the thread's own errno.
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// Whether a node may open this; if not, with which error it is told. What only says what the machine is like is not there.
fn refuses_to_open(path: *const c_char) -> Option<c_int> {
    if !is_inside() || path.is_null() {
        return None;
    }
    // SAFETY: a path that libc is given ends in a zero byte.
    let path = unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned();
    // Of a descriptor that is there.
    if path.is_empty() {
        return None;
    }
    if ["/proc/", "/sys/", "/etc/", "/dev/urandom"].iter().any(|of| path.starts_with(of)) {
        return Some(refused(libc::ENOENT));
    }
    leaks(&format!("the node used a real file, {path}: {FILE}"));
    Some(refused(libc::EPERM))
}

macro_rules! opens {
    ($($name:ident ($($at:ident)?)),*) => {$(
        // SAFETY: libc's signature; the mode is only looked at where the flags say that there is one.
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name($($at: c_int,)? path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            if let Some(refused) = refuses_to_open(path) {
                return refused;
            }
            let name = CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()).expect("a name");
            let real: unsafe extern "C" fn($(opens!(@ $at c_int),)? *const c_char, c_int, mode_t) -> c_int = unsafe { std::mem::transmute(real(name)) };
            unsafe { real($($at,)? path, flags, mode) }
        }
    )*};
    (@ $at:ident $type:ty) => { $type };
}

opens!(open(), open64(), openat(dir), openat64(dir));

macro_rules! take_a_path {
    ($($name:ident($($before:ident: $of:ty,)* @path $(, $argument:ident: $type:ty)*) -> $result:ty, or $refused:expr;)*) => {$(
        // SAFETY: libc's signature.
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name($($before: $of,)* path: *const c_char $(, $argument: $type)*) -> $result {
            if refuses_to_open(path).is_some() {
                return $refused;
            }
            let name = CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()).expect("a name");
            let real: unsafe extern "C" fn($($of,)* *const c_char $(, $type)*) -> $result = unsafe { std::mem::transmute(real(name)) };
            unsafe { real($($before,)* path $(, $argument)*) }
        }
    )*};
}

take_a_path! {
    mkdir(@path, mode: mode_t) -> c_int, or -1;
    rmdir(@path) -> c_int, or -1;
    unlink(@path) -> c_int, or -1;
    rename(@path, to: *const c_char) -> c_int, or -1;
    opendir(@path) -> *mut libc::DIR, or std::ptr::null_mut();
    access(@path, mode: c_int) -> c_int, or -1;
    faccessat(dir: c_int, @path, mode: c_int, flags: c_int) -> c_int, or -1;
    stat64(@path, to: *mut libc::stat64) -> c_int, or -1;
    lstat64(@path, to: *mut libc::stat64) -> c_int, or -1;
    statx(dir: c_int, @path, flags: c_int, mask: c_uint, to: *mut libc::statx) -> c_int, or -1;
}

// SAFETY: libc's signature.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    if is_inside() {
        leaks(SOCKET);
        return refused(libc::EPERM);
    }
    let real: unsafe extern "C" fn(c_int, c_int, c_int) -> c_int = unsafe { std::mem::transmute(real(c"socket")) };
    unsafe { real(domain, kind, protocol) }
}

// SAFETY: libc's signature.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn fork() -> pid_t {
    if is_inside() {
        leaks(PROCESS);
        return refused(libc::EPERM);
    }
    let real: unsafe extern "C" fn() -> pid_t = unsafe { std::mem::transmute(real(c"fork")) };
    unsafe { real() }
}

// SAFETY: libc's signature.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn posix_spawnp(
    pid: *mut pid_t,
    file: *const c_char,
    actions: *const c_void,
    attributes: *const c_void,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    if is_inside() {
        leaks(PROCESS);
        return libc::EPERM;
    }
    type Spawn =
        unsafe extern "C" fn(*mut pid_t, *const c_char, *const c_void, *const c_void, *const *mut c_char, *const *mut c_char) -> c_int;
    let real: Spawn = unsafe { std::mem::transmute(real(c"posix_spawnp")) };
    unsafe { real(pid, file, actions, attributes, arguments, environment) }
}

// SAFETY: libc's signature. A thread begins with this.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn pthread_attr_init(attributes: *mut libc::pthread_attr_t) -> c_int {
    if is_inside() {
        leaks(THREAD);
        return libc::EAGAIN;
    }
    if squall_machine::virtual_time().is_some() {
        // As madsim does, whose function of this name this one takes the place of.
        return libc::EAGAIN;
    }
    let real: unsafe extern "C" fn(*mut libc::pthread_attr_t) -> c_int = unsafe { std::mem::transmute(real(c"pthread_attr_init")) };
    unsafe { real(attributes) }
}

// SAFETY: libc's signature.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn nanosleep(wanted: *const libc::timespec, left: *mut libc::timespec) -> c_int {
    if is_inside() && !wanted.is_null() {
        crate::runtime::blocks_for(duration(unsafe { *wanted }));
        return 0;
    }
    let real: unsafe extern "C" fn(*const libc::timespec, *mut libc::timespec) -> c_int =
        unsafe { std::mem::transmute(real(c"nanosleep")) };
    unsafe { real(wanted, left) }
}

// SAFETY: libc's signature.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn clock_nanosleep(
    clock: libc::clockid_t,
    flags: c_int,
    wanted: *const libc::timespec,
    left: *mut libc::timespec,
) -> c_int {
    if is_inside() && !wanted.is_null() {
        let mut lasts = duration(unsafe { *wanted });
        if flags & libc::TIMER_ABSTIME != 0 {
            lasts = lasts.saturating_sub(crate::clock::shown(clock).unwrap_or_default());
        }
        crate::runtime::blocks_for(lasts);
        return 0;
    }
    type Sleep = unsafe extern "C" fn(libc::clockid_t, c_int, *const libc::timespec, *mut libc::timespec) -> c_int;
    let real: Sleep = unsafe { std::mem::transmute(real(c"clock_nanosleep")) };
    unsafe { real(clock, flags, wanted, left) }
}
