-- What a replay needs beside the log: indexes that lead from an entity to the events that concern it, and who looked.
--
-- An open month's leaf has indexes for conversations, resolutions, and entities outside of conversations.  A few small
-- ones close the gaps between them.  They are partial: a message or a transition costs no more than a look at the
-- predicate.  Being indexes of the parent, they come with every leaf that is attached.
--
--   event_log_context   the policies of a tenant; what happened to people, teams and tenants amid a conversation; what
--                       users are called, whose other events (that they came and went) are many
--   event_log_other     the other party of a merge, a split, a change of owner, by the id in the payload
--   event_log_begun     a customer's conversations
--
--   event_log_access    what the system tenant journaled of such uses
--
--   audit.access        each replay and its like, as it was journaled (audit.activity_recorded of the system tenant,
--                       before anything was shown).  Staff see all; a tenant's login sees what was done with its
--                       tenant's events
--
-- Crash argument: definitions only.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

CREATE INDEX event_log_context ON verbatim.event_log (tenant_id, entity_type, entity_id, position)
    WHERE entity_type = 'sla_policy' OR event_type IN ('user.created', 'user.updated')
       OR (conversation_id IS NOT NULL AND entity_type IN ('customer', 'user', 'team', 'tenant'));
CREATE INDEX event_log_other ON verbatim.event_log
    (tenant_id, (coalesce(payload ->> 'from_id', payload ->> 'into_id', payload ->> 'to')))
    WHERE event_type IN ('conversation.merged', 'conversation.merged_into', 'conversation.split',
                         'conversation.customer_changed', 'customer.merged', 'customer.merged_into');
CREATE INDEX event_log_begun ON verbatim.event_log (tenant_id, customer_id, position)
    WHERE event_type = 'conversation.created';
CREATE INDEX event_log_access ON verbatim.event_log (recorded_at)
    WHERE shard = 0 AND event_type = 'audit.activity_recorded';

-- The rows stand in the system tenant's shard, which no tenant may read: hence the owner's rights, bound to the tenant
-- that the session may read.
CREATE FUNCTION audit.accesses() RETURNS TABLE (
        "position" int8, recorded_at timestamptz, occurred_at timestamptz, event_id uuid, tenant_id uuid, action text,
        resource_type text, resource_id text, actor text, purpose text, scope json)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT e.position, e.recorded_at, e.occurred_at, e.event_id, (e.payload ->> 'tenant_id')::uuid, e.payload ->> 'action',
           e.payload ->> 'resource_type', e.payload ->> 'resource_id', e.payload ->> 'actor', e.payload ->> 'purpose',
           e.payload -> 'scope'
    FROM verbatim.event_log e
    WHERE e.shard = 0 AND e.event_type = 'audit.activity_recorded'
      AND (pg_has_role(session_user, 'verbatim_auditor', 'MEMBER') OR pg_has_role(session_user, 'verbatim_admin', 'MEMBER')
           OR pg_has_role(session_user, 'verbatim_engine', 'MEMBER')
           OR (e.payload ->> 'tenant_id')::uuid = (SELECT verbatim.reading_tenant()))
$$;
REVOKE ALL ON FUNCTION audit.accesses() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.accesses() TO verbatim_reader, verbatim_engine, verbatim_auditor, verbatim_admin;

CREATE VIEW audit.access WITH (security_invoker = true) AS SELECT * FROM audit.accesses();
COMMENT ON VIEW audit.access IS
    'Who looked at what, when and why: each replay and its like, journaled before anything was shown. A tenant sees its own.';
REVOKE ALL ON audit.access FROM PUBLIC;
GRANT SELECT ON audit.access TO verbatim_reader, verbatim_engine, verbatim_auditor, verbatim_admin;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
