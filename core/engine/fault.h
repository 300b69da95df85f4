/*
 * fault - named points at which a build for tests can be killed, stopped or made to fail.
 *
 * VERBATIM_FAULT="append.sent=kill@3" kills the process with SIGKILL the third time it passes `append.sent`;
 * "=stop" stops it with SIGSTOP.  Several are parted by commas.  In a release build the points are nothing.
 */
#ifndef VERBATIM_ENGINE_FAULT_H
#define VERBATIM_ENGINE_FAULT_H

#ifdef VERBATIM_FAULTS
void fault_point(const char *name);
#else
#define fault_point(name) ((void)0)
#endif

#endif
