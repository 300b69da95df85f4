/* verbatim - what is installed for other people's programs, made of sender and client; see verbatim.h. */
#include "client/verbatim.h"

#include <assert.h>
#include <stdio.h>

#include "client/client.h"
#include "client/sender.h"
#include "event/envelope.h"

struct verbatim {
	struct verbatim_options options; /* with texts of our own */
	struct client_tls_options tls;
	struct sender *sender;
	struct client *caller; /* NULL until the first verbatim_call */
	struct buffer packed, result;
	int64_t number;
	struct verbatim_error first; /* refusal since the last flush, where nobody is told of them */
};

static char *copy(const char *text)
{
	return text ? mem_strdup(text) : NULL;
}

static int give(const struct error *e, struct verbatim_error *out)
{
	if (!out)
		return -1;
	snprintf(out->code, sizeof(out->code), "%s", error_name(e->code));
	snprintf(out->kind, sizeof(out->kind), "%s", error_class_name(e->code));
	snprintf(out->field, sizeof(out->field), "%s", e->field);
	snprintf(out->message, sizeof(out->message), "%s", e->message);
	return -1;
}

static void on_refused(void *data, int64_t number, const struct uuid *id, const struct error *why)
{
	struct verbatim *v = data;
	struct verbatim_error e;
	char text[UUID_TEXT] = "";

	give(why, &e);
	if (!uuid_is_nil(id))
		uuid_format(id, text);
	if (v->options.refused)
		v->options.refused(v->options.data, number, text, &e);
	else if (!v->first.code[0])
		v->first = e;
}

static void on_notice(void *data, const char *text)
{
	const struct verbatim *v = data;

	if (v->options.notice)
		v->options.notice(v->options.data, text);
}

struct verbatim *verbatim_new(const struct verbatim_options *options)
{
	struct verbatim *v = mem_zalloc(sizeof(*v));
	struct verbatim_options *o = &v->options;

	assert(options->addresses && options->batch >= 0 && options->outstanding >= 0);
	catalog_init();
	*o = *options;
	o->addresses = copy(options->addresses);
	o->key = copy(options->key);
	o->name = copy(options->name ? options->name : "verbatim-client");
	o->tls_ca = copy(options->tls_ca);
	o->tls_cert = copy(options->tls_cert);
	o->tls_key = copy(options->tls_key);
	o->tls_passphrase = copy(options->tls_passphrase);
	v->tls = (struct client_tls_options){ .always = o->tls, .ca = o->tls_ca, .cert = o->tls_cert, .key = o->tls_key,
					      .passphrase = o->tls_passphrase };
	v->sender = sender_new(&(struct sender_options){ .addresses = o->addresses, .key = o->key, .tls = &v->tls, .name = o->name,
							 .batch = o->batch ? o->batch : 500, .outstanding = o->outstanding ? o->outstanding : 16,
							 .give_up_ms = o->give_up_ms ? o->give_up_ms : 30000, .memory = o->memory,
							 .refused = on_refused, .notice = on_notice, .data = v });
	return v;
}

static void drop(const char *text)
{
	free((void *)text);
}

/* Secrets do not stay behind in freed memory. */
static void wipe(const char *text)
{
	if (text)
		explicit_bzero((void *)text, strlen(text));
	drop(text);
}

void verbatim_free(struct verbatim *v)
{
	if (!v)
		return;
	sender_free(v->sender);
	client_free(v->caller);
	buffer_release(&v->packed);
	buffer_release(&v->result);
	drop(v->options.addresses);
	drop(v->options.name);
	drop(v->options.tls_ca);
	drop(v->options.tls_cert);
	drop(v->options.tls_key);
	wipe(v->options.key);
	wipe(v->options.tls_passphrase);
	free(v);
}

int verbatim_open(struct verbatim *v, struct verbatim_error *error)
{
	struct error e;

	return sender_open(v->sender, &e) ? give(&e, error) : 0;
}

int verbatim_append(struct verbatim *v, const char *json, size_t len, struct verbatim_error *error)
{
	struct uuid event_id = { { 0 } }, tenant_id = { { 0 } };
	struct error e;

	v->number++;
	error_clear(&e);
	buffer_reset(&v->packed);
	if (envelope_from_json(bytes_of(json, len), &v->packed, &event_id, &tenant_id, &e)) {
		sender_refuse(v->sender, v->number, &event_id, &e);
		return 0;
	}
	return sender_add(v->sender, v->number, &tenant_id, &event_id, buffer_bytes(&v->packed), &e) ? give(&e, error) : 0;
}

int verbatim_flush(struct verbatim *v, struct verbatim_error *error)
{
	struct error e;
	int code = sender_finish(v->sender, &e);

	if (!code && v->first.code[0])
		code = error_field(&e, E_INCOMPLETE, v->first.field, "an event was refused: %s: %.300s", v->first.code, v->first.message);
	memset(&v->first, 0, sizeof(v->first));
	return code ? give(&e, error) : 0;
}

int verbatim_wait(struct verbatim *v, int64_t timeout_ms, struct verbatim_error *error)
{
	struct error e;

	if (verbatim_flush(v, error))
		return -1;
	return sender_wait(v->sender, timeout_ms, &e) ? give(&e, error) : 0;
}

void verbatim_get_counts(const struct verbatim *v, struct verbatim_counts *out)
{
	const struct sender_counts *c = sender_get_counts(v->sender);

	*out = (struct verbatim_counts){ v->number, c->stored, c->duplicates, c->refused, c->repeated, c->reconnects };
}

static int pack_result(void *data, const char *bytes, size_t len)
{
	buffer_add(data, bytes, len);
	return 0;
}

int verbatim_call(struct verbatim *v, const char *method, const void *params, size_t params_len, int timeout_ms, const void **result,
		  size_t *result_len, struct verbatim_error *error)
{
	const struct verbatim_options *o = &v->options;
	msgpack_object answer;
	msgpack_packer packer;
	struct error e;
	int code = 0;

	if (!v->caller)
		v->caller = client_new(&(struct client_options){ .addresses = o->addresses, .key = o->key, .name = o->name, .tls = v->tls });
	if (strlen(method) > 255)
		code = error_set(&e, E_METHOD, "there is no method of such a long name");
	if (!code && !client_is_open(v->caller))
		code = client_open(v->caller, &e);
	if (!code)
		code = client_call(v->caller, method, bytes_of(params, params_len), timeout_ms, &answer, &e);
	if (code)
		return give(&e, error);
	buffer_reset(&v->result);
	msgpack_packer_init(&packer, &v->result, pack_result);
	msgpack_pack_object(&packer, answer);
	*result = v->result.data;
	*result_len = v->result.len;
	return 0;
}
