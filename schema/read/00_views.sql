-- Views over read models.  Run again after every change of what they stand on: CREATE OR REPLACE throughout.

-- What waits for an agent: most severe first, then whatever is furthest past its promise.  The caller's own
-- rights and tenant hold (security_invoker).  A conversation whose customer is not known waits here too.
--
-- It answers from indexes, however long the history.  The order is that of an index of core.conversations, word for
-- word: the nearer of the two due times, ascending, is urgency_score, descending.  The customer is asked for after
-- the order and the LIMIT have had their say, row by row: a join might read all customers for fifty.
CREATE OR REPLACE VIEW core.v_agent_queue WITH (security_invoker = true) AS
SELECT
	c.id,
	c.customer_id,
	c.state,
	c.severity,
	c.current_channel,
	c.first_response_due_at,
	c.resolution_due_at,
	c.assigned_agent_id,
	c.assigned_team_id,
	(SELECT cu.profile ->> 'name' FROM core.customers cu WHERE cu.tenant_id = c.tenant_id AND cu.id = c.customer_id)
		AS customer_name,
	c.last_message_at,
	c.message_count,
	CASE
		WHEN c.first_response_at IS NULL AND c.first_response_due_at < now() THEN true
		WHEN c.resolution_due_at < now() THEN true
		ELSE false
	END AS sla_breached,
	greatest(
		extract(epoch FROM now() - c.first_response_due_at),
		extract(epoch FROM now() - c.resolution_due_at)
	) AS urgency_score,
	c.tenant_id
FROM core.conversations c
WHERE c.state IN ('open', 'awaiting_agent', 'escalated', 'reopened') AND c.deleted_at IS NULL
ORDER BY
	CASE c.severity WHEN 'P0' THEN 1 WHEN 'P1' THEN 2 WHEN 'P2' THEN 3 ELSE 4 END,
	least(c.first_response_due_at, c.resolution_due_at);

COMMENT ON VIEW core.v_agent_queue IS
	'Conversations that wait for an agent: most severe first, then the furthest past its promise.';
COMMENT ON COLUMN core.v_agent_queue.sla_breached IS
	'The first response or the resolution is due in the past, as of now.';
COMMENT ON COLUMN core.v_agent_queue.urgency_score IS
	'Seconds past the nearer of the two due times; negative while there is time left, null without a promise.';

REVOKE ALL ON core.v_agent_queue FROM PUBLIC;
GRANT SELECT ON core.v_agent_queue TO verbatim_reader, verbatim_engine, verbatim_admin, verbatim_auditor;

-- Resolutions that are not over yet.  As the queue: the caller's own rights and tenant hold, and one whose
-- conversation, customer or owner is not known is here too, and names are asked for row by row.
CREATE OR REPLACE VIEW core.v_resolution_dashboard WITH (security_invoker = true) AS
SELECT
	r.id,
	r.conversation_id,
	r.issue_type,
	r.owning_team,
	r.status,
	r.priority,
	r.expected_resolution_at,
	r.sla_breached,
	r.created_at,
	extract(epoch FROM now() - r.created_at) / 3600 AS age_hours,
	(SELECT s.slack_channel_name FROM core.swarms s WHERE s.tenant_id = r.tenant_id AND s.id = r.swarm_id) AS swarm_channel,
	(SELECT u.display_name FROM core.users u WHERE u.tenant_id = r.tenant_id AND u.id = r.owner_id) AS owner_name,
	(SELECT cu.profile ->> 'name' FROM core.customers cu WHERE cu.tenant_id = r.tenant_id AND cu.id =
		(SELECT c.customer_id FROM core.conversations c WHERE c.tenant_id = r.tenant_id AND c.id = r.conversation_id)
	) AS customer_name,
	r.tenant_id
FROM core.resolutions r
WHERE r.status NOT IN ('resolved', 'wont_fix', 'duplicate');

REVOKE ALL ON core.v_resolution_dashboard FROM PUBLIC;
GRANT SELECT ON core.v_resolution_dashboard TO verbatim_reader, verbatim_engine, verbatim_admin, verbatim_auditor;
COMMENT ON VIEW core.v_resolution_dashboard IS
	'Resolutions that are still worked on, with their swarm, owner and customer.';
COMMENT ON COLUMN core.v_resolution_dashboard.age_hours IS
	'Hours since the resolution was opened, as of now.';
