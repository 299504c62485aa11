# SPDX-License-Identifier: MIT
# mmsock: one makefile, not recursive but for the targets that first install
# what is missing or build in a folder of their own.  `make help` lists them.

VERSION := $(shell sed -n 's/^\#define MMSOCK_VERSION "\(.*\)"/\1/p' \
	include/mmsock.h)
ABI = 0

# Yours to set, as are CC and CXX.  CPPFLAGS, CFLAGS, LDFLAGS come after ours.
PREFIX = /usr/local
DESTDIR =
BUILD = build
SANITIZE =
V =

BINDIR = $(PREFIX)/bin
LIBDIR = $(PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include
MANDIR = $(PREFIX)/share/man
COMPDIR = $(PREFIX)/share/bash-completion/completions
PCDIR = $(LIBDIR)/pkgconfig

# What there is: sorted, every file by its name, none by a pattern.
LIB = admin birth call caller company error fate fork futex header inspect lane list lock mmsock name peer port \
	recv ring ring_recv run sem send serve service sizes units wait watch \
	# EOL
LIB_HEADERS = admin atomic birth caller cancel copy deadline distance error futex handle header \
	inspect lane layout lock name peer port ring run service units wait \
	# EOL
TOOLS = bench call cat create ls recv rm sem send serve \
	# EOL
# Every tool is linked with tool and what it needs, most tools with more.
TOOL_PARTS = number signals tool \
	# EOL
STREAM_PARTS = framing reader stream writer \
	# EOL
RECV_PARTS = outlet pour taker \
	# EOL
CALL_PARTS = outlet pour talk \
	# EOL
CAT_PARTS = cat inlet progress relay sinks talk team \
	# EOL
CREATE_PARTS = command make \
	# EOL
LS_PARTS = columns participants ports select values \
	# EOL
RM_PARTS = select users \
	# EOL
BENCH_PARTS = chart clock compare csv echo format grid hgrm histogram host intrinsic json \
	latency line lines load markdown mqueue nng output packet party pipeline \
	placement plan plot plumbing port posix_sem remarks result roles rounds rpc \
	scratch sem settings slots stream table throughput transports \
	uncontended zmq \
	# EOL
BENCH_HEADERS = chart clock format grid histogram host line lines message output party \
	pipeline placement plan plumbing remarks reports result roles scratch \
	settings slots transport \
	# EOL
SEM_PARTS = command make users \
	# EOL
SERVE_PARTS = child handler lasting oneshot server \
	# EOL
BIN_HEADERS = cat child columns command framing handler inlet make outlet \
	participants ports pour progress relay select server sinks stream taker talk \
	team tool users values \
	# EOL
UNIT = admin bench_histogram bench_result birth distance error futex header inspect \
	lock mmsock name peer port recv ring run sem send service units wait watch \
	# EOL
STRESS = processes ring_threads semaphore services \
	# EOL
FAULT = crashes crowds fork_steps moments name_steps pair_steps port_steps rpc_steps sem_moments sem_steps signals stop_steps \
	syscalls_calls syscalls_messages syscalls_names syscalls_semaphores syscalls_services \
	syscalls_serving tool_cuts tool_services tool_syscalls \
	wakes \
	# EOL
# Those that share what is done to a port.
VICTIM_TESTS = crashes fork_steps pair_steps port_steps stop_steps \
	# EOL
# Those that let system calls of the library fail, and of tools.
SCENE_TESTS = syscalls_messages syscalls_names syscalls_semaphores \
	# EOL
SERVICE_SCENE_TESTS = syscalls_calls syscalls_services syscalls_serving \
	# EOL
TOOL_SCENE_TESTS = tool_cuts tool_services tool_syscalls \
	# EOL
FUZZ = arguments delimiter framing header number ring scribbler service units \
	# EOL
# Targets that damage a mapping while it is in use.
FUZZ_DAMAGE = ring scribbler service units \
	# EOL
SOAK_PARTS = calls chaos guests soak streams tools traffic world \
	# EOL
TEST_HEADERS = check fault/audit fault/inject fault/port_scenes fault/scenes fault/service_scenes fault/step fault/tool_scenes fault/victims fuzz/exits fuzz/fuzz fuzz/script fuzz/scribble mutants/weak random soak/soak stress/schedule unit/fake_futex unit/sandbox \
	# EOL
BATS = abi bench bench_output call cat completion create examples faults framing hostile ls \
	namespaces pipelines recv regressions rm sem send serve \
	# EOL
MODELS = both names ring rpc sem slots stream units wait \
	# EOL
MAN3 = libmmsock mmsock_call mmsock_error_text mmsock_inspect mmsock_open mmsock_remove \
	mmsock_reserve mmsock_run_new mmsock_sem mmsock_send mmsock_wait_peers \
	# EOL
MAN5 = mmsock-framing mmsock-port \
	# EOL
MAN7 = mmsock \
	# EOL

WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes \
	-Wstrict-prototypes -Wvla -Wcast-qual -Wundef -Wformat=2
STD = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
OURS = $(STD) -O2 -g -pthread $(WARN) $(SAN) -MMD -MP
LIB_CFLAGS = $(OURS) -O3 $(LTO) -Iinclude -Ilib -fPIC -fvisibility=hidden
BIN_CFLAGS = $(OURS) -Iinclude -Ibin
TEST_CFLAGS = $(OURS) -Iinclude -Ilib -Itests
SAN = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer \
	-fno-sanitize-recover=all $(if $(findstring thread,$(SANITIZE)),-Wno-tsan))
