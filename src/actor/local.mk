# src/actor
noinst_LIBRARIES += src/actor/libskein_actor.a
src_actor_libskein_actor_a_SOURCES = \
	src/actor/actor.c src/actor/actor.h src/actor/actor_priv.h \
	src/actor/inbox.c \
	src/actor/sched_sim.c \
	src/actor/sched_threads.c \
	src/actor/workers.c
