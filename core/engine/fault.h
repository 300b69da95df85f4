/*
 * fault - named points at which a build for tests can be killed, stopped or made to fail.
 *
 * VERBATIM_FAULT="append.sent=kill@3" kills the process with SIGKILL the third time it passes `append.sent`;
 * "=stop" stops it with SIGSTOP.  Several are parted by commas.  In a release build the points are nothing.
 *
 * fault_on() tells whether a simulation has chosen that mistake (fault_choose): the engine then makes it, so that the
 * checks can be seen to notice.
 *
 * VERBATIM_NEXT="conversations@2-language+mood~subject" lets the same build play a later version: that read model is
 * of version 2, without one column, with another that no event fills (int8, 7 in every row), and with a third as a
 * varchar(9999).  Several are parted by commas.
 */
#ifndef VERBATIM_ENGINE_FAULT_H
#define VERBATIM_ENGINE_FAULT_H

#ifdef VERBATIM_FAULTS
#include <stdbool.h>

void fault_point(const char *name);
void fault_versions(void); /* before anything looks at a read model */
bool fault_on(const char *name);
void fault_choose(const char *name); /* NULL: none */
#else
#define fault_point(name) ((void)0)
#define fault_versions() ((void)0)
#define fault_on(name) 0
#endif

#endif