LINK = $(CC) -pthread $(SAN)
# A message passes through five files of the library: optimised as one, it costs
# a fifth fewer instructions.  Fat objects keep the archive an ordinary one, which
# gcc can do and clang cannot.
LTO := $(if $(SANITIZE),,$(shell $(CC) --version 2>/dev/null | \
	grep -q 'Free Software' && echo -flto=auto -ffat-lto-objects))
RUNPATH = -Wl,--enable-new-dtags,-rpath,'$$ORIGIN/../lib'

SONAME = libmmsock.so.$(ABI)
SHARED = $(BUILD)/lib/libmmsock.so
STATIC = $(BUILD)/lib/libmmsock.a
BINS = $(TOOLS:%=$(BUILD)/bin/mmsock-%)
LIB_OBJS = $(LIB:%=$(BUILD)/obj/lib/%.o)
UNIT_BINS = $(UNIT:%=$(BUILD)/tests/unit/%)
STRESS_BINS = $(STRESS:%=$(BUILD)/tests/stress/%)
FAULT_BINS = $(FAULT:%=$(BUILD)/tests/fault/%)
FUZZ_BINS = $(FUZZ:%=$(BUILD)/tests/fuzz/%)
SOAK_BIN = $(BUILD)/tests/soak/soak

PARTS = $(sort $(TOOL_PARTS) $(STREAM_PARTS) $(RECV_PARTS) $(CAT_PARTS) \
	$(CALL_PARTS) $(CREATE_PARTS) $(LS_PARTS) $(RM_PARTS) $(SEM_PARTS) \
	$(SERVE_PARTS) $(BENCH_PARTS:%=bench/%))
SOURCES = $(LIB:%=lib/%.c) $(PARTS:%=bin/%.c) $(TOOLS:%=bin/mmsock-%.c)
TEST_SOURCES = $(UNIT:%=tests/unit/%.c) tests/unit/fake_futex.c \
	$(STRESS:%=tests/stress/%.c) $(FAULT:%=tests/fault/%.c) \
	tests/fault/audit.c tests/fault/inject.c tests/fault/port_scenes.c \
	tests/fault/scenes.c tests/fault/service_scenes.c tests/fault/step.c tests/fault/tool_scenes.c tests/fault/victims.c \
	$(FUZZ:%=tests/fuzz/%.c) tests/fuzz/exits.c \
	tests/fuzz/guard.c tests/fuzz/replay.c tests/fuzz/scribble.c \
	$(SOAK_PARTS:%=tests/soak/%.c) \
	tests/abi/layout.c tests/abi/partner.c
HEADERS = include/mmsock.h $(LIB_HEADERS:%=lib/%.h) $(BIN_HEADERS:%=bin/%.h) \
	$(BENCH_HEADERS:%=bin/bench/%.h) $(TEST_HEADERS:%=tests/%.h)
