//! The heal: everything is mended, or everything but a minority of dead nodes; and who gives up late, for an error that a fault
//! had made, is started again.

use crate::interpreter::Interpreter;
use squall_effect::ClockChange;
use squall_effect::Party;
use squall_history::{EffectChange as Change, EffectResult, EntryKind, FaultRef, NodeId, SimTime};
use squall_scenario::Heal;
use std::{future::Future, sync::Mutex, task::Poll, time::Duration};

/// Who gave up for an error that is told after the heal is started again this much later.
const RESTARTS_AFTER: Duration = Duration::from_millis(100);

/// Whoever is told an error gives up within this time, or runs on.
const GIVES_UP_WITHIN: Duration = Duration::from_millis(50);

pub(crate) struct Healer<'r> {
    interpreter: &'r Interpreter,
    /// When the last one gave up, after the heal, for an error that a fault had made.
    late_error: Mutex<Option<SimTime>>,
}

impl<'r> Healer<'r> {
    pub(crate) fn new(interpreter: &'r Interpreter) -> Healer<'r> {
        Healer { interpreter, late_error: Mutex::default() }
    }

    /// Mends everything, or everything but a minority of dead nodes. Says when.
    pub(crate) async fn heal(&self) -> SimTime {
        let Interpreter { stage, membership, damage, tempo } = self.interpreter;
        let machine = &stage.machine;
        machine.heal_all_links();
        machine.disarm_all();
        tempo.normal();
        let clients = 1..=stage.plan.clients();
        clients.clone().for_each(|id| machine.change_clock(machine.client_host(id), ClockChange::Reset));
        for node in membership.started() {
            machine.change_clock(machine.node(node), ClockChange::Reset);
            machine.mend_disk_entirely(machine.node(node));
        }
        clients.for_each(|id| machine.resume_entirely(machine.client_host(id)));
        // Who only learns takes part in no quorum, and is always started.
        let voters = membership.voters();
        let mut may_stay_dead = match stage.plan.liveness.heal {
            Heal::All => 0,
            Heal::Quorum if membership.is_changing() => 0,
            Heal::Quorum => damage.may_stay_dead(),
        };
        // Whoever does not belong any more must not hold up clients either: nor must a host that is silent.
        for id in membership.started().into_iter().filter(|id| membership.has_left(*id)) {
            machine.power_on(machine.node(id));
        }
        for id in membership.started() {
            machine.resume_entirely(machine.node(id));
        }
        // Whoever gives up at once for an error that it was told is booted with the others.
        let failed = damage.all_sound();
        if failed.iter().any(|id| membership.started().contains(id)) {
            stage.sleep(GIVES_UP_WITHIN).await;
        }
        let mut running = Vec::new();
        for id in membership.members() {
            let is_dead = !machine.is_running(machine.node(id));
            if is_dead && may_stay_dead > 0 && voters.contains(&id) && !damage.was_damaged(id) {
                may_stay_dead -= 1;
                continue;
            }
            membership.boot(id);
            running.push(id);
        }
        stage.recorder.forget_who_gave_up();
        stage.tell(&FaultRef::heal(), vec![], Change::Healed, EffectResult::Applied);
        stage.record(EntryKind::Healed { within: stage.plan.liveness.within.as_nanos() as u64, nodes: running });
        stage.now()
    }

    /// Until when everything must be well: a time after the heal, or after the last one gave up for an error of a fault.
    pub(crate) fn grace(&self, healed: SimTime) -> SimTime {
        let last = *self.late_error.lock().expect("no panic under this lock");
        last.map_or(healed, |at| at.max(healed)) + self.interpreter.stage.plan.liveness.within
    }

    /// While this goes on, whoever gives up for an error that a fault had made is started again: the error belongs to the fault,
    /// however late its process comes to it, and so does the restart.
    pub(crate) async fn starting_again(&self, meanwhile: impl Future<Output = ()>) {
        let Interpreter { stage, membership, .. } = self.interpreter;
        let starts = async {
            loop {
                let host = stage.recorder.next_to_give_up().await;
                *self.late_error.lock().expect("no panic under this lock") = Some(stage.now());
                stage.sleep(RESTARTS_AFTER).await;
                let machine = &stage.machine;
                let gave_up = |id: &NodeId| machine.node(*id) == host && !machine.is_running(host) && !membership.has_left(*id);
                if let Some(id) = membership.started().into_iter().find(gave_up) {
                    stage.tell(&FaultRef::heal(), vec![Party::Node(id)], Change::Boot, EffectResult::Applied);
                    membership.boot(id);
                }
            }
        };
        let (mut meanwhile, mut starts) = (std::pin::pin!(meanwhile), std::pin::pin!(starts));
        std::future::poll_fn(|cx| {
            if meanwhile.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            starts.as_mut().poll(cx)
        })
        .await;
    }
}
