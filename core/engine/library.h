/*
 * library - shared libraries that are loaded when they are first needed, not when the program starts.
 *
 * For what few commands use and all would wait for: ICU and libmicrohttpd with theirs are a dozen files and two milliseconds
 * of a command that takes ten.  The one file of ours that uses such a library names its functions in a list; the list makes
 * a struct of typed pointers and a table of names, and library_load fills the one by the other:
 *
 *     #define FUNCTIONS(X) X(ucal_open) X(ucal_close)
 *
 *     static struct { FUNCTIONS(LIBRARY_POINTER) } icu;
 *     static const char *const names[] = { FUNCTIONS(LIBRARY_NAME) NULL };
 *
 * A library stays until the process ends.
 */
#ifndef VERBATIM_ENGINE_LIBRARY_H
#define VERBATIM_ENGINE_LIBRARY_H

#include "base/error.h"

#define LIBRARY_TEXT(word) #word
#define LIBRARY_POINTER(function) __typeof__(function) *function;
#define LIBRARY_NAME(function) LIBRARY_TEXT(function), /* a header may have given it another name */

/*
 * Opens `file` ("libfoo.so.1") and writes the address of each of `names` (ended by NULL) into `pointers`, in order; all or none.
 * E_UNSUITABLE names the Debian package.
 */
int library_load(const char *file, const char *package, const char *const *names, void *pointers, struct error *error) must_check;

#endif
