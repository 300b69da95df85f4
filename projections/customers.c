/*
 * customers - the people on the other side, under all the addresses they write from.
 *
 * Merging.  customer.merged_into ends a customer's own life: from then on whatever is addressed to it goes to
 * the customer it went to, through as many merges as there are (a merge that would close a circle, or make a
 * chain of more than MERGE_HOPS_MAX, is an anomaly).  customer.merged brings the survivor what the payload
 * lists as moved.  The one that went keeps its own row as it was, and remembers which identities the survivor
 * really gained and which conversations went over, so that customer.unmerged (addressed to the one that went)
 * gives back exactly those, also out of the hands of those into whom the survivor was merged since.
 *
 * Identities become identity_graph: emails, phone_numbers and device_fingerprints are lists, social_ids maps a
 * channel to an id there.  channel_user counts as social, caller_id as phone.
 *
 * last_seen_at follows customer.seen exactly, and the customer's own messages and new conversations in steps
 * of SEEN_STEP, so that a busy chat does not write the customer's row with every line.
 */
#include "projections/customers.h"

#include "projections/conversations.h"
#include "projections/registry.h"
#include "rules/lifecycle.h"

#define SEEN_STEP (5 * 60 * TIME_SECOND)

struct customer {
	struct row row;
	struct bytes identity_graph, profile;
	int16_t sla_tier;
	struct bytes tags, segments, risk_flags;
	int16_t status;
	struct uuid merged_into_id;
	int64_t first_seen_at, last_seen_at;
	int64_t lifetime_value, risk_score;
	struct bytes consent;
	int64_t erasure_requested_at, erased_at;
	int64_t merge_height;      /* longest chain of merges that ends here */
	struct uuid merge_event_id; /* of customer.merged, on the one that went */
	struct uuid merge_survivor_id; /* who gained what it had */
	struct bytes merge_gained; /* identities that the survivor did not have */
	struct bytes merge_moved;  /* ids of conversations that went to it */
	int64_t created_at, updated_at;
};

/* ---- what others ask ---- */

static const struct chain merges = {
	offsetof(struct customer, merged_into_id), offsetof(struct customer, merge_height), "merge",
};

struct customer *customer_find(struct fold *f, const struct uuid *id)
{
	return fold_chain_end(f, &merges, fold_find(f, &customers, id));
}

const struct uuid *customer_id(const struct customer *c)
{
	return &c->row.id;
}

struct bytes customer_moved(const struct customer *c)
{
	return c->merge_moved;
}

bool customer_is_blocked(const struct customer *c)
{
	return c->status == CUSTOMER_BLOCKED;
}

int16_t customer_tier(const struct customer *c)
{
	return c->sla_tier;
}

/* ---- identities ---- */

static struct bytes unquoted(struct bytes raw)
{
	return raw.len >= 2 ? bytes_of(raw.data + 1, raw.len - 2) : raw;
}

static const char *list_of(struct bytes kind)
{
	if (bytes_is(kind, "email"))
		return "emails";
	if (bytes_is(kind, "phone") || bytes_is(kind, "caller_id"))
		return "phone_numbers";
	if (bytes_is(kind, "device"))
		return "device_fingerprints";
	return NULL; /* social_ids */
}

/* `identity` is {kind, value, channel?}.  Adds it, or takes it away; true when that changed something. */
static bool graph_edit(struct fold *f, struct bytes *graph, struct bytes identity, bool add)
{
	struct bytes kind = unquoted(json_member(identity, "kind")), value = json_member(identity, "value");
	struct bytes channel = json_member(identity, "channel"), before = *graph, list, array;
	const char *name = list_of(kind);

	if (name) {
		array = json_member(*graph, name);
		list = add ? fold_list_add(f, array, value) : fold_list_remove(f, array, value);
		if (list.data == array.data)
			return false;
		*graph = fold_object_set(f, *graph, bytes_text(name), list);
	} else {
		struct bytes key = channel.data && !json_is_null(channel) ? unquoted(channel) : kind;
		struct bytes social = json_member(*graph, "social_ids"), old = fold_object_get(social, key);

		if (add ? bytes_equal(old, value) && old.data : !old.data || !bytes_equal(old, value))
			return false;
		social = fold_object_set(f, social, key, add ? value : (struct bytes){ NULL, 0 });
		*graph = fold_object_set(f, *graph, BYTES("social_ids"), social);
	}
	return !bytes_equal(before, *graph);
}

