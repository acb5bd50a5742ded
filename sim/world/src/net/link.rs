//! One directed link between two hosts. Its draws come from a stream of its own.

use squall_history::{SeededStream, SimTime};
use std::time::Duration;

/// `0` times out of `1`: never. A probability without floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// This many times
    pub numerator: u32,
    /// out of this many.
    pub denominator: u32,
}

impl Ratio {
    /// Never.
    pub const NEVER: Ratio = Ratio { numerator: 0, denominator: 1 };

    /// Whether it happens this time. It spends some of the luck: what is left of it is uniform again.
    fn happens(self, luck: &mut u64) -> bool {
        let wide = u128::from(*luck) * u128::from(self.denominator);
        *luck = wide as u64;
        ((wide >> 64) as u64) < u64::from(self.numerator)
    }
}

/// How a link behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkProfile {
    /// The shortest one-way latency.
    pub latency_min: Duration,
    /// The longest; uniform between the two.
    pub latency_max: Duration,
    /// How often a segment is lost: it then arrives a retransmission timeout later.
    pub loss: Ratio,
    /// Bytes a second; `None` is unlimited.
    pub bandwidth: Option<u64>,
}

pub(crate) struct Link {
    profile: LinkProfile,
    cuts: u32,
    free_at: SimTime,
    draws: SeededStream,
}

impl Link {
    pub(crate) fn new(profile: LinkProfile, draws: SeededStream) -> Link {
        Link { profile, cuts: 0, free_at: SimTime(0), draws }
    }

    pub(crate) fn loopback(draws: SeededStream) -> Link {
        let latency = Duration::from_micros(20);
        Link::new(LinkProfile { latency_min: latency, latency_max: latency, loss: Ratio::NEVER, bandwidth: None }, draws)
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cuts > 0
    }

    pub(crate) fn cut(&mut self) {
        self.cuts += 1;
    }

    pub(crate) fn heal(&mut self) {
        self.cuts = self.cuts.checked_sub(1).expect("a link is healed as often as it was cut, not oftener");
    }

    pub(crate) fn heal_entirely(&mut self) {
        self.cuts = 0;
    }

    pub(crate) fn set_profile(&mut self, profile: LinkProfile) {
        self.profile = profile;
    }

    /// The first retransmission timeout on this link: twice its longest one-way latency, or the floor.
    pub(crate) fn rto(&self) -> Duration {
        (self.profile.latency_max * 4).max(super::RTO_MIN)
    }

    /// When `bytes` sent now arrive. Two draws a segment, always, so that no profile shifts another
    /// segment's draws: its latency, and its losses (the bits of one draw, spent one loss at a time).
    pub(crate) fn transit(&mut self, now: SimTime, bytes: usize) -> SimTime {
        let latency = self.draws.duration(self.profile.latency_min, self.profile.latency_max);
        let mut luck = self.draws.bits();
        let mut depart = now;
        if let Some(bandwidth) = self.profile.bandwidth {
            let nanos = bytes as u128 * 1_000_000_000 / u128::from(bandwidth.max(1));
            depart = self.free_at.max(now) + Duration::from_nanos(nanos as u64);
            self.free_at = depart;
        }
        let mut arrives = depart + latency;
        let loss = self.profile.loss;
        let mut rto = self.rto();
        while loss.happens(&mut luck) && rto < super::USER_TIMEOUT {
            arrives = arrives + rto;
            rto *= 2;
        }
        arrives
    }
}
