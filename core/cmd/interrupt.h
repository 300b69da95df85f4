/* interrupt - ^C and its kin as a flag that loops look at; the second one ends the process at once. */
#ifndef VERBATIM_CMD_INTERRUPT_H
#define VERBATIM_CMD_INTERRUPT_H

#include <signal.h>

extern volatile sig_atomic_t interrupted; /* the signal's number, or 0 */

/* SIGINT, SIGTERM and SIGHUP set the flag and interrupt what blocks; SIGPIPE is ignored. */
void interrupt_catch(void);

#endif
