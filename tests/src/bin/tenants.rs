//! Plays the story of two projects against a service that runs.
//!
//! Standard input says who is who, so that no token is in an environment or a command line:
//! `{"address": "host:port", "alice": {"token": …, "project": …}, "bob": …, "admin": …}`.

use std::process::ExitCode;

use anyhow::Context as _;
use e2e::tenants::{Cast, User, play};
use serde_json::Value;

#[tokio::main]
async fn main() -> ExitCode {
    match told().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print(&format!("FAILED  {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn told() -> anyhow::Result<()> {
    let given: Value = serde_json::from_reader(std::io::stdin()).context("standard input does not say who is who")?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let user = |name: &str| {
        let user = || Some((text(&given["address"])?, text(&given[name]["token"])?, text(&given[name]["project"])?));
        let (address, token, project) = user().with_context(|| format!("standard input does not say who {name} is"))?;
        Ok::<_, anyhow::Error>(User { address, token, project })
    };
    let cast = Cast { alice: user("alice")?, bob: user("bob")?, admin: user("admin")? };
    play(&cast, |step| print(&format!("ok  {step}"))).await
}

#[expect(clippy::print_stdout, reason = "this is what the program is for")]
fn print(line: &str) {
    println!("{line}");
}
