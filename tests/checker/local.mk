# Histories of a cluster under faults: README.md. The workload is built with the test programs, ./check runs it through
# tests/system/cluster-faults.test.
if HAVE_RDKAFKA
check_PROGRAMS += tests/checker/workload
tests_checker_workload_SOURCES = tests/checker/workload.c
tests_checker_workload_LDADD = -lrdkafka -lpthread
endif
EXTRA_DIST += tests/checker/README.md tests/checker/run tests/checker/nemesis.py tests/checker/cluster.py tests/checker/single.py tests/checker/tenants.py tests/checker/JavaLoad.java tests/checker/checker.py \
	tests/checker/checker_test.py tests/checker/epochs.py tests/checker/epochs_test.py tests/checker/replicas.py tests/checker/replicas_test.py tests/checker/rebuild.py \
	tests/checker/rebuild_test.py tests/system/cluster-faults.test
