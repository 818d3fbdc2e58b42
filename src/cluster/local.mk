noinst_LIBRARIES += src/cluster/libskein_cluster.a
src_cluster_libskein_cluster_a_SOURCES = \
	src/cluster/cluster.c src/cluster/cluster.h src/cluster/cluster_msg.h src/cluster/store_session.h \
	src/cluster/coordinator.c \
	src/cluster/overrides.c \
	src/cluster/topic.c
EXTRA_DIST += src/cluster/README.md

if HAVE_CHECK
check_PROGRAMS += tests/unit/cluster/cluster_test
TESTS += tests/unit/cluster/cluster_test
tests_unit_cluster_cluster_test_SOURCES = tests/unit/cluster/cluster_test.c
tests_unit_cluster_cluster_test_LDADD = src/cluster/libskein_cluster.a src/base/libskein_base.a $(CHECK_LIBS)
endif
