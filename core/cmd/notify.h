/*
 * notify - tells whoever started the engine how it is, in systemd's way: datagrams of NAME=VALUE lines to the socket that
 * NOTIFY_SOCKET names.  Without one all of this does nothing.
 */
#ifndef VERBATIM_CMD_NOTIFY_H
#define VERBATIM_CMD_NOTIFY_H

/* Takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment, so that no child speaks for us. */
void notify_start(void);

/* "READY=1", "STOPPING=1", "STATUS=..."; several with newlines between them.  What is not taken is lost. */
void notify_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Begins what ends with READY=1. */
void notify_reloading(void);

/* The loop turns: keeps the watchdog quiet, if there is one.  To be called each second. */
void notify_alive(void);

#endif
