//! The real machine: tokio, kernel sockets, kernel files, `fdatasync`.

use crate::{Disk, Env, File, JoinError, Listener, LocalInstant, Net, OpenMode, WallTime};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::{
    fs,
    future::Future,
    io,
    net::SocketAddr,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, OnceLock},
    task::{Context, Poll},
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};

/// The marker of the real machine.
#[derive(Clone, Copy, Debug)]
pub struct TokioEnv;

fn origin() -> tokio::time::Instant {
    static ORIGIN: OnceLock<tokio::time::Instant> = OnceLock::new();
    *ORIGIN.get_or_init(tokio::time::Instant::now)
}

/// A tokio timer. Boxed, since openraft wants it `Unpin`.
pub struct RealSleep(Pin<Box<tokio::time::Sleep>>);

impl Future for RealSleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

/// A tokio task's handle.
pub struct RealJoin<T>(tokio::task::JoinHandle<T>);

impl<T> Future for RealJoin<T> {
    type Output = Result<T, JoinError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|e| if e.is_panic() { JoinError::Panicked } else { JoinError::Cancelled })
    }
}

impl Env for TokioEnv {
    type Sleep = RealSleep;
    type JoinHandle<T: Send + 'static> = RealJoin<T>;
    type Net = RealNet;
    type Disk = RealDisk;

    fn now() -> LocalInstant {
        // One second of head start, so that subtracting a little from an early instant stays exact.
        LocalInstant(1_000_000_000 + u64::try_from(origin().elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    #[allow(clippy::disallowed_methods, reason = "the one place that wraps the real wall clock")]
    fn wall_now() -> WallTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        WallTime(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    fn sleep_until(deadline: LocalInstant) -> RealSleep {
        let since_origin = Duration::from_nanos(deadline.0.saturating_sub(1_000_000_000));
        RealSleep(Box::pin(tokio::time::sleep_until(origin() + since_origin)))
    }

    #[allow(clippy::disallowed_methods, reason = "the one place that wraps tokio's tasks")]
    fn spawn<F>(future: F) -> RealJoin<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        RealJoin(tokio::spawn(future))
    }

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::try_from_rng(&mut rand::rngs::SysRng).expect("the operating system gives randomness")
    }
}

/// Kernel TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealNet;

impl Net for RealNet {
    type Stream = TcpStream;
    type Listener = RealListener;

    async fn listen(&self, addr: SocketAddr) -> io::Result<RealListener> {
        let listener = TcpListener::bind(addr).await?;
        Ok(RealListener { addr: listener.local_addr()?, listener })
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// A listening kernel socket.
pub struct RealListener {
    listener: TcpListener,
    addr: SocketAddr,
}

impl Listener for RealListener {
    type Stream = TcpStream;

    fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }
}

/// A directory of the kernel's file system.
#[derive(Clone, Debug)]
pub struct RealDisk {
    root: Arc<PathBuf>,
    /// Held while anybody has this disk: two processes on one directory would destroy it.
    _lock: Arc<fs::File>,
}

/// The file that says that a directory is in use; its lock goes with the process.
const LOCK: &str = "lock";

impl RealDisk {
    /// The disk rooted at `root`, which is made if it is not there. It is the only one there: an error of kind
    /// `ResourceBusy` says that another process has it.
    pub fn open(root: &Path) -> io::Result<RealDisk> {
        create_dir_durably(root)?;
        let lock = fs::OpenOptions::new().create(true).truncate(false).write(true).open(root.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(RealDisk { root: Arc::new(root.to_path_buf()), _lock: Arc::new(lock) }),
            Err(fs::TryLockError::WouldBlock) => Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process uses this directory")),
            Err(fs::TryLockError::Error(e)) => Err(e),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

/// Makes a directory and its parents, and syncs the entry of each in its own parent.
fn create_dir_durably(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    let mut at = path.canonicalize()?;
    while let Some(parent) = at.parent() {
        match fs::File::open(parent).and_then(|dir| dir.sync_all()) {
            Ok(()) => {}
            // Not ours to sync, so not ours to have made.
            Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput) => break,
            Err(e) => return Err(e),
        }
        at = parent.to_path_buf();
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

impl Disk for RealDisk {
    type File = RealFile;

    async fn open(&self, path: &str, mode: OpenMode) -> io::Result<RealFile> {
        let path = self.path(path);
        blocking(move || {
            let mut options = fs::OpenOptions::new();
            options.read(true).write(true);
            match mode {
                OpenMode::Existing => {}
                OpenMode::OrCreate => _ = options.create(true),
                OpenMode::New => _ = options.create_new(true),
            }
            let file = options.open(path)?;
            let end = file.metadata()?.len();
            Ok(RealFile { file: Arc::new(file), end: Arc::new(Mutex::new(end)) })
        })
        .await
    }

    async fn create_dir(&self, path: &str) -> io::Result<()> {
        let path = self.path(path);
        blocking(move || create_dir_durably(&path)).await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path(from), self.path(to));
        blocking(move || fs::rename(from, to)).await
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        let path = self.path(path);
        blocking(move || fs::remove_file(path)).await
    }

    async fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let dir = self.path(dir);
        blocking(move || {
            let mut names = Vec::new();
            for entry in fs::read_dir(dir)? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    names.push(entry.file_name().to_string_lossy().into_owned());
                }
            }
            names.sort();
            Ok(names)
        })
        .await
    }

    async fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let dir = self.path(dir);
        blocking(move || fs::File::open(dir)?.sync_all()).await
    }
}

/// An open kernel file. The end is kept under a lock, so that concurrent appends do not overlap.
pub struct RealFile {
    file: Arc<fs::File>,
    end: Arc<Mutex<u64>>,
}

impl RealFile {
    async fn with<T: Send + 'static>(&self, work: impl FnOnce(&fs::File, &mut u64) -> io::Result<T> + Send + 'static) -> io::Result<T> {
        let (file, end) = (self.file.clone(), self.end.clone());
        blocking(move || work(&file, &mut end.lock().expect("no writer panics while it holds the end"))).await
    }
}

impl File for RealFile {
    async fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let file = self.file.clone();
        blocking(move || {
            let mut data = vec![0; len];
            let mut filled = 0;
            while filled < len {
                match file.read_at(&mut data[filled..], offset + filled as u64) {
                    Ok(0) => break,
                    Ok(n) => filled += n,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
            data.truncate(filled);
            Ok(data)
        })
        .await
    }

    async fn write_at(&self, offset: u64, data: Vec<u8>) -> io::Result<()> {
        self.with(move |file, end| {
            file.write_all_at(&data, offset)?;
            *end = (*end).max(offset + data.len() as u64);
            Ok(())
        })
        .await
    }

    async fn append(&self, data: Vec<u8>) -> io::Result<u64> {
        self.with(move |file, end| {
            let offset = *end;
            file.write_all_at(&data, offset)?;
            *end += data.len() as u64;
            Ok(offset)
        })
        .await
    }

    async fn truncate(&self, len: u64) -> io::Result<()> {
        self.with(move |file, end| {
            file.set_len(len)?;
            *end = len;
            Ok(())
        })
        .await
    }

    async fn allocate(&self, len: u64) -> io::Result<()> {
        self.with(move |file, end| {
            if *end < len {
                rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, len)?;
                *end = len;
            }
            Ok(())
        })
        .await
    }

    async fn sync_data(&self) -> io::Result<()> {
        let file = self.file.clone();
        blocking(move || file.sync_data()).await
    }

    async fn len(&self) -> io::Result<u64> {
        self.with(|_, end| Ok(*end)).await
    }
}
