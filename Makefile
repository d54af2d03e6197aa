# Longtail. `make help` explains every target.
#
# Everything is built out of tree, in BUILD. Each folder of src/ is one static library; the layer order in
# LAYERS is the link order, and tools/check-layers proves that includes follow it.

CC        ?= gcc
BUILD     ?= build$(if $(filter-out gcc cc,$(CC)),-$(notdir $(CC)))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
SANITIZE  ?=
OPT       ?= -O2
comma     := ,
CCACHE    := $(shell command -v ccache 2>/dev/null)

WARNINGS  := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
             -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough -Wno-unused-parameter
CFLAGS    := -std=c17 -D_GNU_SOURCE -g $(OPT) $(WARNINGS) -fno-omit-frame-pointer -fstack-protector-strong \
             $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all)
CPPFLAGS  := -Isrc -I$(BUILD)/generated -I/usr/include/mariadb
LDFLAGS   := $(if $(SANITIZE),-fsanitize=$(SANITIZE))
LDLIBS    := -luv -lrdkafka -llmdb -lmariadb -lmsgpackc -lxxhash -lzstd -llz4 -lroaring -lhiredis \
             -lsodium -lcrypto -lpthread -lm

# Top to bottom: a folder may include what stands to the right of it.
MODULES   := command agent jobs query store ingest catalog tenant mysql locallog kafka reactor \
             record vector aggregation resp model port base
LIBS      := $(foreach m,$(MODULES),$(if $(wildcard src/$(m)/*.c),$(BUILD)/lib$(m).a))
PROGRAMS  := $(patsubst src/main/%.c,$(BUILD)/%,$(wildcard src/main/*.c))
# Programs for people, under tools/: one a folder.
TOOLS     := $(patsubst %,$(BUILD)/longtail-%,load roundtrip generate inspect)
UNIT      := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/*/test_*.c))

.DEFAULT_GOAL := all
all: $(PROGRAMS) $(TOOLS) ## Build the programs into build/

# ---- generated sources: each generator adds its files to GENERATED ----
include tools/generate.mk
generated: $(GENERATED)

# ---- objects, libraries, programs ----

$(BUILD)/obj/%.o: src/%.c | generated
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CCACHE) $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Loops over columns: -O2 of gcc 12 does them a point at a time.
$(BUILD)/obj/vector/arrival.o: OPT += -O3

