//! Services that tests need beside the code: private, thrown away afterwards, one file each.

pub(crate) mod postgresql;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};

use crate::{process, progress::Step};
use postgresql::Postgresql;

/// The services that run now. They stop when this is dropped, on a panic too, and when the program is interrupted.
pub(crate) struct Services {
    running: Arc<Mutex<Running>>,
}

/// Something that has to be stopped in the end, as the services are.
pub(crate) trait Stop: Send {
    /// Stops it; says so where that fails.
    fn stop(self: Box<Self>);
}

#[derive(Default)]
struct Running {
    postgresql: Option<Postgresql>,
    others: Vec<Box<dyn Stop>>,
}

impl Services {
    /// No service yet; from here on an interrupt (ctrl-c, SIGTERM, SIGHUP) stops all there are, then the program.
    pub(crate) fn new() -> Result<Self> {
        let running = Arc::new(Mutex::new(Running::default()));
        let to_stop = Arc::clone(&running);
        ctrlc::set_handler(move || {
            process::stop_current();
            let mut running = to_stop.lock().unwrap_or_else(PoisonError::into_inner);
            running.stop();
            eprintln!("  ✗ interrupted");
            std::process::exit(130);
        })
        .context("cannot listen to signals")?;
        Ok(Self { running })
    }

    /// Starts PostgreSQL and says how to reach it. What has to be downloaded is kept under `target_directory`.
    pub(crate) fn start_postgresql(&self, target_directory: &Path) -> Result<()> {
        let step = Step::start("PostgreSQL");
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match Postgresql::start(&step, target_directory) {
            Ok(started) => {
                step.done(&started.url());
                running.postgresql = Some(started);
                Ok(())
            }
            Err(error) => {
                step.failed();
                Err(error)
            }
        }
    }

    /// Takes over something that has been started. The last one is stopped first.
    pub(crate) fn keep(&self, other: Box<dyn Stop>) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).others.push(other);
    }

    /// What a program has to be told to find the services: environment variables.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.postgresql.iter().map(|postgresql| (postgresql::URL_VARIABLE, postgresql.url())).collect()
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).stop();
    }
}

impl Running {
    fn stop(&mut self) {
        while let Some(other) = self.others.pop() {
            other.stop();
        }
        if let Some(postgresql) = self.postgresql.take() {
            postgresql.stop();
        }
    }
}
