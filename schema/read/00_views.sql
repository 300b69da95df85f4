-- Views over read models.  Run again after every change of what they stand on: CREATE OR REPLACE throughout.

-- What waits for an agent: most severe first, then whatever is furthest past its promise.  The caller's own
-- rights and tenant hold (security_invoker).  A conversation whose customer is not known waits here too.
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
	cu.profile ->> 'name' AS customer_name,
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
LEFT JOIN core.customers cu ON cu.tenant_id = c.tenant_id AND cu.id = c.customer_id
WHERE c.state IN ('open', 'awaiting_agent', 'escalated', 'reopened') AND c.deleted_at IS NULL
ORDER BY
	CASE c.severity WHEN 'P0' THEN 1 WHEN 'P1' THEN 2 WHEN 'P2' THEN 3 ELSE 4 END,
	greatest(
		extract(epoch FROM now() - c.first_response_due_at),
		extract(epoch FROM now() - c.resolution_due_at)
	) DESC NULLS LAST;

COMMENT ON VIEW core.v_agent_queue IS
	'Conversations that wait for an agent: most severe first, then the furthest past its promise.';
COMMENT ON COLUMN core.v_agent_queue.sla_breached IS
	'The first response or the resolution is due in the past, as of now.';
COMMENT ON COLUMN core.v_agent_queue.urgency_score IS
	'Seconds past the nearer of the two due times; negative while there is time left, null without a promise.';

REVOKE ALL ON core.v_agent_queue FROM PUBLIC;
GRANT SELECT ON core.v_agent_queue TO verbatim_reader, verbatim_engine, verbatim_admin, verbatim_auditor;

-- Resolutions that are not over yet.  As the queue: the caller's own rights and tenant hold, and one whose
-- conversation, customer or owner is not known is here too.
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
	s.slack_channel_name AS swarm_channel,
	u.display_name AS owner_name,
	c.profile ->> 'name' AS customer_name,
	r.tenant_id
FROM core.resolutions r
LEFT JOIN core.swarms s ON s.tenant_id = r.tenant_id AND s.id = r.swarm_id
LEFT JOIN core.users u ON u.tenant_id = r.tenant_id AND u.id = r.owner_id
LEFT JOIN core.conversations conv ON conv.tenant_id = r.tenant_id AND conv.id = r.conversation_id
LEFT JOIN core.customers c ON c.tenant_id = r.tenant_id AND c.id = conv.customer_id
WHERE r.status NOT IN ('resolved', 'wont_fix', 'duplicate');

REVOKE ALL ON core.v_resolution_dashboard FROM PUBLIC;
GRANT SELECT ON core.v_resolution_dashboard TO verbatim_reader, verbatim_engine, verbatim_admin, verbatim_auditor;
COMMENT ON VIEW core.v_resolution_dashboard IS
	'Resolutions that are still worked on, with their swarm, owner and customer.';
COMMENT ON COLUMN core.v_resolution_dashboard.age_hours IS
	'Hours since the resolution was opened, as of now.';
