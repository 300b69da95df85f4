/* scopes - see scopes.h. */
#include "engine/scopes.h"

#include "event/api_key.h"

const struct scope_rule scope_rules[] = {
	{ "append", SCOPE_APPEND | SCOPE_AUDIT, "audit: only audit.activity_recorded of the system tenant; admin: that too" },
	{ "read", SCOPE_READ | SCOPE_AUDIT, "with audit it is journaled; the system tenant's shard for audit of all tenants and admin" },
	{ "wait", SCOPE_APPEND | SCOPE_READ | SCOPE_AUDIT, "" },
	{ "status", SCOPE_APPEND | SCOPE_READ | SCOPE_AUDIT, "whole for audit of all tenants and admin; else a few lines about the own shard" },
	{ NULL, 0, NULL },
};

bool scope_allows(const char *method, unsigned scopes)
{
	for (const struct scope_rule *r = scope_rules; r->method; r++)
		if (strcmp(r->method, method) == 0)
			return (scopes & (r->scopes | SCOPE_ADMIN)) != 0;
	return true;
}

void scopes_print(struct buffer *out)
{
	buffer_add_text(out, "| method |");
	for (int i = 0; api_scope_names[i]; i++)
		buffer_printf(out, " %s |", api_scope_names[i]);
	buffer_add_text(out, " |\n|---|---|---|---|---|---|\n");
	for (const struct scope_rule *r = scope_rules; r->method; r++) {
		buffer_printf(out, "| `%s` |", r->method);
		for (int i = 0; api_scope_names[i]; i++)
			buffer_add_text(out, scope_allows(r->method, 1U << i) ? " yes |" : " |");
		buffer_printf(out, " %s |\n", r->words);
	}
}
