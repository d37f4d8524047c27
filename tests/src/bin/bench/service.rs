//! The service as a whole: memory when idle.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::measure::Table;

pub(crate) async fn run(table: &mut Table) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let program = std::env::current_exe()?.with_file_name("watcher-host");
    anyhow::ensure!(
        program.is_file(),
        "{} is missing; build it with cargo build --release -p watcher-server",
        program.display()
    );
    let begin = Instant::now();
    let mut child = Command::new(&program)
        .args(["--set", "api.auth=none", "--set", "api.listen=127.0.0.1:0"])
        .arg("--set")
        .arg(format!("database.url=sqlite://{}", folder.path().join("watcher.db").display()))
        .arg("serve")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start the service")?;
    let mut line = String::new();
    let output = child.stdout.take().context("the service has no output")?;
    BufReader::new(output).read_line(&mut line)?;
    let started = begin.elapsed();
    // What was needed to start is given back within a moment.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let status = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", child.id()))?;
    let kib = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<f64>().ok())
            .unwrap_or_default()
    };
    let value = format!("{:.0} MiB (RSS), {:.0} MiB (PSS)", kib("Rss:") / 1024.0, kib("Pss:") / 1024.0);
    table.absolute("service: memory of serve, idle", &value, "≤ 100 MiB");
    table.absolute("service: start to ready", &crate::measure::format(started), "");
    child.kill()?;
    child.wait()?;
    Ok(())
}
