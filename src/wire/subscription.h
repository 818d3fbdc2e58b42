/*
 * What a consumer that joins a group writes about itself ("consumer" protocol): a version, then the fields of consumer_protocol_subscription. Kafka's brokers only
 * pass it on, so it is as its clients write it.
 */
#ifndef SKEIN_WIRE_SUBSCRIPTION_H
#define SKEIN_WIRE_SUBSCRIPTION_H

#include "wire/gen/consumer_protocol_subscription.h"

/*
 * Slices point into the metadata, arrays into the arena. What follows the fields that we know is of a newer version. Fields that a version has, but that are missing to the
 * last, have their defaults: kafka-go writes version 1 and no owned partitions. False: it is none.
 */
bool subscription_read(struct slice metadata, struct consumer_protocol_subscription *s, int16_t *version, struct arena *arena) MUST_CHECK;

#endif
