//! tmp
use squall_checker::{generate, linearizable::*};
use squall_history::*;
fn main() {
    let a: Vec<u64> = std::env::args().skip(1).map(|x| x.parse().unwrap()).collect();
    let mut miss = 0;
    for seed in 0..a[4] {
        let spec = generate::Spec { ops: a[0], clients: a[1], keys: a[2], unknown_per_mille: a[3], ranges_per_mille: a.get(5).copied().unwrap_or(10), seed };
        let mut bytes = Vec::new();
        let h: Vec<Entry> = generate::generate(spec).collect();
        write_jsonl(&h, &mut bytes).unwrap();
        drop(h);
        #[allow(clippy::disallowed_methods)]
        let t = std::time::Instant::now();
        let c = read_columns(&bytes[..]).unwrap().unwrap();
        let t1 = t.elapsed();
        let d = c.decide();
        let t2 = t.elapsed() - t1;
        if d == OneGo::Undecided {
            miss += 1;
        }
        if a[4] < 10 {
            println!("{d:?} parse {t1:?} check {t2:?} {} MB", bytes.len() >> 20);
        }
    }
    println!("missed {miss} of {}", a[4]);
}
