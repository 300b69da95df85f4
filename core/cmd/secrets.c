/* secrets - see secrets.h. */
#include "cmd/secrets.h"

#include <string.h>
#include <sys/prctl.h>

void secrets_hide(char *text)
{
	memset(text, 'x', strlen(text));
}

static bool is_end(char c)
{
	return c == 0 || c == ' ' || c == '\t' || c == '\n';
}

/* password = 'it''s' of a keyword string, password=... of a URI's query; sslpassword and the like end in the same word. */
static void hide_value(char *p)
{
	while (*p == ' ')
		p++;
	if (*p++ != '=')
		return;
	while (*p == ' ')
		p++;
	if (*p == '\'') {
		for (p++; *p && *p != '\''; *p++ = 'x')
			if (*p == '\\' && p[1])
				*p++ = 'x';
		return;
	}
	for (; !is_end(*p) && *p != '&'; p++)
		*p = 'x';
}

void secrets_hide_password(char *text)
{
	char *user = strstr(text, "://"), *at, *colon;

	for (char *p = text; (p = strcasestr(p, "password")); p += 8)
		hide_value(p + 8);
	if (!user)
		return;
	user += 3;
	at = user + strcspn(user, "/");
	while (at > user && *at != '@') /* the last one before the path */
		at--;
	colon = at > user ? memchr(user, ':', (size_t)(at - user)) : NULL;
	if (colon)
		memset(colon + 1, 'x', (size_t)(at - colon - 1));
}

void secrets_no_core(bool allowed)
{
	prctl(PR_SET_DUMPABLE, allowed ? 1 : 0);
}
