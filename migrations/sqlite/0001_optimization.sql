-- Goals, strategies, audit templates, audits, action plans, actions and efficacy indicators.
--
-- Both databases have the same tables with the same columns in the same order; only the names of types differ.
-- * `id` is the serial number that the API pages and sorts by; `uuid` is the identity, and what other rows refer to.
-- * `deleted` is 0, or the row's own `id` once it is soft-deleted: a unique index over a name and `deleted` frees the name.
-- * `project_id` is the owner; NULL belongs to nobody, is seen by all, and counts as one owner in unique indexes.
-- * JSON is kept as text: replays and clients get the bytes, the order of keys and the numbers back that were written.
-- * Times are UTC as text with an offset (RFC 3339), which sorts as the times do.
-- * `lease_term` counts claims. A write under an older term than the row's comes from a worker that lost its lease.

CREATE TABLE goals (
    id integer PRIMARY KEY AUTOINCREMENT,
    uuid blob NOT NULL UNIQUE,
    project_id text,
    name text NOT NULL,
    display_name text NOT NULL,
    efficacy_specification text NOT NULL,
    created_at text NOT NULL,
    updated_at text,
    deleted_at text,
    deleted integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX goals_name ON goals (name, deleted, COALESCE(project_id, ''));

-- The digest is not a foreign key: components may be purged while rows that were made with them stay.
CREATE TABLE strategies (
    id integer PRIMARY KEY AUTOINCREMENT,
    uuid blob NOT NULL UNIQUE,
    project_id text,
    name text NOT NULL,
    display_name text NOT NULL,
    goal_id blob NOT NULL REFERENCES goals (uuid),
    parameters_spec text NOT NULL,
    digest blob NOT NULL,
    created_at text NOT NULL,
    updated_at text,
    deleted_at text,
    deleted integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX strategies_name ON strategies (name, deleted, COALESCE(project_id, ''));
CREATE INDEX strategies_goal ON strategies (goal_id);

CREATE TABLE audit_templates (
    id integer PRIMARY KEY AUTOINCREMENT,
    uuid blob NOT NULL UNIQUE,
    project_id text,
    name text NOT NULL,
    description text,
    goal_id blob NOT NULL REFERENCES goals (uuid),
    strategy_id blob REFERENCES strategies (uuid),
    scope text NOT NULL,
    default_parameters text NOT NULL,
    created_at text NOT NULL,
    updated_at text,
    deleted_at text,
    deleted integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX audit_templates_name ON audit_templates (name, deleted, COALESCE(project_id, ''));
CREATE INDEX audit_templates_goal ON audit_templates (goal_id);
CREATE INDEX audit_templates_strategy ON audit_templates (strategy_id);

-- `triggered_at` tells an EVENT audit whose webhook was called, and which is due, from one that waits for its first call.
CREATE TABLE audits (
    id integer PRIMARY KEY AUTOINCREMENT,
    uuid blob NOT NULL UNIQUE,
    project_id text,
    name text NOT NULL,
    audit_type text NOT NULL CHECK (audit_type IN ('ONESHOT', 'CONTINUOUS', 'EVENT')),
    state text NOT NULL CHECK (
        state IN ('PENDING', 'ONGOING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'SUSPENDED', 'DELETED')
    ),
    parameters text NOT NULL,
    "interval" text,
    goal_id blob NOT NULL REFERENCES goals (uuid),
    strategy_id blob REFERENCES strategies (uuid),
    scope text NOT NULL,
    auto_trigger boolean NOT NULL,
    force boolean NOT NULL,
    next_run_time text,
    hostname text,
    start_time text,
    end_time text,
    status_message text,
    triggered_at text,
    lease_owner blob,
    lease_until text,
    lease_term integer NOT NULL DEFAULT 0,
    created_at text NOT NULL,
    updated_at text,
    deleted_at text,
    deleted integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX audits_name ON audits (name, deleted, COALESCE(project_id, ''));
-- For the sweeps, which look for the few rows that wait or run among the many that have ended.
CREATE INDEX audits_state ON audits (state, lease_until);
CREATE INDEX audits_goal ON audits (goal_id);
CREATE INDEX audits_strategy ON audits (strategy_id);

-- `snapshot_id` is not a foreign key: snapshots are purged sooner than plans.
CREATE TABLE action_plans (
    id integer PRIMARY KEY AUTOINCREMENT,
    uuid blob NOT NULL UNIQUE,
    project_id text,
    audit_id blob NOT NULL REFERENCES audits (uuid),
    strategy_id blob NOT NULL REFERENCES strategies (uuid),
    state text NOT NULL CHECK (
        state IN (
            'RECOMMENDED', 'PENDING', 'ONGOING', 'SUCCEEDED', 'FAILED', 'CANCELLING', 'CANCELLED', 'SUPERSEDED', 'DELETED'
        )
    ),
    global_efficacy text NOT NULL,
    hostname text,
    status_message text,
    strategy_digest blob NOT NULL,
    planner_digest blob NOT NULL,
    snapshot_id blob,
    lease_owner blob,
    lease_until text,
    lease_term integer NOT NULL DEFAULT 0,
    created_at text NOT NULL,
    updated_at text,
    deleted_at text,
    deleted integer NOT NULL DEFAULT 0
);
CREATE INDEX action_plans_state ON action_plans (state, lease_until);
CREATE INDEX action_plans_audit ON action_plans (audit_id);
CREATE INDEX action_plans_strategy ON action_plans (strategy_id);

-- Parents are a JSON list of UUIDs: a plan is written at once and its graph read as a whole, never searched.
CREATE TABLE actions (
    id integer PRIMARY KEY AUTOINCREMENT,
    uuid blob NOT NULL UNIQUE,
    project_id text,
    action_plan_id blob NOT NULL REFERENCES action_plans (uuid),
    "position" integer NOT NULL,
    action_type text NOT NULL,
    input_parameters text NOT NULL,
    state text NOT NULL CHECK (
        state IN ('PENDING', 'ONGOING', 'SUCCEEDED', 'FAILED', 'CANCELLING', 'CANCELLED', 'SKIPPED', 'DELETED')
    ),
    parents text NOT NULL,
    status_message text,
    digest blob NOT NULL,
    created_at text NOT NULL,
    updated_at text,
    deleted_at text,
    deleted integer NOT NULL DEFAULT 0
);
-- Pages of the actions of a plan are in the order of `id`, which is also that of their places.
CREATE INDEX actions_action_plan ON actions (action_plan_id, id);

-- Values are finite numbers; the check refuses what SQLite and PostgreSQL treat differently.
CREATE TABLE efficacy_indicators (
    id integer PRIMARY KEY AUTOINCREMENT,
    uuid blob NOT NULL UNIQUE,
    action_plan_id blob NOT NULL REFERENCES action_plans (uuid),
    name text NOT NULL,
    description text NOT NULL,
    unit text,
    value real NOT NULL CHECK (value BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
    created_at text NOT NULL,
    updated_at text,
    deleted_at text,
    deleted integer NOT NULL DEFAULT 0
);
CREATE INDEX efficacy_indicators_action_plan ON efficacy_indicators (action_plan_id);

CREATE TABLE action_descriptions (
    id integer PRIMARY KEY AUTOINCREMENT,
    action_type text NOT NULL UNIQUE,
    description text NOT NULL,
    created_at text NOT NULL,
    updated_at text,
    deleted_at text,
    deleted integer NOT NULL DEFAULT 0
);

CREATE TABLE scoring_engines (
    id integer PRIMARY KEY AUTOINCREMENT,
    uuid blob NOT NULL UNIQUE,
    project_id text,
    name text NOT NULL,
    description text,
    metainfo text,
    created_at text NOT NULL,
    updated_at text,
    deleted_at text,
    deleted integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX scoring_engines_name ON scoring_engines (name, deleted, COALESCE(project_id, ''));

-- Processes of this service, by role and host.
CREATE TABLE services (
    id integer PRIMARY KEY AUTOINCREMENT,
    name text NOT NULL,
    host text NOT NULL,
    last_seen_up text,
    created_at text NOT NULL,
    updated_at text,
    deleted_at text,
    deleted integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX services_name ON services (host, name, deleted);
