//! States that grow: sharing what they have in common, so that a step costs little however long they are, and is told apart by a
//! hash that is kept up to date.

use crate::raw::Value;
use rpds::{List, Queue, RedBlackTreeSet};
use rustc_hash::FxBuildHasher;
use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
};

fn hash(value: &Value) -> u64 {
    FxBuildHasher.hash_one(value) | 1
}

/// Odd, so that there is a number that undoes it.
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// `BASE * UNDO == 1`, modulo 2^64 (Newton).
const UNDO: u64 = {
    let (mut x, mut i) = (BASE, 0);
    while i < 6 {
        x = x.wrapping_mul(2_u64.wrapping_sub(BASE.wrapping_mul(x)));
        i += 1;
    }
    x
};

/// First in, first out.
#[derive(Clone, Debug)]
pub struct Fifo {
    values: Queue<Value>,
    last: Option<Value>,
    /// The sum of each value's hash times `BASE` to the power of its place.
    hash: u64,
    /// `BASE` to the power of the length.
    power: u64,
}

impl Default for Fifo {
    fn default() -> Self {
        Fifo { values: Queue::new(), last: None, hash: 0, power: 1 }
    }
}

impl Fifo {
    /// With this behind all others.
    #[must_use]
    pub fn with(&self, value: &Value) -> Fifo {
        let added = self.hash.wrapping_add(hash(value).wrapping_mul(self.power));
        let (values, power) = (self.values.enqueue(value.clone()), self.power.wrapping_mul(BASE));
        Fifo { values, last: Some(value.clone()), hash: added, power }
    }

    /// The oldest.
    pub fn first(&self) -> Option<&Value> {
        self.values.peek()
    }

    /// The newest.
    pub fn last(&self) -> Option<&Value> {
        self.last.as_ref()
    }

    /// Without the oldest.
    #[must_use]
    pub fn rest(&self) -> Fifo {
        let Some(first) = self.values.peek() else { return self.clone() };
        let left = self.hash.wrapping_sub(hash(first)).wrapping_mul(UNDO);
        let values = self.values.dequeue().unwrap_or_default();
        let last = if values.is_empty() { None } else { self.last.clone() };
        Fifo { values, last, hash: left, power: self.power.wrapping_mul(UNDO) }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All of it, the oldest first.
    pub fn list(&self) -> Value {
        Value::List(self.values.iter().cloned().collect())
    }
}

impl PartialEq for Fifo {
    fn eq(&self, other: &Fifo) -> bool {
        self.hash == other.hash && self.values.len() == other.values.len() && self.values == other.values
    }
}

impl Eq for Fifo {}

impl Hash for Fifo {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Last in, first out.
#[derive(Clone, Debug, Default)]
pub struct Lifo {
    values: List<Value>,
    hash: u64,
}

impl Lifo {
    /// With this on top.
    #[must_use]
    pub fn with(&self, value: &Value) -> Lifo {
        let added = self.hash.wrapping_mul(BASE).wrapping_add(hash(value));
        Lifo { values: self.values.push_front(value.clone()), hash: added }
    }

    /// The newest.
    pub fn top(&self) -> Option<&Value> {
        self.values.first()
    }

    /// Without the newest.
    #[must_use]
    pub fn rest(&self) -> Lifo {
        let Some(top) = self.values.first() else { return self.clone() };
        let left = self.hash.wrapping_sub(hash(top)).wrapping_mul(UNDO);
        Lifo { values: self.values.drop_first().unwrap_or_default(), hash: left }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All of it, the oldest first.
    pub fn list(&self) -> Value {
        let mut all: Vec<Value> = self.values.iter().cloned().collect();
        all.reverse();
        Value::list(all)
    }
}

impl PartialEq for Lifo {
    fn eq(&self, other: &Lifo) -> bool {
        self.hash == other.hash && self.values.len() == other.values.len() && self.values == other.values
    }
}

impl Eq for Lifo {}

impl Hash for Lifo {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Members, each once.
#[derive(Clone, Debug, Default)]
pub struct Members {
    values: RedBlackTreeSet<Value>,
    hash: u64,
}

impl Members {
    /// With this one.
    #[must_use]
    pub fn with(&self, value: &Value) -> Members {
        if self.has(value) {
            return self.clone();
        }
        Members { values: self.values.insert(value.clone()), hash: self.hash.wrapping_add(hash(value)) }
    }

