-- Bytes of components may be in an object store.

-- Where the bytes are if they are not in `content`, which is empty then: the store, as the option `blobs.store` names it, and the name there.
ALTER TABLE components ADD COLUMN blob_place text NOT NULL DEFAULT '';
ALTER TABLE components ADD COLUMN blob_name text NOT NULL DEFAULT '';

-- Blobs that no component has: one that an upload under way is writing, or (`doomed`) one to be removed. Every name is in here before it is
-- written, and until it is removed, unless a component has it. `since` is when the upload wrote it, or when it was last tried to remove it.
CREATE TABLE loose_blobs (
    id integer PRIMARY KEY AUTOINCREMENT,
    place text NOT NULL,
    name text NOT NULL,
    doomed boolean NOT NULL,
    since text NOT NULL
);
CREATE UNIQUE INDEX loose_blobs_name ON loose_blobs (place, name);
CREATE INDEX loose_blobs_since ON loose_blobs (since, id);
