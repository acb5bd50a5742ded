//! What lies behind the functions of libc that stand here in its place.

#![allow(unsafe_code, reason = "libc's own functions, by name")]

use libc::c_void;
use std::{ffi::CStr, time::Duration};

/// libc's own function of this name.
pub(crate) fn real(name: &CStr) -> *mut c_void {
    // SAFETY: a name that ends in a zero byte.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    assert!(!found.is_null(), "libc has no {name:?}");
    found
}

/// A time of libc's.
pub(crate) fn duration(time: libc::timespec) -> Duration {
    Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.max(0) as u32)
}
