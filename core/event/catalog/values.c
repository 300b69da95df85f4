/*
 * values - the lists of words that fields may hold, each ended by NULL.
 *
 * The order is part of the meaning: folds keep a word as its place in its list, and rows are compared by it.
 * New words go to the end.
 */
#include "event/catalog/values.h"

#include <stddef.h>

#include "event/catalog.h"

#define LIST(name, ...) const char *const values_##name[] = { __VA_ARGS__, NULL }

LIST(channel, "web_chat", "email", "whatsapp", "facebook", "instagram", "twitter", "voice", "sms", "internal");
LIST(channel_type, "web_chat", "email", "whatsapp", "facebook", "instagram", "twitter", "voice", "sms", "telegram");
LIST(severity, "P0", "P1", "P2", "P3");
LIST(sentiment, "positive", "neutral", "negative", "angry");
LIST(sla_tier, "free", "standard", "premium", "enterprise");
LIST(conversation_state, "open", "awaiting_customer", "awaiting_agent", "escalated", "resolved", "reopened");
LIST(sender_type, "customer", "agent", "system", "ai");
LIST(direction, "inbound", "outbound", "internal");
LIST(content_type, "text", "html", "markdown", "voice_transcript", "system_event");
LIST(user_role, "admin", "supervisor", "agent", "engineer", "api", "manager", "csr", "sales_rep", "corporativo");
LIST(user_status, "available", "busy", "away", "offline", "do_not_disturb");
LIST(auth_provider, "local", "google", "okta", "saml", "clerk", "stack");
LIST(routing_mode, "round_robin", "least_busy", "skill_based", "manual");
LIST(assigned_by, "routing_engine", "manual", "escalation", "transfer", "reopen");
LIST(resolution_status, "investigating", "awaiting_fix", "fix_in_progress", "awaiting_deploy", "deployed", "monitoring",
     "resolved", "wont_fix", "duplicate");
LIST(issue_type, "technical", "billing", "ops", "compliance", "security", "other");
LIST(owning_team, "engineering", "infra", "finance", "support", "security", "product");
LIST(actor_type, "user", "customer", "system", "ai", "automation", "api");

LIST(usage_counter, "conversations", "messages", "tokens", "storage_bytes", "api_calls");
LIST(identity_kind, "email", "phone", "social", "device", "channel_user", "caller_id");
LIST(ai_or_user, "ai", "user");
LIST(annotation_intent, "how_to_guidance", "account_access_issue", "transaction_system_failure", "bug_technical_defect",
     "urgent_high_risk", "noise_low_intent", "unknown");
LIST(sla_clock, "first_response", "next_response", "update", "resolution");
/* What clocks may stand still in: states of conversations and statuses of resolutions. */
LIST(sla_pause, "open", "awaiting_customer", "awaiting_agent", "escalated", "resolved", "reopened", "investigating", "awaiting_fix",
     "fix_in_progress", "awaiting_deploy", "deployed", "monitoring", "wont_fix", "duplicate");
LIST(trigger_event, "message.received", "conversation.created", "conversation.state_changed", "conversation.assigned",
     "resolution.created", "resolution.status_changed", "sla.warning", "sla.breached", "customer.updated");
LIST(condition_operator, "equals", "not_equals", "in", "not_in", "contains", "not_contains", "starts_with", "ends_with",
     "matches", "is_present", "is_absent", "gt", "gte", "lt", "lte", "between", "changed", "changed_from",
     "changed_to", "days_before", "within_business_hours", "tag_has");
LIST(feedback_kind, "csat", "nps", "ces");
