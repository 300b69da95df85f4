/* events - see events.h. */
#include "events.h"

void events_make(struct world *w, const struct events_of *of, int count, struct uuid *ids, struct buffer *json)
{
	char id[UUID_TEXT], tenant[UUID_TEXT], conversation[UUID_TEXT], customer[UUID_TEXT], entity[UUID_TEXT], when[TIME_TEXT];

	uuid_format(&of->tenant_id, tenant);
	uuid_format(&of->conversation_id, conversation);
	uuid_format(&of->customer_id, customer);
	buffer_add_byte(json, '[');
	for (int i = 0; i < count; i++) {
		uint8_t noise[10];
		struct uuid fresh;
		int kind = (int)random_below(&w->random, 12);
		const char *type, *payload;

		random_fill(&w->random, noise, sizeof(noise));
		if (world_chance(w, 800))
			uuid_v7(&ids[i], (w->now - (int64_t)random_below(&w->random, 5000000)) / 1000, noise);
		else {
			random_fill(&w->random, &fresh, 16);
			uuid_v4(&ids[i], fresh.b);
		}
		random_fill(&w->random, &fresh, 16);
		uuid_format(&fresh, entity);
		switch (kind) {
		case 0: type = "customer.created"; payload = "{\"identities\":[{\"kind\":\"email\",\"value\":\"a@b.example\"}]}"; break;
		case 1: case 2: type = "conversation.created"; payload = NULL; break;
		case 3: type = "conversation.resolved"; payload = "{\"by\":\"agent\"}"; break;
		case 4: type = "conversation.escalated"; payload = "{\"reason\":\"x\",\"level\":1}"; break;
		case 5: case 6: case 7:
			type = "message.sent";
			payload = "{\"channel\":\"email\",\"direction\":\"outbound\",\"sender_type\":\"agent\",\"content\":\"hello\"}";
			break;
		default:
			type = "message.received";
			payload = "{\"channel\":\"email\",\"direction\":\"inbound\",\"sender_type\":\"customer\",\"content\":\"help\"}";
		}
		buffer_printf(json, "%s{\"event_id\":\"%s\",\"event_type\":\"%s\",\"tenant_id\":\"%s\",\"entity_id\":\"%s\",", i ? "," : "",
			      uuid_format(&ids[i], id), type, tenant,
			      kind == 0 ? customer : type[0] == 'c' ? conversation : entity);
		if (kind)
			buffer_printf(json, "\"conversation_id\":\"%s\",", conversation);
		buffer_printf(json, "\"actor_type\":\"api\",\"occurred_at\":\"%s\",\"payload\":", time_format(w->now, when));
		if (payload)
			buffer_add_text(json, payload);
		else
			buffer_printf(json, "{\"customer_id\":\"%s\",\"initial_channel\":\"email\"}", customer);
		buffer_add_text(json, "}");
	}
	buffer_add_byte(json, ']');
}
