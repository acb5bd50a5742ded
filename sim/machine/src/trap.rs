//! Armed failpoints, and those that were hit.

use crate::ids::HostId;
use squall_effect::Armed;
use squall_history::FaultRef;
use std::sync::Arc;
use tokio::sync::Notify;

/// An armed failpoint, and how often it was passed.
pub(crate) struct Trap {
    pub(crate) fault: FaultRef,
    pub(crate) armed: Armed,
    pub(crate) passes: u32,
    pub(crate) struck: u32,
    /// Lets those go on that are held up there, when it is over.
    pub(crate) over: Arc<Notify>,
}

/// A failpoint that was hit: where, by which fault, and what is to happen later.
pub struct Hit {
    /// Where.
    pub host: HostId,
    /// The fault that armed it.
    pub fault: FaultRef,
    /// What was armed.
    pub armed: Armed,
}
