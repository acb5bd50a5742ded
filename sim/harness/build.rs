//! Says how a binary that has this crate is linked: see squall-host.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-tests=-Wl,--allow-multiple-definition");
    println!("cargo::rustc-link-arg-examples=-Wl,--allow-multiple-definition");
}
