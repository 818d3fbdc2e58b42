/*
 * Until the ZooKeeper side stands: a broker whose configuration names ZooKeeper refuses to start, with the reason.
 */
#include "coord/coord.h"

#include <stdio.h>

enum err coord_open_zookeeper(struct coord **out, struct actor *owner, const struct coord_zookeeper_spec *spec, char *problem, size_t problem_size)
{
	(void)owner;
	*out = NULL;
	snprintf(problem, problem_size, "zookeeper.connect=%s: not supported by this build", spec->connect);
	return ERR_UNSUPPORTED;
}
