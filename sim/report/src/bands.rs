//! Faults over time: when each was in force.

use crate::plain::one_line;
use squall_history::{EffectChange, Entry, EntryKind, SimTime};
use squall_linear::Lanes;
use std::collections::BTreeMap;

/// Draws a lane for each fault that was in force within the window, and says how many there are besides the first `most`.
/// `note`: how many characters say what it did.
pub(crate) fn draw_bands(lanes: &mut Lanes, history: &[Entry], (first, last): (SimTime, SimTime), most: usize, note: usize) {
    let bands = bands(history, first, last);
    for (fault, text, from, to) in bands.iter().take(most) {
        let [from, to] = [from, to].map(|at| lanes.column(at.0, first.0, last.0));
        let band = lanes.band(from, to);
        lanes.lane(fault, &band, &one_line(text, note));
    }
    lanes.more(bands.len().saturating_sub(most), "faults");
}

/// The faults that were in force within the window: name, text, from, to.
pub(crate) fn bands(history: &[Entry], first: SimTime, last: SimTime) -> Vec<(String, String, SimTime, SimTime)> {
    // A fault may hit several: its band names all of them, and ends with the last.
    struct Open {
        from: SimTime,
        texts: Vec<String>,
        left: usize,
    }
    let mut open: BTreeMap<&str, Open> = BTreeMap::new();
    let mut bands = Vec::new();
    for entry in history {
        let EntryKind::Effect(effect) = &entry.what else { continue };
        let id = effect.fault.id.as_str();
        if effect.begins_something() {
            let band = open.entry(id).or_insert(Open { from: entry.t, texts: vec![], left: 0 });
            band.left += 1;
            // What is done again to the same is in force once.
            let text = effect.to_string();
            if !band.texts.contains(&text) {
                band.texts.push(text);
            }
        } else if effect.ends_something() {
            let Some(band) = open.get_mut(id) else { continue };
            band.left -= 1;
            if band.left == 0
                && let Some(band) = open.remove(id)
            {
                bands.push((id.to_string(), band.texts.join("; "), band.from, entry.t));
            }
        } else if effect.fault.is_heal() {
            // The heal ends whatever is still in force.
            let left = std::mem::take(&mut open);
            bands.extend(left.into_iter().map(|(fault, band)| (fault.to_string(), band.texts.join("; "), band.from, entry.t)));
        } else if effect.change != EffectChange::Nothing {
            bands.push((id.to_string(), effect.to_string(), entry.t, entry.t));
        }
    }
    bands.extend(open.into_iter().map(|(fault, band)| (fault.to_string(), band.texts.join("; "), band.from, last)));
    bands.retain(|(_, _, from, to)| *from <= last && *to >= first);
    bands.sort_by_key(|(_, _, from, _)| *from);
    bands
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::{ClientId, Effect, EffectResult, FaultRef, Party};

    #[test]
    fn a_band_names_everybody_whom_its_fault_hits_and_ends_with_the_last() {
        let effect = |t, result, client| {
            let fault = FaultRef { id: "sleep".into(), kind: "pause".into() };
            let on = vec![Party::Client(ClientId(client))];
            Entry { t: SimTime(t), what: EntryKind::Effect(Effect { fault, on, change: EffectChange::Pause, result }) }
        };
        let history = [
            effect(1, EffectResult::Started, 3),
            effect(1, EffectResult::Started, 5),
            effect(2, EffectResult::Started, 3),
            effect(3, EffectResult::Stopped, 3),
            effect(4, EffectResult::Stopped, 3),
            effect(6, EffectResult::Stopped, 5),
        ];
        let bands = bands(&history, SimTime(0), SimTime(9));
        assert_eq!(bands, [("sleep".to_string(), "pause c3; pause c5".to_string(), SimTime(1), SimTime(6))]);
    }
}
