-- Signatures belong to the project whose plugin they were given for: others that have the same bytes neither see nor replace them.

ALTER TABLE plugin_signatures ADD COLUMN project_id text NOT NULL DEFAULT '';
DROP INDEX plugin_signatures_key;
INSERT INTO plugin_signatures (digest, project_id, key_id, signature, created_at)
    SELECT DISTINCT s.digest, p.project_id, s.key_id, s.signature, s.created_at
    FROM plugin_signatures s JOIN plugin_versions v ON v.digest = s.digest JOIN plugins p ON p.uuid = v.plugin_id
    WHERE p.project_id IS NOT NULL;
DELETE FROM plugin_signatures WHERE project_id = '' AND EXISTS (
    SELECT 1 FROM plugin_versions v JOIN plugins p ON p.uuid = v.plugin_id
    WHERE v.digest = plugin_signatures.digest AND p.project_id IS NOT NULL);
CREATE UNIQUE INDEX plugin_signatures_key ON plugin_signatures (digest, project_id, key_id);