    /// Without it.
    #[must_use]
    pub fn without(&self, value: &Value) -> Members {
        if !self.has(value) {
            return self.clone();
        }
        Members { values: self.values.remove(value), hash: self.hash.wrapping_sub(hash(value)) }
    }

    /// Whether it is one.
    pub fn has(&self, value: &Value) -> bool {
        self.values.contains(value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.size()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All of them, in order.
    pub fn sorted(&self) -> Vec<&Value> {
        self.values.iter().collect()
    }
}

impl<'v> FromIterator<&'v Value> for Members {
    fn from_iter<I: IntoIterator<Item = &'v Value>>(values: I) -> Members {
        values.into_iter().fold(Members::default(), |all, value| all.with(value))
    }
}

impl PartialEq for Members {
    fn eq(&self, other: &Members) -> bool {
        self.hash == other.hash && self.values.size() == other.values.size() && self.values.iter().all(|value| other.has(value))
    }
}

impl Eq for Members {}

impl Hash for Members {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Text that grows at its end.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// The last one first.
    pieces: List<Arc<str>>,
    len: usize,
    hash: u64,
}

impl Text {
    /// Nothing but this.
    pub fn of(piece: &Arc<str>) -> Text {
        Text::default().with(piece)
    }

    /// With this behind it.
    #[must_use]
    pub fn with(&self, piece: &Arc<str>) -> Text {
        if piece.is_empty() {
            return self.clone();
        }
        let hash = piece.bytes().fold(self.hash, |hash, byte| hash.wrapping_mul(BASE).wrapping_add(u64::from(byte) + 1));
        Text { pieces: self.pieces.push_front(piece.clone()), len: self.len + piece.len(), hash }
    }

    /// Whether this text begins so, with all of it.
    pub fn begins(&self, text: &str) -> bool {
        let Some(mut left) = text.as_bytes().get(..self.len) else { return false };
        self.pieces.iter().all(|piece| match left.strip_suffix(piece.as_bytes()) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        })
    }

    /// Whether it is this.
    pub fn is(&self, text: &str) -> bool {
        self.len == text.len() && self.begins(text)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces: Vec<&Arc<str>> = self.pieces.iter().collect();
        pieces.iter().rev().try_for_each(|piece| f.write_str(piece))
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.hash == other.hash && self.len == other.len && (self.pieces == other.pieces || self.is(&other.to_string()))
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_contents_are_equal_whichever_way_they_came_about() {
        let n = |n: i64| Value::Int(n);
        let queue = |all: &[i64]| all.iter().fold(Fifo::default(), |q, v| q.with(&n(*v)));
        assert_eq!(queue(&[1, 2, 3]).rest(), queue(&[2, 3]));
        assert_eq!(queue(&[1, 2, 3]).rest().hash, queue(&[2, 3]).hash);
        assert_ne!(queue(&[3, 2]), queue(&[2, 3]));
        assert_eq!(queue(&[1]).rest(), Fifo::default());
        assert_eq!(queue(&[1, 2]).rest().with(&n(7)).list().to_string(), "[2 7]");
        let stack = |all: &[i64]| all.iter().fold(Lifo::default(), |q, v| q.with(&n(*v)));
        assert_eq!(stack(&[1, 2, 3]).rest(), stack(&[1, 2]));
        assert_ne!(stack(&[3, 2]), stack(&[2, 3]));
        assert_eq!(stack(&[1, 2]).list().to_string(), "[1 2]");
        let set = |all: &[i64]| all.iter().map(|v| n(*v)).collect::<Vec<_>>().iter().collect::<Members>();
        assert_eq!(set(&[1, 2, 2]), set(&[2, 1]));
        assert_eq!(set(&[1, 2]).without(&n(1)), set(&[2]));
        assert_ne!(set(&[1]), set(&[2]));
        let text = |all: &[&str]| all.iter().fold(Text::default(), |text, piece| text.with(&Arc::from(*piece)));
        assert_eq!(text(&["a", "", "bc"]), text(&["ab", "c"]));
        assert_ne!(text(&["a", "bc"]), text(&["ac", "b"]));
        assert!(text(&["a", "bc"]).is("abc") && text(&["a", "bc"]).begins("abcd"));
        assert!(!text(&["a", "bc"]).is("abcd") && !text(&["a", "bc"]).begins("ab") && !text(&["a", "bc"]).begins("xbcd"));
        assert_eq!(text(&["a", "bc"]).to_string(), "abc");
    }
}
