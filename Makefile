# One Makefile for everything. Each mode (debug, release, asan, tsan, coverage, fuzz) builds into $(B)/<mode>/; the sources
# are whatever lies in the rooms, so a new file needs no line here. Targets that build take a lock on $(B)/.lock and run
# this Makefile once more under it: two of them in one checkout wait for each other while building and run side by side.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

VERSION := $(shell cat VERSION)
B ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
COVERAGE_MIN ?= 85
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
CLANG ?= clang
Q := $(if $(V),,@)

# ---- sources ----------------------------------------------------------------------------------------------------------

# ROOMS="base store" on the command line builds without the others.
ROOMS := base store remote_write receiver analyzers remediations demo daemon
# In the order they are started: the slow ones first.
TEST_KINDS := integration sim golden unit

LIB_C := $(filter-out daemon/main.c,$(wildcard $(ROOMS:%=%/*.c) $(ROOMS:%=%/*/*.c)))
SUPPORT_C := $(filter-out tests/support/replay_main.c,$(wildcard tests/support/*.c))
# Only tests compare with generated decoders.
PROTO := $(notdir $(basename $(wildcard tests/support/*.proto)))
GEN_H := $(PROTO:%=$(B)/gen/%.pb-c.h)

# TESTS="word ..." keeps the tests whose path contains one of the words.
pick = $(if $(TESTS),$(foreach t,$(1),$(if $(strip $(foreach w,$(TESTS),$(findstring $(w),$(t)))),$(t))),$(1))
TEST_C := $(call pick,$(wildcard $(TEST_KINDS:%=tests/%/test_*.c)))
TEST_SH := $(call pick,$(wildcard $(TEST_KINDS:%=tests/%/test_*.sh)))
FUZZ_C := $(call pick,$(wildcard tests/fuzz/fuzz_*.c))
BENCH_C := $(call pick,$(wildcard tests/bench/bench_*.c))
ANALYZER_BENCH_C := $(wildcard $(patsubst %,tests/bench/bench_%.c,forest forecast lstm scan))
BENCH_SH := $(call pick,$(wildcard tests/bench/bench_*.sh))
RULES_YML := $(call pick,$(wildcard rules/prometheus/*.yml))
RULES_TEST_YML := $(call pick,$(wildcard rules/prometheus/tests/*.yml))
PLAYBOOK_TEST_YAML := $(call pick,$(wildcard rules/playbooks/*_test.yaml))
E2E_C := $(call pick,$(wildcard tests/e2e/test_*.c))
E2E_SH := $(call pick,$(wildcard tests/e2e/test_*.sh))
SIM_C := $(filter tests/sim/%,$(TEST_C))
TSAN_C := $(if $(TEST_C),$(shell grep -l '^/\* run-under: tsan \*/' $(TEST_C)))

# ---- flags ------------------------------------------------------------------------------------------------------------

LIBRARIES := libmicrohttpd gnutls jansson libcurl openssl snappy sqlite3 libpcre2-8 libxxhash yaml-0.1 zlib
# Asked for once and only when something is compiled: `make deps` must work before pkg-config is there.
pkg = $(or $(shell pkg-config $(1) && echo ' '),$(error a library is missing: run `make deps`))
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(call pkg,--cflags $(LIBRARIES)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(call pkg,--libs $(LIBRARIES)))$(PKG_LIBS)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wformat=2 -Wwrite-strings -Wundef -Wvla
# A release tarball carries .tarball-version: a newer compiler's new warning must not stop its user.
WERROR := $(if $(wildcard .tarball-version),,-Werror)
LANGUAGE := -std=c11 -D_DEFAULT_SOURCE -D_POSIX_C_SOURCE=200809L -DNIMBUSGUARD_VERSION='"$(VERSION)"' -pthread -I.
# The numbers must be the same with every compiler: no contraction into fused operations, never -ffast-math.
COMMON := $(LANGUAGE) -ffp-contract=off -fno-omit-frame-pointer -g -ffile-prefix-map=$(CURDIR)=.
HARDENING := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE

SANITIZE_ASAN := -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all
MODES := debug release asan tsan coverage fuzz sim
CFLAGS_debug := -O0
CFLAGS_release := -O2 $(HARDENING)
CFLAGS_asan := -O1 $(SANITIZE_ASAN)
# The simulation is a matter of how many seeds: optimised, and of what it needs only.
SANITIZE_SIM := -fsanitize=undefined,float-cast-overflow -fno-sanitize-recover=all
CFLAGS_sim := -O2 $(SANITIZE_SIM)
LIB_C_sim := $(wildcard base/*.c remediations/*.c remediations/*/*.c)
SUPPORT_C_sim := $(wildcard tests/support/engine_sim*.c)
CFLAGS_tsan := -O1 -fsanitize=thread
CFLAGS_coverage := -O0 --coverage -fprofile-update=atomic
CFLAGS_fuzz := -O1 -fsanitize=fuzzer-no-link $(SANITIZE_ASAN)
LDFLAGS_release := -pie -Wl,-z,relro,-z,now
LDFLAGS_asan := $(SANITIZE_ASAN)
LDFLAGS_sim := $(SANITIZE_SIM)
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_coverage := --coverage
LDFLAGS_fuzz := -fsanitize=fuzzer $(SANITIZE_ASAN)
$(foreach m,$(MODES),$(eval CC_$(m) = $$(CC)))
CC_fuzz = $(CLANG)
# The sanitizers define functions of libcrypt and libm themselves and look for the real ones behind them: --as-needed
# would leave those out.
LDLIBS = $(PKG_LIBS) -Wl,--no-as-needed -lcrypt -lm -pthread
TEST_LDLIBS := -lcmocka -lprotobuf-c

# ---- rules for one mode -----------------------------------------------------------------------------------------------

lib_objects = $(patsubst %.c,$(B)/$(1)/%.o,$(or $(LIB_C_$(1)),$(LIB_C)))
support_objects = $(patsubst %.c,$(B)/$(1)/%.o,$(or $(SUPPORT_C_$(1)),$(SUPPORT_C))) \
	$(if $(SUPPORT_C_$(1)),,$(patsubst %,$(B)/$(1)/gen/%.pb-c.o,$(PROTO)))
programs = $(patsubst %.c,$(B)/$(1)/%,$(2))
binary = $(if $(filter daemon/main.c,$(wildcard $(ROOMS:%=%/main.c))),$(B)/$(1)/nimbusguard)

# Writes its text to the target only when it differs, so that what depends on it is rebuilt only then.
define stamp
@mkdir -p $(@D)
@printf '%s\n' $(1) | cmp -s - $@ || printf '%s\n' $(1) > $@
endef
quote = '$(subst ','\'',$(1))'

define mode_rules
$(B)/$(1)/flags: FORCE
	$$(call stamp,$$(call quote,$$(CC_$(1)) $$(COMMON) $$(WARNINGS) $$(WERROR) $$(CFLAGS_$(1)) $$(CFLAGS)))
$(B)/$(1)/objects: FORCE
	$$(call stamp,$$(call lib_objects,$(1)) $$(call support_objects,$(1)))

$(addprefix $(B)/$(1)/,$(patsubst %.c,%.o,$(TEST_C) $(SUPPORT_C))): | $(GEN_H)
$(B)/$(1)/%.o: %.c $(B)/$(1)/flags
	@mkdir -p $$(@D)
	@echo "CC    $(1) $$<"
	$(Q)$$(CC_$(1)) $$(COMMON) $$(PKG_CFLAGS) $$(WARNINGS) $$(WERROR) $$(FLAGS_FOR_$$(firstword $$(subst /, ,$$<))) \
		$$(REVISION_FLAG) $$(CFLAGS_$(1)) $$(CFLAGS) -MMD -MP -c $$< -o $$@

# Generated code is not ours to mend: it is compiled without warnings.
$(B)/$(1)/gen/%.pb-c.o: $(B)/gen/%.pb-c.c $(B)/$(1)/flags
	@mkdir -p $$(@D)
	@echo "CC    $(1) $$<"
	$(Q)$$(CC_$(1)) $$(COMMON) $$(PKG_CFLAGS) -w $$(CFLAGS_$(1)) $$(CFLAGS) -c $$< -o $$@

$(B)/$(1)/libnimbusguard.a: $(call lib_objects,$(1)) $(B)/$(1)/objects
	@echo "AR    $(1) $$(@F)"
	$(Q)rm -f $$@ && ar rcD $$@ $$(filter %.o,$$^) && ranlib -D $$@
$(B)/$(1)/libtestsupport.a: $(call support_objects,$(1)) $(B)/$(1)/objects
	@echo "AR    $(1) $$(@F)"
	$(Q)rm -f $$@ && ar rcD $$@ $$(filter %.o,$$^) && ranlib -D $$@

$(B)/$(1)/nimbusguard: $(B)/$(1)/daemon/main.o $(B)/$(1)/libnimbusguard.a
	@echo "LINK  $(1) $$(@F)"
	$(Q)$$(CC_$(1)) $$(filter-out -fsanitize=fuzzer,$$(LDFLAGS_$(1))) $$(LDFLAGS) -Wl,--as-needed -o $$@ $$^ $$(LDLIBS)
$(B)/$(1)/tests/%: $(B)/$(1)/tests/%.o $(B)/$(1)/libtestsupport.a $(B)/$(1)/libnimbusguard.a
	@echo "LINK  $(1) $$(@F)"
	$(Q)$$(CC_$(1)) $$(LDFLAGS_$(1)) $$(LDFLAGS) -Wl,--as-needed -o $$@ $$^ $$(TEST_LDLIBS) $$(LDLIBS)

-include $(patsubst %.c,$(B)/$(1)/%.d,$(LIB_C) daemon/main.c $(SUPPORT_C) $(TEST_C) $(E2E_C) $(FUZZ_C) $(BENCH_C))
endef
# The commit is named in what is released; elsewhere it would cost a rebuild with each commit.
REVISION = $(or $(shell git rev-parse --short=12 HEAD 2>/dev/null || sed -n 2p .tarball-version 2>/dev/null),unknown)
RELEASE_DAEMON := $(patsubst %.c,$(B)/release/%.o,$(wildcard daemon/*.c))
$(B)/release/revision: FORCE
	$(call stamp,$(REVISION))
$(RELEASE_DAEMON): $(B)/release/revision
$(RELEASE_DAEMON): REVISION_FLAG = -DNIMBUSGUARD_REVISION='"$(REVISION)"'
# Every CMocka test takes a `state` that few of them use; some compare with generated code.
FLAGS_FOR_tests := -Wno-unused-parameter -I$(B)/gen

$(foreach m,$(MODES),$(eval $(call mode_rules,$(m))))

# The corpus replay is the fuzz target with a main of ours instead of libFuzzer's.
define replay_rules
$(B)/$(1)/tests/fuzz/%: $(B)/$(1)/tests/fuzz/%.o $(B)/$(1)/tests/support/replay_main.o $(B)/$(1)/libtestsupport.a \
		$(B)/$(1)/libnimbusguard.a
	@echo "LINK  $(1) $$(@F)"
	$(Q)$$(CC_$(1)) $$(LDFLAGS_$(1)) $$(LDFLAGS) -Wl,--as-needed -o $$@ $$^ $$(TEST_LDLIBS) $$(LDLIBS)
endef
$(foreach m,$(filter-out fuzz,$(MODES)),$(eval $(call replay_rules,$(m))))

$(B)/gen/%.pb-c.h $(B)/gen/%.pb-c.c &: tests/support/%.proto
	@mkdir -p $(@D)
	@echo "PROTO $<"
	$(Q)protoc-c --c_out=$(B)/gen -I$(<D) $<

$(B)/servers/.unpacked: tests/support/servers.sh
	@tests/support/servers.sh $(@D)
	@touch $@

.SECONDARY:
FORCE:
# The goal that is always there: with none at all, make would take the default one.
ready:
	@:
.PHONY: FORCE ready docs

# ---- targets ----------------------------------------------------------------------------------------------------------

# Under the lock, with as many jobs as there are processors unless -j was given.
locked = mkdir -p $(B) && flock -o $(B)/.lock $(MAKE) $(if $(V),,-s) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS)) ready
deps = tests/support/deps.sh

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

all: release ## same as release

release: ## build/release/nimbusguard, optimised and hardened
	@+$(locked) $(B)/release/nimbusguard

debug: ## build/debug/nimbusguard, for the debugger
	@+$(locked) $(B)/debug/nimbusguard

deps: ## install the Debian packages that building needs, if any is missing
	@$(deps) build

# With job control the demo is in the foreground by itself, so that Ctrl-C ends it and not make.
run: deps release ## the simulated cluster with its live view [DURATION=seconds SPEED=n PORT=n]
	@set -m; $(B)/release/nimbusguard demo $(if $(DURATION),--duration=$(DURATION)) $(if $(SPEED),--speed=$(SPEED)) \
		$(if $(PORT),--web.listen-address=127.0.0.1:$(PORT))

# What `make test` runs, as items of run_tests.sh: all in one mode, and the threaded programs under ThreadSanitizer too.
TEST_MODE := $(or $(MODE),asan)
test_programs = $(call programs,$(TEST_MODE),$(TEST_C) $(FUZZ_C)) \
	$(if $(MODE),,$(call programs,tsan,$(TSAN_C)) $(call programs,sim,$(SIM_C)))
# Parts of the seeds, so that processors share them.
SIM_PARTS := 1/4 2/4 3/4 4/4
test_items = $(foreach p,$(call programs,$(TEST_MODE),$(TEST_C)),$(TEST_MODE):$(p)) $(TEST_SH:%=sh:$(TEST_MODE):%) \
	$(if $(MODE),,$(foreach p,$(call programs,tsan,$(TSAN_C)),tsan:$(p)) \
		$(foreach p,$(call programs,sim,$(SIM_C)),$(SIM_PARTS:%=sim:$(p):%))) \
	$(foreach f,$(FUZZ_C:tests/fuzz/fuzz_%.c=%),$(TEST_MODE):$(B)/$(TEST_MODE)/tests/fuzz/fuzz_$(f):tests/fuzz/corpus/$(f)) \
	$(RULES_YML:%=promtool-check:%) $(RULES_TEST_YML:%=promtool-test:%) \
	$(PLAYBOOK_TEST_YAML:%=playbook-test:$(TEST_MODE):%)
servers = $(if $(filter tests/integration/% tests/e2e/% rules/%,$(1)),$(B)/servers/.unpacked)
run_tests = tests/support/run_tests.sh $(abspath $(B)) $(abspath $(B)/servers)

test: ## all tests, under AddressSanitizer and ThreadSanitizer [TESTS=word MODE=mode]
	@$(deps) build test
	@+$(locked) $(test_programs) $(call binary,$(TEST_MODE)) $(if $(MODE),,$(if $(TSAN_C),$(call binary,tsan))) \
		$(call servers,$(TEST_C) $(TEST_SH) $(RULES_YML) $(RULES_TEST_YML))
	@$(run_tests) $(test_items)

sim: ## the engine's simulation over other seeds, from the clock [SEED=first SEEDS=100000]
	@$(deps) build test
	@+$(locked) $(call programs,sim,$(wildcard tests/sim/test_*.c))
	@tests/support/sim.sh $(call programs,sim,$(wildcard tests/sim/test_*.c)) "$(SEED)" "$(SEEDS)"

check-one: ## one test program [T=tests/unit/test_x.c MODE=mode]
	@+$(locked) $(call programs,$(TEST_MODE),$(T)) $(if $(filter tests/integration/%,$(T)),$(call binary,$(TEST_MODE))) \
		$(call servers,$(T))
	@$(run_tests) $(TEST_MODE):$(call programs,$(TEST_MODE),$(T))

e2e: ## tests against what Debian does not have: Kubernetes and a current Prometheus, from Go modules [TESTS=word]
	@$(deps) build test e2e
	@+$(locked) $(call binary,release) $(call programs,release,$(E2E_C)) $(call servers,$(E2E_C) $(E2E_SH))
	@tests/e2e/build.sh $(B)/e2e $(E2E_C) $(E2E_SH)
	@$(run_tests) $(foreach p,$(call programs,release,$(E2E_C)),release:$(p)) $(E2E_SH:%=sh:release:%)

fuzz: ## every fuzzer for FUZZ_SECONDS, two at a time [FUZZ_SECONDS=60 TESTS=word]
	@$(deps) build test fuzz
	@+$(locked) $(call programs,fuzz,$(FUZZ_C))
	@tests/support/fuzz.sh $(B)/fuzz $(FUZZ_SECONDS) $(FUZZ_C:tests/fuzz/fuzz_%.c=%)

# From generated workloads alone: about half an hour on one processor.
train-models: ## the net for all workloads and its card, anew [TRAIN="hidden=64 epochs=20"]
	@$(deps) build
	@+$(locked) $(B)/release/tests/bench/train_models
	@$(B)/release/tests/bench/train_models rules/models/general.model rules/models/general.md $(TRAIN)

bench: ## every benchmark, optimised [TESTS=word]
	@$(deps) build test
	@+$(locked) $(call binary,release) $(call programs,release,$(BENCH_C))
	@for bench in $(call programs,release,$(BENCH_C)) $(BENCH_SH); do echo "== $${bench##*/}"; ./$$bench || exit 1; done

bench-ingest: ## NimbusGuard beside Prometheus' receiver under the same load [BENCH_LARGE=1 REPEATS=3]
	@$(deps) build test
	@+$(locked) $(call binary,release) $(B)/release/tests/bench/bench_ingest $(B)/servers/.unpacked
	@tests/bench/bench_ingest_http.sh $(B)

bench-actions: ## from a webhook to the change, and acknowledgements, beside a bare fsync and kubectl
	@$(deps) build test
	@+$(locked) $(call binary,release) $(B)/release/tests/bench/bench_actions
	@$(B)/release/tests/bench/bench_actions

bench-analyzers: ## detectors, forecasters and a scan, beside scikit-learn and PyTorch in the same run
	@$(deps) build test
	@+$(locked) $(ANALYZER_BENCH_C:%.c=$(B)/release/%)
	@tests/bench/bench_detectors.sh $(B)
	@for bench in $(filter-out %/bench_forest,$(ANALYZER_BENCH_C:%.c=%)); do \
		echo; echo "== $${bench##*/}"; $(B)/release/$$bench || exit 1; [ ! -x $$bench.sh ] || $$bench.sh || exit 1; done

bench-scaler: ## the serving policy against HPAs: targets, every trace, stress [TRACES=NAME SEEDS=2]
	@$(deps) build test
	@+$(locked) $(B)/release/tests/bench/bench_scaler
	@$(B)/release/tests/bench/bench_scaler --seeds=$(or $(SEEDS),2) $(if $(TRACES),--trace=$(TRACES))

coverage: ## line coverage of base, store, remote_write, receiver; HTML in build/coverage/html/
	@$(deps) build test coverage
	@+$(locked) $(call programs,coverage,$(TEST_C) $(FUZZ_C)) $(call binary,coverage) $(call servers,tests/integration/all)
	@find $(B)/coverage -name '*.gcda' -delete
	@$(MAKE) --no-print-directory test MODE=coverage
	@tests/support/coverage.sh $(B)/coverage $(COVERAGE_MIN) base store remote_write receiver

lint: ## every check of the source that needs no run
	@$(deps) build test lint
	@+$(locked) $(GEN_H) $(B)/release/libnimbusguard.a
	@tests/support/lint.sh $(B) $(call quote,$(LANGUAGE) $(PKG_CFLAGS)) $(call quote,$(WARNINGS)) $(call quote,$(FLAGS_FOR_tests))

format: ## lay out all C files by .clang-format
	@find $(ROOMS) tests -name '*.[ch]' -exec clang-format -i {} +

docs: release ## what is generated: tables of docs/configuration.md and docs/metrics.md, roles and rules in deploy/, dashboards
	@tests/support/docs.sh build/release/nimbusguard
	@tests/support/manifests.sh build/release/nimbusguard deploy
	@awk -f tests/support/dashboards.awk -v dest=dashboards dashboards/panels.txt

# ---- installing and releasing -----------------------------------------------------------------------------------------

bindir = $(DESTDIR)$(PREFIX)/bin
sharedir = $(DESTDIR)$(PREFIX)/share/nimbusguard
docdir = $(DESTDIR)$(PREFIX)/share/doc/nimbusguard
unitdir = $(DESTDIR)$(PREFIX)/lib/systemd/system

install: release ## install under PREFIX [PREFIX=/usr/local DESTDIR=]
	install -D -m 755 $(B)/release/nimbusguard $(bindir)/nimbusguard
	@for f in $$(find -L rules dashboards deploy -type f -not -path '*/tests/*' \
		-not -path 'deploy/systemd/*' -not -path 'deploy/debian/*' -not -path 'deploy/docker/*' -not -name sbom.sh); do \
		install -D -m 644 $$f $(sharedir)/$$f || exit 1; done
	@for f in $$(find README.md LICENSE docs -type f); do install -D -m 644 $$f $(docdir)/$$f || exit 1; done
	@mkdir -p $(unitdir)
	sed 's|/usr/local/|$(PREFIX)/|g' deploy/systemd/nimbusguard.service > $(unitdir)/nimbusguard.service

uninstall: ## remove what install put under PREFIX
	rm -rf $(bindir)/nimbusguard $(sharedir) $(docdir) $(unitdir)/nimbusguard.service

dist: ## a source tarball, the same bytes for the same commit
	@tests/support/dist.sh $(B)/dist nimbusguard-$(VERSION)

deb: release ## a Debian package in build/dist/, the same bytes for the same program and commit
	@rm -rf $(B)/dist/deb && $(MAKE) -s --no-print-directory install PREFIX=/usr DESTDIR=$(B)/dist/deb >/dev/null
	@deploy/debian/build.sh $(B)/dist/deb $(B)/dist $(VERSION)

sbom: release ## the bill of materials of the program, CycloneDX, in build/dist/
	@mkdir -p $(B)/dist
	@deploy/sbom.sh $(B)/release/nimbusguard $(VERSION) > $(B)/dist/nimbusguard-$(VERSION).cdx.json
	@echo $(B)/dist/nimbusguard-$(VERSION).cdx.json

chart: ## the Helm chart packed, in build/dist/; needs helm
	@helm package deploy/helm/nimbusguard --destination $(B)/dist

clean: ## remove build/
	rm -rf $(B)

.PHONY: help all release debug deps run test train-models check-one e2e fuzz bench bench-actions bench-analyzers bench-ingest bench-scaler coverage lint format install uninstall dist deb sbom chart clean docs
