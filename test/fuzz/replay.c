/* replay - one target over the files of a folder, a TAP line each; a broken promise ends the process, which prove sees. */
#include <dirent.h>
#include <string.h>

#include "fuzz.h"
#include "tap.h"

enum { FILE_MOST = 1 << 20 };

static bool run(const char *folder, const char *name)
{
	char path[600];
	uint8_t *data = mem_alloc(FILE_MOST), *exact;
	size_t size;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (!f) {
		free(data);
		return false;
	}
	size = fread(data, 1, FILE_MOST, f);
	fclose(f);
	exact = mem_alloc(size ? size : 1); /* so that reading past the end is seen by whoever looks */
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	free(data);
	return true;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	char folder[300];
	struct dirent *entry;
	DIR *d;

	(void)argc;
	snprintf(folder, sizeof(folder), "test/fuzz/corpus/%s", name ? name + 1 : argv[0]);
	d = opendir(folder);
	ok(d != NULL, "there is a corpus in %s", folder);
	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			ok(run(folder, entry->d_name), "%s", entry->d_name);
	if (d)
		closedir(d);
	return tap_done();
}
