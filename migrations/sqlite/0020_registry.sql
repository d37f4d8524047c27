-- Sharing plugins between projects: what their versions are like, who accepted what, limits, and who did what.

-- What its owner says about the plugin, for people.
ALTER TABLE plugins ADD COLUMN description text;
CREATE INDEX plugins_project ON plugins (project_id);

-- A deprecated version still runs. `report` is JSON: what the check at its upload found. `notes`, `signature` and `uploaded_by` (a user's id)
-- came with the upload.
ALTER TABLE plugin_versions ADD COLUMN deprecated boolean NOT NULL DEFAULT false;
ALTER TABLE plugin_versions ADD COLUMN report text;
ALTER TABLE plugin_versions ADD COLUMN notes text;
ALTER TABLE plugin_versions ADD COLUMN signature text;
ALTER TABLE plugin_versions ADD COLUMN uploaded_by text;

-- `offered` tells projects that the owner offered the plugin to from those that accepted a community or public one by themselves.
ALTER TABLE plugin_members ADD COLUMN offered boolean NOT NULL DEFAULT true;
CREATE INDEX plugin_members_member ON plugin_members (project_id, status);

-- The plugin that brings a row; NULL for built-in ones. The row is seen by those who may use the plugin, while a version of it may run.
ALTER TABLE strategies ADD COLUMN plugin_id blob REFERENCES plugins (uuid);
CREATE INDEX strategies_plugin ON strategies (plugin_id);
ALTER TABLE scoring_engines ADD COLUMN plugin_id blob REFERENCES plugins (uuid);
CREATE INDEX scoring_engines_plugin ON scoring_engines (plugin_id);

-- One row per project that ever uploaded; `limits` is a JSON object of those limits by name that differ from the defaults. The row is also
-- what the uploads of a project wait for, one after the other.
CREATE TABLE plugin_quotas (
    project_id text NOT NULL PRIMARY KEY,
    limits text NOT NULL,
    created_at text NOT NULL,
    updated_at text
);

-- Uploads that were begun, whatever became of them: each one costs a compilation.
CREATE TABLE plugin_uploads (
    id integer PRIMARY KEY AUTOINCREMENT,
    project_id text NOT NULL,
    begun_at text NOT NULL
);
CREATE INDEX plugin_uploads_begun ON plugin_uploads (project_id, begun_at);

-- Who did what to a plugin; rows are only ever added. `project_id` and `user_id` are whoever did it, `detail` is JSON.
CREATE TABLE plugin_events (
    id integer PRIMARY KEY AUTOINCREMENT,
    plugin_id blob NOT NULL REFERENCES plugins (uuid),
    project_id text,
    user_id text,
    event text NOT NULL,
    digest blob,
    detail text NOT NULL,
    happened_at text NOT NULL
);
CREATE INDEX plugin_events_plugin ON plugin_events (plugin_id, id);

-- One row: how often anything about plugins changed, so that whoever remembers an answer knows whether it still holds.
CREATE TABLE plugin_changes (
    id integer NOT NULL PRIMARY KEY CHECK (id = 1),
    number integer NOT NULL
);
INSERT INTO plugin_changes (id, number) VALUES (1, 0);
