//! Three-valued verdicts.

use squall_history::{OpId, SimTime};

/// Why a history is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// What kind of violation: with the checker's name, the fingerprint's base.
    pub kind: &'static str,
    /// One sentence, with the values in it.
    pub summary: String,
    /// More, line by line.
    pub details: Vec<String>,
    /// When it became certain.
    pub at: SimTime,
    /// The operations that show it, if operations do.
    pub ops: Vec<OpId>,
}

/// What a checker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The promise was kept.
    Valid,
    /// It could not be decided; why.
    Unknown(String),
    /// The promise was broken.
    Invalid(Box<Witness>),
}

impl Verdict {
    pub(crate) fn invalid(kind: &'static str, at: SimTime, summary: String) -> Verdict {
        Verdict::Invalid(Box::new(Witness { kind, summary, details: vec![], at, ops: vec![] }))
    }

    /// The word.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Valid => "valid",
            Verdict::Unknown(_) => "unknown",
            Verdict::Invalid(_) => "invalid",
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Verdict::Valid => 0,
            Verdict::Unknown(_) => 1,
            Verdict::Invalid(_) => 2,
        }
    }
}

/// The worst of several: `valid < unknown < invalid`.
pub fn merge<'v>(verdicts: impl IntoIterator<Item = &'v Verdict>) -> &'static str {
    verdicts.into_iter().max_by_key(|v| v.rank()).map_or("unknown", Verdict::word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_wins_and_nothing_is_not_green() {
        let (valid, unknown) = (Verdict::Valid, Verdict::Unknown("?".into()));
        let invalid = Verdict::invalid("x", SimTime(0), "y".into());
        assert_eq!(merge([&valid, &unknown]), "unknown");
        assert_eq!(merge([&valid, &invalid, &unknown]), "invalid");
        assert_eq!(merge([&valid, &valid]), "valid");
        assert_eq!(merge([]), "unknown");
    }
}
