//! Places for uploads: how many components this process holds in memory at a time, in all and for one project.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use watcher_domain::ProjectId;

use crate::error::{RegistryError, Result};

/// Who holds places.
#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_project: HashMap<ProjectId, usize>,
}

/// Places for uploads.
#[derive(Debug)]
pub(crate) struct Places {
    all: usize,
    per_project: usize,
    taken: Arc<Mutex<Taken>>,
}

/// An upload that was let begin, with the place that it has: free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    pub(crate) project: ProjectId,
    taken: Arc<Mutex<Taken>>,
}

impl Places {
    pub(crate) fn new(all: usize, per_project: usize) -> Self {
        Self { all, per_project, taken: Arc::default() }
    }

    /// Takes a place. Nobody waits for one: whoever waits holds a connection, and whoever holds places holds memory.
    pub(crate) fn take(&self, project: &ProjectId) -> Result<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.by_project.get(project).is_some_and(|count| *count >= self.per_project) {
            return Err(RegistryError::TooManyAtOnce { limit: self.per_project });
        }
        if taken.all >= self.all {
            return Err(RegistryError::Busy);
        }
        taken.all += 1;
        *taken.by_project.entry(project.clone()).or_default() += 1;
        Ok(Place { project: project.clone(), taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(count) = taken.by_project.get_mut(&self.project) {
            *count -= 1;
            if *count == 0 {
                taken.by_project.remove(&self.project);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_project_does_not_take_the_places_of_all() {
        let places = Places::new(3, 2);
        let project = |name: &str| ProjectId(name.to_owned());
        let held = [places.take(&project("a")).unwrap(), places.take(&project("a")).unwrap()];
        assert!(matches!(places.take(&project("a")), Err(RegistryError::TooManyAtOnce { limit: 2 })));
        let other = places.take(&project("b")).unwrap();
        assert!(matches!(places.take(&project("c")), Err(RegistryError::Busy)));
        drop(held);
        assert!(places.take(&project("a")).is_ok() && places.take(&project("c")).is_ok());
        drop(other);
        assert!(places.taken.lock().unwrap().by_project.is_empty());
    }
}
