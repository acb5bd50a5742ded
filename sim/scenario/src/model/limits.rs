//! How large a scenario may be.

use std::time::Duration;

/// Each client has a host of its own.
pub(crate) const CLIENTS_MAX: u32 = 200;

/// No run is longer.
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(3600);

/// No plan has more faults. A scenario that could ask for more is refused; a swarm ends there.
pub(crate) const FAULTS_MAX: usize = 10_000;
