-- What plugins used, by project, component and day (UTC, as 2026-01-31). `project_id` is empty for what the service ran for itself.
-- `limited`, `crashed` and `dropped` count those of `calls` that did not return; `memory_bytes` is the largest of all calls.
CREATE TABLE plugin_usage (
    project_id text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    day text COLLATE "C" NOT NULL,
    calls bigint NOT NULL,
    limited bigint NOT NULL,
    crashed bigint NOT NULL,
    dropped bigint NOT NULL,
    fuel bigint NOT NULL,
    duration_us bigint NOT NULL,
    memory_bytes bigint NOT NULL,
    requests bigint NOT NULL,
    PRIMARY KEY (project_id, digest, day)
);
CREATE INDEX plugin_usage_day ON plugin_usage (day);
