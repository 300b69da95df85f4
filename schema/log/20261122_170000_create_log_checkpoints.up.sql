-- Signed checkpoints: what each shard's tree was, in a form that can be kept elsewhere.
--
--   log_key          the public keys that have signed, as verifier keys (c2sp.org/signed-note), and since when.  Whoever
--                    owns the database can put one here: trust in a key comes from elsewhere
--   log_checkpoint   each checkpoint that was signed, with its note.  size, root and epoch stand beside it so that SQL can
--                    find one; what counts is the note
--
-- Both are append-only like the log.  An engine that has a key writes them; another engine with the same key finds its
-- checkpoint there and adds none.
--
-- Crash argument: a checkpoint that was signed and not stored has told nobody anything.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

CREATE TABLE verbatim.log_key (
    vkey          text        PRIMARY KEY CHECK (length(vkey) <= 256),
    fingerprint   text        NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT verbatim.log_now(),
    registered_by text        NOT NULL DEFAULT session_user
);
COMMENT ON TABLE verbatim.log_key IS
    'Public keys that have signed checkpoints. fingerprint = SHA-256 of vkey''s text, to be compared with what is known from elsewhere.';

CREATE TABLE verbatim.log_checkpoint (
    size      int8        NOT NULL CHECK (size >= 1),
    signed_at timestamptz NOT NULL DEFAULT verbatim.log_now(),
    epoch     int4        NOT NULL,
    shard     int2        NOT NULL,
    root      bytea       NOT NULL CHECK (octet_length(root) = 32),
    vkey      text        NOT NULL,
    note      text        NOT NULL CHECK (octet_length(note) <= 65536),
    PRIMARY KEY (shard, size, epoch, vkey)
) WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE verbatim.log_checkpoint IS
    'Signed checkpoints (c2sp.org/tlog-checkpoint): root is the shard''s Merkle root over positions 1..size.';

DO $$ BEGIN
    PERFORM verbatim.make_append_only('verbatim.log_key');
    PERFORM verbatim.make_append_only('verbatim.log_checkpoint');
END $$;

GRANT SELECT ON verbatim.log_key, verbatim.log_checkpoint TO verbatim_engine, verbatim_admin, verbatim_auditor;
GRANT INSERT (vkey, fingerprint) ON verbatim.log_key TO verbatim_engine;
GRANT INSERT (size, epoch, shard, root, vkey, note) ON verbatim.log_checkpoint TO verbatim_engine;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
