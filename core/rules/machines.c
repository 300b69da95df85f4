/* machines - all state machines, for the program to print and the tests to walk. */
#include "rules/lifecycle.h"
#include "rules/sla_clock.h"

const struct machine *const machines[] = {
	&conversation_machine, &delivery_machine, &customer_machine, &channel_machine, &resolution_machine, &swarm_machine,
	&customer_update_machine, &kb_article_machine, &attachment_scan_machine, &sla_clock_machine, NULL,
};
