-- Who has this e-mail address, phone number or social id: the ids of the caller's tenant's customers, after merges.
--
--     SELECT * FROM core.customers WHERE id IN (SELECT core.customers_with('email', 'ada@example.org'));
--     SELECT core.customers_with('social', 'ada', 'instagram');
--
-- Asking core.customers itself gives the same rows, but slowly: with row security on, PostgreSQL looks into an index
-- only with operators that it trusts not to tell of rows they reject, and those of jsonb are not among them.  So the
-- look-up runs with the owner's rights, bound to the tenant that the session may read, and gives out ids alone.
CREATE OR REPLACE FUNCTION core.customers_with(kind text, value text, channel text DEFAULT NULL) RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    t   uuid := verbatim.reading_tenant();
    ids uuid[];
BEGIN
    CASE kind
        WHEN 'email' THEN
            ids := ARRAY(SELECT c.id FROM core.customers c WHERE c.tenant_id = t AND c.identity_graph -> 'emails' ? value);
        WHEN 'phone', 'caller_id' THEN
            ids := ARRAY(SELECT c.id FROM core.customers c WHERE c.tenant_id = t AND c.identity_graph -> 'phone_numbers' ? value);
        WHEN 'social', 'channel_user' THEN
            ids := ARRAY(SELECT c.id FROM core.customers c WHERE c.tenant_id = t
                         AND c.identity_graph -> 'social_ids' @> jsonb_build_object(coalesce(channel, kind), value));
        ELSE
            RAISE EXCEPTION 'customers are looked up by email, phone or social, not by "%"', kind
                USING ERRCODE = 'invalid_parameter_value';
    END CASE;
    RETURN QUERY
        WITH RECURSIVE chain (id, merged_into_id) AS (
            SELECT c.id, c.merged_into_id FROM core.customers c WHERE c.tenant_id = t AND c.id = ANY (ids)
            UNION
            SELECT c.id, c.merged_into_id FROM chain JOIN core.customers c ON c.tenant_id = t AND c.id = chain.merged_into_id
        )
        SELECT chain.id FROM chain WHERE chain.merged_into_id IS NULL;
END $$;
REVOKE ALL ON FUNCTION core.customers_with(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.customers_with(text, text, text)
    TO verbatim_reader, verbatim_engine, verbatim_admin, verbatim_auditor;
COMMENT ON FUNCTION core.customers_with(text, text, text) IS
    'Ids of the customers, after merges, who have this email, phone number or social id (of a channel).';
