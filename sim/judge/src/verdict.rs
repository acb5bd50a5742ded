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
    /// A broken promise, shown by no operation.
    pub fn invalid(kind: &'static str, at: SimTime, summary: String) -> Verdict {
        Verdict::Invalid(Box::new(Witness { kind, summary, details: vec![], at, ops: vec![] }))
    }

    /// Without the reasons.
    pub fn judgement(&self) -> Judgement {
        match self {
            Verdict::Valid => Judgement::Valid,
            Verdict::Unknown(_) => Judgement::Unknown,
            Verdict::Invalid(_) => Judgement::Invalid,
        }
    }

    /// The word.
    pub fn word(&self) -> &'static str {
        self.judgement().word()
    }
}

/// A verdict without its reasons, the worse the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Judgement {
    /// Every promise was kept.
    Valid,
    /// Some could not be decided.
    Unknown,
    /// One was broken.
    Invalid,
}

impl Judgement {
    /// As reports have it.
    pub fn word(self) -> &'static str {
        match self {
            Judgement::Valid => "valid",
            Judgement::Unknown => "unknown",
            Judgement::Invalid => "invalid",
        }
    }
}

impl std::fmt::Display for Judgement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// The worst of several; of none: unknown.
pub fn merge<'v>(verdicts: impl IntoIterator<Item = &'v Verdict>) -> Judgement {
    verdicts.into_iter().map(Verdict::judgement).max().unwrap_or(Judgement::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_wins_and_nothing_is_not_green() {
        let (valid, unknown) = (Verdict::Valid, Verdict::Unknown("?".into()));
        let invalid = Verdict::invalid("x", SimTime(0), "y".into());
        assert_eq!(merge([&valid, &unknown]), Judgement::Unknown);
        assert_eq!(merge([&valid, &invalid, &unknown]), Judgement::Invalid);
        assert_eq!(merge([&valid, &valid]), Judgement::Valid);
        assert_eq!(merge([]), Judgement::Unknown);
    }
}
