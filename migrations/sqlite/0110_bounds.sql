-- Which components a plan needs, each once however many of its actions one handles: those of its strategy, its planner and its handlers. Rows are
-- written with the plan and its actions, and go when it ends or is deleted: so that it is cheap to tell what needs a version of a plugin.
CREATE TABLE plan_components (
    action_plan_id blob NOT NULL REFERENCES action_plans (uuid),
    digest blob NOT NULL,
    PRIMARY KEY (digest, action_plan_id)
);
CREATE INDEX plan_components_action_plan ON plan_components (action_plan_id);
INSERT INTO plan_components (action_plan_id, digest)
    SELECT uuid, strategy_digest FROM action_plans
        WHERE deleted = 0 AND state IN ('RECOMMENDED', 'PENDING', 'ONGOING', 'CANCELLING')
    UNION SELECT uuid, planner_digest FROM action_plans
        WHERE deleted = 0 AND state IN ('RECOMMENDED', 'PENDING', 'ONGOING', 'CANCELLING')
    UNION SELECT a.action_plan_id, a.digest FROM actions a JOIN action_plans p ON p.uuid = a.action_plan_id
        WHERE a.deleted = 0 AND p.deleted = 0 AND p.state IN ('RECOMMENDED', 'PENDING', 'ONGOING', 'CANCELLING');

-- Components that no version has: two projects that deleted the same one at the same time left it behind. Blobs of such are to be removed.
INSERT INTO loose_blobs (place, name, doomed, since)
    SELECT c.blob_place, c.blob_name, true, c.created_at FROM components c
        WHERE c.blob_place <> '' AND NOT EXISTS (SELECT 1 FROM plugin_versions v WHERE v.digest = c.digest)
    ON CONFLICT (place, name) DO NOTHING;
DELETE FROM components WHERE NOT EXISTS (SELECT 1 FROM plugin_versions v WHERE v.digest = components.digest);

-- Events: those of one project, those of one hour, and those that the owner of a plugin sees of others.
CREATE INDEX plugin_events_project ON plugin_events (plugin_id, project_id, id);
CREATE INDEX plugin_events_happened ON plugin_events (project_id, happened_at);
CREATE INDEX plugin_events_owner ON plugin_events (plugin_id, id) WHERE event NOT IN ('accepted', 'dropped', 'granted');

-- What a project has, in the order of lists: who has little does not read through what others have. Expressions, and not `project_id`: SQLite, which does not
-- count rows, would take these indexes for questions that a plan, an audit or a state answers with fewer rows.
CREATE INDEX audit_templates_project ON audit_templates (COALESCE(project_id, ''), id);
CREATE INDEX audits_project ON audits (COALESCE(project_id, ''), id);
CREATE INDEX action_plans_project ON action_plans (COALESCE(project_id, ''), id);
CREATE INDEX actions_project ON actions (COALESCE(project_id, ''), id);
