//! A register with compare-and-swap, absent at first: the sequential specification of one key.
//!
//! | call | legal answers | state after |
//! | --- | --- | --- |
//! | get | what it holds | the same |
//! | put v | done | v |
//! | cas e to v, it holds e | swapped | v |
//! | cas e to v, it does not | not swapped | the same |

use super::Model;
use squall_history::{Op, Output};

/// What is asked of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What does it hold?
    Get,
    /// Hold this.
    Put(String),
    /// Hold `to` if you hold `from`.
    Cas {
        /// `None`: absent.
        from: Option<String>,
        /// The new value.
        to: String,
    },
}

impl Ask {
    /// What an operation asks of its one key.
    ///
    /// # Panics
    /// When it is about several keys, or removes one.
    pub fn of(op: &Op) -> Ask {
        match op {
            Op::Delete { .. } | Op::Range { .. } | Op::Txn { .. } => panic!("a register is not asked `{op}`"),
            Op::Watch { .. } | Op::Lease(_) | Op::Line(_) | Op::Member(_) | Op::Hello { .. } => panic!("a register is not asked `{op}`"),
            Op::Get { .. } => Ask::Get,
            Op::Put { value, .. } => Ask::Put(value.clone()),
            Op::Cas { expect, value, .. } => Ask::Cas { from: expect.clone(), to: value.clone() },
        }
    }
}

/// The model.
pub struct Register;

impl Model for Register {
    type State = Option<String>;
    type Input = Ask;
    type Output = Output;

    fn init(&self) -> Option<String> {
        None
    }

    fn step(&self, state: &Option<String>, input: &Ask, output: Option<&Output>) -> Option<Option<String>> {
        match (input, output) {
            (Ask::Get, Some(Output::Got { value })) => (value == state).then(|| state.clone()),
            (Ask::Get, None) => Some(state.clone()),
            (Ask::Put(value), Some(Output::Done) | None) => Some(Some(value.clone())),
            (Ask::Cas { from, to }, Some(Output::Swapped { yes: true })) => (from == state).then(|| Some(to.clone())),
            (Ask::Cas { from, .. }, Some(Output::Swapped { yes: false })) => (from != state).then(|| state.clone()),
            (Ask::Cas { from, to }, None) => Some(if from == state { Some(to.clone()) } else { state.clone() }),
            // An answer of another kind than the question is never right.
            (_, Some(Output::Deleted { .. } | Output::Ranged { .. } | Output::Txn { .. } | Output::Watched { .. }))
            | (_, Some(Output::Lease(_) | Output::Line(_) | Output::Member(_) | Output::Greeted { .. }))
            | (Ask::Get, Some(Output::Done | Output::Swapped { .. }))
            | (Ask::Put(_), Some(Output::Got { .. } | Output::Swapped { .. }))
            | (Ask::Cas { .. }, Some(Output::Got { .. } | Output::Done)) => None,
        }
    }
}
