-- How often an audit was begun since its last run that came to an end, and its worker was gone before that.
ALTER TABLE audits ADD COLUMN lost_runs bigint NOT NULL DEFAULT 0;
