# Verbatim. `make help` lists what can be asked for.

MODE   ?= release
CC     ?= gcc
PREFIX ?= /usr/local
PYTHON ?= /usr/bin/python3

.DEFAULT_GOAL := all

# ---- what is compiled -----------------------------------------------------------------------

OUT     := $(if $(filter release,$(MODE)),build,build/$(MODE))
PKGS    := libpq libuv msgpack libxxhash libssl libcrypto zlib
LOADED  := icu-i18n libmicrohttpd # by whom they are needed, when they are (core/engine/library.h)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) $(LOADED) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WARN := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla \
        -Wformat=2 -Wundef -Wwrite-strings -Wno-unused-parameter -Wno-missing-field-initializers
HARD := -fstack-protector-strong -fPIE -fstack-clash-protection -D_FORTIFY_SOURCE=2
LINK := -pie -Wl,-z,relro,-z,now,-z,noexecstack

FLAGS_release := -O2 -g
FLAGS_debug   := -O0 -g3 -DVERBATIM_FAULTS
FLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -DVERBATIM_FAULTS
FLAGS_fuzz    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined
FLAGS_tsan    := -O1 -g -fno-omit-frame-pointer -fsanitize=thread -DVERBATIM_FAULTS
ifneq ($(MODE),release)
HARD := $(filter-out -D_FORTIFY_SOURCE=2,$(HARD))
endif
ifeq ($(filter $(MODE),release debug asan tsan fuzz),)
$(error MODE=$(MODE): say release, debug, asan, tsan or fuzz)
endif

VERSION := 0.1.0
CPPFLAGS += -D_GNU_SOURCE -DVERBATIM_VERSION='"$(VERSION)"' -I. -Icore $(PKG_CFLAGS) -include core/base/banned.h
CFLAGS_ALL = -std=c11 $(WARN) $(if $(WERROR),-Werror) $(HARD) $(FLAGS_$(MODE)) $(CFLAGS)
LDFLAGS_ALL = $(LINK) $(FLAGS_$(MODE)) $(LDFLAGS)
# The loader looks for each name along this list: first come the two that most of the 9,000 names of a start are in.
LIBS := -lcrypto -lc $(PKG_LIBS) -lpthread -lm

OFFLINE_MAIN := core/offline/main.c
SRC  := $(filter-out $(OFFLINE_MAIN),$(sort $(shell find core store projections -name '*.c')))
OBJ  := $(SRC:%.c=$(OUT)/obj/%.o) $(OUT)/obj/schema.o
# The offline verifier: nothing of it speaks to a database or waits on a loop.
OFFLINE := core/base/arena core/base/base64 core/base/bytes core/base/error core/base/ustar core/base/uuid core/event/checkpoint \
        core/event/json core/event/merkle core/event/note core/event/proof core/event/utf8 core/offline/bundle core/offline/main \
        core/offline/manifest
