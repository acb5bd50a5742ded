//! One suite for every implementation of the ports: what passes here on kernel sockets and files
//! passes on the simulated machine, and the other way round.
//!
//! Each case panics with a sentence when the environment behaves otherwise. Run a case inside a
//! task of the environment.

use crate::{Disk, Env, File, Listener, Net, OpenMode, timeout};
use std::{io, net::SocketAddr, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Where a network case runs.
#[derive(Clone)]
pub struct NetBed<N> {
    /// The network of both ends.
    pub net: N,
    /// An address where something can listen.
    pub addr: SocketAddr,
    /// An address of a running host where nothing listens.
    pub closed: SocketAddr,
}

async fn pair<N: Net>(bed: &NetBed<N>) -> (N::Stream, N::Stream, N::Listener) {
    let mut listener = bed.net.listen(bed.addr).await.expect("listen");
    let addr = listener.local_addr();
    let client = bed.net.connect(addr).await.expect("connect");
    let (server, _) = listener.accept().await.expect("accept");
    (client, server, listener)
}

/// A connection to a port where nothing listens is refused, at once.
pub async fn connect_is_refused_where_nothing_listens<E: Env>(bed: NetBed<E::Net>) {
    let tried = timeout::<E, _>(Duration::from_secs(5), bed.net.connect(bed.closed)).await.expect("an answer, not silence");
    assert_eq!(tried.err().map(|e| e.kind()), Some(io::ErrorKind::ConnectionRefused));
}

/// A second listener on one address is refused.
pub async fn an_address_is_listened_on_once<E: Env>(bed: NetBed<E::Net>) {
    let first = bed.net.listen(bed.addr).await.expect("listen");
    let second = bed.net.listen(first.local_addr()).await;
    assert_eq!(second.err().map(|e| e.kind()), Some(io::ErrorKind::AddrInUse));
}

/// Bytes arrive whole and in order, both ways, and a half-close ends one way only.
pub async fn bytes_arrive_in_order_and_a_half_close_ends_one_way<E: Env>(bed: NetBed<E::Net>) {
    let (mut client, mut server, _listener) = pair(&bed).await;
    let sent: Vec<u8> = (0..100_000u32).map(|i| (i * 31 % 251) as u8).collect();
    let to_send = sent.clone();
    let writer = E::spawn(async move {
        for chunk in to_send.chunks(777) {
            client.write_all(chunk).await.expect("write");
        }
        client.shutdown().await.expect("half-close");
        let mut back = Vec::new();
        client.read_to_end(&mut back).await.expect("read after the half-close");
        back
    });
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.expect("read to the half-close");
    assert_eq!(got, sent);
    server.write_all(b"still open this way").await.expect("write after the peer's half-close");
    drop(server);
    assert_eq!(writer.await.expect("writer ends"), b"still open this way");
}

/// A peer that goes away cleanly reads as the end of the stream; writing to it fails in the end.
pub async fn a_closed_peer_is_seen<E: Env>(bed: NetBed<E::Net>) {
    let (mut client, server, _listener) = pair(&bed).await;
    drop(server);
    let mut buffer = [0; 8];
    assert_eq!(client.read(&mut buffer).await.expect("a clean end"), 0);
    for _ in 0..100 {
        if client.write_all(b"x").await.is_err() {
            return;
        }
        E::sleep(Duration::from_millis(20)).await;
    }
    panic!("writes to a closed peer never failed");
}

/// A peer that goes away with unread data resets the connection.
pub async fn a_peer_gone_with_unread_data_resets<E: Env>(bed: NetBed<E::Net>) {
    let (mut client, mut server, _listener) = pair(&bed).await;
    client.write_all(b"never read, this one").await.expect("write");
    let mut first = [0; 1];
    server.read_exact(&mut first).await.expect("one byte");
    drop(server);
    let mut buffer = [0; 8];
    let read = timeout::<E, _>(Duration::from_secs(5), client.read(&mut buffer)).await.expect("a reset, not silence");
    assert_eq!(read.err().map(|e| e.kind()), Some(io::ErrorKind::ConnectionReset));
}

/// A writer whose peer does not read is held back, and goes on when the peer reads.
pub async fn back_pressure_holds_a_writer<E: Env>(bed: NetBed<E::Net>) {
    const TOTAL: usize = 32 << 20;
    let (mut client, mut server, _listener) = pair(&bed).await;
    let mut writer = E::spawn(async move {
        let chunk = vec![7u8; 1 << 16];
        for _ in 0..TOTAL / chunk.len() {
            client.write_all(&chunk).await.expect("write");
        }
    });
    let held = timeout::<E, _>(Duration::from_millis(300), &mut writer).await;
    assert!(held.is_err(), "a writer put {TOTAL} bytes into a stream that nobody reads");
    let mut buffer = vec![0; 1 << 16];
    let mut got = 0;
    while got < TOTAL {
        let n = server.read(&mut buffer).await.expect("read");
        assert!(n > 0, "the stream ended early, after {got} bytes");
        got += n;
    }
    writer.await.expect("the writer ends");
}

/// Timers end in the order of their deadlines, never early.
pub async fn timers_end_in_order_and_never_early<E: Env>() {
    let start = E::now();
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let tasks: Vec<_> = [30u64, 10, 20]
        .into_iter()
        .map(|ms| {
            let order = order.clone();
            E::spawn(async move {
                E::sleep_until(start + Duration::from_millis(ms)).await;
                assert!(E::now() >= start + Duration::from_millis(ms), "a timer of {ms} ms ended early");
                order.lock().expect("no panic under the lock").push(ms);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("timer task");
    }
    assert_eq!(*order.lock().expect("no panic under the lock"), [10, 20, 30]);
    E::sleep_until(start).await;
}

/// A deadline cuts a future off, and leaves a quick one alone.
pub async fn a_timeout_cuts_off<E: Env>() {
    assert!(timeout::<E, _>(Duration::from_millis(5), E::sleep(Duration::from_secs(3600))).await.is_err());
    assert_eq!(timeout::<E, _>(Duration::from_secs(3600), async { 7 }).await, Ok(7));
}

/// Open modes, append, positioned read and write, truncate, length.
pub async fn files_read_what_was_written<E: Env>(disk: E::Disk) {
    let missing = disk.open("nothing", OpenMode::Existing).await;
    assert_eq!(missing.err().map(|e| e.kind()), Some(io::ErrorKind::NotFound));
    let file = disk.open("data", OpenMode::New).await.expect("create");
    let again = disk.open("data", OpenMode::New).await;
    assert_eq!(again.err().map(|e| e.kind()), Some(io::ErrorKind::AlreadyExists));

    assert_eq!(file.append(b"hello ".to_vec()).await.expect("append"), 0);
    assert_eq!(file.append(b"world".to_vec()).await.expect("append"), 6);
    file.write_at(4, b"O W".to_vec()).await.expect("write_at");
    assert_eq!(file.read_at(0, 100).await.expect("read"), b"hellO World");
    assert_eq!(file.read_at(6, 3).await.expect("read"), b"Wor");
    assert_eq!(file.read_at(50, 3).await.expect("read past the end"), b"");

    file.write_at(1200, b"far".to_vec()).await.expect("write past the end");
    assert_eq!(file.len().await.expect("len"), 1203);
    assert_eq!(file.read_at(11, 1189).await.expect("read the gap"), vec![0; 1189]);
    file.truncate(5).await.expect("cut");
    file.truncate(8).await.expect("extend");
    assert_eq!(file.read_at(0, 100).await.expect("read"), b"hellO\0\0\0");
    file.sync_data().await.expect("sync");
    assert_eq!(file.append(b"!".to_vec()).await.expect("append"), 8);
    file.allocate(4).await.expect("what is there stays");
    let reserved = disk.open("reserved", OpenMode::New).await.expect("create");
    reserved.append(b"head".to_vec()).await.expect("append");
    reserved.allocate(4096).await.expect("reserve");
    assert_eq!(reserved.len().await.expect("len"), 4096);
    reserved.write_at(4, b"more".to_vec()).await.expect("write");
    assert_eq!(reserved.read_at(0, 12).await.expect("read"), b"headmore\0\0\0\0");

    let other = disk.open("data", OpenMode::Existing).await.expect("open again");
    assert_eq!(other.read_at(0, 100).await.expect("read"), b"hellO\0\0\0!");
}

/// Directories, rename over a file, remove, list.
pub async fn directories_list_what_is_there<E: Env>(disk: E::Disk) {
    disk.create_dir("sub").await.expect("create_dir");
    disk.create_dir("sub").await.expect("create_dir again");
    for name in ["sub/b", "sub/a", "sub/c"] {
        let file = disk.open(name, OpenMode::OrCreate).await.expect("create");
        file.append(name.as_bytes().to_vec()).await.expect("append");
    }
    assert_eq!(disk.list("sub").await.expect("list"), ["a", "b", "c"]);
    disk.rename("sub/a", "sub/b").await.expect("rename over");
    disk.remove("sub/c").await.expect("remove");
    assert_eq!(disk.list("sub").await.expect("list"), ["b"]);
    let moved = disk.open("sub/b", OpenMode::Existing).await.expect("open");
    assert_eq!(moved.read_at(0, 10).await.expect("read"), b"sub/a");
    assert_eq!(disk.remove("sub/c").await.err().map(|e| e.kind()), Some(io::ErrorKind::NotFound));
    assert_eq!(disk.rename("sub/c", "sub/d").await.err().map(|e| e.kind()), Some(io::ErrorKind::NotFound));
    disk.sync_dir("sub").await.expect("sync_dir");
    assert_eq!(disk.list("nowhere").await.err().map(|e| e.kind()), Some(io::ErrorKind::NotFound));
}
