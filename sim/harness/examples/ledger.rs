//! What `squall init` writes, in one program: a service of one's own, and its harness.

extern crate self as ledger;
extern crate squall_harness as squall;

#[path = "../template/harness/src/main.rs"]
mod harness;
#[allow(clippy::disallowed_methods, reason = "an ordinary service of tokio")]
#[path = "../template/service/src/lib.rs"]
mod service;

pub use service::run;

fn main() -> std::process::ExitCode {
    harness::main()
}
