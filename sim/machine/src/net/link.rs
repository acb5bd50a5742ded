//! One directed link between two hosts. Its draws come from a stream of its own.

use squall_effect::{LinkChange, Probability};
use squall_history::{SeededStream, SimTime};
use std::time::Duration;

/// Whether it happens this time. It spends some of the luck: what is left of it is uniform again.
fn happens(how_often: Probability, luck: &mut u64) -> bool {
    let wide = u128::from(*luck) * u128::from(how_often.denominator);
    *luck = wide as u64;
    ((wide >> 64) as u64) < u64::from(how_often.numerator)
}

/// How a link behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkProfile {
    /// The shortest one-way latency.
    pub latency_min: Duration,
    /// The longest; uniform between the two.
    pub latency_max: Duration,
    /// How often a segment is lost: it then arrives a retransmission timeout later.
    pub loss: Probability,
    /// Bytes a second; `None` is unlimited.
    pub bandwidth: Option<u64>,
}

pub(crate) struct Link {
    profile: LinkProfile,
    /// What faults made of it: they add up.
    changes: Vec<LinkChange>,
    cuts: u32,
    free_at: SimTime,
    draws: SeededStream,
}

impl Link {
    pub(crate) fn new(profile: LinkProfile, draws: SeededStream) -> Link {
        Link { profile, changes: Vec::new(), cuts: 0, free_at: SimTime(0), draws }
    }

    pub(crate) fn loopback(draws: SeededStream) -> Link {
        let latency = Duration::from_micros(20);
        Link::new(LinkProfile { latency_min: latency, latency_max: latency, loss: Probability::NEVER, bandwidth: None }, draws)
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
        self.changes.clear();
        self.free_at = SimTime(0);
    }

    /// The longest that a segment takes now which neither waits for its turn nor is lost.
    pub(crate) fn latency_max(&self) -> Duration {
        let more = |change: &LinkChange| match change {
            LinkChange::Delay(by) | LinkChange::Reorder(by) => by.max,
            _ => Duration::ZERO,
        };
        self.profile.latency_max + self.changes.iter().map(more).sum::<Duration>()
    }

    pub(crate) fn shape(&mut self, change: LinkChange) {
        self.changes.push(change);
        self.free_at = SimTime(0);
    }

    pub(crate) fn unshape(&mut self, change: LinkChange) {
        let at = self.changes.iter().position(|c| *c == change);
        self.changes.remove(at.expect("a change is taken back as often as it was made, not oftener"));
        // What waited for a narrow link does not wait for what it is now.
        self.free_at = SimTime(0);
    }

    pub(crate) fn set_profile(&mut self, profile: LinkProfile) {
        self.profile = profile;
    }

    /// Whether a request that is sent now is to be sent twice.
    pub(crate) fn sends_twice(&self, draws: &mut SeededStream) -> bool {
        let rates = self.changes.iter().filter_map(|change| if let LinkChange::Duplicate(rate) = change { Some(rate) } else { None });
        rates.filter(|rate| draws.ratio(rate.numerator.into(), rate.denominator.into())).count() > 0
    }

    /// The first retransmission timeout on this link: twice its longest round trip, or the floor.
    pub(crate) fn rto(&self) -> Duration {
        (self.latency_max() * 4).max(super::RTO_MIN)
    }

    /// When `bytes` sent now over the connection of this number arrive, and which bit of them flips, if one does. Three draws a segment, always, so that no profile and no fault
    /// shifts another segment's draws: its latency, its losses and its delays (the bits of one draw each,
    /// spent one by one).
    pub(crate) fn transit(&mut self, now: SimTime, connection: u64, bytes: usize) -> (SimTime, Option<u32>) {
        let latency = self.draws.duration(self.profile.latency_min, self.profile.latency_max);
        let (mut luck, mut more) = (self.draws.bits(), self.draws.bits());
        let mut depart = now;
        let limits = self.changes.iter().filter_map(|c| if let LinkChange::Bandwidth(limit) = c { Some(*limit) } else { None });
        if let Some(bandwidth) = self.profile.bandwidth.into_iter().chain(limits).min() {
            let nanos = bytes as u128 * 1_000_000_000 / u128::from(bandwidth.max(1));
            depart = self.free_at.max(now) + Duration::from_nanos(nanos as u64);
            self.free_at = depart;
        }
        let mut arrives = depart + latency;
        for change in &self.changes {
            if let LinkChange::Delay(by) = change {
                let span = (by.max - by.min).as_nanos() + 1;
                let wide = u128::from(more) * span;
                more = wide as u64;
                arrives = arrives + by.min + Duration::from_nanos((wide >> 64) as u64);
            }
        }
        let slower = self.changes.iter().filter_map(|change| if let LinkChange::Reorder(by) = change { Some(by) } else { None });
        arrives = arrives + slower.map(|by| of_connection(connection, by)).sum::<Duration>();
        let mut corrupt = self.changes.iter().filter_map(|change| if let LinkChange::Corrupt(rate) = change { Some(rate) } else { None });
        let flips = corrupt.any(|rate| happens(*rate, &mut more)).then_some((more >> 61) as u32);
        let mut rto = self.rto();
        while self.is_lost(&mut luck) && rto < super::USER_TIMEOUT {
            arrives = arrives + rto;
            rto *= 2;
        }
        (arrives, flips)
    }

    /// Whether one transmission is lost, to the profile or to a fault.
    fn is_lost(&self, luck: &mut u64) -> bool {
        let faults = self.changes.iter().filter_map(|change| match change {
            LinkChange::Loss(rate) => Some(*rate),
            LinkChange::Delay(_)
            | LinkChange::Bandwidth(_)
            | LinkChange::Reorder(_)
            | LinkChange::Corrupt(_)
            | LinkChange::Duplicate(_) => None,
        });
        let lossy = |ratio: &Probability| ratio.numerator > 0;
        std::iter::once(self.profile.loss).chain(faults).filter(lossy).any(|ratio| happens(ratio, luck))
    }
}

/// A connection's own share of a range: the same for all that it carries.
fn of_connection(connection: u64, by: &squall_effect::Span) -> Duration {
    // SplitMix64's finalizer (Steele et al., OOPSLA 2014).
    let mut z = connection.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let span = (by.max - by.min).as_nanos() + 1;
    by.min + Duration::from_nanos(((u128::from(z ^ (z >> 31)) * span) >> 64) as u64)
}
