/*
 * How much may be asked of the controller: partitions made and deleted per second and client (controller_mutation_rate, KIP-599).
 *
 * A rule stands in the store under users/<u>, users/<u>/clients/<c> or clients/<c>, each name possibly <default>; for a client the most specific one holds. What it has used is
 * a bucket of tokens: full at first, refilled with the rule's rate, and emptied below nothing by a single large request; then it owes.
 * Owner:  the controller. No threads, no clock of its own.
 * Bounds: so many buckets are kept (MUTATION_BUCKETS_MAX); beyond, those go that are full again, and if there are none the oldest. Rules are what an administrator has written.
 */
#ifndef SKEIN_CONTROLLER_MUTATION_QUOTA_H
#define SKEIN_CONTROLLER_MUTATION_QUOTA_H

#include "base/map.h"
#include "base/strbuf.h"

#define MUTATION_BUCKETS_MAX 10000

struct mutation_quotas {
	struct map rules;	/* entity path in the store: rate */
	struct map buckets;	/* whom a rule counts for */
	double     burst_s;	/* a full bucket is worth so many seconds of its rate */
};

void mutation_quotas_init(struct mutation_quotas *q, double burst_s);
void mutation_quotas_fini(struct mutation_quotas *q);
/* rate NULL: the entity has none. A text that is no positive number is none either. */
void mutation_quotas_set(struct mutation_quotas *q, const char *entity, const char *rate);

/* Who asks. user without "User:"; an empty client id matches no rule about clients. */
struct mutation_payer {
	struct slice user, client_id;
	bool         is_strict;		/* refused when it owes, and else never; not strict: carried out, and made to wait when it owes afterwards */
};
/* Takes `partitions` from its bucket. False: refused, nothing was taken. *throttle_ms: raised to the time after which it owes nothing; unchanged where it need not wait. */
bool mutation_quotas_charge(struct mutation_quotas *q, const struct mutation_payer *payer, int32_t partitions, mono_ms now, int32_t *throttle_ms);

#endif