OFFLINE_OBJ := $(OFFLINE:%=$(OUT)/obj/%.o)
LIB_OBJ := $(filter-out $(OUT)/obj/core/cmd/main.o,$(OBJ))
SQL  := $(sort $(shell find schema -name '*.sql'))
TEST_SRC := $(sort $(wildcard test/unit/*.c test/property/*.c) $(addprefix test/simulation/,simulate.c timers.c sessions.c rebuilds.c))
TEST_BIN := $(TEST_SRC:test/%.c=$(OUT)/test/%)
E2E_BIN  := $(patsubst test/%.c,$(OUT)/test/%,$(wildcard test/e2e/*.c)) # run by a script that gives them a database
FUZZ := $(basename $(notdir $(filter-out test/fuzz/replay.c,$(sort $(wildcard test/fuzz/*.c)))))
REPLAY_BIN := $(FUZZ:%=$(OUT)/test/fuzz/%)
BENCH_BIN := $(patsubst bench/%.c,$(OUT)/bench/%,$(filter-out bench/common.c,$(wildcard bench/*.c)))

.PHONY: all help deps deps-test run test check again sanitize sanitize-threads bench install clean layers headers compile_commands.json simulate chaos soak fuzz fuzz-targets $(FUZZ:%=fuzz-%)
.SECONDARY:

all: $(OUT)/verbatim $(OUT)/verbatim-verify $(OUT)/libverbatim-client.a

# V=1 shows every command.
Q := $(if $(V),,@)

$(OUT)/verbatim: $(OBJ)
	$(if $(V),,@echo '  link $@')
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(OUT)/verbatim-verify: $(OFFLINE_OBJ)
	$(if $(V),,@echo '  link $@')
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(shell pkg-config --libs libcrypto libxxhash) -lpthread

$(OUT)/libverbatim.a: $(LIB_OBJ)
	@rm -f $@
	$(Q)ar rcs $@ $^

# What other people's programs link: one object that names nothing but verbatim_*, of what core/client needs and no more.
$(OUT)/libverbatim-client.a: $(OUT)/libverbatim.a
	$(if $(V),,@echo '  ar   $@')
	$(Q)$(CC) -r -nostdlib -o $(OUT)/verbatim-client.o $(OUT)/obj/core/client/verbatim.o $(OUT)/libverbatim.a
	$(Q)objcopy -w --keep-global-symbol='verbatim_*' $(OUT)/verbatim-client.o
	@rm -f $@
	$(Q)ar rcs $@ $(OUT)/verbatim-client.o

$(OUT)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(if $(V),,@echo '  cc   $<')
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# The SQL under schema/ becomes one table of texts in the binary.
$(OUT)/gen/schema.c: $(SQL) schema/embed.sh
	@mkdir -p $(@D)
	$(Q)sh schema/embed.sh $(SQL) >$@

$(OUT)/obj/schema.o: $(OUT)/gen/schema.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -c -o $@ $<

$(OUT)/test/%: test/%.c $(OUT)/libverbatim.a
	@mkdir -p $(@D)
	$(if $(V),,@echo '  test $@')
	$(Q)$(CC) $(CPPFLAGS) -Itest $(CFLAGS_ALL) -MMD -MP -MT $@ -MF $@.d $(LDFLAGS_ALL) -o $@ $< $(OUT)/libverbatim.a $(LIBS)

# A fuzz target over its corpus, without libFuzzer.
$(OUT)/test/fuzz/%: test/fuzz/%.c test/fuzz/replay.c test/fuzz/fuzz.h $(OUT)/libverbatim.a
	@mkdir -p $(@D)
	$(if $(V),,@echo '  test $@')
	$(Q)$(CC) $(CPPFLAGS) -Itest $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(filter %.c,$^) $(OUT)/libverbatim.a $(LIBS)

# With libFuzzer; the main function is its own.
build/fuzz/targets/%: test/fuzz/%.c test/fuzz/fuzz.h build/fuzz/libverbatim.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itest $(CFLAGS_ALL) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $< build/fuzz/libverbatim.a $(LIBS)

# The simulations are programs of several files; the engine's are compiled for them with the mistakes they can be told to make.
SIMULATED := $(addprefix test/simulation/,world.c models.c models_rebuild.c fake_store.c fake_log.c fake_rows.c engine_sim.c watch.c runs.c) \
        $(addprefix core/engine/,appender.c appender_learn.c appender_send.c batch.c decision.c fault.c worker.c worker_batch.c worker_own.c)
$(OUT)/test/simulation/simulate: $(addprefix test/simulation/,clients.c checks.c events.c)
$(OUT)/test/simulation/sessions: $(addprefix test/simulation/,callers.c producers.c strangers.c events.c network.c server_sim.c fake_keys.c) \
        $(addprefix core/engine/,session.c methods.c access.c)
$(OUT)/test/simulation/rebuilds: $(addprefix test/simulation/,clients.c checks.c events.c fiber.c fake_rebuild.c) \
        $(addprefix core/engine/,rebuild.c rebuild_back.c rebuild_compare.c rebuild_shard.c rebuild_tell.c)
$(OUT)/test/simulation/%: test/simulation/%.c $(SIMULATED) $(wildcard test/simulation/*.h) $(OUT)/libverbatim.a
	@mkdir -p $(@D)
	$(if $(V),,@echo '  test $@')
	$(Q)$(CC) $(CPPFLAGS) -Itest -DVERBATIM_FAULTS $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(filter %.c,$^) $(OUT)/libverbatim.a $(LIBS)

$(OUT)/bench/%: bench/%.c bench/common.c bench/common.h $(OUT)/libverbatim.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(filter %.c,$^) $(OUT)/libverbatim.a $(LIBS)

-include $(OBJ:.o=.d) $(OFFLINE_OBJ:.o=.d) $(TEST_BIN:=.d) $(E2E_BIN:=.d)

# ---- what can be asked for ------------------------------------------------------------------

help:
	@echo 'make              build build/verbatim (MODE=release, debug, asan or tsan; CC=gcc or clang; WERROR=1)'
	@echo 'make run          install what is missing, build, start an engine, send it traffic, show what came of it'
	@echo '                  (ONCE=1 ends by itself; DATA=DIR keeps the data elsewhere)'
	@echo 'make test         install what is missing, build, run every test'
	@echo 'make bench        measure the engine against the limit of COPY, in one run; prints ratios'
	@echo 'make simulate     the engine on a fake store with faults: SEEDS=1000 FROM=1'
	@echo 'make chaos        kill, stop, fill, cut off and drop at random, with real engines and PostgreSQL: MINUTES=2 SEED=1'
	@echo 'make soak         half of the speed for an hour, with rebuilds, replays and restarts in it: MINUTES=60'
	@echo 'make fuzz         feed parsers and readers with what nobody would send (clang): SECONDS_EACH=60, FUZZ=stream'
	@echo 'make deps         install the Debian packages that are needed (and touch no database of the system)'
	@echo 'make install      PREFIX=/usr/local'
	@echo 'make layers       check which folder may include what; make headers: each header compiles alone'
	@echo 'make clean        remove build/'

# Each package, and why:
#   gcc make pkg-config   to build                    libpq-dev            to speak to PostgreSQL
#   libuv1-dev            the event loop              libmsgpack-dev       MessagePack, on the wire
#   libxxhash-dev         hashes of tables and shards libssl-dev           TLS, SHA-256, Ed25519
#   zlib1g-dev            gzip input of `append`      postgresql           the database itself; its server binaries
#   perl                  prove, which runs the tests python3-pynvim       a MessagePack-RPC client nobody here wrote
#   libicu-dev            time zones                  libmicrohttpd-dev    HTTP for metrics
#   iproute2              a network of its own, for chaos
#   openssl               certificates for tests, and a TLS client nobody here wrote
#   golang-go golang-golang-x-mod-dev                 a verifier of checkpoints and proofs nobody here wrote
DEPS := gcc make pkg-config libpq-dev libuv1-dev libmsgpack-dev libxxhash-dev libssl-dev zlib1g-dev libicu-dev libmicrohttpd-dev postgresql perl
DEPS_TEST := iproute2 python3 openssl python3-pynvim python3-msgpack golang-go golang-golang-x-mod-dev

deps:
	@sh test/deps.sh $(DEPS)

deps-test:
	@sh test/deps.sh $(DEPS) $(DEPS_TEST)

DATA ?= var
run: deps
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@$(OUT)/verbatim demo --data '$(DATA)' $(if $(ONCE),--once)

test: deps-test
	@$(MAKE) --no-print-directory -j$$(nproc) check

# End to end: shell and Python programs that drive the real binary (harness.py is what they share).
E2E := $(filter-out test/e2e/harness.py test/e2e/common.sh,$(sort $(wildcard test/e2e/*.sh test/e2e/*.py)))
JOBS_TEST ?= 2
check: $(OUT)/verbatim $(OUT)/verbatim-verify $(OUT)/libverbatim-client.a $(TEST_BIN) $(REPLAY_BIN) $(E2E_BIN) $(BENCH_BIN)
	VERBATIM_BIN=$(OUT)/verbatim BUILD=$(OUT) PYTHON=$(PYTHON) prove -j$(JOBS_TEST) --timer --merge --failures \
		--state=save --statefile=$(OUT)/prove test/layers.sh test/headers.sh $(TEST_BIN) $(REPLAY_BIN) $(E2E)

# The programs that failed, once more, one after another, with all that they say.
again:
	VERBATIM_BIN=$(OUT)/verbatim BUILD=$(OUT) PYTHON=$(PYTHON) prove --timer --merge --verbose --state=failed,save --statefile=$(OUT)/prove

# The same under sanitizers (MODE=asan or tsan): everything without a server, and the main paths with one.
sanitize: $(OUT)/verbatim $(TEST_BIN) $(REPLAY_BIN) $(E2E_BIN)
	VERBATIM_BIN=$(OUT)/verbatim BUILD=$(OUT) prove --timer --merge $(TEST_BIN) $(REPLAY_BIN) test/e2e/smoke.py test/e2e/store.py $(wildcard test/e2e/wire.py test/e2e/hostile.py test/e2e/tls.py)

sanitize-threads: $(OUT)/verbatim
	VERBATIM_BIN=$(OUT)/verbatim BUILD=$(OUT) TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 prove --timer --merge test/e2e/smoke.py \
		$(wildcard test/e2e/tenants.py)

# Every target for so long; what it finds new stays below build/, what breaks a promise ends it with the file that did.
SECONDS_EACH ?= 60
fuzz:
	@$(MAKE) --no-print-directory MODE=fuzz CC='$(if $(filter clang%,$(lastword $(CC))),$(CC),clang)' -j$$(nproc) fuzz-targets
	@$(MAKE) --no-print-directory -j$$(nproc) $(FUZZ:%=fuzz-%)

$(FUZZ:%=fuzz-%): fuzz-%:
	@mkdir -p build/fuzz/corpus/$*
	@build/fuzz/targets/$* -max_total_time=$(SECONDS_EACH) -max_len=8192 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix=build/fuzz/$*- build/fuzz/corpus/$* test/fuzz/corpus/$* >build/fuzz/$*.log 2>&1 \
		|| { tail -40 build/fuzz/$*.log; exit 1; }
	@awk -v t=$* '/number_of_executed_units/ { printf "  fuzz %-10s %s inputs, no promise broken\n", t, $$2 }' build/fuzz/$*.log

fuzz-targets: $(FUZZ:%=build/fuzz/targets/%)

layers:
	@sh test/layers.sh

headers:
	@CC='$(CC)' sh test/headers.sh

SEEDS ?= 1000
FROM ?= 1
simulate: $(addprefix $(OUT)/test/simulation/,simulate timers sessions rebuilds)
	$(OUT)/test/simulation/simulate --seeds $(SEEDS) --from $(FROM)
	$(OUT)/test/simulation/timers --seeds $(SEEDS) --from $(FROM)
	$(OUT)/test/simulation/sessions --seeds $(SEEDS) --from $(FROM)
	$(OUT)/test/simulation/rebuilds --seeds $(SEEDS) --from $(FROM)

# Faults at random for so long; needs root for small disks and a network of its own, and leaves them out without.
MINUTES ?= 2
SEED ?= 1
chaos: $(OUT)/verbatim
	@VERBATIM_BIN=$(OUT)/verbatim BUILD=$(OUT) $(PYTHON) test/chaos/chaos.py --minutes $(MINUTES) --seed $(SEED)

# Half of the machine's speed for so long, with rebuilds, replays and restarts in it.
soak: MINUTES = 60
soak: $(OUT)/verbatim $(OUT)/bench/load
	@VERBATIM_BIN=$(OUT)/verbatim BUILD=$(OUT) $(PYTHON) test/chaos/soak.py --minutes $(MINUTES) --seed $(SEED)

bench: $(OUT)/verbatim $(BENCH_BIN)
	@BUILD=$(OUT) sh bench/run.sh

install: $(OUT)/verbatim $(OUT)/verbatim-verify $(OUT)/libverbatim-client.a
	install -D -m 755 $(OUT)/verbatim $(DESTDIR)$(PREFIX)/bin/verbatim
	install -m 755 $(OUT)/verbatim-verify $(DESTDIR)$(PREFIX)/bin/verbatim-verify
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(OUT)/verbatim completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/verbatim
	install -D -m 644 $(OUT)/libverbatim-client.a $(DESTDIR)$(PREFIX)/lib/libverbatim-client.a
	install -D -m 644 core/client/verbatim.h $(DESTDIR)$(PREFIX)/include/verbatim.h
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' core/client/verbatim-client.pc.in \
		>$(DESTDIR)$(PREFIX)/lib/pkgconfig/verbatim-client.pc
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/sysusers.d
	sed 's|@PREFIX@|$(PREFIX)|' core/cmd/verbatim.service.in >$(DESTDIR)$(PREFIX)/lib/systemd/system/verbatim.service
	install -m 644 core/cmd/verbatim.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/verbatim.conf
	install -d $(DESTDIR)$(PREFIX)/share/doc/verbatim
	install -m 644 README.md core/engine/PROTOCOL.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/verbatim

compile_commands.json:
	@{ echo '['; sep=''; for f in $(SRC); do \
		printf '%s{"directory":"%s","file":"%s","command":"%s"}' "$$sep" '$(CURDIR)' "$$f" \
			'$(CC) $(subst ",\\\",$(CPPFLAGS) $(CFLAGS_ALL)) -c '"$$f"; sep=','; echo; done; echo ']'; } >$@

clean:
	rm -rf build
