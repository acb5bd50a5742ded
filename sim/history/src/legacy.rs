//! What older histories said in sentences, as today's words.

use crate::{ClientId, Effect, EffectChange, EffectResult, Entry, EntryKind, NodeId, Party};

/// The first version in which failures have codes and effects are data.
pub(crate) const DATA_SINCE: u32 = 6;

/// What effects said, and what had come of them.
const RESULTS: [(&str, EffectResult); 4] = [
    (": nobody to do it to", EffectResult::NoTarget),
    (": when it comes to ", EffectResult::Armed),
    ("it was hit 0 times", EffectResult::NotHit),
    (" is spared: ", EffectResult::Spared),
];

/// The nodes and clients that a sentence names.
fn named(text: &str) -> Vec<Party> {
    let number = |word: &str| word.get(1..).filter(|n| n.bytes().all(|b| b.is_ascii_digit())).and_then(|n| n.parse().ok());
    let party = |word: &str| match word.as_bytes().first() {
        Some(b'n') => number(word).map(|n| Party::Node(NodeId(n))),
        Some(b'c') => number(word).map(|n| Party::Client(ClientId(n))),
        _ => None,
    };
    let mut all: Vec<Party> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(party).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// An entry of an older version, as one of today.
pub(crate) fn upgraded(mut entry: Entry, failures: &[(&str, &'static str)]) -> Entry {
    match &mut entry.what {
        EntryKind::Fail { code, why, .. } => {
            if let Some((_, known)) = failures.iter().find(|(sentence, _)| why.contains(sentence)) {
                *code = known.to_string();
            }
        }
        EntryKind::Effect(Effect { change: EffectChange::Said { text }, result, on, .. }) => {
            *on = named(text);
            if let Some((_, known)) = RESULTS.iter().find(|(sentence, _)| text.contains(sentence)) {
                *result = *known;
            }
        }
        _ => {}
    }
    entry
}
