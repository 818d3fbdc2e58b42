# src/coord
noinst_LIBRARIES += src/coord/libskein_coord.a
src_coord_libskein_coord_a_SOURCES = \
	src/coord/coord.c src/coord/coord.h src/coord/coord_priv.h \
	src/coord/faults.c src/coord/faults.h \
	src/coord/guardian.c src/coord/guardian.h \
	src/coord/local.c \
	src/coord/zk_session.c src/coord/zk_session.h \
	src/coord/session_file.c src/coord/session_file.h \
	src/coord/store_file.c src/coord/store_file.h \
	src/coord/tree.c src/coord/tree.h src/coord/tree_priv.h \
	src/coord/tree_session.c \
	src/coord/waiting.c src/coord/waiting.h \
	src/coord/zookeeper.c
EXTRA_DIST += src/coord/README.md tests/system/zookeeper

if HAVE_CHECK
COORD_TEST_LIBS = src/coord/libskein_coord.a src/actor/libskein_actor.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/coord/local_test
TESTS += tests/unit/coord/local_test
tests_unit_coord_local_test_SOURCES = tests/unit/coord/local_test.c tests/unit/coord/body.h tests/unit/coord/harness.h
tests_unit_coord_local_test_LDADD = $(COORD_TEST_LIBS)

check_PROGRAMS += tests/unit/coord/store_file_test
TESTS += tests/unit/coord/store_file_test
tests_unit_coord_store_file_test_SOURCES = tests/unit/coord/store_file_test.c tests/unit/coord/harness.h
tests_unit_coord_store_file_test_LDADD = $(COORD_TEST_LIBS)

check_PROGRAMS += tests/unit/coord/zk_session_test
TESTS += tests/unit/coord/zk_session_test
tests_unit_coord_zk_session_test_SOURCES = tests/unit/coord/zk_session_test.c tests/unit/coord/zk_server.h
tests_unit_coord_zk_session_test_LDADD = $(COORD_TEST_LIBS)

check_PROGRAMS += tests/unit/coord/session_file_test
TESTS += tests/unit/coord/session_file_test
tests_unit_coord_session_file_test_SOURCES = tests/unit/coord/session_file_test.c
tests_unit_coord_session_file_test_LDADD = $(COORD_TEST_LIBS)

check_PROGRAMS += tests/unit/coord/guardian_test
TESTS += tests/unit/coord/guardian_test
tests_unit_coord_guardian_test_SOURCES = tests/unit/coord/guardian_test.c tests/unit/coord/zk_server.h
tests_unit_coord_guardian_test_LDADD = $(COORD_TEST_LIBS)

check_PROGRAMS += tests/unit/coord/zookeeper_test
TESTS += tests/unit/coord/zookeeper_test
tests_unit_coord_zookeeper_test_SOURCES = tests/unit/coord/zookeeper_test.c tests/unit/coord/body.h tests/unit/coord/harness.h
tests_unit_coord_zookeeper_test_LDADD = $(COORD_TEST_LIBS)
endif
