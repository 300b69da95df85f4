/* secrets - what a process was started with can be read by others (ps, /proc); what of it is secret is overwritten there. */
#ifndef VERBATIM_CMD_SECRETS_H
#define VERBATIM_CMD_SECRETS_H

#include <stdbool.h>

/* For option.hide: all of a text, and the passwords in a libpq connection string or URI. */
void secrets_hide(char *text);
void secrets_hide_password(char *text);

/* Nobody gets a core file of this process, or looks into it as its own user, unless `allowed`. */
void secrets_no_core(bool allowed);

#endif
