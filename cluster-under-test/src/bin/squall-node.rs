//! The real server.
fn main() {}
