# System tests: ./check runs tests/system/*.test with the installed program. Their own programs are built here.
if HAVE_RDKAFKA
check_PROGRAMS += tests/system/rdkafka_client
tests_system_rdkafka_client_SOURCES = tests/system/rdkafka_client.c
tests_system_rdkafka_client_LDADD = -lrdkafka
endif
# A shared object, made as a program because libtool would be needed for nothing else. Without sanitizers: it is loaded first.
check_PROGRAMS += tests/system/io_fault.so
tests_system_io_fault_so_SOURCES = tests/system/io_fault.c
tests_system_io_fault_so_CFLAGS = -std=gnu11 -Wall -Wextra -fPIC
tests_system_io_fault_so_LDFLAGS = -shared
tests_system_io_fault_so_LDADD = -ldl
EXTRA_DIST += quickstart walkthrough README.md docs/MIGRATION.md build-aux/steps.sh tests/packages tests/install-packages \
	tests/system/README.md tests/system/bare-machine tests/system/debian-package tests/system/systemd-service tests/system/lib.sh tests/system/java-kafka \
	tests/system/serve.test tests/system/kcat.test tests/system/bad-input.test tests/system/crash.test tests/system/disk.test tests/system/retention.test tests/system/compaction.test tests/system/compaction-java.test tests/system/delete-records.test \
	tests/system/console.test tests/system/console-cluster.test tests/system/packaging.test tests/system/probes.test packaging/skein.spec packaging/rpmlint.toml packaging/Containerfile tests/system/console_judge.py tests/system/browser.py tests/system/metrics.test tests/system/metrics_judge.py tests/system/dashboard.test tests/system/dashboard.py tests/system/alerts_test.yml tests/system/prometheus-programs tests/system/service.test tests/system/service_manager.py tests/system/pass_socket.py tests/system/terminal.py \
	tests/system/java.test tests/system/logdirs.test tests/system/logdirs.py tests/system/zookeeper.test tests/system/cluster.test tests/golden/znodes \
	tests/system/group.sh tests/system/group.test tests/system/group-clients.test tests/system/group-java.test tests/system/group-cluster.test \
	tests/system/streams.sh tests/system/streams.test tests/system/streams-cluster.test tests/system/streams_lines.py tests/system/streams_judge.py \
	tests/compat/go tests/compat/java tests/compat/javascript tests/compat/python tests/compat/streams \
	tests/system/adopt.test tests/system/check-java.test tests/system/migration.test tests/system/cluster.sh tests/system/cluster-java.test tests/system/mixed.test tests/system/mixed-control.test tests/system/office.py tests/system/JavaTools.java tests/system/java_tools.py \
	tests/system/verifiable_judge.py tests/golden/tools \
	tests/system/wire.py tests/system/znodes.py tests/system/late_news.py tests/system/old_broker.py tests/system/bad_input.py tests/system/crash_judge.py tests/system/duplicates.py tests/system/topic_churn.py

# Not in EXTRA_DIST: make would take the name for its target, and make dist would run every test.
dist-hook:
	cp -p $(srcdir)/check $(distdir)/check
