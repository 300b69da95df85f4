/* library - see library.h. */
#include "engine/library.h"

#include <dlfcn.h>
#include <string.h>

/* Its own libraries before all that this program has: a millisecond less.  Sanitizers must come before both. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FIRST 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FIRST 0
#endif
#endif
#ifndef FIRST
#define FIRST RTLD_DEEPBIND
#endif

int library_load(const char *file, const char *package, const char *const *names, void *pointers, struct error *error)
{
	void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL | FIRST), *found;
	int count = 0;

	if (!library)
		return error_set(error, E_UNSUITABLE, "cannot load %s, of Debian's package %s: %s", file, package, dlerror());
	while (names[count] && dlsym(library, names[count]))
		count++;
	if (names[count])
		return error_set(error, E_UNSUITABLE, "%s, of Debian's package %s, has no %s", file, package, names[count]);
	for (int i = 0; i < count; i++) {
		found = dlsym(library, names[i]);
		memcpy((char *)pointers + (size_t)i * sizeof(found), &found, sizeof(found));
	}
	return 0;
}
