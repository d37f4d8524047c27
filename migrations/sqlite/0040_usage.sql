-- What plugins used, by project, component and day (UTC, as 2026-01-31). `project_id` is empty for what the service ran for itself.
-- `limited`, `crashed` and `dropped` count those of `calls` that did not return; `memory_bytes` is the largest of all calls.
CREATE TABLE plugin_usage (
    project_id text NOT NULL,
    digest blob NOT NULL,
    day text NOT NULL,
    calls integer NOT NULL,
    limited integer NOT NULL,
    crashed integer NOT NULL,
    dropped integer NOT NULL,
    fuel integer NOT NULL,
    duration_us integer NOT NULL,
    memory_bytes integer NOT NULL,
    requests integer NOT NULL,
    PRIMARY KEY (project_id, digest, day)
);
CREATE INDEX plugin_usage_day ON plugin_usage (day);
