# The installed library: what skein/*.h declare (face), and below it the modules that brokers use too, compiled a second time so that they can be shared.
libskein_face_sources = \
	src/libskein/admin.c src/libskein/admin_group.c src/libskein/answer.h \
	src/libskein/client.c src/libskein/libskein.h \
	src/libskein/config.c src/libskein/config.h \
	src/libskein/consumer.c \
	src/libskein/producer.c
skeinincludedir = $(includedir)/skein
dist_skeininclude_HEADERS = include/skein/skein.h include/skein/producer.h include/skein/consumer.h include/skein/admin.h include/skein/skein.hpp

# For the skein command and unit tests.
noinst_LIBRARIES += src/libskein/libskein_face.a
src_libskein_libskein_face_a_SOURCES = $(libskein_face_sources)

noinst_LIBRARIES += src/libskein/libskein_pic.a
src_libskein_libskein_pic_a_SOURCES = $(libskein_face_sources) \
	src/base/arena.c src/base/base.c src/base/crc32c.c src/base/err.c src/base/map.c src/base/nearest.c src/base/strbuf.c \
	src/os/os.c src/os/os_real.c src/os/os_real_file.c src/os/os_real_poll.c src/os/os_real_socket.c src/os/os_real_thread.c \
	src/wire/header.c src/wire/subscription.c src/wire/wire.c \
	src/record/batch.c src/record/build.c src/record/compress.c src/record/decompress.c src/record/record.c \
	src/client/assign.c src/client/group_lead.c src/client/admin.c src/client/admin_config.c src/client/admin_group.c src/client/client.c src/client/client_api.c src/client/client_call.c src/client/client_io.c \
	src/client/client_metadata.c src/client/client_node.c src/client/consumer.c src/client/consumer_fetch.c src/client/group_member.c src/client/topic_pattern.c \
	src/client/murmur2.c src/client/producer.c src/client/producer_send.c src/client/producer_split.c
nodist_src_libskein_libskein_pic_a_SOURCES = \
	src/wire/gen/alter_partition_reassignments.c \
	src/wire/gen/alter_replica_log_dirs.c \
	src/wire/gen/api_versions.c \
	src/wire/gen/consumer_protocol_assignment.c \
	src/wire/gen/consumer_protocol_subscription.c \
	src/wire/gen/create_partitions.c \
	src/wire/gen/create_topics.c \
	src/wire/gen/delete_groups.c \
	src/wire/gen/delete_records.c \
	src/wire/gen/delete_topics.c \
	src/wire/gen/describe_configs.c \
	src/wire/gen/describe_groups.c \
	src/wire/gen/describe_log_dirs.c \
	src/wire/gen/elect_leaders.c \
	src/wire/gen/fetch.c \
	src/wire/gen/find_coordinator.c \
	src/wire/gen/heartbeat.c \
	src/wire/gen/incremental_alter_configs.c \
	src/wire/gen/init_producer_id.c \
	src/wire/gen/join_group.c \
	src/wire/gen/leave_group.c \
	src/wire/gen/list_groups.c \
	src/wire/gen/list_offsets.c \
	src/wire/gen/list_partition_reassignments.c \
	src/wire/gen/metadata.c \
	src/wire/gen/offset_commit.c \
	src/wire/gen/offset_delete.c \
	src/wire/gen/offset_fetch.c \
	src/wire/gen/offset_for_leader_epoch.c \
	src/wire/gen/produce.c \
	src/wire/gen/request_header.c \
	src/wire/gen/response_header.c \
	src/wire/gen/sync_group.c \
	src/wire/gen/api_table.c
src_libskein_libskein_pic_a_CPPFLAGS = $(AM_CPPFLAGS) -DSKEIN_INSTALLED
src_libskein_libskein_pic_a_CFLAGS = $(AM_CFLAGS) -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections
$(src_libskein_libskein_face_a_OBJECTS) $(src_libskein_libskein_pic_a_OBJECTS): | $(wire_gen)

# Without libtool: one system, one kind of library. The number changes when programs must be compiled anew.
libskein_soname = libskein.so.1
libskein_file = $(libskein_soname).0.0
$(libskein_file): src/libskein/libskein_pic.a $(srcdir)/src/libskein/libskein.map
	$(AM_V_CCLD)$(CC) $(AM_CFLAGS) $(CFLAGS) $(AM_LDFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(libskein_soname) \
		-Wl,--version-script=$(srcdir)/src/libskein/libskein.map -Wl,--gc-sections -Wl,-O1 -Wl,--as-needed \
		-Wl,--whole-archive src/libskein/libskein_pic.a -Wl,--no-whole-archive -o $@ -lz -llz4 -lzstd -lsnappy && \
		ln -sf $(libskein_file) $(libskein_soname) && ln -sf $(libskein_soname) libskein.so
all-local: $(libskein_file) skein.pc
skein.pc: $(srcdir)/src/libskein/skein.pc.in Makefile
	$(AM_V_GEN)sed -e 's|[@]prefix[@]|$(prefix)|; s|[@]libdir[@]|$(libdir)|; s|[@]includedir[@]|$(includedir)|; s|[@]version[@]|$(PACKAGE_VERSION)|' \
		$(srcdir)/src/libskein/skein.pc.in >$@.tmp && mv $@.tmp $@
pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = skein.pc
install-exec-local: $(libskein_file)
	$(MKDIR_P) '$(DESTDIR)$(libdir)'
	$(INSTALL_DATA) $(libskein_file) '$(DESTDIR)$(libdir)/$(libskein_file)'
	ln -sf $(libskein_file) '$(DESTDIR)$(libdir)/$(libskein_soname)'
	ln -sf $(libskein_soname) '$(DESTDIR)$(libdir)/libskein.so'
uninstall-local:
	rm -f '$(DESTDIR)$(libdir)/$(libskein_file)' '$(DESTDIR)$(libdir)/$(libskein_soname)' '$(DESTDIR)$(libdir)/libskein.so'
CLEANFILES += $(libskein_file) $(libskein_soname) libskein.so skein.pc
EXTRA_DIST += docs/LIBRARY.md docs/library src/libskein/README.md src/libskein/libskein.map src/libskein/skein.pc.in tests/system/library.test tests/system/library-group.test tests/system/library-java.test tests/system/library-cluster.test tests/system/library.sh tests/system/library

if HAVE_CHECK
check_PROGRAMS += tests/unit/libskein/config_test
TESTS += tests/unit/libskein/config_test
tests_unit_libskein_config_test_SOURCES = tests/unit/libskein/config_test.c
tests_unit_libskein_config_test_LDADD = src/libskein/libskein_face.a $(client_test_ldadd)
$(tests_unit_libskein_config_test_OBJECTS): | $(wire_gen)
endif