MODEL_FILES = $(MODELS:%=tests/model/%.pml)
PAGES = $(TOOLS:%=man/mmsock-%.1) $(MAN3:%=man/%.3) $(MAN5:%=man/%.5) \
	$(MAN7:%=man/%.7)
COMPLETIONS = $(TOOLS:%=completions/bash/mmsock-%)

Q = $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $1 $(2:$(CURDIR)/%=%))

# Build ---------------------------------------------------------------------

all: lib tools ## library and tools, in build/
	@:
lib: $(SHARED) $(STATIC) ## libmmsock.so and libmmsock.a
tools: $(BINS) ## mmsock-*

$(BUILD)/lib/libmmsock.so.$(VERSION): $(LIB_OBJS) lib/libmmsock.map
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -O3 $(LTO) -shared -Wl,-soname,$(SONAME) $(if $(SANITIZE),,-Wl,-z,defs) \
		-Wl,--version-script=lib/libmmsock.map -o $@ $(LIB_OBJS) \
		$(LDFLAGS)

$(SHARED): $(BUILD)/lib/libmmsock.so.$(VERSION)
	$(Q)ln -sf $(<F) $(@D)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@

$(STATIC): $(LIB_OBJS)
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $(LIB_OBJS)

$(BUILD)/bin/mmsock-%: $(BUILD)/obj/bin/mmsock-%.o \
		$(TOOL_PARTS:%=$(BUILD)/obj/bin/%.o) $(SHARED)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(RUNPATH) -Wl,--as-needed -o $@ $(filter %.o,$^) -L$(BUILD)/lib -lmmsock \
		$(TOOL_LIBS) -lbsd $(LDFLAGS)

# What a tool needs beyond that.
$(BUILD)/bin/mmsock-send $(BUILD)/bin/mmsock-recv $(BUILD)/bin/mmsock-cat \
	$(BUILD)/bin/mmsock-call $(BUILD)/bin/mmsock-serve: \
	$(STREAM_PARTS:%=$(BUILD)/obj/bin/%.o)
$(BUILD)/bin/mmsock-recv $(BUILD)/bin/mmsock-cat: \
	$(RECV_PARTS:%=$(BUILD)/obj/bin/%.o)
$(BUILD)/bin/mmsock-call: $(CALL_PARTS:%=$(BUILD)/obj/bin/%.o)
$(BUILD)/bin/mmsock-cat: $(CAT_PARTS:%=$(BUILD)/obj/bin/%.o)
$(BUILD)/bin/mmsock-create: $(CREATE_PARTS:%=$(BUILD)/obj/bin/%.o)
$(BUILD)/bin/mmsock-ls: $(LS_PARTS:%=$(BUILD)/obj/bin/%.o)
$(BUILD)/bin/mmsock-rm: $(RM_PARTS:%=$(BUILD)/obj/bin/%.o)
$(BUILD)/bin/mmsock-sem: $(SEM_PARTS:%=$(BUILD)/obj/bin/%.o)
$(BUILD)/bin/mmsock-serve: $(SERVE_PARTS:%=$(BUILD)/obj/bin/%.o)
$(BUILD)/bin/mmsock-bench: $(BENCH_PARTS:%=$(BUILD)/obj/bin/bench/%.o)
$(BUILD)/bin/mmsock-bench: private TOOL_LIBS = -ljansson -lsmartcols -lm $(ZMQ_LIBS) $(NNG_LIBS)
$(BUILD)/obj/bin/mmsock-bench.o: private BIN_CFLAGS += -Ibin/bench
$(BUILD)/obj/bin/bench/zmq.o: private BIN_CFLAGS += $(ZMQ_CFLAGS)
$(BUILD)/obj/bin/bench/nng.o: private BIN_CFLAGS += $(NNG_CFLAGS)
# Transports of mmsock-bench whose libraries need not be there.  NNG comes with a
# file for pkg-config on some systems only.
ZMQ_CFLAGS := $(shell pkg-config --exists libzmq && \
	echo -DHAVE_ZMQ $$(pkg-config --cflags libzmq))
