/* pem - see pem.h. */
#include "event/pem.h"

#include <string.h>

int pem_passphrase(char *to, int size, int writing, void *passphrase)
{
	size_t n = passphrase ? strlen(passphrase) : 0;

	(void)writing;
	if (!n || n > (size_t)size)
		return -1;
	memcpy(to, passphrase, n);
	return (int)n;
}
