#!/bin/sh
# embed - turns the SQL files named on the command line into one C table: name, text (see store/schema.h).
set -eu
echo '/* Made by schema/embed.sh. */'
echo '#include "store/schema.h"'
echo 'const struct schema_file schema_files[] = {'
for f in "$@"; do
	printf '\t{ "%s",\n' "${f#schema/}"
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/\t  "/' -e 's/$/\\n"/' "$f"
	printf '\t},\n'
done
echo '	{ 0, 0 },'
echo '};'