ZMQ_LIBS := $(if $(ZMQ_CFLAGS),$(shell pkg-config --libs libzmq))
NNG_CFLAGS := $(shell pkg-config --exists nng && \
	echo -DHAVE_NNG $$(pkg-config --cflags nng) || \
	{ echo '\#include <nng/nng.h>' | $(CC) -E - >/dev/null 2>&1 && \
	echo -DHAVE_NNG; })
NNG_LIBS := $(if $(NNG_CFLAGS),$(shell pkg-config --libs nng 2>/dev/null || \
	echo -lnng))
$(BUILD)/bin/mmsock-ls: private TOOL_LIBS = -lsmartcols
$(BUILD)/obj/bin/columns.o $(BUILD)/obj/bin/bench/grid.o: private BIN_CFLAGS += $(SMARTCOLS_CFLAGS)
SMARTCOLS_CFLAGS = $(shell pkg-config --cflags smartcols)

$(BUILD)/obj/lib/%.o: lib/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LIB_CFLAGS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/obj/bin/%.o: bin/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BIN_CFLAGS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/obj/tests/%.o: tests/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Test programs link the archive, so that they reach internal symbols.  The
# scripted kernel of wait and lock stands before it and thus replaces futex.o.
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(STATIC)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -fno-lto -o $@ $(filter %.o,$^) $(STATIC) $(TEST_LIBS) $(LDFLAGS)
$(BUILD)/tests/unit/wait $(BUILD)/tests/unit/lock: \
	$(BUILD)/obj/tests/unit/fake_futex.o
# The library as it is released, optimised as one unit: once, and not anew with
# each program, which would take as long as all the rest.
RELEASED = $(BUILD)/lib/libmmsock.o
$(RELEASED): $(LIB_OBJS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -O3 $(LTO) $(if $(LTO),-flinker-output=nolto-rel) -r -o $@ $^
$(FAULT_BINS): $(RELEASED)
# Bound at once: who is stepped shall not step through the dynamic linker.
$(FAULT_BINS): $(BUILD)/obj/tests/fault/audit.o $(BUILD)/obj/tests/fault/inject.o \
	$(BUILD)/obj/tests/fault/step.o
$(VICTIM_TESTS:%=$(BUILD)/tests/fault/%): $(BUILD)/obj/tests/fault/victims.o
$(SCENE_TESTS:%=$(BUILD)/tests/fault/%): $(BUILD)/obj/tests/fault/port_scenes.o \
	$(BUILD)/obj/tests/fault/scenes.o
$(SERVICE_SCENE_TESTS:%=$(BUILD)/tests/fault/%): $(BUILD)/obj/tests/fault/scenes.o \
	$(BUILD)/obj/tests/fault/service_scenes.o
$(TOOL_SCENE_TESTS:%=$(BUILD)/tests/fault/%): $(BUILD)/obj/tests/fault/tool_scenes.o
$(FAULT_BINS): private TEST_LIBS = -Wl,-z,now
# A target is a program by itself, or with libFuzzer.
$(FUZZ_BINS): $(if $(findstring fuzzer,$(SANITIZE)),,$(BUILD)/obj/tests/fuzz/replay.o)
$(BUILD)/tests/fuzz/framing: $(BUILD)/obj/bin/framing.o $(BUILD)/obj/bin/reader.o \
	$(BUILD)/obj/bin/tool.o $(BUILD)/obj/bin/writer.o
$(BUILD)/tests/fuzz/number: $(BUILD)/obj/bin/number.o $(BUILD)/obj/bin/tool.o
# With a library that tells of each of its steps, and guarded mappings.
FUZZ_DAMAGE_BINS = $(FUZZ_DAMAGE:%=$(BUILD)/tests/fuzz/%)
$(FUZZ_DAMAGE_BINS): $(BUILD)/obj/tests/fuzz/guard.o \
	$(BUILD)/obj/tests/fuzz/scribble.o $(LIB:%=$(BUILD)/obj/steps/%.o)
$(FUZZ_DAMAGE_BINS): private TEST_LIBS = -Wl,--wrap=mmap,--wrap=munmap
$(BUILD)/obj/steps/%.o: lib/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LIB_CFLAGS) -O2 -fno-lto -finstrument-functions $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
# The tools themselves, in one program that nothing leaves.
EXITS = exit _exit
WORLD = $(EXITS) close fork command_hold_signals tool_catch_signals roles_make_stage \
	compare_files mmsock_open mmsock_create mmsock_remove mmsock_wait_port \
	mmsock_inspect mmsock_inspect_peers mmsock_list mmsock_sem_open \
	mmsock_sem_create mmsock_sem_remove
