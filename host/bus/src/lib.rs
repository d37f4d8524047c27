//! Messages between the roles.
//!
//! A message is a hint and the database row is the truth: whoever receives one looks at the row, and a sweep finds the rows whose
//! message was lost. So a full queue drops messages instead of waiting, and nothing here is durable.
//!
//! Work goes to one receiver, control messages to all of them, events to whoever listens.

mod in_process;
pub mod message;

pub use in_process::{InProcess, Received, Subscription};
pub use message::{Control, Event, Message, Work};

/// A way to send and receive messages.
#[derive(Debug, Clone)]
pub enum Bus {
    /// Within one process.
    InProcess(InProcess),
}

/// Who receives work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Runs audits.
    DecisionEngine,
    /// Runs action plans.
    Applier,
}

impl Bus {
    /// A bus within this process.
    pub fn in_process() -> Self {
        Self::InProcess(InProcess::default())
    }

    /// Sends a message, or drops it when nobody takes messages fast enough. Never waits.
    pub fn publish(&self, message: impl Into<Message>) {
        match self {
            Self::InProcess(bus) => bus.publish(message.into()),
        }
    }

    /// Receives the work of a role, and all control messages. Receivers of one role share its work.
    pub fn subscribe(&self, role: Role) -> Subscription {
        match self {
            Self::InProcess(bus) => bus.subscribe(role),
        }
    }

    /// Receives all events from now on.
    pub fn events(&self) -> tokio::sync::broadcast::Receiver<Event> {
        match self {
            Self::InProcess(bus) => bus.events(),
        }
    }
}
