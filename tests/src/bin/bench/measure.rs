//! Measuring two things in turns, so that both see the same machine, and printing what came of it.

use std::future::Future;
use std::time::{Duration, Instant};

/// One row of the result.
struct Row {
    what: String,
    ours: String,
    against: String,
    ratio: String,
    goal: String,
}

/// The result.
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// A row with a ratio of two times.
    pub(crate) fn ratio(&mut self, what: &str, ours: Duration, against: Duration, goal: &str) {
        let ratio = ours.as_secs_f64() / against.as_secs_f64().max(1e-9);
        self.push(what, &format(ours), &format(against), &format!("{ratio:.2}"), goal);
    }

    /// A row with a ratio of two rates, per second.
    pub(crate) fn rate(&mut self, what: &str, ours: f64, against: f64, goal: &str) {
        let ratio = format!("{:.0}", ours / against.max(1e-9));
        self.push(what, &format!("{ours:.0}/s"), &format!("{against}/s"), &ratio, goal);
    }

    /// A row with one figure.
    pub(crate) fn absolute(&mut self, what: &str, value: &str, goal: &str) {
        self.push(what, value, "", "", goal);
    }

    fn push(&mut self, what: &str, ours: &str, against: &str, ratio: &str, goal: &str) {
        eprintln!("{what}: {ours} {against} {ratio}");
        self.0.push(Row {
            what: what.to_owned(),
            ours: ours.to_owned(),
            against: against.to_owned(),
            ratio: ratio.to_owned(),
            goal: goal.to_owned(),
        });
    }

    #[expect(clippy::print_stdout, reason = "the table is the result of the program")]
    pub(crate) fn print(&self) {
        println!("| what | ours | against | ratio | goal |\n|---|---|---|---|---|");
        for Row { what, ours, against, ratio, goal } in &self.0 {
            println!("| {what} | {ours} | {against} | {ratio} | {goal} |");
        }
    }
}

/// A time for people.
pub(crate) fn format(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 1e-3 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{:.1} µs", seconds * 1e6)
    }
}

/// Medians of two things done in turns, `rounds` times each after one round that does not count.
pub(crate) async fn in_turns<A, B>(
    rounds: usize,
    mut one: impl FnMut() -> A,
    mut other: impl FnMut() -> B,
) -> anyhow::Result<(Duration, Duration)>
where
    A: Future<Output = anyhow::Result<()>>,
    B: Future<Output = anyhow::Result<()>>,
{
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let begin = Instant::now();
        one().await?;
        let middle = Instant::now();
        other().await?;
        if round > 0 {
            ones.push(middle - begin);
            others.push(middle.elapsed());
        }
    }
    Ok((median(ones), median(others)))
}

/// The middle one.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
