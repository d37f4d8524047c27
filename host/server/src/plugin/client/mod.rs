//! `plugin push`, `list`, `share` and so on: a client of the registry of plugins, for everything that its API can do.

pub mod connection;
mod find;
mod grants;
mod signing;
mod transfer;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{ArgMatches, Args, FromArgMatches, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};
use watcher_domain::cloud::Method;

use super::new::Kind;
use connection::{Connection, ConnectionArgs};
use find::Named;
use grants::pattern;

/// Commands that ask the service.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Upload a component: a new plugin of the project, or a new version of one.
    Push {
        /// The component.
        #[arg(value_name = "FILE.wasm")]
        file: PathBuf,
        /// What is new in it, for people.
        #[arg(long, value_name = "TEXT")]
        notes: Option<String>,
        /// File with a detached signature over its digest.
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
    },
    /// List plugins.
    List {
        /// Of this kind.
        #[arg(long, value_enum)]
        kind: Option<Kind>,
        /// Of this name.
        #[arg(long)]
        name: Option<String>,
        /// Seen so; community plugins are listed only with this.
        #[arg(long, value_enum)]
        visibility: Option<Visibility>,
        /// Of this project, or `built-in`.
        #[arg(long, value_name = "PROJECT")]
        owner: Option<String>,
        /// Offered to the project, and what it said.
        #[arg(long, value_enum)]
        offered: Option<Answer>,
    },
    /// Show a plugin, or a version with the report of its check.
    Show {
        /// Which plugin.
        #[command(flatten)]
        plugin: PluginName,
        /// Number or digest of a version.
        version: Option<String>,
    },
    /// List the versions of a plugin.
    Versions {
        /// Which plugin.
        #[command(flatten)]
        plugin: PluginName,
    },
    /// Download a component; its digest is checked.
    Download {
        /// Which plugin.
        #[command(flatten)]
        plugin: PluginName,
        /// Number or digest of a version; the one that runs if missing.
        version: Option<String>,
        /// Where to write it; into this folder, named as the plugin, if missing.
        #[arg(long, short, value_name = "FILE.wasm")]
        output: Option<PathBuf>,
    },
    /// Offer a plugin to another project. A private plugin becomes a shared one.
    Share {
        /// Which plugin.
        #[command(flatten)]
        plugin: PluginName,
        /// Id of the project.
        #[arg(value_name = "PROJECT-ID")]
        project: String,
    },
    /// Take the offer to a project back.
    Unshare {
        /// Which plugin.
        #[command(flatten)]
        plugin: PluginName,
        /// Id of the project.
        #[arg(value_name = "PROJECT-ID")]
        project: String,
    },
    /// Use a plugin that was offered to the project, or a community plugin.
    Accept(AnswerArgs),
    /// Do not use a plugin, and do not list it.
    Reject(AnswerArgs),
    /// List the projects that a plugin was offered to, and what they said.
    Members {
        /// Which plugin.
        #[command(flatten)]
        plugin: PluginName,
    },
    /// Say what an action handler may ask of the project's cloud, in the version that runs now or in those that are named. Replaces what was
    /// said before.
    Grant {
        /// Which plugin.
        #[command(flatten)]
        plugin: PluginName,
        /// A kind of request, as `compute GET /os-services query=binary query=host` or
        /// `compute POST /servers/{server}/action microversions=2.1-2.56 action=resize`. Can be given many times.
        #[arg(long, value_name = "REQUEST", required_unless_present_any = ["all", "nothing"])]
        request: Vec<String>,
        /// Everything that the versions ask for.
        #[arg(long, conflicts_with = "request")]
        all: bool,
        /// Nothing.
        #[arg(long, conflicts_with_all = ["request", "all"])]
        nothing: bool,
        /// Number or digest of a version that may; the one that runs now if missing. Can be given many times.
        #[arg(long = "version", value_name = "VERSION", conflicts_with = "nothing")]
        versions: Vec<String>,
        /// Every version may, also what the plugin's owner uploads later.
        #[arg(long, conflicts_with_all = ["versions", "nothing"])]
        any_version: bool,
        /// Of this project; the own one if missing.
        #[arg(long, value_name = "PROJECT-ID")]
        project: Option<String>,
    },
    /// Show what an action handler may ask.
    Grants {
        /// Which plugin.
        #[command(flatten)]
        plugin: PluginName,
        /// Of this project; the own one if missing.
        #[arg(long, value_name = "PROJECT-ID")]
        project: Option<String>,
    },
    /// Switch a version off: new audits and plans refuse it, those that run go on or are stopped.
    Deactivate {
        /// Which version.
        #[command(flatten)]
        version: LifeArgs,
        /// Cancel the audits and action plans that use it, in every project.
        #[arg(long)]
        stop: bool,
    },
    /// Let a version run again.
    Reactivate(LifeArgs),
    /// Run a version only where no other does.
    Deprecate(LifeArgs),
    /// Delete a plugin with all its versions, or one version.
    Delete {
        /// Which plugin.
        #[command(flatten)]
        plugin: PluginName,
        /// Number or digest of a version.
        version: Option<String>,
    },
    /// Change a plugin.
    Set {
        /// Which plugin.
        #[command(flatten)]
        plugin: PluginName,
        /// Who sees it.
        #[arg(long, value_enum)]
        visibility: Option<Visibility>,
        /// Digest or number of the version that runs; `newest` for the newest one.
        #[arg(long, value_name = "VERSION")]
        default_version: Option<String>,
        /// What it is, for people.
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// List who did what to a plugin.
    Events {
        /// Which plugin.
        #[command(flatten)]
        plugin: PluginName,
    },
    /// List who vouches for a version, or add signatures to it.
    Signatures(signing::SignaturesArgs),
    /// Show whose signatures count for a project and when one is needed, or change it.
    SigningPolicy(signing::PolicyArgs),
    /// Show how much a project may keep, and keeps.
    Quota {
        /// Id of the project; the own one if missing.
        #[arg(value_name = "PROJECT-ID")]
        project: Option<String>,
        /// Change a limit by its name, those of calls as decision.fuel, as NAME=NUMBER or NAME=default. For administrators.
        #[arg(long, value_name = "NAME=NUMBER")]
        limit: Vec<String>,
    },
    /// Show what plugins used for a project, by day.
    Usage {
        /// Id of the project; the own one if missing.
        #[arg(value_name = "PROJECT-ID")]
        project: Option<String>,
        /// How many days until today.
        #[arg(long, default_value_t = 30)]
        days: u32,
    },
}

