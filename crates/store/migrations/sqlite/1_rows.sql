-- One row per table of a space. Dropping it drops the table: its records are then in nobody's way and go in time.
CREATE TABLE space_table (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    service TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (account, region, service, name)
);

-- Tables whose records are to be deleted: cleared ones, and those of loads that were never finished.
CREATE TABLE dropped_table (id INTEGER PRIMARY KEY);

-- body and entries are JSON; entries is [["INDEX","VALUE"],...], or NULL for none.
-- With a rowid, since bodies are long: a table without would keep them in an index's pages.
CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    space_table INTEGER NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    entries TEXT,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX record_key ON record (space_table, key);

CREATE TABLE index_entry (
    space_table INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (space_table, name, value, key)
) WITHOUT ROWID;

CREATE TABLE event (
    sequence INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    service TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
);

-- revision: no version up to it is given out again. sequence: of the last event.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counter (name, value) VALUES ('revision', 0), ('sequence', 0);
