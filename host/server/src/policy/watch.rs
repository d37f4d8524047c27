//! Keeps up with a policy file: looks once a second, and at once on SIGHUP, whether it has changed.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use watcher_api::{Policy, RuleSet};

use super::read;
use crate::config::PolicyConfig;

/// How often the file is looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// What changes when a file is written or put in another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

/// What a look found.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing new.
    Same,
    /// New rules are in force; so many differ from before.
    Replaced(usize),
    /// The file cannot be used; the rules before stay in force.
    Refused(String),
}

/// Looks after one policy file.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    policy: Arc<Policy>,
    /// Of the file as it was last read; none if it was not there.
    stamp: Option<Stamp>,
}

impl Watch {
    /// A watch over the file that was read for this policy; none if there is no file. `stamp` is taken before the file is read.
    pub fn begin(config: &PolicyConfig) -> Option<impl FnOnce(Arc<Policy>) -> Self> {
        let path = Some(&config.file).filter(|file| !file.is_empty()).map(PathBuf::from)?;
        let stamp = stamp(&path);
        Some(move |policy| Self { path, policy, stamp })
    }

    /// Looks until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => {
                tracing::error!(%error, "policy file {} is not watched", self.path.display());
                return;
            }
        };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
                _ = hangup.recv() => {}
            }
            let looked = tokio::task::spawn_blocking(move || {
                let seen = self.look();
                (self, seen)
            });
            let (watch, seen) = looked.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
            self = watch;
            let path = self.path.display();
            match seen {
                Seen::Same => {}
                Seen::Replaced(changed) => {
                    tracing::info!(changed, "policy file {path} is in force again: {changed} rules changed");
                }
                Seen::Refused(reason) => {
                    tracing::error!(
                        "policy file {path} has changed and is refused, the rules before stay in force: {reason}"
                    );
                }
            }
        }
    }

    /// Looks once.
    pub fn look(&mut self) -> Seen {
        let stamp = stamp(&self.path);
        if stamp == self.stamp {
            return Seen::Same;
        }
        self.stamp = stamp;
        match read(&self.path) {
            Ok((rules, unused)) => {
                for odd in unused {
                    tracing::warn!("policy file {}, {odd}", self.path.display());
                }
                let changed = changes(&self.policy.rules(), &rules);
                self.policy.replace(rules);
                Seen::Replaced(changed)
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                Seen::Refused(format!("{error}{cause}"))
            }
        }
    }
}

/// How many rules are only in one of them, or ask for something else.
fn changes(before: &RuleSet, after: &RuleSet) -> usize {
    let differs = |name: &str| before.get(name).map(|rule| &rule.check) != after.get(name).map(|rule| &rule.check);
    let gone = before.rules().filter(|(name, _)| after.get(name).is_none()).count();
    after.rules().filter(|(name, _)| differs(name)).count() + gone
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some(Stamp { modified: found.modified().ok(), length: found.len(), inode: found.ino() })
}

#[cfg(test)]
mod tests {
    use watcher_api::{Caller, Rule, Target};

    use super::*;
    use crate::policy::load;

    #[test]
    fn a_changed_file_counts_and_a_broken_one_leaves_the_rules_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.yaml");
        // Put in place as editors and configuration tools do, so that it is another file each time.
        let write = |text: &str| {
            let draft = dir.path().join(format!("draft-{}", text.len()));
            std::fs::write(&draft, text).unwrap();
            std::fs::rename(draft, &path).unwrap();
        };
        write("goal:get: role:reader\n");
        let config = PolicyConfig { file: path.display().to_string() };
        let begin = Watch::begin(&config).unwrap();
        let policy = Arc::new(Policy::new(load(&config).unwrap()));
        let mut watch = begin(Arc::clone(&policy));
        let reader = Caller { roles: vec!["reader".to_owned()], ..Caller::default() };
        let allowed = || policy.allows(Rule::GoalGet, &reader, &Target::default());
        assert!(allowed());
        assert_eq!(watch.look(), Seen::Same);
        write("goal:get: role:writer and not role:reader\n");
        assert_eq!((watch.look(), allowed()), (Seen::Replaced(1), false));
        write("goal:get: 'role:'\n");
        assert!(matches!(watch.look(), Seen::Refused(reason) if reason.contains("line 1, rule goal:get")));
        assert_eq!((watch.look(), allowed()), (Seen::Same, false));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(watch.look(), Seen::Refused(reason) if reason.contains("cannot read")));
        assert_eq!((watch.look(), allowed()), (Seen::Same, false));
        write("goal:get: '@'\n");
        assert_eq!((watch.look(), allowed()), (Seen::Replaced(1), true));
    }

    #[test]
    fn without_a_file_nothing_is_watched() {
        assert!(Watch::begin(&PolicyConfig::default()).is_none());
    }
}
