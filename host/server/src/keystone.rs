//! From section `keystone` to a session of the service user.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use watcher_domain::{Clock, Ids};
use watcher_openstack::{
    Credentials, DomainName, HttpLimits, ProjectName, Scope, Secret, Session, SessionOptions, UserName,
};

use crate::config::KeystoneConfig;

/// A session of the user that the configuration names; nothing is sent yet.
pub fn session(config: &KeystoneConfig, clock: &Arc<dyn Clock>, ids: &Arc<dyn Ids>) -> anyhow::Result<Arc<Session>> {
    session_within(config, HttpLimits::default(), clock, ids)
}

/// The same with other times and sizes.
pub fn session_within(
    config: &KeystoneConfig,
    limits: HttpLimits,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
) -> anyhow::Result<Arc<Session>> {
    let mut options = SessionOptions::new(config.auth_url.clone(), credentials(config)?);
    options.limits = limits;
    options.region = Some(config.region_name.clone()).filter(|region| !region.is_empty());
    options.interface = config.interface.parse().context("keystone.interface")?;
    options.endpoint_overrides.clone_from(&config.endpoint_override);
    options.insecure = config.insecure;
    if !config.cacert.is_empty() {
        let pem =
            std::fs::read(&config.cacert).with_context(|| format!("keystone.cacert: cannot read {}", config.cacert))?;
        options.ca_pem = Some(pem);
    }
    Ok(Arc::new(Session::new(options, Arc::clone(clock), Arc::clone(ids)).context("section keystone")?))
}

/// How the service user logs in.
fn credentials(config: &KeystoneConfig) -> anyhow::Result<Credentials> {
    let has_credential = !config.application_credential_id.is_empty() || !config.application_credential_name.is_empty();
    match config.auth_type.as_str() {
        "" if has_credential => application_credential(config),
        "v3applicationcredential" => application_credential(config),
        "" | "password" | "v3password" => {
            ensure!(!config.password.is_empty(), "keystone.password is not set");
            let (user, password) = (user(config)?, Secret::new(config.password.reveal()));
            Ok(Credentials::Password { user, password, scope: scope(config)? })
        }
        other => bail!("keystone.auth_type {other} is not supported: password or v3applicationcredential"),
    }
}

fn application_credential(config: &KeystoneConfig) -> anyhow::Result<Credentials> {
    ensure!(!config.application_credential_secret.is_empty(), "keystone.application_credential_secret is not set");
    let secret = Secret::new(config.application_credential_secret.reveal());
    match (&config.application_credential_id, &config.application_credential_name) {
        (id, _) if !id.is_empty() => Ok(Credentials::ApplicationCredential { id: id.clone(), secret }),
        (_, name) if !name.is_empty() => {
            Ok(Credentials::NamedApplicationCredential { user: user(config)?, name: name.clone(), secret })
        }
        _ => bail!("neither keystone.application_credential_id nor keystone.application_credential_name is set"),
    }
}

fn user(config: &KeystoneConfig) -> anyhow::Result<UserName> {
    if !config.user_id.is_empty() {
        return Ok(UserName::Id(config.user_id.clone()));
    }
    ensure!(!config.username.is_empty(), "keystone.username is not set");
    Ok(UserName::Name {
        name: config.username.clone(),
        domain: domain(&config.user_domain_id, &config.user_domain_name)
            .context("neither keystone.user_domain_id nor keystone.user_domain_name is set")?,
    })
}

fn scope(config: &KeystoneConfig) -> anyhow::Result<Scope> {
    match config.system_scope.as_str() {
        "" => {}
        "all" => return Ok(Scope::System),
        other => bail!("keystone.system_scope {other:?} is not supported: all, or nothing"),
    }
    if let Some(domain) = domain(&config.domain_id, &config.domain_name) {
        return Ok(Scope::Domain(domain));
    }
    if !config.project_id.is_empty() {
        return Ok(Scope::Project(ProjectName::Id(config.project_id.clone())));
    }
    ensure!(!config.project_name.is_empty(), "neither keystone.project_id nor keystone.project_name is set");
    Ok(Scope::Project(ProjectName::Name {
        name: config.project_name.clone(),
        domain: domain(&config.project_domain_id, &config.project_domain_name)
            .context("neither keystone.project_domain_id nor keystone.project_domain_name is set")?,
    }))
}

/// A domain by its id, else by its name.
fn domain(id: &str, name: &str) -> Option<DomainName> {
    match (id, name) {
        ("", "") => None,
        ("", name) => Some(DomainName::Name(name.to_owned())),
        (id, _) => Some(DomainName::Id(id.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn read(settings: &[&str]) -> Result<Credentials, String> {
        let settings: Vec<String> = settings.iter().map(|setting| format!("keystone.{setting}")).collect();
        let config = Config::load(None, [], &settings).unwrap().config;
        credentials(&config.keystone).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_is_set_decides_how_the_service_user_logs_in() {
        let by_password = read(&["password=x"]).unwrap();
        assert_eq!(by_password.who(), "user watcher");
        assert_eq!(
            read(&["password=x", "application_credential_id=a1", "application_credential_secret=s"]).unwrap().who(),
            "application credential a1"
        );
        let named = read(&[
            "auth_type=v3applicationcredential",
            "application_credential_name=r",
            "application_credential_secret=s",
            "user_id=u1",
        ]);
        assert_eq!(named.unwrap().who(), "application credential r of user u1");
        let scope = |settings: &[&str]| match read(&[settings, &["password=x"]].concat()) {
            Ok(Credentials::Password { scope, .. }) => scope,
            other => panic!("{other:?}"),
        };
        assert_eq!(scope(&["system_scope=all", "domain_id=d"]), Scope::System);
        assert_eq!(scope(&["domain_name=D"]), Scope::Domain(DomainName::Name("D".to_owned())));
        assert_eq!(scope(&["project_id=p"]), Scope::Project(ProjectName::Id("p".to_owned())));
        let domain = DomainName::Id("pd".to_owned());
        assert_eq!(
            scope(&["project_domain_id=pd"]),
            Scope::Project(ProjectName::Name { name: "service".to_owned(), domain })
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        for (settings, want) in [
            (&[][..], "keystone.password is not set"),
            (&["application_credential_id=a"], "keystone.application_credential_secret is not set"),
            (
                &["auth_type=v3token"],
                "keystone.auth_type v3token is not supported: password or v3applicationcredential",
            ),
            (&["password=x", "username="], "keystone.username is not set"),
            (&["password=x", "system_scope=some"], "keystone.system_scope \"some\" is not supported: all, or nothing"),
        ] {
            assert_eq!(read(settings).unwrap_err(), want);
        }
    }
}
