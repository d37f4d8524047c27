//! Random lives of audits against a small model of what must happen.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use watcher_domain::{ActionPlanState, AuditEvent, AuditState, AuditType, Timestamp};

use crate::stage::Stage;

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Interval(u64),
    Suspend,
    Resume,
    Cancel,
    Call,
    PlanBegins,
    PlanEnds,
    /// The process ends; another one begins after so many seconds.
    Restart(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..150_u64).prop_map(Step::Pass),
        2 => (20..90_u64).prop_map(Step::Interval),
        2 => Just(Step::Suspend),
        2 => Just(Step::Resume),
        1 => Just(Step::Cancel),
        3 => Just(Step::Call),
        1 => Just(Step::PlanBegins),
        1 => Just(Step::PlanEnds),
        2 => (0..300_u64).prop_map(Step::Restart),
    ]
}

#[derive(Debug, Clone)]
struct Life {
    force: bool,
    start: Option<u64>,
    end: Option<u64>,
    steps: Vec<Step>,
}

fn life() -> impl Strategy<Value = Life> {
    let times = (proptest::option::weighted(0.3, 0..200_u64), proptest::option::weighted(0.3, 200..900_u64));
    (any::<bool>(), times, proptest::collection::vec(step(), 1..25)).prop_map(|(force, (start, end), steps)| Life {
        force,
        start,
        end,
        steps,
    })
}

/// One CONTINUOUS and one EVENT audit, in whole seconds since the beginning.
#[expect(clippy::struct_excessive_bools, reason = "a model says plainly what is so")]
struct Model {
    now: u64,
    force: bool,
    start: u64,
    end: u64,
    interval: u64,
    state: AuditState,
    /// When it runs next, and whether that still holds.
    next: Option<u64>,
    holds: bool,
    runs: Vec<u64>,
    event: AuditState,
    called: bool,
    event_runs: Vec<u64>,
    plan: bool,
}

impl Model {
    fn lives(&self) -> bool {
        matches!(self.state, AuditState::Pending | AuditState::Ongoing)
    }

    fn settle(&mut self) {
        if self.called {
            self.called = false;
            if !self.plan {
                self.event = AuditState::Succeeded;
                self.event_runs.push(self.now);
            }
        }
        if self.lives() && self.end <= self.now {
            self.state = AuditState::Succeeded;
        }
        if !self.lives() || self.now < self.start {
            return;
        }
        let mut next = self.next.unwrap_or(self.now);
        if !self.holds && next != self.now {
            while next > self.now + self.interval {
                next -= self.interval;
            }
            while next <= self.now {
                next += self.interval;
            }
        }
        self.holds = true;
        if next <= self.now {
            if self.force || !self.plan {
                self.state = AuditState::Ongoing;
                self.runs.push(self.now);
            }
            while next <= self.now {
                next += self.interval;
            }
        }
        self.next = Some(next);
    }

    fn pass(&mut self, seconds: u64) {
        self.settle();
        for _ in 0..seconds {
            self.now += 1;
            self.settle();
        }
    }
}

async fn live(life: Life) {
    let mut stage = Stage::set().await;
    let begin = stage.now();
    let at = |seconds: u64| begin + Duration::from_secs(seconds);
    let audit = stage
        .create(AuditType::Continuous, |audit| {
            audit.force = life.force;
            audit.start_time = life.start.map(at);
            audit.end_time = life.end.map(at);
        })
        .await;
    let event = stage.create(AuditType::Event, |_| {}).await;
    let other = stage.create(AuditType::Oneshot, |audit| audit.state = AuditState::Succeeded).await;
    let mut plan = None;
    let mut model = Model {
        now: 0,
        force: life.force,
        start: life.start.unwrap_or(0),
        end: life.end.unwrap_or(u64::MAX),
        interval: 60,
        state: AuditState::Pending,
        next: None,
        holds: false,
        runs: Vec::new(),
        event: AuditState::Pending,
        called: false,
        event_runs: Vec::new(),
        plan: false,
    };
    for step in life.steps {
        match step {
            Step::Pass(seconds) => {
                stage.pass(Duration::from_secs(seconds)).await;
                model.pass(seconds);
            }
            Step::Interval(seconds) => {
                stage.change(audit, |audit| audit.interval = Some(seconds.to_string())).await;
                model.holds &= model.interval == seconds;
                model.interval = seconds;
            }
            Step::Suspend => {
                stage.happen(audit, AuditEvent::Suspend).await;
                if model.state == AuditState::Ongoing {
                    model.state = AuditState::Suspended;
                }
            }
            Step::Resume => {
                stage.happen(audit, AuditEvent::Resume).await;
                if model.state == AuditState::Suspended {
                    (model.state, model.holds) = (AuditState::Ongoing, false);
                }
            }
            Step::Cancel => {
                stage.happen(audit, AuditEvent::Cancel).await;
                if model.lives() {
                    model.state = AuditState::Cancelled;
                }
            }
            Step::Call => {
                assert!(stage.call_webhook(event).await);
                model.called = true;
            }
            Step::PlanBegins if plan.is_none() => {
                plan = Some(stage.plan_of(other, ActionPlanState::Ongoing).await);
                model.plan = true;
            }
            Step::PlanEnds => {
                if let Some(plan) = plan.take() {
                    stage.end_plan(plan).await;
                    model.plan = false;
                }
            }
            Step::PlanBegins => {}
            Step::Restart(seconds) => {
                stage.restart(Duration::from_secs(seconds));
                model.now += seconds;
                model.holds &= seconds == 0;
            }
        }
        stage.settle().await;
        model.settle();
        let (real, real_event) = (stage.read(audit).await, stage.read(event).await);
        assert_eq!((real.state, real_event.state), (model.state, model.event), "at {} after {step:?}", model.now);
        let next = model.next.map(at);
        assert_eq!(real.next_run_time, next, "at {} after {step:?}", model.now);
        let mut runs: Vec<Timestamp> = model.runs.iter().chain(&model.event_runs).copied().map(at).collect();
        runs.sort_unstable();
        assert_eq!(stage.began(), runs, "at {} after {step:?}", model.now);
    }
    let states: Vec<_> = stage.plans(audit).await.iter().map(|plan| plan.state).collect();
    assert_eq!(states.len(), model.runs.len());
    if let Some((last, earlier)) = states.split_last() {
        assert_eq!(*last, ActionPlanState::Recommended);
        assert!(earlier.iter().all(|state| *state == ActionPlanState::Cancelled), "{states:?}");
    }
    assert_eq!(stage.plans(event).await.len(), model.event_runs.len());
}

#[test]
fn whatever_happens_to_audits_they_run_when_the_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 48, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&life(), |life| {
        runtime.block_on(live(life));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
