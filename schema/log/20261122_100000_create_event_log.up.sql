-- The log: roles, schemas, identity, event_log and what stands beside it.
--
-- One row of event_log is one event, for ever.  Its place is (shard, position); positions of a shard
-- are gapless from 1.  event_log is partitioned by the UTC month of recorded_at; a leaf is called
-- event_log_y2026m11, is made ahead of time by make_leaf(), and carries its own indexes and triggers.
--
--   log_batch   one row a commit: what it took, the Merkle root after it.  Insert-only, unique in
--               (shard, first_position): fence, head and history of roots in one.  The head of a shard
--               is its last row.  (A head row that is updated would fall to a tenth of its speed behind
--               a stranger's old snapshot.)
--   log_month   which positions of a shard stand in which leaf
--   log_tile    full tiles of 256 hashes, laid out as C2SP tlog-tiles; derived, can be made again
--   log_epoch   who took the log over after a restore, and what was lost by it
--
-- event_log and log_batch have no CHECK of their own: PostgreSQL parses and plans each CHECK anew in each
-- statement, which a commit of one event would feel.  append() checks instead, and the bounds of a leaf
-- are its partition constraint.
--
-- Crash argument: everything here changes in the transaction that appends, or not at all.  A leaf
-- appears whole or not at all, since CREATE TABLE and ATTACH are one transaction.  Nothing that
-- correctness rests on is cached, unlogged or kept in a sequence.
--
-- Append-only holds three times: by grants (nobody but the owner may change a row), by triggers on the
-- parent and on every leaf (a TRUNCATE of a leaf passes the parent's), which stop the owner and a
-- superuser as well, and by the Merkle tree, which shows what got past both.
--
-- The roles belong to the cluster, not to the database: they are made when missing and never dropped.

DO $$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['verbatim_owner', 'verbatim_engine', 'verbatim_reader',
                             'verbatim_auditor', 'verbatim_admin'] LOOP
        IF to_regrole(r) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', r);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;               -- another database's migration made it in this moment
            END;
        END IF;
    END LOOP;
    -- From version 16 on, being a member is not yet being able to act as the role.
    IF NOT pg_has_role(current_user, 'verbatim_owner',
                       CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) THEN
        EXECUTE format('GRANT verbatim_owner TO %I', current_user);
    END IF;
    IF NOT has_database_privilege('verbatim_owner', current_database(), 'CREATE') THEN
        EXECUTE format('GRANT CREATE ON DATABASE %I TO verbatim_owner', current_database());
    END IF;
END $$;

CREATE SCHEMA IF NOT EXISTS verbatim;
ALTER SCHEMA verbatim OWNER TO verbatim_owner;

-- From here on the owner acts; the last statement gives the role back.
DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

GRANT USAGE ON SCHEMA verbatim TO verbatim_engine, verbatim_reader, verbatim_auditor, verbatim_admin;

-- The log's clock.  A seam: tests replace it to stand at a month's boundary.
CREATE FUNCTION verbatim.log_now() RETURNS timestamptz
    LANGUAGE sql VOLATILE PARALLEL SAFE
    AS 'SELECT clock_timestamp()';

CREATE FUNCTION verbatim.month_start(at timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT date_trunc('month', at, 'UTC') $$;

CREATE TABLE verbatim.log_identity (
    log_id     uuid        NOT NULL,
    epoch      int4        NOT NULL CHECK (epoch >= 1),
    shards     int2        NOT NULL CHECK (shards BETWEEN 1 AND 255),
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX log_identity_one_row ON verbatim.log_identity ((true));
COMMENT ON TABLE verbatim.log_identity IS
    'One row: which log this is. epoch counts adoptions. Tenants live in shards 1..shards, the system tenant in shard 0.';

CREATE TABLE verbatim.log_epoch (
    epoch      int4        PRIMARY KEY,
    adopted_at timestamptz NOT NULL,
    who        text        NOT NULL,
    why        text        NOT NULL,
    lost       jsonb       NOT NULL      -- [{"shard": 1, "first": 5, "last": 9}, ...]
);
COMMENT ON TABLE verbatim.log_epoch IS 'The history of adoptions; epoch 1 is the creation of the log.';

-- Column order is storage order: eight-byte values first, then four, two, one, then uuids (no padding),
-- then short texts, the payload last.  NULL takes no room.
CREATE TABLE verbatim.event_log (
    position         int8        NOT NULL,
    recorded_at      timestamptz NOT NULL,
    occurred_at      timestamptz NOT NULL,
    event_version    int4        NOT NULL,
    shard            int2        NOT NULL,
    silent           bool        NOT NULL,
    event_id         uuid        NOT NULL,
    tenant_id        uuid        NOT NULL,
    entity_id        uuid        NOT NULL,
    conversation_id  uuid,
    customer_id      uuid,
    resolution_id    uuid,
    actor_id         uuid,
    correlation_id   uuid,
    causation_id     uuid,
    event_type       text        NOT NULL,
    entity_type      text        NOT NULL,
    actor_type       text        NOT NULL,
    leaf_hash        bytea       NOT NULL,
    actor_ip         inet,
    actor_user_agent text,
    payload          json        NOT NULL
) PARTITION BY RANGE (recorded_at);
COMMENT ON TABLE verbatim.event_log IS
    'Every event, word for word, append-only. Place: (shard, position), gapless. Leaves are UTC months of recorded_at.';

-- lz4 costs a fraction of pglz for the long payloads; not every server is built with it.
DO $$ BEGIN
    IF 'lz4' = ANY ((SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression')::text[]) THEN
        ALTER TABLE verbatim.event_log ALTER COLUMN payload SET COMPRESSION lz4;
    END IF;
END $$;

CREATE TABLE verbatim.log_batch (
    first_position int8        NOT NULL,
    last_position  int8        NOT NULL,
    recorded_at    timestamptz NOT NULL,
    epoch          int4        NOT NULL,
    shard          int2        NOT NULL,
    root           bytea       NOT NULL,
    CONSTRAINT log_batch_fence UNIQUE (shard, first_position)
) WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE verbatim.log_batch IS
    'One row a commit. root is the shard''s Merkle root over positions 1..last_position. The newest row is the head.';

CREATE TABLE verbatim.log_month (
    shard          int2 NOT NULL,
    month          date NOT NULL CHECK (extract(day FROM month) = 1),
    first_position int8 NOT NULL,
    last_position  int8,
    PRIMARY KEY (shard, month)
);
COMMENT ON TABLE verbatim.log_month IS
    'Which positions of a shard stand in which month''s leaf; last_position is null while the month is open.';

CREATE TABLE verbatim.log_tile (
    index  int8  NOT NULL CHECK (index >= 0),
    level  int2  NOT NULL CHECK (level >= 0),
    shard  int2  NOT NULL,
    hashes bytea NOT NULL CHECK (octet_length(hashes) = 8192),
    PRIMARY KEY (shard, level, index)
) WITH (autovacuum_freeze_min_age = 0);
ALTER TABLE verbatim.log_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;   -- hashes do not compress
COMMENT ON TABLE verbatim.log_tile IS
    'Full tiles: hashes 256*index .. 256*index+255 of tree level 8*level, 32 bytes each. Derived from leaf_hash.';

-- The triggers' function.  The setting is for the retention command alone, which acts as the owner.
CREATE FUNCTION verbatim.refuse_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF current_setting('verbatim.maintenance', true) = 'retention' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '%.% is append-only: % refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'VB002',
              HINT = 'correct an event by appending another one';
END $$;

-- Guards one table: a statement trigger each, ALWAYS, so that a replica's session is stopped as well.
CREATE FUNCTION verbatim.make_append_only(tab regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION verbatim.refuse_change()', tab);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER append_only', tab);
END $$;

DO $$ BEGIN
    PERFORM verbatim.make_append_only('verbatim.event_log');
    PERFORM verbatim.make_append_only('verbatim.log_batch');
    PERFORM verbatim.make_append_only('verbatim.log_tile');
    PERFORM verbatim.make_append_only('verbatim.log_epoch');
END $$;

-- Closed by default: without a policy that names its role, a login sees no row.
ALTER TABLE verbatim.event_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON verbatim.event_log FOR SELECT
    TO verbatim_engine, verbatim_admin, verbatim_auditor USING (true);

GRANT SELECT ON verbatim.event_log, verbatim.log_batch, verbatim.log_month, verbatim.log_tile, verbatim.log_epoch
    TO verbatim_engine, verbatim_admin, verbatim_auditor;
GRANT SELECT ON verbatim.log_identity
    TO verbatim_engine, verbatim_admin, verbatim_auditor, verbatim_reader;

-- Makes the log's identity; called again, it changes nothing and answers the same log_id.
CREATE FUNCTION verbatim.init_log(shards int2) RETURNS uuid
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    have verbatim.log_identity;
BEGIN
    LOCK TABLE verbatim.log_identity IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO have FROM verbatim.log_identity;
    IF FOUND THEN
        IF have.shards <> init_log.shards THEN
            RAISE EXCEPTION 'log % has % shards, not %', have.log_id, have.shards, init_log.shards
                USING ERRCODE = 'VB003', HINT = 'the number of shards is fixed when the log is made';
        END IF;
        RETURN have.log_id;
    END IF;
    INSERT INTO verbatim.log_identity (log_id, epoch, shards, created_at)
        VALUES (gen_random_uuid(), 1, init_log.shards, verbatim.log_now())
        RETURNING * INTO have;
    INSERT INTO verbatim.log_epoch (epoch, adopted_at, who, why, lost)
        VALUES (1, have.created_at, session_user, 'created', '[]');
    RETURN have.log_id;
END $$;

-- Takes the log over after a restore or a promotion that lost a tail; answers the new epoch.  A batch
-- under way with the old epoch can still commit before the first one with the new, never after it: both
-- begin at the same position, and the fence lets one of them in.
CREATE FUNCTION verbatim.adopt(who text, why text, lost jsonb DEFAULT '[]') RETURNS int4
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    now_epoch int4;
BEGIN
    UPDATE verbatim.log_identity SET epoch = epoch + 1 RETURNING epoch INTO now_epoch;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no log to adopt' USING ERRCODE = 'VB003', HINT = 'verbatim init makes one';
    END IF;
    INSERT INTO verbatim.log_epoch (epoch, adopted_at, who, why, lost)
        VALUES (now_epoch, verbatim.log_now(), adopt.who, adopt.why, adopt.lost);
    RETURN now_epoch;
END $$;

-- Makes the leaf of a month when it is missing; answers whether it made one.  PARTITION OF would take
-- ACCESS EXCLUSIVE on the parent; ATTACH takes SHARE UPDATE EXCLUSIVE, so appends go on.  Two engines
-- at once: one waits for the other and finds the leaf there.  A caller that meets lock_not_available
-- (55P03) tries again.  The new leaf is empty, so that ATTACH has nothing to scan and needs no CHECK.
CREATE FUNCTION verbatim.make_leaf(month date) RETURNS bool
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '2s'
    SET client_min_messages = warning
    AS $$
DECLARE
    start timestamptz := make_timestamptz(extract(year FROM month)::int, extract(month FROM month)::int, 1, 0, 0, 0, 'UTC');
    stop  timestamptz := (start AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
    short text := to_char(start AT TIME ZONE 'UTC', '"event_log_y"YYYY"m"MM');
    leaf  text := format('verbatim.%I', short);
BEGIN
    IF to_regclass(leaf) IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtext('verbatim.make_leaf'), hashtext(leaf));
    END IF;
    -- Not to_regclass again: it would answer out of a cache that has not heard of what was waited for.
    IF EXISTS (SELECT FROM pg_class WHERE relname = short AND relnamespace = 'verbatim'::regnamespace) THEN
        IF NOT EXISTS (SELECT FROM pg_inherits
                       WHERE inhrelid = to_regclass(leaf) AND inhparent = 'verbatim.event_log'::regclass) THEN
            RAISE EXCEPTION 'table "%" is there but is no leaf of the log', leaf
                USING ERRCODE = 'VB003', HINT = 'a detached month is attached again by hand, never made anew';
        END IF;
        RETURN false;
    END IF;

    -- Rows are never updated, so they are frozen by the first vacuum that sees them.
    EXECUTE format('CREATE TABLE %s (LIKE verbatim.event_log INCLUDING STORAGE INCLUDING COMPRESSION) '
                   'WITH (autovacuum_freeze_min_age = 0)', leaf);
    EXECUTE format('CREATE UNIQUE INDEX %I ON %s (shard, position)', short || '_position', leaf);
    EXECUTE format('CREATE UNIQUE INDEX %I ON %s (event_id, tenant_id)', short || '_event', leaf);
    EXECUTE format('CREATE INDEX %I ON %s (tenant_id, conversation_id, position) WHERE conversation_id IS NOT NULL',
                   short || '_conversation', leaf);
    EXECUTE format('CREATE INDEX %I ON %s (tenant_id, entity_id, position) WHERE conversation_id IS NULL',
                   short || '_entity', leaf);
    EXECUTE format('CREATE INDEX %I ON %s (tenant_id, resolution_id, position) WHERE resolution_id IS NOT NULL',
                   short || '_resolution', leaf);
    PERFORM verbatim.make_append_only(leaf::regclass);
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', leaf);
    EXECUTE format('CREATE POLICY staff ON %s FOR SELECT TO verbatim_engine, verbatim_admin, verbatim_auditor USING (true)', leaf);
    EXECUTE format('GRANT SELECT ON %s TO verbatim_engine, verbatim_admin, verbatim_auditor', leaf);
    EXECUTE format('ALTER TABLE verbatim.event_log ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', leaf, start, stop);
    RETURN true;
END $$;

-- Gives a closed month the indexes of an audit; answers how many it made.  Refused while a batch may
-- still go into the month, since building an index stops writers of that leaf.
CREATE FUNCTION verbatim.close_month(month date) RETURNS int4
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '5s'
    SET client_min_messages = warning
    AS $$
DECLARE
    start timestamptz := make_timestamptz(extract(year FROM month)::int, extract(month FROM month)::int, 1, 0, 0, 0, 'UTC');
    stop  timestamptz := (start AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
    short text := to_char(start AT TIME ZONE 'UTC', '"event_log_y"YYYY"m"MM');
    made  int4 := 0;
    i     record;
BEGIN
    IF verbatim.log_now() < stop + interval '1 minute' THEN
        RAISE EXCEPTION 'month % is not over', to_char(start AT TIME ZONE 'UTC', 'YYYY-MM') USING ERRCODE = 'VB003';
    END IF;
    IF to_regclass(format('verbatim.%I', short)) IS NULL THEN
        RAISE EXCEPTION 'month % has no leaf', to_char(start AT TIME ZONE 'UTC', 'YYYY-MM') USING ERRCODE = 'VB003';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('verbatim.close_month'), hashtext(short));
    FOR i IN VALUES ('audit_entity',      '(tenant_id, entity_type, entity_id, position)'),
                    ('audit_type',        '(tenant_id, event_type, position)'),
                    ('audit_customer',    '(tenant_id, customer_id, position) WHERE customer_id IS NOT NULL'),
                    ('audit_correlation', '(tenant_id, correlation_id, position) WHERE correlation_id IS NOT NULL'),
                    ('audit_recorded',    '(tenant_id, recorded_at)')
    LOOP
        IF to_regclass(format('verbatim.%I', short || '_' || i.column1)) IS NULL THEN
            EXECUTE format('CREATE INDEX %I ON verbatim.%I %s', short || '_' || i.column1, short, i.column2);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA verbatim FROM PUBLIC;
GRANT EXECUTE ON FUNCTION verbatim.log_now(), verbatim.month_start(timestamptz)
    TO verbatim_engine, verbatim_admin, verbatim_auditor, verbatim_reader;
GRANT EXECUTE ON FUNCTION verbatim.make_leaf(date), verbatim.close_month(date) TO verbatim_engine, verbatim_admin;
GRANT EXECUTE ON FUNCTION verbatim.adopt(text, text, jsonb) TO verbatim_admin;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
