-- Recordings are dropped when they are old, or when their project has too many bytes of them; snapshots some time after the last recording that names
-- them. Plans that name a snapshot outlive it.
ALTER TABLE recordings ADD COLUMN size_bytes bigint NOT NULL DEFAULT 0;
UPDATE recordings SET size_bytes = length(content);
CREATE INDEX recordings_kept ON recordings (project_id, id, size_bytes);
CREATE INDEX recordings_created ON recordings (created_at);
-- When an audit last looked at the cluster; refreshed some time before it is too long ago for the snapshot to be kept.
ALTER TABLE snapshots RENAME COLUMN created_at TO used_at;
CREATE INDEX snapshots_used ON snapshots (used_at);