/* Whether the list has an identity that is the same: kind, value and channel. */
static bool has_identity(struct bytes list, struct bytes identity)
{
	static const char *const members[] = { "kind", "value", "channel" };
	struct bytes key, value;
	size_t at = 0;

	while (json_next(list, &at, &key, &value)) {
		bool same = true;

		for (int i = 0; i < 3; i++)
			same = same && bytes_equal(json_member(value, members[i]), json_member(identity, members[i]));
		if (same)
			return true;
	}
	return false;
}

/* ---- the folds ---- */

/* The customer an event is about, after merges; an anomaly when there is none. */
static struct customer *addressed(struct fold *f, const struct event *e)
{
	struct customer *c = customer_find(f, &e->entity_id);

	if (!c)
		fold_anomaly(f, "unknown_customer", "no such customer");
	else
		fold_change(f, c);
	return c;
}

static int on_created(struct fold *f, const struct event *e)
{
	struct customer *c = f->row;
	struct bytes identities = field_raw(&f->fields, "identities"), profile = field_raw(&f->fields, "profile");
	struct bytes key, value;
	size_t at = 0;

	c->profile = BYTES("{\"avatar_url\":null,\"company\":null,\"metadata\":{},\"name\":null}");
	while (profile.data && !json_is_null(profile) && json_next(profile, &at, &key, &value))
		c->profile = fold_object_set(f, c->profile, key, value);
	at = 0;
	while (json_next(identities, &at, &key, &value))
		graph_edit(f, &c->identity_graph, value, true);
	c->first_seen_at = c->last_seen_at = e->occurred_at;
	return 0;
}

static int on_seen(struct fold *f, const struct event *e)
{
	struct customer *c = addressed(f, e);

	if (!c)
		return 0;
	c->last_seen_at = time_later(c->last_seen_at, field_time(&f->fields, "at"));
	c->first_seen_at = time_earlier(c->first_seen_at, field_time(&f->fields, "at"));
	if (field_has(&f->fields, "device")) {
		struct bytes list = json_member(c->identity_graph, "device_fingerprints");

		c->identity_graph = fold_object_set(f, c->identity_graph, BYTES("device_fingerprints"),
						    fold_texts_add(f, list, field_text(&f->fields, "device")));
	}
	return 0;
}

/* The customer wrote: not an anomaly here when there is none, the conversations' fold says so. */
static int on_activity(struct fold *f, const struct event *e)
{
	const struct conversation *talk = uuid_is_nil(&e->customer_id) ? conversation_find(f, &e->conversation_id) : NULL;
	struct customer *c = customer_find(f, talk ? &talk->customer_id : &e->customer_id);

	if (e->type->kind == EV_MESSAGE_RECEIVED && !bytes_is(field_text(&f->fields, "sender_type"), "customer"))
		return 0;
	if (!c || e->occurred_at < c->last_seen_at + SEEN_STEP)
		return 0;
	fold_change(f, c);
	c->last_seen_at = e->occurred_at;
	return 0;
}

/* Whether the profile is what the event changes it from: of a whole profile, in the members that `from` names. */
static bool profile_holds(const struct customer *c, struct bytes key, struct bytes change)
{
	struct bytes from = json_member(change, "from"), to = json_member(change, "to"), name, member;
	size_t at = 0;

	if (!bytes_is(key, "profile"))
		return fold_change_holds(change, fold_object_get(c->profile, key));
	while (from.data && from.data[0] == '{' && json_next(from, &at, &name, &member)) {
		struct bytes now = fold_object_get(c->profile, name), then = to.data && to.data[0] == '{' ? fold_object_get(to, name) : to;

		if (!now.data)
			now = BYTES("null");
		if (!fold_json_same(member, now) && !(then.data && fold_json_same(then, now)))
			return false;
	}
	return true;
}

/* changes of profile as a whole, or of its members by name; all or none. */
static int on_updated(struct fold *f, const struct event *e)
{
	struct customer *c = addressed(f, e);
	struct bytes changes = field_raw(&f->fields, "changes"), key, value;
	size_t at = 0;

	while (c && json_next(changes, &at, &key, &value))
		if (!profile_holds(c, key, value))
			return fold_anomaly(f, "stale_write", "\"%.*s\" is not what the event changes it from", (int)key.len, key.data);
	at = 0;
	while (c && json_next(changes, &at, &key, &value)) {
		struct bytes to = json_member(value, "to"), member, name;
		size_t inner = 0;

		if (!to.data)
			to = BYTES("null");
		if (!bytes_is(key, "profile")) {
			c->profile = fold_object_set(f, c->profile, key, to);
			continue;
		}
		while (to.data[0] == '{' && json_next(to, &inner, &name, &member))
			c->profile = fold_object_set(f, c->profile, name, member);
	}
	return 0;
}

