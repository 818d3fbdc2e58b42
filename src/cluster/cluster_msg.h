/*
 * The message that carries a new picture from the controller to each network actor. It is declared here because the controller and the network actors must
 * both know it and neither may include the other.
 */
#ifndef SKEIN_CLUSTER_MSG_H
#define SKEIN_CLUSTER_MSG_H

#include "actor/actor.h"
#include "cluster/cluster.h"

enum { CLUSTER_PICTURE = MSG_BASE_NET };

/* Answered when it is in use there, and the picture before it no longer is. */
struct cluster_picture {
	struct msg      msg;
	struct cluster *cluster;	/* a reference that becomes the receiver's; it drops its old one */
};

#endif
