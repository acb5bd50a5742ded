//! Whatever is read is refused with a diagnostic or planned; and a plan prints, is read back, and is
//! planned into itself.
//!
//! With `cargo install cargo-fuzz`: `cd sim/scenario && cargo +nightly fuzz run parse_and_plan ../../scenarios`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use squall_etcd_model::{EVENTS, HOLDER, checks, workloads};
use squall_scenario::{Diagnostics, Gives, Scenario, Service, Vocabulary, plan};
use std::sync::Arc;

/// As etcd's pack has it, but for what its cluster has: bugs and failpoints.
fn parse(name: &str, source: &str) -> Result<Scenario, Diagnostics> {
    let etcd = Service {
        name: "etcd",
        gives: Gives::EVERYTHING,
        workloads: workloads::ALL,
        events: EVENTS,
        holder: Some(&HOLDER),
        bugs: vec![],
        failpoints: &[],
        checkers: checks::ALL.iter().map(|checker| checker.name).collect(),
    };
    squall_scenario::parse(name, source, &Vocabulary { services: vec![Arc::new(etcd)] })
}

fuzz_target!(|data: &[u8]| {
    let source = String::from_utf8_lossy(data);
    let scenario = match parse("fuzz", &source) {
        Ok(scenario) => scenario,
        Err(diagnostics) => {
            assert!(!diagnostics.all.is_empty(), "refused without a reason");
            drop(diagnostics.to_string());
            return;
        }
    };
    for seed in 0..2 {
        let planned = plan(&scenario, seed);
        let text = planned.to_yaml_text();
        let back = parse("plan", &text).unwrap_or_else(|e| panic!("a plan is refused:\n{e}\n{text}"));
        assert!(squall_scenario::Plan::try_from(back.clone()).is_ok(), "{text}");
        assert_eq!(back.to_yaml_text(), text);
    }
});
