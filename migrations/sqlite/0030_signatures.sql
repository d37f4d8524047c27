-- Who vouches for components, and when somebody must.

-- Detached signatures over digests, as JSON. Whose keys count is asked when a signature is needed.
CREATE TABLE plugin_signatures (
    id integer PRIMARY KEY AUTOINCREMENT,
    digest blob NOT NULL REFERENCES components (digest),
    key_id text NOT NULL,
    signature text NOT NULL,
    created_at text NOT NULL
);
CREATE UNIQUE INDEX plugin_signatures_key ON plugin_signatures (digest, key_id);

-- One row per project that has a policy, and one without a name for all; `policy` is JSON: keys, and when a signature by one is needed.
CREATE TABLE signing_policies (
    id integer PRIMARY KEY AUTOINCREMENT,
    project_id text NOT NULL,
    policy text NOT NULL,
    created_at text NOT NULL,
    updated_at text
);
CREATE UNIQUE INDEX signing_policies_project ON signing_policies (project_id);