$(BUILD)/tests/fuzz/arguments $(BUILD)/tests/fuzz/delimiter: \
	$(BUILD)/obj/tests/fuzz/exits.o
$(BUILD)/tests/fuzz/arguments: $(TOOLS:%=$(BUILD)/obj/mains/mmsock-%.o) \
	$(PARTS:%=$(BUILD)/obj/bin/%.o)
$(BUILD)/tests/fuzz/arguments: private TEST_LIBS = $(WORLD:%=-Wl,--wrap=%) \
	-ljansson -lsmartcols -lm -lbsd $(ZMQ_LIBS) $(NNG_LIBS)
$(BUILD)/tests/fuzz/delimiter: $(patsubst %,$(BUILD)/obj/bin/%.o,$(TOOL_PARTS) $(STREAM_PARTS))
$(BUILD)/tests/fuzz/delimiter: private TEST_LIBS = $(EXITS:%=-Wl,--wrap=%)
$(BUILD)/obj/mains/mmsock-%.o: bin/mmsock-%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BIN_CFLAGS) -Ibin/bench -Dmain=main_$* -Wno-missing-prototypes \
		$(CPPFLAGS) $(CFLAGS) -c -o $@ $<
FUZZ_OF_BIN = arguments delimiter framing number
$(FUZZ_OF_BIN:%=$(BUILD)/obj/tests/fuzz/%.o): private TEST_CFLAGS += -Ibin
$(SOAK_BIN): $(SOAK_PARTS:%=$(BUILD)/obj/tests/soak/%.o)
# Two are about what the benchmark does with its figures.
$(BUILD)/tests/unit/bench_histogram: $(BUILD)/obj/bin/bench/histogram.o
$(BUILD)/tests/unit/bench_result: $(BUILD)/obj/bin/bench/result.o \
	$(BUILD)/obj/bin/bench/format.o
$(BUILD)/tests/unit/bench_histogram $(BUILD)/tests/unit/bench_result: \
	private TEST_LIBS = -lm
$(BUILD)/obj/tests/unit/bench_histogram.o $(BUILD)/obj/tests/unit/bench_result.o: \
	private TEST_CFLAGS += -Ibin/bench

.SECONDARY:
-include $(patsubst %.c,$(BUILD)/obj/%.d,$(SOURCES) $(TEST_SOURCES)) \
	$(LIB:%=$(BUILD)/obj/steps/%.d) $(TOOLS:%=$(BUILD)/obj/mains/mmsock-%.d)

# Tests ---------------------------------------------------------------------

# JOBS is how many bats files run at a time; programs run one after another.
JOBS = $(shell nproc)
RUN = CC='$(CC)' CXX='$(CXX)' MAKE='$(MAKE)' SANITIZE='$(SANITIZE)' \
	BUILD='$(abspath $(BUILD))' tests/run -j $(JOBS)
BATS_FILES = $(BATS:%=tests/bats/%.bats)
SCRIPTS = tests/abi/check.sh tests/docs.sh tests/install.sh

deps: ## install what is missing to build, check and lint
	tests/deps.sh build check lint

demo: ## install what is missing to build, and run a pipeline over a real file
	@tests/deps.sh build
	@$(MAKE) --no-print-directory all
	@tests/demo.sh '$(abspath $(BUILD))'

# Under two minutes: 5 runs each of what is in the README.
BENCH_MODES = latency throughput fanout rpc pipeline
BENCH_OPTIONS = --sizes=64,1K,64K --clients=1,16 --duration=60ms --warmup=20ms --runs=5
REPORT = $(BUILD)/bench/report

bench: ## install what it compares with, then measure; build/bench/report.*
	@tests/deps.sh build bench
	@$(MAKE) --no-print-directory all
	@mkdir -p $(dir $(REPORT))
	$(Q)$(BUILD)/bin/mmsock-bench $(BENCH_MODES) $(BENCH_OPTIONS) \
		--export-json=$(REPORT).json --export-csv=$(REPORT).csv \
		--export-markdown=$(REPORT).md --export-hgrm=$(REPORT).hgrm \
		--plot=$(REPORT).svg >$(REPORT).txt
	@cat $(REPORT).txt

