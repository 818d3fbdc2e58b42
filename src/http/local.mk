noinst_LIBRARIES += src/http/libskein_http.a
src_http_libskein_http_a_SOURCES = \
	src/http/console.c src/http/console.h src/http/console_priv.h \
	src/http/console_cluster.c src/http/console_groups.c src/http/console_messages.c \
	src/http/exposition.c src/http/exposition.h \
	src/http/http.c src/http/http.h \
	src/http/json.c src/http/json.h \
	src/http/lag.c src/http/lag.h \
	src/http/metrics.c src/http/metrics_page.h src/http/metrics_process.c src/http/metrics.h \
	src/http/seats.c src/http/seats.h
nodist_src_http_libskein_http_a_SOURCES = src/http/console_files.c
$(src_http_libskein_http_a_OBJECTS): | $(wire_gen)
EXTRA_DIST += src/http/README.md build-aux/embed $(console_pages)

# What people see of the console, as a C table: index.html first.
console_pages = src/http/console/index.html src/http/console/console.css src/http/console/console.js src/http/console/icon.svg
CLEANFILES += src/http/console_files.c
src/http/console_files.c: $(console_pages) build-aux/embed
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(PYTHON) $(top_srcdir)/build-aux/embed $@ $(filter %.html %.css %.js %.svg,$^)

if HAVE_CHECK
check_PROGRAMS += tests/unit/http/exposition_test
TESTS += tests/unit/http/exposition_test
tests_unit_http_exposition_test_SOURCES = tests/unit/http/exposition_test.c tests/unit/document.h
tests_unit_http_exposition_test_LDADD = src/http/libskein_http.a src/group/libskein_group.a src/net/libskein_net.a src/replica/libskein_replica.a src/client/libskein_client.a \
	src/partition/libskein_partition.a src/storage/libskein_storage.a src/cluster/libskein_cluster.a src/record/libskein_record.a \
	src/wire/libskein_wire.a src/actor/libskein_actor.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
check_PROGRAMS += tests/unit/http/console_test
TESTS += tests/unit/http/console_test
tests_unit_http_console_test_SOURCES = tests/unit/http/console_test.c
tests_unit_http_console_test_LDADD = $(tests_unit_http_exposition_test_LDADD)
check_PROGRAMS += tests/unit/http/seats_test
TESTS += tests/unit/http/seats_test
tests_unit_http_seats_test_SOURCES = tests/unit/http/seats_test.c
tests_unit_http_seats_test_LDADD = $(tests_unit_http_exposition_test_LDADD)
$(tests_unit_http_console_test_OBJECTS): | $(wire_gen)
$(tests_unit_http_exposition_test_OBJECTS): | $(wire_gen)
endif
EXTRA_DIST += docs/METRICS.md docs/CONSOLE.md docs/console
