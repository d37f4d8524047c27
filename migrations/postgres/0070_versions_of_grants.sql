-- The versions that a grant is for: a JSON list of objects of number and digest. NULL stands for all, also those that are uploaded later, as
-- grants meant before there was a choice.
ALTER TABLE plugin_grants ADD COLUMN versions text COLLATE "C";