check: ## install what is missing, build, and run every test
	@tests/deps.sh build check
	@$(MAKE) --no-print-directory run-all

run-all: all test-programs
	@$(RUN) $(UNIT_BINS) $(STRESS_BINS) $(FAULT_BINS) $(FUZZ_BINS) $(SOAK_BIN) $(SCRIPTS) \
		$(BATS_FILES)
check-unit: $(UNIT_BINS) ## unit programs, one a library file
	@$(RUN) $(UNIT_BINS)
check-stress: $(STRESS_BINS) ## races: threads on one mapping, processes
	@$(RUN) $(STRESS_BINS)
check-fault: all $(FAULT_BINS) ## death between instructions, a selection
	@$(RUN) $(FAULT_BINS)
check-fuzz-corpus: $(FUZZ_BINS) ## fuzz targets, over the inputs that are kept
	@$(RUN) $(FUZZ_BINS)
# Death, stops and forks at every instruction: an hour on an idle machine.
CRASH = $(sort $(VICTIM_TESTS) name_steps rpc_steps sem_steps)
check-crash: all $(FAULT_BINS) ## who dies or stops at every instruction, counted
	@STRESS=10000 CHECK_TIMEOUT=7200 TEST_TIMEOUT=14400 \
		$(RUN) $(CRASH:%=$(BUILD)/tests/fault/%); status=$$?; \
		grep -H '^#\|ok' $(CRASH:%=$(BUILD)/tests/log/fault-%.log) | \
		sed 's|.*/fault-||; s|\.log:|: |'; exit $$status
check-bats: all $(BUILD)/tests/abi/partner ## the tools, from outside
	@$(RUN) $(BATS_FILES)
# As long as DUR says; make check has 30 seconds of it.
DUR = 10m
soak: all $(SOAK_BIN) ## kill, stop, replace and remove, and audit all; DUR=1h
	@SOAK_DURATION='$(DUR)' $(SOAK_BIN)
# full, quick or long: 7 minutes, 20 seconds, 20 minutes.
check-model check-model-quick check-model-long: ## SPIN searches the models
	@tests/deps.sh model
	@MODEL_SET=$(word 3,$(subst -, ,$@) full) TEST_TIMEOUT=7200 \
		$(RUN) tests/model/check.sh 3>&1
# Seconds a target; what is found is kept in build/fuzz.
FUZZ_SECONDS = 60
FUZZ_BUILD = $(BUILD)/fuzz

fuzz: ## the targets with libFuzzer, in build/fuzz
	@tests/deps.sh build fuzz
	@$(MAKE) --no-print-directory BUILD=$(FUZZ_BUILD) CC=clang \
		SANITIZE=fuzzer,address,undefined fuzz-programs
fuzz-programs: $(FUZZ_BINS)
check-fuzz: fuzz ## libFuzzer on each target, for FUZZ_SECONDS=60
	@FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ='$(FUZZ)' TEST_TIMEOUT=360000 \
		BUILD='$(abspath $(FUZZ_BUILD))' tests/run tests/fuzz/check.sh 3>&1
fuzz-keep: fuzz ## what check-fuzz came across, as far as it is new, into the corpus
	@FUZZ='$(FUZZ)' BUILD='$(abspath $(FUZZ_BUILD))' tests/fuzz/keep.sh

test-programs: $(SOAK_BIN) $(UNIT_BINS) $(STRESS_BINS) $(FAULT_BINS) $(FUZZ_BINS) \
	$(BUILD)/tests/abi/layout $(BUILD)/tests/abi/partner

# MUTANTS names some of them.
check-mutants: ## weaken the library step by step; a test has to notice
	@tests/deps.sh build check
	@MUTANTS='$(MUTANTS)' TEST_TIMEOUT=14400 $(RUN) tests/mutants/run.sh 3>&1

asan ubsan tsan: ## library and tools with a sanitizer, in build/asan ...
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/$@ \
		SANITIZE=$(SANITIZE_$@) all test-programs