static int on_identity(struct fold *f, const struct event *e)
{
	struct customer *c = addressed(f, e);

	if (c)
		graph_edit(f, &c->identity_graph, fold_payload(f, NULL), e->type->kind == EV_CUSTOMER_IDENTITY_ADDED);
	return 0;
}

static int on_tier_changed(struct fold *f, const struct event *e)
{
	struct customer *c = addressed(f, e);

	if (c)
		c->sla_tier = (int16_t)field_enum(&f->fields, "to");
	return 0;
}

static int on_tagged(struct fold *f, const struct event *e)
{
	struct customer *c = addressed(f, e);

	if (!c)
		return 0;
	if (e->type->kind == EV_CUSTOMER_TAGGED)
		c->tags = fold_texts_add_all(f, c->tags, field_raw(&f->fields, "tags"));
	else
		c->tags = fold_texts_remove_all(f, c->tags, field_raw(&f->fields, "tags"));
	return 0;
}

static int on_flag(struct fold *f, const struct event *e)
{
	struct customer *c = addressed(f, e);

	if (!c)
		return 0;
	if (e->type->kind == EV_CUSTOMER_RISK_FLAGGED)
		c->risk_flags = fold_texts_add(f, c->risk_flags, field_text(&f->fields, "flag"));
	else
		c->risk_flags = fold_texts_remove(f, c->risk_flags, field_text(&f->fields, "flag"));
	return 0;
}

/* customer.segmented, customer.scored: fields of the columns' names. */
static int on_copied(struct fold *f, const struct event *e)
{
	struct customer *c = addressed(f, e);

	if (c)
		fold_copy(f, c);
	return 0;
}

static int on_consent_changed(struct fold *f, const struct event *e)
{
	struct customer *c = addressed(f, e);

	if (c)
		c->consent = fold_object_set(f, c->consent, unquoted(field_raw(&f->fields, "purpose")),
					     field_raw(&f->fields, "granted"));
	return 0;
}

static int on_erasure(struct fold *f, const struct event *e)
{
	struct customer *c = addressed(f, e);

	if (!c)
		return 0;
	if (e->type->kind == EV_CUSTOMER_ERASURE_REQUESTED) {
		c->erasure_requested_at = e->occurred_at;
		return 0;
	}
	c->erased_at = e->occurred_at;
	c->identity_graph = BYTES("{\"device_fingerprints\":[],\"emails\":[],\"phone_numbers\":[],\"social_ids\":{}}");
	c->profile = BYTES("{\"avatar_url\":null,\"company\":null,\"metadata\":{},\"name\":null}");
	return 0;
}

/* The status machine; true when the input moved it, an anomaly when it does not fit. */
static bool step(struct fold *f, struct customer *c, enum customer_input input)
{
	if (fold_step(f, &customer_machine, &c->status, (int)input) != VERDICT_MOVE)
		return false;
	fold_change(f, c);
	return true;
}

static int on_status(struct fold *f, const struct event *e)
{
	struct customer *c = customer_find(f, &e->entity_id);
	enum customer_input input = e->type->kind == EV_CUSTOMER_BLOCKED ? CUSTOMER_INPUT_BLOCKED :
				    e->type->kind == EV_CUSTOMER_UNBLOCKED ? CUSTOMER_INPUT_UNBLOCKED :
				    e->type->kind == EV_CUSTOMER_DEACTIVATED ? CUSTOMER_INPUT_DEACTIVATED :
									       CUSTOMER_INPUT_REACTIVATED;

	if (!c)
		return fold_anomaly(f, "unknown_customer", "no such customer");
	step(f, c, input);
	return 0;
}

static int on_merged_into(struct fold *f, const struct event *e)
{
	struct uuid into_id = field_uuid(&f->fields, "into_id");
	struct customer *c = fold_self(f, &e->entity_id), *into = fold_self(f, &into_id);

	if (!c || !into)
		return fold_anomaly(f, "unknown_customer", "no such customer");
	if (fold_chain_fits(f, &merges, c, into) && step(f, c, CUSTOMER_INPUT_MERGED_INTO))
		fold_chain_join(f, &merges, c, into);
	return 0;
}

