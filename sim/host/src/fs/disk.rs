//! The machine's disk, as it is asked by code that does not wait.

use crate::inside::As;
use std::{
    future::Future,
    io,
    path::{Component, Path},
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Everything on the simulated disk but a sync is done at once.
pub(super) fn at_once<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let _as_machine = As::machine();
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::Error::other("this takes time")),
    }
}

/// The machine's name of a path.
pub(super) fn name(path: impl AsRef<Path>) -> String {
    let mut parts: Vec<String> = vec![];
    for part in path.as_ref().components() {
        match part {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::ParentDir => _ = parts.pop(),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    parts.join("/")
}
