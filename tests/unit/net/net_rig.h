/*
 * A broker's network side with nothing behind it: two rows whose requests say what shall happen to
 * them, a receiver that answers when and in the order the test wants, a file to send from, and
 * clients. On the real machine (threads, loopback) or a simulated one.
 */
#ifndef SKEIN_NET_RIG_H
#define SKEIN_NET_RIG_H

#include "net/net.h"
#include "os/sim.h"
#include "storage/log.h"

/* What a request asks for: its body is int8 op, int32 arg, and bytes. The answer's body is int32
 * (the number of requests begun before it), int32 length, and bytes: those of the request unless it
 * says otherwise. */
enum rig_op {
	OP_ECHO,
	OP_ASK,			/* arg questions to the receiver first */
	/* the same by way of a partition's address; the answer is "refused" if it has stopped */
	OP_ASK_PARTITION,
	OP_HOLD,		/* one question, and nothing behind it begins */
	OP_BIG,			/* the answer is arg bytes */
	OP_FILE,		/* the answer is arg bytes of rig.file */
	/* for arg ms; the answer is "late" after the deadline, "early" when it was resumed */
	OP_PARK,
	OP_SILENT,		/* no answer */
	OP_CLOSE,		/* close instead of an answer */
	OP_THROTTLE,		/* by arg ms */
	OP_UNENCODABLE,
};

#define RIG_PRODUCE  0		/* overlaps itself */
#define RIG_METADATA 3		/* does not */
#define RIG_PICTURE  4		/* is not served without a picture; the rig has none */

struct log_file {		/* stands for storage's; the tests count its references */
	os_fd    fd;
	uint32_t generation, refs;
};

struct rig {
	struct sim_net  *sim_net;	/* NULL: the real machine */
	struct sim_os   *sim;
	struct os       *os;
	struct sched    *sched;
	struct workers  *workers;
	struct net_spec  spec;
	struct net_listener_spec listener;
	struct net      *net;
	struct actor     receiver;
	struct msg      *held[8192];
	int              held_count;	/* atomic: what the receiver has and does not answer yet */
	/* atomic: it answers all it has, newest first, once there are so many */
	int              answer_at;
	struct partition_addr partition;
	struct log_file  file;
	int              parked;	/* atomic: OP_PARK begun */
	int              begun;		/* atomic: requests */
	int              ended_alone;	/* atomic: requests that ended without their connection */
};

struct rig_client {
	struct rig *rig;
	os_fd       fd;
	uint8_t    *in;			/* received and not taken */
	size_t      in_len, in_size;
	uint8_t    *answer;		/* the one taken last */
	bool        has_ended;		/* the broker closed */
};

/* 0: the real machine. Settings may be changed before rig_start */
struct rig *rig_new(uint64_t seed);
void rig_start(struct rig *r, unsigned receiver_lane_slots);	/* 0: the usual number */
void rig_free(struct rig *r);			/* stops all; asserts that nothing is left */
void rig_pump(struct rig *r);			/* lets things happen for about a millisecond */
void rig_make_file(struct rig *r, uint32_t size);	/* byte i is rig_file_byte(i) */
uint8_t rig_file_byte(uint32_t i);
void rig_answer_at(struct rig *r, int count);	/* INT32_MAX: hold all */
int  rig_read(const int *counter);
#define RIG_WAIT(rig, cond) \
	do { \
		for (int tries_ = 0; !(cond) && tries_ < 20000; tries_++) \
			rig_pump(rig); \
		ck_assert(cond); \
	} while (0)

struct rig_client *client_new(struct rig *r);
void client_free(struct rig_client *c);
/* A whole frame: size, header (client id "rig"), body. Returns its length. */
size_t rig_request(uint8_t *out, int key, int32_t correlation, enum rig_op op, int32_t arg,
                   const char *bytes);
void client_send(struct rig_client *c, const void *data, size_t len);	/* all of it */
void client_ask(struct rig_client *c, int key, int32_t correlation, enum rig_op op, int32_t arg,
                const char *bytes);
/* what the socket takes now */
size_t client_try_send(struct rig_client *c, const void *data, size_t len);
void client_shutdown(struct rig_client *c);
bool client_receive(struct rig_client *c);	/* what is there now; true: something came */
/* Takes the next answer; its bytes stay valid until the next one is taken. Fails the test when none
 * comes. */
struct slice client_answer(struct rig_client *c, int32_t correlation, int32_t *begun_before);
void client_expect(struct rig_client *c, int32_t correlation, const char *bytes);
void client_expect_end(struct rig_client *c);	/* closed by the broker, nothing before it */

#endif
