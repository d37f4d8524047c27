-- Plugins, their immutable versions, and what projects may do with them.

-- Bytes of components, once each however many plugins have them; `content` is compressed by zstd, `size_bytes` is the size before.
CREATE TABLE components (
    digest blob NOT NULL PRIMARY KEY,
    size_bytes integer NOT NULL,
    content blob NOT NULL,
    created_at text NOT NULL
);

-- Built-in plugins have no project and are public. `default_digest` is the version that runs when somebody names the plugin; without
-- it, or if that version is deactivated, the last inserted one does.
CREATE TABLE plugins (
    id integer PRIMARY KEY AUTOINCREMENT,
    uuid blob NOT NULL UNIQUE,
    project_id text,
    kind text NOT NULL CHECK (kind IN ('strategy', 'planner', 'action', 'scoring-engine')),
    name text NOT NULL,
    visibility text NOT NULL CHECK (visibility IN ('private', 'shared', 'community', 'public')),
    default_digest blob,
    created_at text NOT NULL,
    updated_at text,
    deleted_at text,
    deleted integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX plugins_name ON plugins (kind, name, deleted, COALESCE(project_id, ''));

-- `description` and `imports` are what the component said when it was inspected; they never change.
CREATE TABLE plugin_versions (
    id integer PRIMARY KEY AUTOINCREMENT,
    plugin_id blob NOT NULL REFERENCES plugins (uuid),
    version text NOT NULL,
    digest blob NOT NULL REFERENCES components (digest),
    description text NOT NULL,
    imports text NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'deactivated')),
    created_at text NOT NULL,
    updated_at text,
    deleted_at text,
    deleted integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX plugin_versions_digest ON plugin_versions (digest, plugin_id);
CREATE INDEX plugin_versions_plugin ON plugin_versions (plugin_id);

-- Projects that a shared plugin was offered to, and what they answered.
CREATE TABLE plugin_members (
    id integer PRIMARY KEY AUTOINCREMENT,
    plugin_id blob NOT NULL REFERENCES plugins (uuid),
    project_id text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'accepted', 'rejected')),
    created_at text NOT NULL,
    updated_at text
);
CREATE UNIQUE INDEX plugin_members_project ON plugin_members (plugin_id, project_id);

-- What a project lets a plugin ask of its cloud: a JSON list of request patterns.
CREATE TABLE plugin_grants (
    id integer PRIMARY KEY AUTOINCREMENT,
    plugin_id blob NOT NULL REFERENCES plugins (uuid),
    project_id text NOT NULL,
    requests text NOT NULL,
    created_at text NOT NULL,
    updated_at text
);
CREATE UNIQUE INDEX plugin_grants_project ON plugin_grants (plugin_id, project_id);
