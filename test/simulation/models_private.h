/* models_private - what the files of models share. */
#ifndef VERBATIM_TEST_MODELS_PRIVATE_H
#define VERBATIM_TEST_MODELS_PRIVATE_H

#include "models.h"

int models_new_table(struct models *m, const struct projection *of);
int models_place(const struct models *m, const struct projection *p); /* in the group */

/* Says that nothing comes of it; shadows that no generation has go. */
void models_drop(struct models *m, struct models_rebuild *r);

#endif
