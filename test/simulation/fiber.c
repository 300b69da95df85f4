/* fiber - see fiber.h. */
#include "fiber.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

enum { STACK_BYTES = 1 << 20 };

struct fiber {
	struct world *world;
	const struct world_host *host;
	void (*run)(void *data);
	void *data;
	char *stack;
	ucontext_t own, back;
	bool ended;
	struct fiber *next; /* of those that are not used */
	void *fake, *back_fake; /* the sanitizer's */
	const void *back_stack;
	size_t back_bytes;
};

static struct fiber *running, *idle;

/* The sanitizer is told where the stack goes; `away` NULL: for ever. */
static void leaves(void **away, const void *stack, size_t bytes)
{
#ifdef FIBER_ASAN
	__sanitizer_start_switch_fiber(away, stack, bytes);
#endif
}

static void comes(void *fake, const void **stack, size_t *bytes)
{
#ifdef FIBER_ASAN
	__sanitizer_finish_switch_fiber(fake, stack, bytes);
#endif
}

static void runs(void)
{
	struct fiber *f = running;

	comes(NULL, &f->back_stack, &f->back_bytes);
	f->run(f->data);
	f->ended = true;
	leaves(NULL, f->back_stack, f->back_bytes);
	swapcontext(&f->own, &f->back);
}

static void resumes(void *data)
{
	struct fiber *f = data, *outer = running;
	int64_t left = world_asleep(f->world, f->host);

	if (left) {
		world_after(f->world, left, resumes, f);
		return;
	}
	assert(!outer);
	running = f;
	leaves(&f->back_fake, f->stack, STACK_BYTES);
	swapcontext(&f->back, &f->own);
	comes(f->back_fake, NULL, NULL);
	running = NULL;
	if (f->ended) {
		f->next = idle;
		idle = f;
	}
}

void fiber_sleep(int64_t us)
{
	struct fiber *f = running;

	world_after(f->world, us, resumes, f);
	leaves(&f->fake, f->back_stack, f->back_bytes);
	swapcontext(&f->own, &f->back);
	comes(f->fake, &f->back_stack, &f->back_bytes);
}

/*
 * One that has ended, or a new one; nothing but its stack is in it.  Not inlined, where it would be set twice before
 * getcontext: gcc warns of that.
 */
static __attribute__((noinline)) struct fiber *fresh(void)
{
	struct fiber *f = idle;
	char *stack;

	if (f) {
		idle = f->next;
	} else {
		f = mem_zalloc(sizeof(*f));
		f->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (f->stack == MAP_FAILED)
			abort();
	}
	stack = f->stack;
	memset(f, 0, sizeof(*f));
	f->stack = stack;
	return f;
}

void fiber_start(struct world *w, const struct world_host *host, void (*run)(void *data), void *data)
{
	struct fiber *f = fresh();

	f->world = w;
	f->host = host;
	f->run = run;
	f->data = data;
	getcontext(&f->own);
	f->own.uc_stack.ss_sp = f->stack;
	f->own.uc_stack.ss_size = STACK_BYTES;
	makecontext(&f->own, runs, 0);
	world_after(w, 0, resumes, f);
}