check-asan check-ubsan: check-%: % ## programs and bats with a sanitizer
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/$* \
		SANITIZE=$(SANITIZE_$*) run-sanitized
check-tsan: tsan ## what has threads, and unit programs, with the thread sanitizer
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan \
		SANITIZE=$(SANITIZE_tsan) run-threads
SANITIZE_asan = address
SANITIZE_ubsan = undefined
SANITIZE_tsan = thread
# The fault programs step through each instruction of the library, of which the
# address sanitizer makes too many.
run-sanitized: all test-programs
	@$(RUN) $(UNIT_BINS) $(STRESS_BINS) $(FUZZ_BINS) $(BATS_FILES) \
		$(if $(filter undefined,$(SANITIZE)),$(FAULT_BINS))
# Of the tools mmsock-cat has threads.  Who scribbles races, and is left out.
run-threads: all test-programs
	@$(RUN) $(UNIT_BINS) $(STRESS_BINS) tests/bats/cat.bats
run-programs: test-programs
	@$(RUN) $(UNIT_BINS) $(STRESS_BINS)

coverage: ## how much of lib/ the unit and stress programs reach
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/coverage \
		CFLAGS='-O0 --coverage' LDFLAGS=--coverage run-programs
	@gcov -n $(LIB:%=$(BUILD)/coverage/obj/lib/%.gcda) | awk -F "[':]" \
		'/^File .lib.*\.c/ { f = $$2 } /^Lines/ && f { print f, $$2; f = "" }'

abi: lib $(BUILD)/tests/abi/layout ## exported symbols and layout, as recorded
	@$(RUN) tests/abi/check.sh

# Lint ----------------------------------------------------------------------

SHELL_FILES = .ci/run tests/run $(wildcard tests/*.sh tests/*/*.sh) \
	$(COMPLETIONS) $(BATS_FILES) tests/bats/helpers.bash

lint: ## install what is missing, then every static check
	@tests/deps.sh build lint
	@$(MAKE) --no-print-directory run-lint
run-lint: lint-format lint-tidy lint-cppcheck lint-shell lint-pages lint-own
lint-format:
	$(call step,clang-format)
	$(Q)clang-format --dry-run -Werror $(SOURCES) $(TEST_SOURCES) $(HEADERS)
lint-tidy:
	$(call step,clang-tidy)
	$(Q)printf '%s\n' $(SOURCES) | xargs -P $(JOBS) -I{} clang-tidy --quiet \
		{} -- $(STD) -Iinclude -Ilib -Ibin -Ibin/bench \
		$(SMARTCOLS_CFLAGS) $(ZMQ_CFLAGS) $(NNG_CFLAGS) \
		2>/dev/null
lint-cppcheck:
	$(call step,cppcheck)
	$(Q)cppcheck -q --error-exitcode=1 --inline-suppr --std=c11 -j $(JOBS) \
		--enable=warning,performance,portability -D_GNU_SOURCE \
		-Iinclude -Ilib -Ibin -Ibin/bench $(SOURCES)
lint-shell:
	$(call step,shellcheck)
	$(Q)shellcheck $(SHELL_FILES)
lint-pages:
	$(call step,mandoc)
	$(Q)mandoc -Tlint -Wwarning $(PAGES)
lint-own: all
	$(call step,own)
	$(Q)awk -f tests/lint/barriers.awk $(LIB:%=lib/%.c) lib/handle.h \
		lib/lock.h lib/wait.h
	$(Q)tests/mutants/mutants.pl check
	$(Q)tests/lint/includes.sh
	$(Q)tests/lint/options.sh $(BUILD)/bin $(TOOLS)
	$(Q)tests/lint/exports.sh $(SHARED)
	$(Q)tests/lint/lists.sh $(SOURCES) $(TEST_SOURCES) $(HEADERS) \
		$(PAGES) $(BATS_FILES) $(COMPLETIONS) $(MODEL_FILES)
	$(Q)tests/lint/promises.sh
step = @printf '  %-4s %s\n' LINT $1

format: ## lay out all C files
	clang-format -i $(SOURCES) $(TEST_SOURCES) $(HEADERS)
compile_commands.json: ## for editors and clangd
	bear -- $(MAKE) -B all test-programs

