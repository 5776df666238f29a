# ddns53's one Makefile; "make help" lists what it can do. It reads config.mk, which ./configure wrote.
#
#   make SANITIZE=address,undefined   builds into build/address-undefined (SANITIZE=thread: build/thread)
#   make COVERAGE=1                   builds into build/coverage
#   make CC=clang BUILD=build/clang   another compiler, another folder
#   make WERROR=1                     warnings are errors
#   make V=1                          shows the commands
#
# Everything is named relative to this folder, so its own path may contain spaces.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

.PHONY: all
all:

# ---- configuration -----------------------------------------------------------------------------------------------

UNCONFIGURED_GOALS := help clean deb distclean dist format check-format check-layers check-man check-python check-shell check-units
ifneq ($(wildcard config.mk),)
include config.mk
config.mk: config.status config.mk.in config.h.in
	./config.status
config.status: configure
	./config.status --recheck
configure: configure.ac
	autoconf
else ifneq ($(or $(if $(MAKECMDGOALS),,all),$(filter-out $(UNCONFIGURED_GOALS),$(MAKECMDGOALS))),)
$(error not configured yet: run "autoconf && ./configure" first)
endif

VERSION ?= $(shell sed -n 's/^AC_INIT(\[ddns53\],\[\(.*\)\])$$/\1/p' configure.ac)

# ---- flags -------------------------------------------------------------------------------------------------------

# Commands are shown in short, with V=1 in full.
say = @printf '  %-7s %s\n' $(1) '$(2)'
quiet := @
ifneq ($(V),)
say = @:
quiet :=
endif

empty :=
comma := ,
space := $(empty) $(empty)

ifneq ($(SANITIZE),)
BUILD ?= build/$(subst $(comma),-,$(SANITIZE))
else ifneq ($(COVERAGE),)
BUILD ?= build/coverage
else
BUILD ?= build
endif
ifneq ($(words $(BUILD)),1)
$(error BUILD="$(BUILD)" must be one folder without spaces)
endif

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wformat=2 -Wundef -Wvla -Wwrite-strings
ifneq ($(WERROR),)
WARNINGS += -Werror
endif

ifneq ($(SANITIZE),)
# The sanitizers see to what hardening would, and fortified calls would hide bugs from them.
MODE_CFLAGS := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -U_FORTIFY_SOURCE
MODE_LDFLAGS := -fsanitize=$(SANITIZE)
else ifneq ($(COVERAGE),)
MODE_CFLAGS := --coverage -fprofile-update=atomic -O0 -U_FORTIFY_SOURCE
MODE_LDFLAGS := --coverage
else
MODE_CFLAGS := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 $(HARDENING_CFLAGS)
MODE_LDFLAGS := $(HARDENING_LDFLAGS)
endif

ALL_CPPFLAGS = -D_GNU_SOURCE -include config.h -Isrc $(LIBRARY_CFLAGS) $(CPPFLAGS)
ALL_CFLAGS = -std=gnu11 -pthread $(WARNINGS) $(CFLAGS) $(MODE_CFLAGS)
ALL_LDFLAGS = -pthread $(CFLAGS) $(MODE_CFLAGS) $(MODE_LDFLAGS) $(LDFLAGS)

# ---- the programs ------------------------------------------------------------------------------------------------