define library
$(BUILD)/lib$(1).a: $(patsubst src/%.c,$(BUILD)/obj/%.o,$(wildcard src/$(1)/*.c)) $$(GENERATED_OBJ_$(1))
	@rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach m,$(MODULES),$(eval $(call library,$(m))))

$(PROGRAMS): $(BUILD)/%: $(BUILD)/obj/main/%.o $(LIBS)
	@echo "  LD    $@"
	@$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(LIBS) -Wl,--end-group $(LDLIBS)

define tool
$(BUILD)/longtail-$(1): $(wildcard tools/*.[ch] tools/$(1)/*.[ch]) $(LIBS)
	@echo "  LD    $$@"
	@$$(CCACHE) $(CC) $$(CPPFLAGS) -Itools $$(CFLAGS) -o $$@ $$(filter %.c,$$^) $$(LDFLAGS) \
	    -Wl,--start-group $(LIBS) -Wl,--end-group $$(LDLIBS)
endef
$(foreach t,load roundtrip generate inspect,$(eval $(call tool,$(t))))

# ---- unit tests: tests/<module>/test_*.c, with cmocka; helpers beside them are linked in ----

# Several sources at once would leave a .d of the last one only; so what is included stands here.
.SECONDEXPANSION:
$(BUILD)/tests/%: tests/%.c $(wildcard tests/support_*) $$(wildcard $$(dir tests/$$*)support_*) \
    $$(wildcard $$(dir tests/$$*)*.inc) $(LIBS)
	@mkdir -p $(@D)
	@echo "  TEST  $<"
	@$(CCACHE) $(CC) $(CPPFLAGS) -Itests $(CFLAGS) -o $@ $(filter %.c,$^) $(LDFLAGS) \
	    -Wl,--start-group $(LIBS) -Wl,--end-group $(LDLIBS) $(LINK_WITH)

unit-build: $(UNIT)
unit: $(UNIT) ## Build and run the unit tests that need no server
	@for t in $(UNIT); do $$t || exit 1; done

# ---- what people and CI run; each target first installs what it needs (deps/) ----

# On all cores, unless the caller has said how many.
JOBS      := $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
LOG       ?= local

run: ## Install, build and run all of it here until Ctrl-C (LOG=kafka PORT=6479 VAR=var AGENT=no)
	@deps/install build run $(if $(filter kafka,$(LOG)),kafka)
	@$(MAKE) --no-print-directory $(JOBS) all
	@tools/run --build $(BUILD) --log $(LOG) $(if $(PORT),--port $(PORT)) $(if $(VAR),--var $(VAR)) $(if $(filter no,$(AGENT)),--no-agent)

test: ## Every test, with real MariaDB and Kafka; ends with one line: N passed, N failed
	@deps/install build run test kafka
	@$(MAKE) --no-print-directory $(JOBS) all unit-build
	@tests/run --build $(BUILD)

compat: ## Real Redis clients, their own suites and tools against real servers; ends with N passed, N failed (NAMES="hiredis")
	@deps/install build run test compat
	@$(MAKE) --no-print-directory $(JOBS) all
	@redis-compat/run --build $(BUILD) $(NAMES)

deps: ## Install everything that any target needs
	@deps/install build run test kafka lint
	@deps/kafka/fetch
	@deps/python/venv build/venv

bench: ## Measure writes, RedisTimeSeries beside us, into docs/benchmarks.md: 3.5 hours (BENCH="--quick madd-64")
	@deps/install build run test kafka
	@$(MAKE) --no-print-directory $(JOBS) all
	@tools/bench/writes --build $(BUILD) $(BENCH)

bench-reads: ## Measure reads of large histories, ClickHouse beside us; the first run makes the data (BENCH="--quick hour")
	@deps/install build run
	@$(MAKE) --no-print-directory $(JOBS) all
	@tools/bench/reads --build $(BUILD) $(BENCH)

check-layers: ## Prove that includes follow the layers, and that files stay small
	@tools/check-layers

SOURCES   := $(sort $(wildcard src/*/*.[ch] tests/*.[ch] tests/*/*.[ch]))

format: ## Lay out the C files with clang-format
	@deps/install lint
	@clang-format -i $(SOURCES)

lint: ## Check layout, and look for mistakes with clang-tidy and cppcheck
	@deps/install build lint
	@$(MAKE) --no-print-directory generated
	@tools/lint --build $(BUILD) $(SOURCES)

FUZZERS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/*/fuzz_*.c))
FUZZ_SECONDS ?= 20

fuzz: ## Run each tests/*/fuzz_*.c for FUZZ_SECONDS=20
	@deps/install build test lint
	@$(MAKE) --no-print-directory $(JOBS) BUILD=build-fuzz CC=clang SANITIZE=fuzzer-no-link,address fuzz-build
	@tools/fuzz build-fuzz $(FUZZ_SECONDS)

fuzz-build: $(FUZZERS)
$(BUILD)/tests/%: LINK_WITH = -lcmocka
$(FUZZERS): LINK_WITH = -fsanitize=fuzzer -lcmocka

coverage: ## Which lines of src/ the unit tests run, folder by folder
	@deps/install build test
	@$(MAKE) --no-print-directory $(JOBS) BUILD=build-coverage CC=gcc OPT='-O0 --coverage' LDFLAGS=--coverage unit-build
	@tools/coverage build-coverage

clean: ## Remove this configuration's build directory
	rm -rf $(BUILD)

help: ## Explain every target
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16

.PHONY: all unit unit-build run test compat deps bench bench-reads check-layers format lint fuzz fuzz-build coverage clean help generated
.SECONDARY:
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
