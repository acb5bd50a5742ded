//! Names for the parties of a run. Printed as people write them: `n1`, `c3`.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $int:ty, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// A member of the cluster under test, counted from 1.
    NodeId, u32, "n"
);
id!(
    /// A client, counted from 1.
    ClientId, u32, "c"
);
id!(
    /// One operation, unique in its history, counted from 1 in invocation order.
    OpId, u64, "op"
);
