//! The outcome table, met on the wire: what each way to fail says about the request.

mod support;

use hyper_util::rt::TokioIo;
use squall_env::{Env, Listener, Net};
use squall_machine::{Machine, SimEnv, SimNet};
use squall_rpc::{
    Channel, ChannelOptions, ServerOptions,
    outcome::{Certainty, Refusals, classify},
    serve,
};
use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use support::{n, on_machine, run_on, sleep};
use tonic::{Status, body::Body, server::NamedService, service::Routes};
use tower::Service;

/// Answers every call after 100 ms.
#[derive(Clone)]
struct Slow;

impl NamedService for Slow {
    const NAME: &'static str = "test.Slow";
}

impl Service<http::Request<Body>> for Slow {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: http::Request<Body>) -> Self::Future {
        Box::pin(async {
            SimEnv::sleep(Duration::from_millis(100)).await;
            Ok(Status::ok("").into_http())
        })
    }
}

/// hyper's executor, where hyper is used by hand.
#[derive(Clone)]
struct Spawn;

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Spawn {
    fn execute(&self, future: F) {
        drop(SimEnv::spawn(future));
    }
}

fn boot_server(machine: &Arc<Machine>) {
    let addr = machine.addr(n(machine, 2), 80);
    machine.boot(n(machine, 2), |_| async move {
        let listener = SimNet::current().listen(addr).await.unwrap();
        serve::<SimEnv>(listener, Routes::new(Slow), ServerOptions::default()).await.map_err(|e| e.to_string())
    });
}

/// One call from n1, with a deadline of a second; how it ended.
fn call(channel: &Channel<SimEnv>) -> impl Future<Output = Result<Option<i32>, Status>> + Send + use<> {
    let mut channel = channel.clone();
    async move {
        let request = http::Request::post("/test.Slow/Call")
            .header("grpc-timeout", "1S")
            .header("te", "trailers")
            .header("content-type", "application/grpc");
        let answer = channel.call(request.body(Body::empty()).unwrap()).await?;
        Ok(answer.headers().get("grpc-status").and_then(|v| v.to_str().ok()?.parse().ok()))
    }
}

/// What `script` does to the machine while n1's call is on its way; how the call ended.
fn story<F: Future<Output = ()>>(serving: bool, script: impl FnOnce(Arc<Machine>) -> F + Send + 'static) -> Result<Option<i32>, Status> {
    on_machine(1, move |machine| async move {
        if serving {
            boot_server(&machine);
        } else {
            machine.boot(n(&machine, 2), |_| std::future::pending());
        }
        sleep(&machine, 10).await;
        let addr = machine.addr(n(&machine, 2), 80);
        let calling = run_on(&machine, 1, move || async move {
            let channel = Channel::<SimEnv>::new(SimNet::current(), addr, ChannelOptions::default());
            call(&channel).await
        });
        let (ended, ()) = futures_util::join!(calling, script(machine.clone()));
        ended
    })
}

fn cut_both(machine: &Machine) {
    for (from, to) in [(1, 2), (2, 1)] {
        machine.cut(n(machine, from), n(machine, to));
    }
}

#[test]
fn an_undisturbed_call_is_answered() {
    assert_eq!(story(true, |_| async {}).unwrap(), Some(0));
}

#[test]
fn a_refused_connection_is_definite() {
    let status = story(false, |_| async {}).unwrap_err();
    assert_eq!((classify(&status, &Refusals::NONE), status.code()), (Certainty::Definite, tonic::Code::Unavailable), "{status:?}");
}

#[test]
fn a_deadline_while_dialling_is_definite() {
    let status = story(true, |machine| async move { cut_both(&machine) }).unwrap_err();
    assert_eq!(classify(&status, &Refusals::NONE), Certainty::Definite, "{status:?}");
}

#[test]
fn a_reset_in_the_middle_is_unknown() {
    for power_loss in [false, true] {
        let status = story(true, move |machine| async move {
            sleep(&machine, 60).await;
            machine.end_process(n(&machine, 2), power_loss);
        })
        .unwrap_err();
        assert_eq!(classify(&status, &Refusals::NONE), Certainty::Unknown, "power loss {power_loss}: {status:?}");
    }
}

#[test]
fn silence_in_the_middle_is_unknown() {
    let status = story(true, |machine| async move {
        sleep(&machine, 60).await;
        cut_both(&machine);
    })
    .unwrap_err();
    assert_eq!((classify(&status, &Refusals::NONE), status.code()), (Certainty::Unknown, tonic::Code::DeadlineExceeded), "{status:?}");
}

#[test]
fn a_goaway_ends_no_call_and_the_next_one_dials_again() {
    on_machine(2, |machine| async move {
        let addr = machine.addr(n(&machine, 2), 80);
        machine.boot(n(&machine, 2), |_| async move {
            let mut listener = SimNet::current().listen(addr).await.unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // hyper by hand: each connection says GOAWAY after 50 ms.
                let service = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| Slow.call(request.map(Body::new)));
                let connection =
                    hyper::server::conn::http2::Builder::new(Spawn).auto_date_header(false).serve_connection(TokioIo::new(stream), service);
                drop(SimEnv::spawn(async move {
                    let (mut connection, mut goaway) = (Box::pin(connection), SimEnv::sleep(Duration::from_millis(50)));
                    let mut said = false;
                    std::future::poll_fn(|cx| {
                        if !said && Pin::new(&mut goaway).poll(cx).is_ready() {
                            said = true;
                            connection.as_mut().graceful_shutdown();
                        }
                        connection.as_mut().poll(cx).map(drop)
                    })
                    .await;
                }));
            }
        });
        sleep(&machine, 10).await;
        let ended = run_on(&machine, 1, move || async move {
            let channel = Channel::<SimEnv>::new(SimNet::current(), addr, ChannelOptions::default());
            let first = call(&channel).await;
            SimEnv::sleep(Duration::from_millis(200)).await;
            (first, call(&channel).await)
        })
        .await;
        assert_eq!((ended.0.unwrap(), ended.1.unwrap()), (Some(0), Some(0)));
    });
}

#[test]
fn the_server_enforces_the_deadline_that_the_client_sent() {
    on_machine(3, |machine| async move {
        boot_server(&machine);
        sleep(&machine, 10).await;
        let addr = machine.addr(n(&machine, 2), 80);
        // A client by hand, which waits as long as it takes but tells the server 30 ms.
        let (status, took) = run_on(&machine, 1, move || async move {
            let stream = SimNet::current().connect(addr).await.unwrap();
            let (mut sender, connection) = hyper::client::conn::http2::handshake::<_, _, Body>(Spawn, TokioIo::new(stream)).await.unwrap();
            drop(SimEnv::spawn(async move { connection.await.is_ok() }));
            let started = SimEnv::now();
            let uri = format!("http://{addr}/test.Slow/Call");
            let request = http::Request::post(uri).header("grpc-timeout", "30m").header("content-type", "application/grpc");
            let answer = sender.send_request(request.body(Body::empty()).unwrap()).await.unwrap();
            (answer.headers()["grpc-status"].clone(), SimEnv::now().since(started))
        })
        .await;
        assert_eq!(status, "4", "DEADLINE_EXCEEDED");
        assert!(took >= Duration::from_millis(30) && took < Duration::from_millis(60), "{took:?}");
    });
}
