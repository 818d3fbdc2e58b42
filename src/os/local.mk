EXTRA_DIST += src/os/README.md
noinst_LIBRARIES += src/os/libskein_os.a
src_os_libskein_os_a_SOURCES = \
	src/os/child.c src/os/child.h \
	src/os/log_writer.c src/os/log_writer.h \
	src/os/os.c src/os/os.h src/os/os_priv.h \
	src/os/os_real.c \
	src/os/os_real_file.c \
	src/os/os_real_poll.c \
	src/os/os_real_socket.c \
	src/os/os_real_thread.c \
	src/os/process.c src/os/process.h \
	src/os/sandbox.c src/os/sandbox.h \
	src/os/sim.c src/os/sim.h src/os/sim_priv.h \
	src/os/sim_disk.c \
	src/os/sim_file.c \
	src/os/sim_net.c \
	src/os/sim_poll.c

if HAVE_CHECK
check_PROGRAMS += tests/unit/os/agree_test
TESTS += tests/unit/os/agree_test
tests_unit_os_agree_test_SOURCES = tests/unit/os/agree_test.c
tests_unit_os_agree_test_LDADD = src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/os/child_test
TESTS += tests/unit/os/child_test
tests_unit_os_child_test_SOURCES = tests/unit/os/child_test.c
tests_unit_os_child_test_LDADD = src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/os/sandbox_test
TESTS += tests/unit/os/sandbox_test
tests_unit_os_sandbox_test_SOURCES = tests/unit/os/sandbox_test.c
tests_unit_os_sandbox_test_LDADD = src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/os/file_test
TESTS += tests/unit/os/file_test
tests_unit_os_file_test_SOURCES = tests/unit/os/file_test.c tests/unit/os/machine.h
tests_unit_os_file_test_LDADD = src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/os/socket_test
TESTS += tests/unit/os/socket_test
tests_unit_os_socket_test_SOURCES = tests/unit/os/socket_test.c tests/unit/os/machine.h
tests_unit_os_socket_test_LDADD = src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/os/sim_disk_test
TESTS += tests/unit/os/sim_disk_test
tests_unit_os_sim_disk_test_SOURCES = tests/unit/os/sim_disk_test.c
tests_unit_os_sim_disk_test_LDADD = src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/os/sim_net_test
TESTS += tests/unit/os/sim_net_test
tests_unit_os_sim_net_test_SOURCES = tests/unit/os/sim_net_test.c
tests_unit_os_sim_net_test_LDADD = src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/os/thread_test
TESTS += tests/unit/os/thread_test
tests_unit_os_thread_test_SOURCES = tests/unit/os/thread_test.c
tests_unit_os_thread_test_LDADD = src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/os/log_writer_test
TESTS += tests/unit/os/log_writer_test
tests_unit_os_log_writer_test_SOURCES = tests/unit/os/log_writer_test.c
tests_unit_os_log_writer_test_LDADD = src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
endif
