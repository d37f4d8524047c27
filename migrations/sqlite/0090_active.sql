-- What a project has that waits, runs, or may run again: it is counted before there is more.
CREATE INDEX audits_active ON audits (project_id)
    WHERE deleted = 0 AND (state IN ('PENDING', 'ONGOING', 'SUSPENDED') OR audit_type = 'EVENT' AND state = 'SUCCEEDED');
CREATE INDEX action_plans_active ON action_plans (project_id)
    WHERE deleted = 0 AND state IN ('PENDING', 'ONGOING', 'CANCELLING');
