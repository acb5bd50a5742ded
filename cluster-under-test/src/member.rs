//! A member's addresses, and how members know that they are of one cluster.
//!
//! A peer URL is `http://ADDRESS:PORT` (or `https://`, or nothing before it). The membership in the
//! log has them joined by commas; peers dial the first.

use squall_rpc::ChannelOptions;
use std::{net::SocketAddr, time::Duration};
use tonic::{Request, Status};

/// The header under which a member says of which cluster it is.
const CLUSTER: &str = "squall-cluster";

/// How a channel to another member behaves.
pub(crate) fn channel_options(cluster_id: u64, deadline: Duration) -> ChannelOptions {
    let ours = http::HeaderValue::from_str(&format!("{cluster_id:x}")).expect("digits are a header value");
    ChannelOptions { default_deadline: Some(deadline), header: Some((http::HeaderName::from_static(CLUSTER), ours)), ..Default::default() }
}

/// Refuses requests from another cluster. One that wants to join does not know the cluster's id yet,
/// and says none.
pub(crate) fn of_cluster(cluster_id: u64) -> impl Fn(Request<()>) -> Result<Request<()>, Status> + Clone + Send + Sync + 'static {
    let ours = format!("{cluster_id:x}");
    move |request| match request.metadata().get(CLUSTER) {
        Some(theirs) if theirs.as_bytes() != ours.as_bytes() => {
            Err(Status::failed_precondition("squall: this member is of another cluster: check the peers' addresses"))
        }
        Some(_) | None => Ok(request),
    }
}

/// A request with a deadline.
pub(crate) fn request<T>(message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

/// The address of one URL.
pub fn url_addr(url: &str) -> Result<SocketAddr, String> {
    let bare = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or(url);
    let bare = bare.trim_end_matches('/');
    let local = bare.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    local.as_deref().unwrap_or(bare).parse().map_err(|_| format!("{url:?} is no address: give http://ADDRESS:PORT"))
}

/// Where a member with these peer URLs is dialled.
pub(crate) fn peer_addr(urls: &str) -> Option<SocketAddr> {
    urls.split(',').next().and_then(|url| url_addr(url).ok())
}
