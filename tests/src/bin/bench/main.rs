//! The benchmark: every row is a ratio of two things measured side by side in this run, with absolute times beside it.
//!
//! `cargo xtask bench [--quick] [--only TEXT]`

mod api;
mod client;
mod decide;
mod engine;
mod http;
mod measure;
mod native;
mod plugins;
mod sandbox;
mod service;
mod tenants;
mod uploads;

use measure::Table;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let only = arguments.iter().position(|argument| argument == "--only").and_then(|at| arguments.get(at + 1));
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only.as_str()));
    let mut table = Table::new();
    if wanted("sandbox") {
        sandbox::run(&mut table).await?;
    }
    if wanted("plugins") {
        plugins::run(&mut table, quick).await?;
    }
    if wanted("decide") {
        decide::run(&mut table, quick).await?;
    }
    if wanted("engine") {
        engine::run(&mut table, quick).await?;
    }
    if wanted("service") {
        service::run(&mut table).await?;
    }
    if wanted("api") {
        api::run(&mut table, quick).await?;
    }
    if wanted("uploads") {
        uploads::run(&mut table, quick).await?;
    }
    if wanted("tenants") {
        tenants::run(&mut table, quick).await?;
    }
    table.print();
    Ok(())
}
