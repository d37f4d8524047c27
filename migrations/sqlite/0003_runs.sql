-- What runs of audits saw, and what runs of actions asked for.

-- Clusters that audits looked at, once each however many audits saw the same; `content` is compressed by zstd.
CREATE TABLE snapshots (
    id integer PRIMARY KEY AUTOINCREMENT,
    uuid blob NOT NULL UNIQUE,
    digest blob NOT NULL UNIQUE,
    content blob NOT NULL,
    created_at text NOT NULL
);

-- One row per run of an audit; `content` is JSON compressed by zstd.
CREATE TABLE recordings (
    id integer PRIMARY KEY AUTOINCREMENT,
    project_id text,
    audit_id blob NOT NULL REFERENCES audits (uuid),
    action_plan_id blob REFERENCES action_plans (uuid),
    snapshot_id blob NOT NULL REFERENCES snapshots (uuid),
    content blob NOT NULL,
    created_at text NOT NULL
);
CREATE INDEX recordings_audit ON recordings (audit_id);
CREATE INDEX recordings_action_plan ON recordings (action_plan_id);
CREATE INDEX recordings_snapshot ON recordings (snapshot_id);

-- Outside calls of action handlers. A row is written before the call leaves, and gets its answer when that came; a row
-- without an answer is in doubt. `term` is that of the plan's lease under which it was last written.
CREATE TABLE journal_entries (
    id integer PRIMARY KEY AUTOINCREMENT,
    action_id blob NOT NULL REFERENCES actions (uuid),
    phase text NOT NULL CHECK (
        phase IN ('validate_parameters', 'pre_condition', 'execute', 'post_condition', 'revert', 'abort')
    ),
    sequence integer NOT NULL,
    call text NOT NULL,
    answer text,
    term integer NOT NULL,
    begun_at text NOT NULL,
    ended_at text
);
CREATE UNIQUE INDEX journal_entries_sequence ON journal_entries (action_id, phase, sequence);
