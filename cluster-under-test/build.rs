//! Compiles the .proto files without a protoc binary.

/// What is compiled, with what these import.
const FILES: [&str; 9] = [
    "proto/rpc.proto",
    "proto/v3election.proto",
    "proto/v3lock.proto",
    "proto/health.proto",
    "proto/myservice.proto",
    "proto/admin.proto",
    "proto/raft.proto",
    "proto/internal.proto",
    "proto/peer.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(FILES, ["proto"])?;
    tonic_prost_build::configure().build_transport(false).bytes(".").compile_fds(files)?;
    Ok(())
}
