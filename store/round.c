/* round - see round.h. */
#include "store/round.h"

#include <assert.h>
#include <libpq-fe.h>

#include "store/db.h"

void round_add(struct round *r, const char *sql)
{
	struct pg_params *p = &r->params;

	assert(r->sent < ROUND_MOST);
	if (r->sent == 0)
		PQenterPipelineMode(r->conn); /* what fails here fails in round_go as well */
	r->results[r->sent++] = NULL;
	if (!PQsendQueryParams(r->conn, sql, p->count, NULL, pg_params_values(p), p->lengths, p->formats, 1))
		r->results[r->sent - 1] = NULL; /* the answer will be missing, and that is reported */
	pg_params_reset(p);
}

int round_go(struct round *r, struct error *error)
{
	int status = 0;
	bool synced = PQpipelineSync(r->conn);
	PGresult *more;

	for (int i = 0; i < r->sent && synced; i++) {
		r->results[i] = PQgetResult(r->conn);
		if (!status && PQresultStatus(r->results[i]) != PGRES_TUPLES_OK)
			status = db_error(r->conn, r->results[i], error);
		while ((more = PQgetResult(r->conn)))
			PQclear(more);
	}
	if (!synced)
		status = db_error(r->conn, NULL, error);
	PQclear(synced ? PQgetResult(r->conn) : NULL); /* the end of the pipeline */
	if (!PQexitPipelineMode(r->conn) && !status)
		status = db_error(r->conn, NULL, error);
	return status;
}

void round_forget(struct round *r)
{
	for (int i = 0; i < r->sent; i++)
		PQclear(r->results[i]);
	r->sent = 0;
}

void round_release(struct round *r)
{
	round_forget(r);
	pg_params_release(&r->params);
}