/// A command, and where and as whom to ask.
#[derive(Debug)]
pub struct Client {
    connection: ConnectionArgs,
    command: ClientCommand,
}

impl FromArgMatches for Client {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let command = ClientCommand::from_arg_matches(matches)?;
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (_, of_command) = matches.subcommand().ok_or_else(missing)?;
        Ok(Self { connection: ConnectionArgs::from_arg_matches(of_command)?, command })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Every command takes the arguments of a connection.
impl Subcommand for Client {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        let own = ClientCommand::augment_subcommands(clap::Command::new("client"));
        command.subcommands(own.get_subcommands().cloned().map(ConnectionArgs::augment_args))
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        ClientCommand::has_subcommand(name)
    }
}

/// Who sees a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the words of the API")]
pub enum Visibility {
    Private,
    Shared,
    Community,
    Public,
}

/// What a project said to a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the words of the API")]
pub enum Answer {
    Pending,
    Accepted,
    Rejected,
    All,
}

/// A plugin as a person names it.
#[derive(Debug, Args)]
pub struct PluginName {
    /// Its name or UUID.
    #[arg(id = "plugin_name", value_name = "PLUGIN")]
    pub name: String,
    /// Its kind, where several plugins have the name.
    #[arg(id = "plugin_kind", long = "kind", value_enum)]
    pub kind: Option<Kind>,
}

/// Arguments of `accept` and `reject`.
#[derive(Debug, Args)]
pub struct AnswerArgs {
    /// Which plugin.
    #[command(flatten)]
    pub plugin: PluginName,
    /// Id of the project that says it; the own one if missing.
    #[arg(long, value_name = "PROJECT-ID")]
    pub project: Option<String>,
}

