-- Journals go with the end of their actions.
DELETE FROM journal_entries
    WHERE action_id IN (SELECT uuid FROM actions WHERE state IN ('SUCCEEDED', 'FAILED', 'SKIPPED', 'CANCELLED', 'DELETED'));
