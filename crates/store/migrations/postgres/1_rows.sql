-- What is compared or sorted by its bytes, whatever the database's collation, is bytea: keys, index values.
-- One row per table of a space. Dropping it drops the table: its records are then in nobody's way and go in time.
CREATE SEQUENCE table_number;
CREATE TABLE space_table (
    id bigint PRIMARY KEY DEFAULT nextval('table_number'),
    account text NOT NULL,
    region text NOT NULL,
    service text NOT NULL,
    name text NOT NULL,
    UNIQUE (account, region, service, name)
);

-- Tables that were cleared and whose records are to be deleted.
CREATE TABLE dropped_table (id bigint PRIMARY KEY);

-- body and entries are JSON; entries is [["INDEX","VALUE"],...], or null for none.
CREATE TABLE record (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    space_table bigint NOT NULL,
    key bytea NOT NULL,
    version bigint NOT NULL,
    entries text,
    body text NOT NULL,
    UNIQUE (space_table, key)
) WITH (fillfactor = 85);

CREATE TABLE index_entry (
    space_table bigint NOT NULL,
    name bytea NOT NULL,
    value bytea NOT NULL,
    key bytea NOT NULL,
    PRIMARY KEY (space_table, name, value, key)
);

CREATE TABLE event (
    sequence bigint PRIMARY KEY,
    account text NOT NULL,
    region text NOT NULL,
    service text NOT NULL,
    kind text NOT NULL,
    body text NOT NULL
);

-- The last event's number. Who appends holds this row: numbers become visible in their order.
CREATE TABLE event_counter (sequence bigint NOT NULL);
INSERT INTO event_counter (sequence) VALUES (0);

-- A process takes a block of revisions at a time.
CREATE SEQUENCE revision_block;