# Install -------------------------------------------------------------------

INSTALLED_LIBS = libmmsock.so.$(VERSION) $(SONAME) libmmsock.so libmmsock.a

install: all ## into PREFIX (/usr/local), below DESTDIR if that is set
	@install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(PCDIR) $(DESTDIR)$(COMPDIR) \
		$(DESTDIR)$(INCLUDEDIR) $(MANS:%=$(DESTDIR)$(MANDIR)/%)
	install -m 755 $(BINS) $(DESTDIR)$(BINDIR)
	install -m 644 $(BUILD)/lib/libmmsock.so.$(VERSION) $(STATIC) \
		$(DESTDIR)$(LIBDIR)
	ln -sf libmmsock.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libmmsock.so
	install -m 644 include/mmsock.h $(DESTDIR)$(INCLUDEDIR)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' \
		lib/mmsock.pc.in > $(DESTDIR)$(PCDIR)/mmsock.pc
	install -m 644 $(TOOLS:%=man/mmsock-%.1) $(DESTDIR)$(MANDIR)/man1
	install -m 644 $(MAN3:%=man/%.3) $(DESTDIR)$(MANDIR)/man3
	install -m 644 $(MAN5:%=man/%.5) $(DESTDIR)$(MANDIR)/man5
	install -m 644 $(MAN7:%=man/%.7) $(DESTDIR)$(MANDIR)/man7
	cd $(DESTDIR)$(MANDIR)/man3 && $(foreach a,$(MAN3_ALIASES),ln -sf \
		$(subst =, ,$a) &&) :
	install -m 644 $(COMPLETIONS) $(DESTDIR)$(COMPDIR)
	$(if $(DESTDIR),,-@test "$$(id -u)" != 0 || ldconfig)

MANS = man1 man3 man5 man7
# page=alias for every function that a page names beside its own.
MAN3_ALIASES = $(shell awk '/^\.Sh/ { name = $$2 == "NAME" } \
	name && /^\.Nm/ && (page = substr(FILENAME, 5)) != $$2 ".3" { \
		print page "=" $$2 ".3" }' $(MAN3:%=man/%.3))

uninstall: ## remove what install put there
	rm -f $(TOOLS:%=$(DESTDIR)$(BINDIR)/mmsock-%) \
		$(INSTALLED_LIBS:%=$(DESTDIR)$(LIBDIR)/%) \
		$(DESTDIR)$(PCDIR)/mmsock.pc $(DESTDIR)$(INCLUDEDIR)/mmsock.h \
		$(TOOLS:%=$(DESTDIR)$(COMPDIR)/mmsock-%) \
		$(TOOLS:%=$(DESTDIR)$(MANDIR)/man1/mmsock-%.1) \
		$(MAN3:%=$(DESTDIR)$(MANDIR)/man3/%.3) \
		$(foreach a,$(MAN3_ALIASES),$(DESTDIR)$(MANDIR)/man3/$(word 2,$(subst =, ,$a))) \
		$(MAN5:%=$(DESTDIR)$(MANDIR)/man5/%.5) \
		$(MAN7:%=$(DESTDIR)$(MANDIR)/man7/%.7)

dist: ## a tarball of the last commit
	@mkdir -p $(BUILD)
	git archive --prefix=mmsock-$(VERSION)/ \
		-o $(BUILD)/mmsock-$(VERSION).tar.gz HEAD
clean: ## remove what was built
	rm -rf $(BUILD) compile_commands.json
help: ## this list
	@awk -F ':.*## ' '/^[a-z_. -]+:.*## / { printf "%-26s %s\n", $$1, $$2 }' \
		Makefile

.PHONY: all lib tools deps demo bench check run-all check-unit check-stress \
	check-fault check-crash check-fuzz check-fuzz-corpus check-bats check-model \
	check-model-quick check-model-long check-mutants fuzz fuzz-keep \
	fuzz-programs \
	test-programs asan ubsan tsan check-asan check-ubsan \
	check-tsan run-sanitized run-threads run-programs soak coverage abi lint run-lint lint-format \
	lint-tidy lint-cppcheck lint-shell lint-pages lint-own format install \
	uninstall dist clean help compile_commands.json
