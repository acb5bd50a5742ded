use std::sync::Arc;
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let seed: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let s = squall_scenario::parse(&path, &std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{e}"));
    let plan = squall_scenario::plan(&s, seed);
    let t = std::time::Instant::now();
    let run = squall_world::run(&plan, Arc::new(squall_adapters::Etcd)).unwrap();
    let el = t.elapsed();
    let (mut ok, mut fail, mut info) = (0, 0, 0);
    for e in &run.history {
        match &e.what {
            squall_history::What::Ok { .. } => ok += 1,
            squall_history::What::Fail { .. } => fail += 1,
            squall_history::What::Info { .. } => info += 1,
            _ => {}
        }
    }
    if std::env::args().nth(3).is_some() { squall_history::write_jsonl(&run.history, &mut std::io::stdout()).unwrap(); }
    eprintln!("{} entries {} ok {ok} fail {fail} info {info} sim {:?} wall {el:?} = {:.1} sim-s/s, {:.0} ops/s", run.digest, run.history.len(), run.sim, run.sim.as_secs_f64() / el.as_secs_f64(), ok as f64 / el.as_secs_f64());
}
