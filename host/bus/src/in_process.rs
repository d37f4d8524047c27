//! The bus within one process: bounded channels.

use std::sync::Arc;

use tokio::sync::{Mutex, broadcast, mpsc};

use crate::Role;
use crate::message::{Control, Event, Message, Work};

/// Work that may wait per role; more is dropped, and found by the sweep.
const WORK_CAPACITY: usize = 1024;
/// Control messages and events that a slow receiver may be behind.
const BROADCAST_CAPACITY: usize = 4096;

/// Channels of one process.
#[derive(Debug, Clone)]
pub struct InProcess(Arc<Channels>);

#[derive(Debug)]
struct Channels {
    decision_engine: Queue,
    applier: Queue,
    control: broadcast::Sender<Control>,
    events: broadcast::Sender<Event>,
}

#[derive(Debug)]
struct Queue {
    sender: mpsc::Sender<Work>,
    receiver: Arc<Mutex<mpsc::Receiver<Work>>>,
}

impl Default for Queue {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WORK_CAPACITY);
        Self { sender, receiver: Arc::new(Mutex::new(receiver)) }
    }
}

impl Default for InProcess {
    fn default() -> Self {
        Self(Arc::new(Channels {
            decision_engine: Queue::default(),
            applier: Queue::default(),
            control: broadcast::channel(BROADCAST_CAPACITY).0,
            events: broadcast::channel(BROADCAST_CAPACITY).0,
        }))
    }
}

impl InProcess {
    fn queue(&self, role: Role) -> &Queue {
        match role {
            Role::DecisionEngine => &self.0.decision_engine,
            Role::Applier => &self.0.applier,
        }
    }

    pub(crate) fn publish(&self, message: Message) {
        match message {
            Message::Work(work) => {
                if let Err(error) = self.queue(work.role()).sender.try_send(work) {
                    tracing::debug!(%error, "a work message was dropped; the sweep will find its row");
                }
            }
            // An error means that nobody listens, which is fine for both.
            Message::Control(control) => drop(self.0.control.send(control)),
            Message::Event(event) => drop(self.0.events.send(event)),
        }
    }

    pub(crate) fn subscribe(&self, role: Role) -> Subscription {
        Subscription { work: Arc::clone(&self.queue(role).receiver), control: self.0.control.subscribe() }
    }

    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }
}

/// Receives the work of a role, shared with other subscriptions of that role, and every control message.
#[derive(Debug)]
pub struct Subscription {
    work: Arc<Mutex<mpsc::Receiver<Work>>>,
    control: broadcast::Receiver<Control>,
}

/// What a subscription received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// Work for this receiver alone.
    Work(Work),
    /// For every receiver.
    Control(Control),
    /// Control messages were lost because this receiver was slow: look at everything that runs.
    Behind,
}

impl Subscription {
    /// Waits for the next message. Cancel-safe: a dropped wait loses nothing.
    pub async fn receive(&mut self) -> Received {
        let work = async { self.work.lock().await.recv().await };
        tokio::select! {
            biased;
            control = self.control.recv() => match control {
                Ok(control) => Received::Control(control),
                Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => Received::Behind,
            },
            Some(work) = work => Received::Work(work),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bus;
    use watcher_domain::AuditId;

    fn audit(n: u64) -> Work {
        Work::RunAudit { audit_id: AuditId(uuid::Uuid::from_u64_pair(0, n)) }
    }

    #[tokio::test]
    async fn work_goes_to_one_receiver_and_control_to_all() {
        let bus = Bus::in_process();
        let (mut one, mut two) = (bus.subscribe(Role::DecisionEngine), bus.subscribe(Role::DecisionEngine));
        bus.publish(audit(1));
        assert_eq!(one.receive().await, Received::Work(audit(1)));
        bus.publish(Control::PluginsChanged);
        assert_eq!(one.receive().await, Received::Control(Control::PluginsChanged));
        assert_eq!(two.receive().await, Received::Control(Control::PluginsChanged));
        bus.publish(audit(2));
        assert_eq!(two.receive().await, Received::Work(audit(2)));
    }

    #[tokio::test]
    async fn a_full_queue_drops_messages_instead_of_waiting() {
        let bus = Bus::in_process();
        for n in 0..2 * WORK_CAPACITY as u64 {
            bus.publish(audit(n));
        }
        let mut subscription = bus.subscribe(Role::DecisionEngine);
        assert_eq!(subscription.receive().await, Received::Work(audit(0)));
    }
}
