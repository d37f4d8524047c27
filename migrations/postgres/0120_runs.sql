-- How often an audit was begun since its last run that came to an end, and its worker was gone before that.
ALTER TABLE audits ADD COLUMN lost_runs bigint NOT NULL DEFAULT 0;
-- The plugin whose component it is, for a handler of a plan that was begun; none before, when whoever may use several with the same component has not chosen.
ALTER TABLE plan_components ADD COLUMN plugin_id uuid;