/* One id a channel: the survivor's own stays, and the other can still be found under the customer that went. */
static bool has_other(const struct customer *c, struct bytes identity)
{
	struct bytes channel = json_member(identity, "channel");
	struct bytes key = channel.data && !json_is_null(channel) ? unquoted(channel) : unquoted(json_member(identity, "kind"));

	return !list_of(unquoted(json_member(identity, "kind"))) &&
	       fold_object_get(json_member(c->identity_graph, "social_ids"), key).data;
}

static int on_merged(struct fold *f, const struct event *e)
{
	struct customer *c = addressed(f, e), *from;
	struct uuid from_id = field_uuid(&f->fields, "from_id");
	struct bytes moved = field_raw(&f->fields, "moved"), identities, gained = BYTES("[]"), key, value;
	size_t at = 0;

	if (!c)
		return 0;
	from = fold_self(f, &from_id);
	if (!from)
		return fold_anomaly(f, "unknown_customer", "the merged customer is not known");
	if (from == c)
		return fold_anomaly(f, "merge_cycle", "the customer would be merged into itself");
	identities = moved.data && !json_is_null(moved) ? json_member(moved, "identities") : moved;
	while (identities.data && identities.data[0] == '[' && json_next(identities, &at, &key, &value))
		if (!has_other(c, value) && graph_edit(f, &c->identity_graph, value, true))
			gained = fold_list_add(f, gained, value);
	fold_change(f, from);
	from->merge_event_id = e->event_id;
	from->merge_survivor_id = c->row.id;
	from->merge_gained = gained;
	from->merge_moved = fold_keep(f, moved.data && !json_is_null(moved) ? json_member(moved, "conversation_ids") : moved);
	return 0;
}

/*
 * Takes identities back from a survivor, and from those who in turn gained them from it in later merges: what they
 * had of their own is not on the lists of what they gained, and stays.
 */
static void give_back(struct fold *f, struct customer *survivor, struct bytes gained)
{
	for (int hops = 0; survivor && hops <= MERGE_HOPS_MAX; hops++) {
		struct bytes next = BYTES("[]"), kept = BYTES("[]"), key, value;
		size_t at = 0;

		fold_change(f, survivor);
		while (json_next(gained, &at, &key, &value))
			graph_edit(f, &survivor->identity_graph, value, false);
		if (!survivor->merge_gained.data)
			return;
		for (at = 0; json_next(survivor->merge_gained, &at, &key, &value);) {
			bool back = has_identity(gained, value);

			next = back ? fold_list_add(f, next, value) : next;
			kept = back ? kept : fold_list_add(f, kept, value);
		}
		if (next.len == 2)
			return;
		survivor->merge_gained = kept;
		gained = next;
		survivor = fold_self(f, &survivor->merge_survivor_id);
	}
}

static int on_unmerged(struct fold *f, const struct event *e)
{
	struct customer *c = fold_self(f, &e->entity_id);
	struct uuid merge = field_uuid(&f->fields, "merge_event_id");

	if (!c)
		return fold_anomaly(f, "unknown_customer", "no such customer");
	if (c->status == CUSTOMER_MERGED && !uuid_is_nil(&c->merge_event_id) && !uuid_equal(&merge, &c->merge_event_id))
		return fold_anomaly(f, "stale_write", "the customer was merged by another event");
	if (!step(f, c, CUSTOMER_INPUT_UNMERGED))
		return 0;
	memset(&c->merged_into_id, 0, sizeof(c->merged_into_id));
	if (c->merge_gained.data)
		give_back(f, fold_self(f, &c->merge_survivor_id), c->merge_gained);
	memset(&c->merge_event_id, 0, sizeof(c->merge_event_id));
	memset(&c->merge_survivor_id, 0, sizeof(c->merge_survivor_id));
	c->merge_gained = (struct bytes){ NULL, 0 };
	f->facts.unmerged = &c->row;
	return 0;
}

