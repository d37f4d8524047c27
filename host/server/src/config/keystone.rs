//! The section that says where the cloud is and who this service is there, with the names of `clouds.yaml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::option::{OptionDoc, Secret, section};

section! {
    /// The cloud, and who this service is there. Names are those of the `auth` part of `clouds.yaml`.
    KeystoneConfig {
        /// A cloud of `clouds.yaml` whose settings count where this section says nothing else. The file is `$OS_CLIENT_CONFIG_FILE`, or
        /// the first of `./clouds.yaml`, `$XDG_CONFIG_HOME/openstack/clouds.yaml`, `~/.config/openstack/clouds.yaml` and
        /// `/etc/openstack/clouds.yaml`; `secure.yaml` of the same places (or `$OS_CLIENT_SECURE_FILE`) counts over it.
        cloud: String = String::new();
        /// Identity endpoint, with or without its version, e.g. `http://controller:5000/v3`.
        auth_url: String = String::new();
        /// `password` or `v3applicationcredential`; empty takes the application credential if one is set, else the password.
        auth_type: String = String::new();
        /// Service user by name.
        username: String = "watcher".to_owned();
        /// Service user by id; counts over its name.
        user_id: String = String::new();
        /// Password of the service user.
        password: Secret = Secret::default();
        /// Domain of the service user.
        user_domain_name: String = "Default".to_owned();
        /// The same by id; counts over the name.
        user_domain_id: String = String::new();
        /// Project of the service user.
        project_name: String = "service".to_owned();
        /// The same by id; counts over the name.
        project_id: String = String::new();
        /// Domain of that project.
        project_domain_name: String = "Default".to_owned();
        /// The same by id; counts over the name.
        project_domain_id: String = String::new();
        /// Domain to work in instead of a project, by name.
        domain_name: String = String::new();
        /// The same by id; counts over the name.
        domain_id: String = String::new();
        /// `all` to work in the whole system instead of a project or domain.
        system_scope: String = String::new();
        /// Application credential by id. It knows its user and project.
        application_credential_id: String = String::new();
        /// Application credential by name; `username` or `user_id` says whose.
        application_credential_name: String = String::new();
        /// Its secret.
        application_credential_secret: Secret = Secret::default();
        /// Region of the endpoints; empty takes the first of the catalogue.
        region_name: String = String::new();
        /// `public`, `internal` or `admin`.
        interface: String = "public".to_owned();
        /// Endpoints that count over the catalogue, by service type, e.g. `compute = "http://nova:8774/v2.1"`.
        endpoint_override: BTreeMap<String, String> = BTreeMap::new();
        /// File with certificates in PEM that are trusted besides those of the system.
        cacert: String = String::new();
        /// Do not check certificates. Whoever is between here and the cloud then reads every password and token.
        insecure: bool = false;
        /// Where callers without a token are sent to; empty takes `auth_url`.
        www_authenticate_uri: String = String::new();
        /// How long the answer about a caller's token is kept, in seconds; never beyond the token's own end. A token that is revoked
        /// meanwhile works for so long. 0 asks Keystone each time.
        token_cache_s: u64 = 60, in 0..=3600;
        /// How many callers' tokens are remembered; beyond it the oldest is forgotten.
        token_cache_entries: usize = 10_000, in 1..=1_000_000;
    }
}
