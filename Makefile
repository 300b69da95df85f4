# Verbatim. `make help` lists what can be asked for.

MODE   ?= release
CC     ?= gcc
PREFIX ?= /usr/local
PYTHON ?= /usr/bin/python3

.DEFAULT_GOAL := all

# ---- what is compiled -----------------------------------------------------------------------

OUT     := $(if $(filter release,$(MODE)),build,build/$(MODE))
PKGS    := libpq libuv msgpack libxxhash libcrypto zlib
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WARN := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla \
        -Wformat=2 -Wundef -Wwrite-strings -Wno-unused-parameter
HARD := -fstack-protector-strong -fPIE -fstack-clash-protection -D_FORTIFY_SOURCE=2
LINK := -pie -Wl,-z,relro,-z,now,-z,noexecstack

FLAGS_release := -O2 -g
FLAGS_debug   := -O0 -g3 -DVERBATIM_FAULTS
FLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -DVERBATIM_FAULTS
FLAGS_tsan    := -O1 -g -fno-omit-frame-pointer -fsanitize=thread -DVERBATIM_FAULTS
ifneq ($(MODE),release)
HARD := $(filter-out -D_FORTIFY_SOURCE=2,$(HARD))
endif
ifeq ($(filter $(MODE),release debug asan tsan),)
$(error MODE=$(MODE): say release, debug, asan or tsan)
endif

VERSION := 0.1.0
CPPFLAGS += -D_GNU_SOURCE -DVERBATIM_VERSION='"$(VERSION)"' -I. -Icore $(PKG_CFLAGS) -include core/base/banned.h
CFLAGS_ALL = -std=c11 $(WARN) $(if $(WERROR),-Werror) $(HARD) $(FLAGS_$(MODE)) $(CFLAGS)
LDFLAGS_ALL = $(LINK) $(FLAGS_$(MODE)) $(LDFLAGS)
LIBS := $(PKG_LIBS) -lpthread -lm

SRC  := $(sort $(shell find core store projections -name '*.c'))
OBJ  := $(SRC:%.c=$(OUT)/obj/%.o) $(OUT)/obj/schema.o
LIB_OBJ := $(filter-out $(OUT)/obj/core/cmd/main.o,$(OBJ))
SQL  := $(sort $(shell find schema -name '*.sql'))
TEST_SRC := $(sort $(wildcard test/unit/*.c test/property/*.c test/simulation/*.c))
TEST_BIN := $(TEST_SRC:test/%.c=$(OUT)/test/%)
BENCH_BIN := $(patsubst bench/%.c,$(OUT)/bench/%,$(wildcard bench/*.c))

.PHONY: all help deps run test check bench install clean layers headers compile_commands.json simulate
.SECONDARY:

all: $(OUT)/verbatim

$(OUT)/verbatim: $(OBJ)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(OUT)/libverbatim.a: $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(OUT)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# The SQL under schema/ becomes one table of texts in the binary.
$(OUT)/gen/schema.c: $(SQL) schema/embed.sh
	@mkdir -p $(@D)
	sh schema/embed.sh $(SQL) >$@

$(OUT)/obj/schema.o: $(OUT)/gen/schema.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -c -o $@ $<

$(OUT)/test/%: test/%.c $(OUT)/libverbatim.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itest $(CFLAGS_ALL) -MMD -MP -MT $@ -MF $@.d $(LDFLAGS_ALL) -o $@ $< $(OUT)/libverbatim.a $(LIBS)

$(OUT)/bench/%: bench/%.c $(OUT)/libverbatim.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(OUT)/libverbatim.a $(LIBS)

-include $(OBJ:.o=.d) $(TEST_BIN:=.d)
