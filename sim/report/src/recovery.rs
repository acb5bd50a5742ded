//! How clusters recover, over many runs.

use squall_history::Recovery;

/// The distributions over many runs, a line each: how many, the median, the 90th percentile, the longest.
pub(crate) fn distributions<'r>(all: impl Iterator<Item = &'r Recovery> + Clone) -> Vec<(&'static str, [f64; 4])> {
    let lists: [(&str, Vec<f64>); 3] = [
        ("without a leader", all.clone().flat_map(|r| r.leaderless.iter().copied()).collect()),
        ("from the heal to the first write", all.clone().filter_map(|r| r.first_write).collect()),
        ("a client's longest wait", all.flat_map(|r| r.longest_gaps.iter().copied()).collect()),
    ];
    let spread = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        (!times.is_empty()).then(|| [times.len() as f64, at(50), at(90), at(100)])
    };
    lists.into_iter().filter_map(|(name, times)| Some((name, spread(times)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happened_has_no_line() {
        let run = Recovery { leaderless: vec![4.0, 2.0], first_write: None, longest_gaps: vec![1.0, 6.0, 2.0] };
        let told = distributions([&run].into_iter());
        assert_eq!(told, [("without a leader", [2.0, 4.0, 4.0, 4.0]), ("a client's longest wait", [3.0, 2.0, 6.0, 6.0])]);
    }
}
