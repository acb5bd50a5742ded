#!/bin/sh
# A client that gives a client-streaming call up half way (RST_STREAM, CANCEL) looks to a tonic server like one that has sent all:
# `Streaming::message()` ends with Ok(None), as after END_STREAM. A server that takes the end of the stream for the end of what was
# to be sent (a snapshot, a file) takes a part for the whole. One would expect an error, Cancelled, as the other direction has.
#
# Needs: cargo, and a registry with tonic. Fails when the behaviour changes.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/src"
cat > "$dir/Cargo.toml" <<'TOML'
[package]
name = "cancelled"
version = "0.0.0"
edition = "2024"

[dependencies]
bytes = "=1.12.2"
http = "=1.5.0"
tokio = { version = "=1.54.1", features = ["full"] }
tokio-stream = { version = "=0.1.19", features = ["net"] }
h2 = "=0.4.20"
tonic = "=0.14.9"
tower = "=0.5.3"
TOML
cat > "$dir/src/main.rs" <<'RUST'
use bytes::{Buf, BufMut, Bytes};
use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc, task, time::Duration};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::{ReceiverStream, TcpListenerStream}};
use tonic::{Request, Response, Status, Streaming, body::Body, codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder}};

#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;
    fn encoder(&mut self) -> Raw { Raw }
    fn decoder(&mut self) -> Raw { Raw }
}
impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> { to.put(item); Ok(()) }
}
impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> { let n = from.remaining(); Ok(Some(from.copy_to_bytes(n))) }
}

/// Takes a stream of messages to its end, and tells what it heard.
#[derive(Clone)]
struct Take(mpsc::Sender<String>);

impl tonic::server::ClientStreamingService<Bytes> for Take {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + Send>>;
    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let told = self.0.clone();
        Box::pin(async move {
            let mut stream = request.into_inner();
            // On a task of its own, as a server does whose work is to outlive the call.
            tokio::spawn(async move {
                loop {
                    let heard = stream.message().await;
                    let text = match &heard {
                        Ok(Some(bytes)) => format!("message of {} bytes", bytes.len()),
                        Ok(None) => "Ok(None)".to_string(),
                        Err(status) => format!("error {:?}", status.code()),
                    };
                    let over = !matches!(heard, Ok(Some(_)));
                    let _ = told.send(text).await;
                    if over { break }
                }
            }).await.unwrap();
            Ok(Response::new(Bytes::new()))
        })
    }
}

#[derive(Clone)]
struct Server(Take);

impl tonic::server::NamedService for Server { const NAME: &'static str = "finding.Take"; }

impl tower::Service<http::Request<Body>> for Server {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;
    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<Result<(), Infallible>> { task::Poll::Ready(Ok(())) }
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let take = self.0.clone();
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).client_streaming(take, request).await) })
    }
}

#[tokio::main]
async fn main() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, mut hear) = mpsc::channel(16);
    let server = tonic::transport::Server::builder().add_service(Server(Take(told)));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    for (name, whole) in [("sent whole", true), ("given up half way", false)] {
        let (send, receive) = mpsc::channel(4);
        send.send(Bytes::from_static(b"the first half")).await.unwrap();
        let mut client = tonic::client::Grpc::new(channel.clone());
        client.ready().await.unwrap();
        let stream = ReceiverStream::new(receive).map(|bytes| bytes);
        let path = http::uri::PathAndQuery::from_static("/finding.Take/Take");
        let call = async move { client.client_streaming::<_, Bytes, Bytes, _>(Request::new(stream), path, Raw).await.map(|_| ()) };
        let call = tokio::spawn(call);
        let _keep = Arc::new(send.clone());
        tokio::time::sleep(Duration::from_millis(200)).await;
        if whole { drop(send); drop(_keep); } else { call.abort(); }
        let mut heard = vec![];
        while let Ok(Some(text)) = tokio::time::timeout(Duration::from_secs(2), hear.recv()).await {
            let over = !text.starts_with("message");
            heard.push(text);
            if over { break }
        }
        println!("{name}: the server heard {}", heard.join(", then "));
    }
}
RUST
echo "tonic 0.14.9, h2 0.4.20"
(cd "$dir" && cargo run --quiet 2>"$dir/log") > "$dir/out" || { cat "$dir/log"; exit 1; }
cat "$dir/out"
[ "$(sed 's/^[^:]*: //' "$dir/out" | sort -u | wc -l)" = 1 ] && grep -q 'given up half way: .*then Ok(None)$' "$dir/out" || {
    echo "CHANGED: a request stream that was given up no longer looks like a whole one"
    exit 1
}
