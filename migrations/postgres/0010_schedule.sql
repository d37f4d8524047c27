-- When `next_run_time` of a CONTINUOUS audit was worked out. None: it is to be worked out again, because the audit is new, was moved by
-- hand, or has another interval.
ALTER TABLE audits ADD COLUMN scheduled_at timestamptz;
CREATE INDEX audits_schedule ON audits (audit_type, state, next_run_time);