LIBRARY_SOURCES := $(sort $(wildcard src/*/*.c))
PROGRAM_SOURCES := $(sort $(wildcard src/*.c))
UNIT_SOURCES := $(sort $(wildcard tests/unit/test_*.c))
FUZZ_SOURCES := $(sort $(wildcard tests/fuzz/fuzz_*.c))

# The files of the provider rfc2136 are all that needs libknot. Its row says that it was left out.
ifeq ($(HAVE_KNOT),no)
WITH_KNOT := $(filter-out src/provider/rfc2136_provider.c,$(filter src/provider/rfc2136%,$(LIBRARY_SOURCES)))
LIBRARY_SOURCES := $(filter-out $(WITH_KNOT),$(LIBRARY_SOURCES))
UNIT_SOURCES := $(filter-out tests/unit/test_rfc2136%,$(UNIT_SOURCES))
FUZZ_SOURCES := $(filter-out tests/fuzz/fuzz_rfc2136%,$(FUZZ_SOURCES))
endif

LIBRARY := $(BUILD)/libddns53.a
LIBRARY_OBJECTS := $(LIBRARY_SOURCES:%.c=$(BUILD)/obj/%.o)
PROGRAMS := $(PROGRAM_SOURCES:src/%.c=$(BUILD)/%)
UNIT_TESTS := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/unit/%)
FUZZ_REPLAYS := $(FUZZ_SOURCES:tests/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZERS := $(FUZZ_SOURCES:tests/fuzz/%.c=$(BUILD)/libfuzzer/%)

ALL_SOURCES := $(LIBRARY_SOURCES) $(PROGRAM_SOURCES) $(UNIT_SOURCES) $(FUZZ_SOURCES) tests/fuzz/replay.c
ALL_HEADERS := $(sort $(wildcard src/*/*.h tests/unit/*.h tests/fuzz/*.h))

all: $(PROGRAMS) $(LIBRARY)

# Both files change only when what they hold does: flags when anything is to be compiled anew, objects when
# the archive's members are others (a file was removed, say).
$(BUILD)/flags: FORCE
	@mkdir -p '$(@D)'
	@printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(LIBRARY_LIBS))' >'$@.new'
	@if cmp -s '$@.new' '$@'; then rm -f '$@.new'; else mv '$@.new' '$@'; fi
$(BUILD)/objects: FORCE
	@mkdir -p '$(@D)'
	@printf '%s\n' $(LIBRARY_OBJECTS) >'$@.new'
	@if cmp -s '$@.new' '$@'; then rm -f '$@.new'; else mv '$@.new' '$@'; fi
.PHONY: FORCE
FORCE:

$(BUILD)/obj/%.o: %.c $(BUILD)/flags Makefile config.mk
	@mkdir -p '$(@D)'
	$(call say,CC,$<)
	$(quiet)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(if $(filter tests/unit/%,$<),$(CMOCKA_CFLAGS)) -MMD -MP -c -o $@ $<

$(LIBRARY): $(LIBRARY_OBJECTS) $(BUILD)/objects
	@rm -f '$@'
	$(call say,AR,$@)
	$(quiet)$(AR) rcs $@ $(LIBRARY_OBJECTS)

$(PROGRAMS): $(BUILD)/%: $(BUILD)/obj/src/%.o $(LIBRARY)
	$(call say,LINK,$@)
	$(quiet)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBRARY_LIBS)

# Completion of the shells, from the tool's own table of commands.
COMPLETIONS := $(addprefix $(BUILD)/completion/,ddns53ctl _ddns53ctl ddns53ctl.fish)
all: $(COMPLETIONS)
$(BUILD)/completion/ddns53ctl: its_shell = bash
$(BUILD)/completion/_ddns53ctl: its_shell = zsh
$(BUILD)/completion/ddns53ctl.fish: its_shell = fish
$(COMPLETIONS): $(BUILD)/ddns53ctl
	@mkdir -p '$(@D)'
	$(call say,SHELL,$@)
	$(quiet)'$<' completion $(its_shell) >$@

-include $(wildcard $(patsubst %.c,$(BUILD)/obj/%.d,$(ALL_SOURCES)))

# ---- tests -------------------------------------------------------------------------------------------------------

$(UNIT_TESTS): $(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(LIBRARY) | need-cmocka
	@mkdir -p '$(@D)'
	$(call say,LINK,$@)
	$(quiet)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBRARY_LIBS) $(CMOCKA_LIBS)

$(FUZZ_REPLAYS): $(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/replay.o $(LIBRARY)
	@mkdir -p '$(@D)'
	$(call say,LINK,$@)
	$(quiet)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBRARY_LIBS)

.PHONY: need-cmocka
need-cmocka:
ifneq ($(HAVE_CMOCKA),yes)
	@echo 'the unit tests need cmocka: install libcmocka-dev and run ./configure again' >&2
	@exit 1
endif

# Every test program runs, also after one has failed; each writes BUILD/NAME.log.
.PHONY: check unit fuzz-replay programs-for-check
check: unit fuzz-replay check-layers
unit: need-cmocka $(UNIT_TESTS)
	tests/run-programs --logs $(BUILD)/log $(UNIT_TESTS)
fuzz-replay: $(FUZZ_REPLAYS)
	tests/run-programs --logs $(BUILD)/log --seeds tests/fuzz/seeds $(FUZZ_REPLAYS)
programs-for-check: all $(UNIT_TESTS) $(FUZZ_REPLAYS)

# make fuzz TARGET=yaml [SECONDS=60]: libFuzzer, from the seeds on; what it learns is kept in build/fuzzing/corpus. Files
# are read in small pieces, so that a text of a few lines has several.
.PHONY: fuzz
SECONDS ?= 60
fuzz:
	@test -f 'tests/fuzz/fuzz_$(TARGET).c' || { \
	    echo 'make fuzz TARGET=NAME, where NAME is one of: $(FUZZ_SOURCES:tests/fuzz/fuzz_%.c=%)' >&2; exit 2; }
	$(MAKE) CC=clang SANITIZE=fuzzer-no-link,address,undefined CPPFLAGS='$(CPPFLAGS) -DFILE_LINES_PIECE_BYTES=64' \
	    BUILD=build/fuzzing build/fuzzing/libfuzzer/fuzz_$(TARGET)
	@mkdir -p build/fuzzing/corpus/$(TARGET)
	cd build/fuzzing && ./libfuzzer/fuzz_$(TARGET) -max_total_time=$(SECONDS) -timeout=10 \
	    corpus/$(TARGET) ../../tests/fuzz/seeds/$(TARGET)
$(FUZZERS): $(BUILD)/libfuzzer/%: $(BUILD)/obj/tests/fuzz/%.o $(LIBRARY)
	@mkdir -p '$(@D)'
	$(call say,LINK,$@)
	$(quiet)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBRARY_LIBS)

# Line coverage of src/ by the unit tests, the fuzz seeds and the end-to-end tests. A failing test is reported, and
# what the others reached is counted all the same.
E2E_TESTS := $(wildcard tests/e2e/test_*.py)
.PHONY: coverage
coverage:
	$(MAKE) COVERAGE=1 BUILD=build/coverage programs-for-check
	find build/coverage -name '*.gcda' -delete
	-$(MAKE) -k COVERAGE=1 BUILD=build/coverage unit fuzz-replay
	$(if $(E2E_TESTS),-DDNS53D="$$PWD/build/coverage/ddns53d" /usr/bin/python3 -m pytest -q -n 2 tests/e2e)
	gcovr --root . --filter src/ --object-directory build/coverage --sort-uncovered --print-summary \
	    --html-details build/coverage/index.html build/coverage

# The tables of all benchmarks, on standard output and in $(BUILD)/bench.txt; see tests/bench/run.
.PHONY: bench
bench: $(PROGRAMS)
	set -o pipefail; DDNS53D="$$PWD/$(BUILD)/ddns53d" /usr/bin/python3 tests/bench/run all | tee '$(BUILD)/bench.txt'

# ---- static checks -----------------------------------------------------------------------------------------------

.PHONY: lint check-layers check-format format tidy cppcheck check-unused check-shell check-man check-python check-units
lint: check-layers check-format tidy cppcheck check-unused check-shell check-man check-python check-units

check-layers:
	tests/check-layers --self-test
	tests/check-layers

format:
	clang-format -i $(ALL_SOURCES) $(ALL_HEADERS)
check-format:
	@clang-format --dry-run --Werror $(ALL_SOURCES) $(ALL_HEADERS)

# A file's stamp is as new as its object, so that only what changed (or whose headers did) is looked at again.
TIDY_STAMPS := $(patsubst %.c,$(BUILD)/tidy/%.ok,$(LIBRARY_SOURCES) $(PROGRAM_SOURCES))
tidy: $(TIDY_STAMPS)
$(BUILD)/tidy/%.ok: %.c $(BUILD)/obj/%.o .clang-tidy
	@mkdir -p '$(@D)'
	$(call say,TIDY,$<)
	@clang-tidy --quiet $< -- $(ALL_CPPFLAGS) -std=gnu11 >'$(@:.ok=.log)' 2>&1 || { cat '$(@:.ok=.log)'; exit 1; }
	@touch '$@'

cppcheck: config.mk
	@mkdir -p '$(BUILD)/cppcheck'
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	    --suppressions-list=tests/cppcheck.suppressions --cppcheck-build-dir=$(BUILD)/cppcheck -j 2 \
	    -D_GNU_SOURCE --include=config.h -Isrc src

# Functions that no program reaches.
check-unused: config.mk
	tests/check-unused --self-test
	tests/check-unused

check-shell:
	tests/list-files shell | xargs -0 -r shellcheck -x
check-python:
	tests/list-files python | xargs -0 -r pyflakes3
MAN_PAGES := $(sort $(wildcard man/*.[1-9]))
check-man:
	$(if $(MAN_PAGES),mandoc -T lint -W warning $(MAN_PAGES))
	tests/check-names --self-test
	tests/check-names
UNITS := $(sort $(wildcard systemd/*.service systemd/*.socket systemd/*.timer))
UNIT_DROP_INS := $(sort $(wildcard systemd/*.conf))
CLIENT_UNITS := $(sort $(wildcard contrib/clients/systemd/*.service contrib/clients/systemd/*.timer))
check-units:
	tests/check-units $(UNITS) $(UNIT_DROP_INS) $(CLIENT_UNITS)

# ---- installation ------------------------------------------------------------------------------------------------

INSTALL ?= install
# The daemon is for sbin, what people run (ddns53ctl) for bin, what other programs run for libexec.
DAEMONS := $(filter %d,$(PROGRAMS))
HOOKS := $(filter %-hook,$(PROGRAMS))
COMMANDS := $(filter-out $(DAEMONS) $(HOOKS),$(PROGRAMS))
SETTINGS := $(sort $(wildcard etc/*.yaml))
CLIENT_PROGRAMS := contrib/clients/ddns53-client contrib/clients/ddns53-discover
CLIENT_PAGES := $(CLIENT_PROGRAMS:contrib/clients/%=man/%.1)
DAEMON_PAGES := $(filter-out $(CLIENT_PAGES),$(MAN_PAGES))
DOCUMENTS := $(sort $(wildcard README.md CHANGELOG.md SECURITY.md))
EXAMPLES := $(UNIT_DROP_INS) $(sort $(wildcard contrib/*.json $(addprefix contrib/,fail2ban/*/* proxy/* prometheus/* \
	grafana/* openrc/*)))
EXAMPLE_HOOKS := $(sort $(wildcard contrib/acme/*))
CLIENT_EXAMPLES := $(sort $(wildcard $(addprefix contrib/clients/,*.conf *.json *.md *.ps1 *.rsc openwrt-ddns)))

# The lists that contrib/install-files reads: KIND FOLDER NAME SOURCE; $(call installed,KIND,FOLDER,SUBFOLDER/,SOURCES).
installed = $(foreach file,$4,'$1 $2 $3$(notdir $(file)) $(file)')
# As KIND FOLDER NAME SOURCE, where NAME is SOURCE without its first folder.
installed_below = $(foreach file,$4,'$1 $2 $3$(patsubst contrib/%,%,$(patsubst contrib/clients/%,%,$(file))) $(file)')
pages = $(foreach page,$1,'0644 mandir man$(patsubst .%,%,$(suffix $(page)))/$(notdir $(page)) $(page)')
INSTALLED_DAEMON = \
	$(call installed,0755,sbindir,,$(DAEMONS)) \
	$(call installed,0755,bindir,,$(COMMANDS)) \
	$(call installed,0755,libexecdir,ddns53/,$(HOOKS)) \
	$(call installed,settings,sysconfdir,ddns53/,$(SETTINGS)) \
	$(call pages,$(DAEMON_PAGES)) \
	$(call installed,0644,docdir,,$(DOCUMENTS)) \
	$(call installed_below,0644,docdir,examples/,$(EXAMPLES)) \
	$(call installed_below,0755,docdir,examples/,$(EXAMPLE_HOOKS))
INSTALLED_CLIENTS = \
	$(call installed,0755,bindir,,$(CLIENT_PROGRAMS)) \
	$(call pages,$(CLIENT_PAGES)) \
	$(call installed_below,0644,clientdocdir,,$(CLIENT_EXAMPLES))
# Those of ddns53ctl: NAME for bash, _NAME for zsh, NAME.fish.
INSTALLED_DAEMON += \
	$(call installed,0644,zshcompletiondir,,$(filter $(BUILD)/completion/_%,$(COMPLETIONS))) \
	$(call installed,0644,fishcompletiondir,,$(filter %.fish,$(COMPLETIONS))) \
	$(call installed,0644,bashcompletiondir,,$(filter-out $(BUILD)/completion/_% %.fish,$(COMPLETIONS)))
ifneq ($(systemdsystemunitdir),no)
INSTALLED_DAEMON += \
	$(call installed,unit,systemdsystemunitdir,,$(UNITS)) \
	'0644 sysusersdir ddns53.conf systemd/ddns53.sysusers' \
	'0644 tmpfilesdir ddns53.conf systemd/ddns53.tmpfiles'
INSTALLED_CLIENTS += $(call installed,unit,systemdsystemunitdir,,$(CLIENT_UNITS))
endif

clientdocdir ?= $(docdir)/clients
# Where the shells look, in every installation with its own prefix.
bashcompletiondir ?= $(datarootdir)/bash-completion/completions
zshcompletiondir ?= $(datarootdir)/zsh/site-functions
fishcompletiondir ?= $(datarootdir)/fish/vendor_completions.d
FOLDERS := bashcompletiondir zshcompletiondir fishcompletiondir sbindir bindir libexecdir sysconfdir mandir docdir clientdocdir systemdsystemunitdir sysusersdir tmpfilesdir
# $(call files,install|uninstall,ROWS)
files = @$(foreach folder,$(FOLDERS),$(folder)='$($(folder))') DESTDIR='$(DESTDIR)' INSTALL='$(INSTALL)'; \
	export $(FOLDERS) DESTDIR INSTALL; printf '%s\n' $2 | contrib/install-files $1

.PHONY: install install-daemon install-clients uninstall
install: install-daemon install-clients
install-daemon: all
	$(call files,install,$(INSTALLED_DAEMON))
install-clients:
	$(call files,install,$(INSTALLED_CLIENTS))

# Settings and state stay: they are not ours.
uninstall:
	$(call files,uninstall,$(INSTALLED_DAEMON) $(INSTALLED_CLIENTS))

# Debian packages, in build/deb; see contrib/make-deb.
.PHONY: deb
DEB_FOLDER ?= build/deb
deb:
	contrib/make-deb '$(DEB_FOLDER)'

# ---- clean and dist ----------------------------------------------------------------------------------------------

.PHONY: clean distclean dist
clean:
	rm -rf build $(if $(filter-out build build/%,$(BUILD)),'$(BUILD)')
distclean: clean
	rm -rf autom4te.cache config.h config.mk config.log config.status configure configure~ config.h.in~

# The tracked files and a configure script, the same bytes whoever packs them.
DIST := ddns53-$(VERSION)
DIST_FOLDER ?= .
dist:
	autoconf
	@{ tests/list-files dist; printf 'configure\0'; } | sort -z | \
	    tar --create --gzip --file '$(DIST_FOLDER)/$(DIST).tar.gz' --no-recursion --null --files-from - \
	        --transform 's|^|$(DIST)/|' --owner=0 --group=0 --numeric-owner --sort=name \
	        --mtime="@$$(git log -1 --format=%ct 2>/dev/null || stat -c %Y configure.ac)" --mode=go-w
	@echo '$(DIST_FOLDER)/$(DIST).tar.gz'

.PHONY: help
help:
	@printf '%s\n' \
	    'make                    the programs, in build/' \
	    'make check              unit tests, fuzz seeds, layers (make unit: only the unit tests)' \
	    'make fuzz TARGET=NAME   fuzz with clang for SECONDS=60' \
	    'make bench              all benchmarks, one table each; takes a quarter of an hour' \
	    'make coverage           line coverage of src/ by all tests (needs gcovr)' \
	    'make lint               clang-format, clang-tidy, cppcheck, unused functions, shell, man pages, Python, units' \
	    'make format             apply clang-format' \
	    'make install            with DESTDIR=DIR where wanted; make uninstall keeps settings' \
	    'make dist               a source archive' \
	    'make deb                Debian packages, in build/deb' \
	    'make clean | distclean  remove build/ | also what configure wrote' \
	    'tests/run               all of the tests'