static const struct column columns[] = {
	COLUMN(customer, identity_graph, JSON, .required = true,
	       .fallback = "{\"device_fingerprints\":[],\"emails\":[],\"phone_numbers\":[],\"social_ids\":{}}"),
	COLUMN(customer, profile, JSON, .required = true, .about = "name, company, avatar_url, metadata"),
	COLUMN(customer, sla_tier, ENUM, .sql = "varchar(20)", .required = true, .values = values_sla_tier,
	       .fallback = "standard"),
	COLUMN(customer, tags, TEXTS, .fallback = "[]"),
	COLUMN(customer, segments, TEXTS, .fallback = "[]"),
	COLUMN(customer, risk_flags, TEXTS, .fallback = "[]"),
	COLUMN(customer, status, ENUM, .sql = "varchar(20)", .required = true, .values = customer_statuses,
	       .fallback = "active"),
	COLUMN(customer, merged_into_id, UUID, .ref = ENTITY_CUSTOMER),
	COLUMN(customer, first_seen_at, TIME, .required = true),
	COLUMN(customer, last_seen_at, TIME, .required = true, .about = "exact for customer.seen, to five minutes for messages"),
	COLUMN(customer, lifetime_value, DECIMAL, .sql = "numeric(16,2)", .scale = 2),
	COLUMN(customer, risk_score, DECIMAL, .sql = "numeric(7,4)", .scale = 4),
	COLUMN(customer, consent, JSON, .required = true, .fallback = "{}", .about = "purpose to granted"),
	COLUMN(customer, erasure_requested_at, TIME),
	COLUMN(customer, erased_at, TIME),
	COLUMN(customer, merge_height, INT2, .required = true, .hidden = true, .fallback = "0"),
	COLUMN(customer, merge_event_id, UUID, .hidden = true),
	COLUMN(customer, merge_survivor_id, UUID, .hidden = true, .ref = ENTITY_CUSTOMER),
	COLUMN(customer, merge_gained, JSON, .hidden = true),
	COLUMN(customer, merge_moved, JSON, .hidden = true),
	COLUMN(customer, created_at, TIME, .required = true),
	COLUMN(customer, updated_at, TIME, .required = true),
};

static const struct fold_entry folds[] = {
	ON(CUSTOMER_CREATED, CREATE, .then = on_created),
	ON(CUSTOMER_SEEN, CALL, .then = on_seen),
	ON(CUSTOMER_UPDATED, CALL, .then = on_updated),
	ON(CUSTOMER_IDENTITY_ADDED, CALL, .then = on_identity),
	ON(CUSTOMER_IDENTITY_REMOVED, CALL, .then = on_identity),
	ON(CUSTOMER_TIER_CHANGED, CALL, .then = on_tier_changed),
	ON(CUSTOMER_TAGGED, CALL, .then = on_tagged),
	ON(CUSTOMER_UNTAGGED, CALL, .then = on_tagged),
	ON(CUSTOMER_SEGMENTED, CALL, .then = on_copied),
	ON(CUSTOMER_SCORED, CALL, .then = on_copied),
	ON(CUSTOMER_RISK_FLAGGED, CALL, .then = on_flag),
	ON(CUSTOMER_RISK_CLEARED, CALL, .then = on_flag),
	ON(CUSTOMER_BLOCKED, CALL, .then = on_status),
	ON(CUSTOMER_UNBLOCKED, CALL, .then = on_status),
	ON(CUSTOMER_DEACTIVATED, CALL, .then = on_status),
	ON(CUSTOMER_REACTIVATED, CALL, .then = on_status),
	ON(CUSTOMER_MERGED, CALL, .then = on_merged, .refs = ENTITY_CUSTOMER),
	ON(CUSTOMER_MERGED_INTO, CALL, .then = on_merged_into, .refs = ENTITY_CUSTOMER),
	ON(CUSTOMER_UNMERGED, CALL, .then = on_unmerged),
	ON(CUSTOMER_CONSENT_CHANGED, CALL, .then = on_consent_changed),
	ON(CUSTOMER_ERASURE_REQUESTED, CALL, .then = on_erasure),
	ON(CUSTOMER_ERASED, CALL, .then = on_erasure),
	ON(CONVERSATION_CREATED, CALL, .then = on_activity),
	ON(MESSAGE_RECEIVED, CALL, .then = on_activity),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = {
	"USING gin ((identity_graph -> 'emails'))", "USING gin ((identity_graph -> 'phone_numbers'))",
	"USING gin ((identity_graph -> 'social_ids'))", "USING gin (tags)", "USING gin (segments)",
	"(tenant_id, sla_tier)", "(tenant_id, status)", NULL,
};

const struct projection customers = {
	.schema = "core", .name = "customers", .version = 2,
	.about = "The people who write, under all their addresses.",
	.entity = ENTITY_CUSTOMER, COLUMNS(customer, columns), FOLDS(folds), .indexes = indexes, .fillfactor = 80,
	NEEDS(&conversations),
};
