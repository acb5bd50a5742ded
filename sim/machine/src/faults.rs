//! What can be done to a machine, and taken back: to its clocks, its links and listeners, its disks.

use crate::{
    ids::HostId,
    machine::{Machine, State},
    net::LinkProfile,
};
use squall_effect::{ClockChange, Damage, DiskChange, LinkChange};

impl Machine {
    /// Changes a host's clocks, now. Its timers are re-armed.
    pub fn change_clock(&self, host: HostId, change: ClockChange) {
        let (now, mut state) = self.lock();
        let State { timers, queue, hosts, .. } = &mut *state;
        let clock = &mut hosts[host.0].clock;
        if clock.change(now, change) {
            timers.rearm(queue, clock, now, host.0);
        }
    }
}

impl Machine {
    /// Cuts one directed link, once more: as many heals are needed.
    pub fn cut(&self, from: HostId, to: HostId) {
        if from != to {
            self.lock().1.net.cut(from.0, to.0);
        }
    }

    /// Takes one cut back.
    pub fn heal(&self, from: HostId, to: HostId) {
        if from != to {
            self.lock().1.net.heal(from.0, to.0);
        }
    }

    /// Takes every cut, every change of a link and every refusal back.
    pub fn heal_all_links(&self) {
        let (now, mut state) = self.lock();
        state.net.heal_entirely();
        state.traffic().hurry(now, |_, _| true);
    }

    /// Makes one directed link worse, on top of what other faults do to it.
    pub fn shape(&self, from: HostId, to: HostId, change: LinkChange) {
        self.lock().1.net.link(from.0, to.0).shape(change);
    }

    /// Takes such a change back.
    pub fn unshape(&self, from: HostId, to: HostId, change: LinkChange) {
        let (now, mut state) = self.lock();
        state.net.link(from.0, to.0).unshape(change);
        // What is under way stays so; what queued up at a narrow place flows now.
        if matches!(change, LinkChange::Bandwidth(_)) {
            state.traffic().hurry(now, |a, b| (a, b) == (from.0, to.0));
        }
    }

    /// Replaces one directed link's behaviour.
    pub fn set_link(&self, from: HostId, to: HostId, profile: LinkProfile) {
        self.lock().1.net.link(from.0, to.0).set_profile(profile);
    }

    /// The host answers new connections with a reset, once more (or once less).
    pub fn refuse(&self, host: HostId, more: bool) {
        self.lock().1.net.refuse(host.0, more);
    }

    /// Every connection between two hosts dies with a reset at both ends. Answers how many there were.
    pub fn reset_connections(&self, a: HostId, b: HostId) -> usize {
        let (_, mut state) = self.lock();
        let ids = state.net.between(a.0, b.0);
        for id in &ids {
            state.traffic().reset(*id);
        }
        ids.len()
    }
}

impl Machine {
    /// Something is wrong with this host's disk from now on; several such things add up.
    pub fn worsen_disk(&self, host: HostId, change: DiskChange) {
        self.lock().1.hosts[host.0].disk.worsen(change);
    }

    /// Takes one of these back, and what it booked.
    pub fn mend_disk(&self, host: HostId, change: &DiskChange) {
        let (now, mut state) = self.lock();
        let State { hosts, queue, .. } = &mut *state;
        hosts[host.0].disk.mend(queue, host.0, now, change);
    }

    /// Takes all of them back, and what they booked.
    pub fn mend_disk_entirely(&self, host: HostId) {
        let (now, mut state) = self.lock();
        let State { hosts, queue, .. } = &mut *state;
        hosts[host.0].disk.mend_entirely(queue, host.0, now);
    }

    /// Damages what is on a host's disk; says how, or nothing when there was nothing to damage.
    pub fn damage_disk(&self, host: HostId, damage: &Damage) -> Option<String> {
        self.lock().1.hosts[host.0].disk.damage(damage)
    }

    /// An empty disk takes the place of a host's; the host must be without power.
    pub fn wipe_disk(&self, host: HostId) {
        self.lock().1.hosts[host.0].disk.wipe();
    }

    /// Whether that was done to it.
    pub fn was_wiped(&self, host: HostId) -> bool {
        self.lock().1.hosts[host.0].disk.wiped
    }
}
