//! What a service has without the simulator: the originals.

pub use std::fs;
pub use tokio::{fs as tokio_fs, net, task};

/// Awaits it, on the runtime that is there.
///
/// # Errors
/// None: what a simulated node may be told.
pub async fn run<T: Send + 'static>(main: impl Future<Output = T> + Send + 'static) -> Result<T, String> {
    Ok(main.await)
}

/// Whether a bug of this name is planted: never.
#[macro_export]
macro_rules! bug {
    ($name:literal $(, $about:literal)? $(,)?) => {
        false
    };
}

/// A seam, to be awaited: nothing happens.
#[macro_export]
macro_rules! failpoint {
    ($name:literal $(, $about:literal)? $(,)?) => {
        ::std::future::ready(::std::io::Result::Ok(()))
    };
}

/// A place with a name: nothing.
#[macro_export]
macro_rules! sometimes {
    ($name:literal $(, $about:literal)? $(,)?) => {
        ()
    };
}

/// tonic's own transport.
#[cfg(feature = "tonic")]
pub mod rpc {
    use std::net::SocketAddr;
    use tonic::transport::{Channel, Endpoint, Error, server::Router};

    /// Connects when it is first used.
    pub fn connect_lazy(endpoint: Endpoint) -> Channel {
        endpoint.connect_lazy()
    }

    /// Serves until it fails.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub async fn serve(router: Router, addr: SocketAddr) -> Result<(), Error> {
        router.serve(addr).await
    }
}
