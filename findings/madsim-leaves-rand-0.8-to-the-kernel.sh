#!/usr/bin/env bash
# madsim 0.2.34 makes a run a function of its seed: it stands in for libc's `getrandom`, so that random numbers of the operating system
# come from the seed. getrandom 0.2 (behind rand 0.8, ahash 0.8 and much else) does not call that function: it makes the system call by
# its number, through libc's `syscall`. So with rand 0.8 `thread_rng` is different in each run of one seed, and with rand 0.9 it is not.
# Nothing says so: the run just cannot be repeated.
#
# Needs: cargo. Installs the crates into a temporary directory.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/src"
cat >"$dir/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.1.0"
edition = "2021"

[dependencies]
getrandom02 = { package = "getrandom", version = "=0.2.17" }
getrandom03 = { package = "getrandom", version = "=0.3.4" }
madsim = "=0.2.34"
new = { package = "rand", version = "=0.9.2" }
old = { package = "rand", version = "=0.8.5" }
TOML
cat >"$dir/src/main.rs" <<'RUST'
fn main() {
    let runtime = madsim::runtime::Runtime::with_seed_and_config(1, madsim::Config::default());
    runtime.block_on(async {
        println!("rand-0.8 {:016x}", old::RngCore::next_u64(&mut old::thread_rng()));
        println!("rand-0.9 {:016x}", new::RngCore::next_u64(&mut new::rng()));
    });
}
RUST
cd "$dir"
export RUSTFLAGS="--cfg madsim"
cargo build --quiet 2>/dev/null || cargo build
for package in madsim getrandom@0.2 getrandom@0.3; do
  printf '%s\n' "$(cargo pkgid "$package" 2>/dev/null | sed 's/.*#//')"
done
one=$(target/debug/finding)
two=$(target/debug/finding)
printf 'first run, seed 1:\n%s\nsecond run, seed 1:\n%s\n' "$one" "$two"
same() { [ "$(grep "^$1 " <<<"$one")" = "$(grep "^$1 " <<<"$two")" ]; }
if same rand-0.8; then echo "CHANGED: rand 0.8 is the same in both"; exit 1; fi
same rand-0.9 || { echo "CHANGED: rand 0.9 differs"; exit 1; }
echo "as found: of one seed, rand 0.8 differs from run to run, and rand 0.9 does not"