/// Which version `deactivate`, `reactivate` and `deprecate` are about, and why.
#[derive(Debug, Args)]
pub struct LifeArgs {
    /// Which plugin.
    #[command(flatten)]
    pub plugin: PluginName,
    /// Number or digest of the version.
    pub version: String,
    /// Why; the log of events keeps it.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// The word that the command line and the API have for a value.
fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Asks the service, and prints its answer.
pub async fn run(client: Client) -> anyhow::Result<ExitCode> {
    let service = Connection::new(&client.connection)?;
    match client.command {
        ClientCommand::Push { file, notes, signature } => {
            let version = transfer::push(&service, &file, notes, signature.as_deref()).await?;
            view::pushed(&service, &version);
        }
        ClientCommand::Download { plugin, version, output } => {
            let found = Named::find(&service, &plugin).await?;
            transfer::download(&service, &found, version.as_deref(), output).await?;
        }
        ClientCommand::List { kind, name, visibility, owner, offered } => {
            let given = [
                ("kind", kind.as_ref().map(word)),
                ("name", name),
                ("visibility", visibility.as_ref().map(word)),
                ("owner", owner),
                ("member_status", offered.as_ref().map(word)),
            ];
            let query: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            view::plugins(&service, service.all("/v1/plugins", "plugins", "uuid", &query).await?);
        }
        ClientCommand::Show { plugin, version } => {
            let found = Named::find(&service, &plugin).await?;
            let path = version.map_or_else(|| found.path(""), |version| found.path(&format!("/versions/{version}")));
            view::record(&service, &service.get(&path, &[]).await?);
        }
        ClientCommand::Versions { plugin } => {
            let path = Named::find(&service, &plugin).await?.path("/versions");
            view::versions(&service, service.all(&path, "versions", "digest", &[]).await?);
        }
        ClientCommand::Events { plugin } => {
            let path = Named::find(&service, &plugin).await?.path("/events");
            view::events(&service, service.all(&path, "events", "id", &[]).await?);
        }
        ClientCommand::Delete { plugin, version } => {
            let found = Named::find(&service, &plugin).await?;
            let path = version.map_or_else(|| found.path(""), |version| found.path(&format!("/versions/{version}")));
            service.send(Method::Delete, &path, None).await?;
            view::done(&service, &format!("{} is deleted", found.name));
        }
        ClientCommand::Set { plugin, visibility, default_version, description } => {
            let found = Named::find(&service, &plugin).await?;
            let changes = changes(visibility, default_version, description)?;
            view::record(&service, &service.send(Method::Patch, &found.path(""), Some(&changes)).await?);
        }
        ClientCommand::Deactivate { version, stop } => life(&service, "deactivate", version, stop).await?,
        ClientCommand::Reactivate(version) => life(&service, "reactivate", version, false).await?,
        ClientCommand::Deprecate(version) => life(&service, "deprecate", version, false).await?,
        ClientCommand::Signatures(arguments) => signing::signatures(&service, arguments).await?,
        ClientCommand::SigningPolicy(arguments) => signing::policy(&service, arguments).await?,
        ClientCommand::Quota { project, limit } => quota(&service, project, &limit).await?,
        ClientCommand::Usage { project, days } => {
            let path = format!("/v1/plugin_quotas/{}/usage", own(&service, project).await?);
            view::usage(&service, &service.get(&path, &[("days", days.to_string())]).await?);
        }
        sharing => share(&service, sharing).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Commands about what projects let each other use.
async fn share(service: &Connection, command: ClientCommand) -> anyhow::Result<()> {
    match command {
        ClientCommand::Share { plugin, project } => {
            let found = Named::find(service, &plugin).await?;
            if found.visibility == "private" {
                let change = json!([{"op": "replace", "path": "/visibility", "value": "shared"}]);
                service.send(Method::Patch, &found.path(""), Some(&change)).await?;
            }
            let body = json!({"member": project});
            view::record(service, &service.send(Method::Post, &found.path("/members"), Some(&body)).await?);
        }
        ClientCommand::Unshare { plugin, project } => {
            let found = Named::find(service, &plugin).await?;
            service.send(Method::Delete, &found.path(&format!("/members/{project}")), None).await?;
            view::done(service, &format!("{} is not offered to {project} any more", found.name));
        }
        ClientCommand::Accept(arguments) => answer(service, "accepted", arguments).await?,
        ClientCommand::Reject(arguments) => answer(service, "rejected", arguments).await?,
        ClientCommand::Members { plugin } => {
            let path = Named::find(service, &plugin).await?.path("/members");
            view::members(service, &service.get(&path, &[]).await?);
        }
        ClientCommand::Grants { plugin, project } => {
            let path = Named::find(service, &plugin).await?.path("/grants");
            view::grant(service, &service.get(&path, &of_project(project)).await?);
        }
        ClientCommand::Grant { plugin, request, all, nothing, mut versions, any_version, project } => {
            let found = Named::find(service, &plugin).await?;
            if versions.is_empty() && !nothing && (all || !any_version) {
                // Named, so that another version that is uploaded meanwhile is not the one that gets the grant.
                versions.push(found.running()?.to_owned());
            }
            let requests = if all {
                found.requests(service, &versions).await?
            } else {
                request.iter().map(|text| pattern(text)).collect::<Result<_, _>>()?
            };
            let mut body = json!({"requests": requests});
            if any_version {
                body["versions"] = "any".into();
            } else if !nothing {
                body["versions"] = versions.into();
            }
            let (path, query) = (found.path("/grants"), of_project(project));
            let bytes = service.bytes(Method::Put, &path, &query, Some(&body), None).await?;
            view::grant(service, &connection::parse(&bytes)?);
        }
        other => bail!("{other:?} is no command about sharing"),
    }
    Ok(())
}

fn of_project(project: Option<String>) -> Vec<(&'static str, String)> {
    project.into_iter().map(|project| ("project_id", project)).collect()
}

fn changes(
    visibility: Option<Visibility>,
    default_version: Option<String>,
    description: Option<String>,
) -> anyhow::Result<Value> {
    let replace = |name: &str, value: Value| json!({"op": "replace", "path": format!("/{name}"), "value": value});
    let mut changes = Vec::new();
    changes.extend(visibility.map(|visibility| replace("visibility", word(&visibility).into())));
    changes.extend(default_version.map(|version| match version.as_str() {
        "newest" => json!({"op": "remove", "path": "/default_version"}),
        version => replace("default_version", version.into()),
    }));
    changes.extend(description.map(|text| replace("description", text.into())));
    if changes.is_empty() {
        bail!("nothing to change: give --visibility, --default-version or --description");
    }
    Ok(Value::Array(changes))
}

async fn answer(service: &Connection, status: &str, arguments: AnswerArgs) -> anyhow::Result<()> {
    let found = Named::find(service, &arguments.plugin).await?;
    let project = own(service, arguments.project).await?;
    let path = found.path(&format!("/members/{project}"));
    view::record(service, &service.send(Method::Put, &path, Some(&json!({"status": status}))).await?);
    Ok(())
}

async fn life(service: &Connection, change: &str, arguments: LifeArgs, stop: bool) -> anyhow::Result<()> {
    let found = Named::find(service, &arguments.plugin).await?;
    let path = found.path(&format!("/versions/{}/{change}", arguments.version));
    let mut body = Map::new();
    body.extend(arguments.reason.map(|reason| ("reason".to_owned(), reason.into())));
    body.extend(stop.then(|| ("running".to_owned(), "stop".into())));
    let body = (!body.is_empty()).then_some(Value::Object(body));
    let version = service.send(Method::Post, &path, body.as_ref()).await?;
    view::versions(service, vec![version]);
    Ok(())
}

async fn quota(service: &Connection, project: Option<String>, limits: &[String]) -> anyhow::Result<()> {
    let path = format!("/v1/plugin_quotas/{}", own(service, project).await?);
    let mut changes = Map::new();
    for text in limits {
        let bad = || format!("--limit {text} is not of the form NAME=NUMBER");
        let (name, value) = text.split_once('=').with_context(bad)?;
        let value = if value == "default" { Value::Null } else { value.parse::<u64>().with_context(bad)?.into() };
        match name.split_once('.') {
            Some((call, name)) => {
                let limits = changes.entry(call).or_insert_with(|| json!({}));
                limits.as_object_mut().with_context(bad)?.insert(name.to_owned(), value);
            }
            None => drop(changes.insert(name.to_owned(), value)),
        }
    }
    let quota = if changes.is_empty() {
        service.get(&path, &[]).await?
    } else {
        service.send(Method::Put, &path, Some(&json!({"limits": changes}))).await?
    };
    view::quota(service, &quota);
    Ok(())
}

/// The project that is meant: the one that was given, else the one that asks.
async fn own(service: &Connection, given: Option<String>) -> anyhow::Result<String> {
    match given {
        Some(project) => Ok(project),
        None => service.project().await?.context("nobody says for which project: give its id"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_a_json_patch() {
        let patch = changes(Some(Visibility::Shared), Some("newest".to_owned()), Some("d".to_owned())).unwrap();
        assert_eq!(
            patch,
            json!([
                {"op": "replace", "path": "/visibility", "value": "shared"},
                {"op": "remove", "path": "/default_version"},
                {"op": "replace", "path": "/description", "value": "d"},
            ])
        );
        assert!(changes(None, None, None).unwrap_err().to_string().starts_with("nothing to change"));
    }
}
