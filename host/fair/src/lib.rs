//! Shares out among projects what there is little of.
//!
//! | what | by |
//! |---|---|
//! | what waits here | [`Places`] |
//! | who may work at all | [`FairPermits`] |
//! | who computes next | [`FairThreads`] |
//! | who may ask a cloud, or fail, how often | [`Rates`] |
//! | who may have more, of what is only known afterwards | [`Debts`] |
//!
//! Beside them, [`chore`] and [`aside`] are for work that should hold up nobody.
//!
//! None of them knows what the work is. Work of nobody counts as that of one more project.

mod chores;
mod debts;
mod permits;
mod places;
mod rates;
mod threads;
mod turns;

use watcher_domain::ProjectId;

pub use chores::{aside, chore};
pub use debts::Debts;
pub use permits::{FairPermits, Permit};
pub use places::{Place, Places};
pub use rates::Rates;
pub use threads::{FairThreads, StartError};

/// Whose work it is.
pub type Owner = Option<ProjectId>;
