//! Says how a binary that has this crate is linked: its own functions stand before those of madsim, which have the same names.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(tokio_unstable)");
    println!("cargo::rustc-link-arg-tests=-Wl,--allow-multiple-definition");
}
