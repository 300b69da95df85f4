/* upcast - see upcast.h. */
#include "event/catalog/upcast.h"

#include "event/fields.h"

/* What channels answer when the message will never go through, as canonical JSON strings. */
static const char *const permanent_failures[] = {
	"\"blocked\"",
	"\"invalid_recipient\"",
	"\"opted_out\"",
	"\"rejected\"",
	"\"unsupported_content\"",
};

int upcast_message_failed_1(struct bytes payload, struct buffer *out)
{
	struct bytes code;
	bool retryable = true;

	if (payload.len < 2 || payload.data[0] != '{' || payload.data[payload.len - 1] != '}')
		return E_INVALID;
	code = json_member(payload, "code");
	for (size_t i = 0; code.data && i < sizeof(permanent_failures) / sizeof(permanent_failures[0]); i++)
		if (bytes_is(code, permanent_failures[i]))
			retryable = false;

	/* "retryable" sorts after every name of version 1, so the end is its canonical place. */
	buffer_add(out, payload.data, payload.len - 1);
	buffer_add_text(out, payload.len > 2 ? ",\"retryable\":" : "\"retryable\":");
	buffer_add_text(out, retryable ? "true}" : "false}");
	return 0;
}
