/*
 * Kafka's znodes, written and read with jansson. What is read came from somebody else: every type is looked at before it is used.
 */
#include "controller/znode.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/address.h"

static void emit(json_t *root, struct strbuf *out)
{
	char *text = json_dumps(root, JSON_COMPACT);

	ASSERT(text != NULL);
	strbuf_add_str(out, text);
	free(text);
	json_decref(root);
}

static json_t *load(struct slice json)
{
	if (slice_is_null(json) || json.len == 0)
		return NULL;
	json_t *root = json_loadb((const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL);
	if (root != NULL && !json_is_object(root)) {
		json_decref(root);
		return NULL;
	}
	return root;
}

static bool get_i32(const json_t *object, const char *key, int32_t *out)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_integer(v) || json_integer_value(v) < INT32_MIN || json_integer_value(v) > INT32_MAX)
		return false;
	*out = (int32_t)json_integer_value(v);
	return true;
}

static bool parse_i32(const char *text, int32_t *out)
{
	char *end;
	long v = strtol(text, &end, 10);

	*out = (int32_t)v;
	return *text != 0 && *end == 0 && v >= INT32_MIN && v <= INT32_MAX;
}

static json_t *ids_to_json(const int32_t *ids, int32_t n)
{
	json_t *a = json_array();

	for (int32_t i = 0; i < n; i++)
		json_array_append_new(a, json_integer(ids[i]));
	return a;
}

/* A list of broker ids; longer ones than a partition may have are refused. */
static bool ids_from_json(const json_t *array, int32_t **ids, int32_t *n, struct arena *a)
{
	size_t count = json_array_size(array);

	if (!json_is_array(array) || count > REPLICAS_MAX)
		return false;
	*ids = arena_calloc(a, count, sizeof(**ids));
	*n = (int32_t)count;
	for (size_t i = 0; *ids != NULL && i < count; i++) {
		const json_t *v = json_array_get(array, i);

		if (!json_is_integer(v) || json_integer_value(v) < INT32_MIN || json_integer_value(v) > INT32_MAX)
			return false;
		(*ids)[i] = (int32_t)json_integer_value(v);
	}
	return *ids != NULL;
}

/* Ids of brokers, each once. Kafka takes such a list as it is, and then counts a broker as many times as it is named. */
static bool brokers_from_json(const json_t *array, int32_t **ids, int32_t *n, struct arena *a)
{
	if (!ids_from_json(array, ids, n, a))
		return false;
	for (int32_t i = 0; i < *n; i++) {
		for (int32_t k = 0; k < i; k++) {
			if ((*ids)[k] == (*ids)[i])
				return false;
		}
		if ((*ids)[i] < 0)
			return false;
	}
	return true;
}

/* --- /brokers/topics/<t> ------------------------------------------------------------------------------------------------------------ */

void znode_topic_encode(const struct znode_topic *t, struct strbuf *out)
{
	json_t *root = json_object(), *partitions = json_object(), *adding = json_object(), *removing = json_object();

	for (int32_t i = 0; i < t->partition_count; i++) {
		const struct znode_partition *p = &t->partitions[i];
		char key[16];

		snprintf(key, sizeof(key), "%d", p->id);
		json_object_set_new(partitions, key, ids_to_json(p->replicas, p->replica_count));
		if (p->adding_count > 0)
			json_object_set_new(adding, key, ids_to_json(p->adding, p->adding_count));
		if (p->removing_count > 0)
			json_object_set_new(removing, key, ids_to_json(p->removing, p->removing_count));
	}
	json_object_set_new(root, "version", json_integer(3));
	if (!uuid_is_zero(t->id)) {
		char text[UUID_TEXT_LEN + 1];

		uuid_to_text(t->id, text);
		json_object_set_new(root, "topic_id", json_string(text));
	}
	json_object_set_new(root, "partitions", partitions);
	json_object_set_new(root, "adding_replicas", adding);
	json_object_set_new(root, "removing_replicas", removing);
	emit(root, out);
}

static int by_partition(const void *a, const void *b)
{
	const struct znode_partition *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static struct znode_partition *find_partition(struct znode_topic *t, const char *key)
{
	int32_t id;

	if (!parse_i32(key, &id))
		return NULL;
	struct znode_partition wanted = { .id = id };
	return bsearch(&wanted, t->partitions, (size_t)t->partition_count, sizeof(wanted), by_partition);
}

static bool topic_changes_decode(struct znode_topic *t, const json_t *adding, const json_t *removing, struct arena *a)
{
	const char *key;
	const json_t *value;

	json_object_foreach((json_t *)(uintptr_t)adding, key, value) {
		struct znode_partition *p = find_partition(t, key);

		if (p != NULL && !brokers_from_json(value, &p->adding, &p->adding_count, a))
			return false;
	}
	json_object_foreach((json_t *)(uintptr_t)removing, key, value) {
		struct znode_partition *p = find_partition(t, key);

		if (p != NULL && !brokers_from_json(value, &p->removing, &p->removing_count, a))
			return false;
	}
	return true;
}

static bool topic_partitions_decode(struct znode_topic *t, const json_t *partitions, struct arena *a)
{
	const char *key;
	const json_t *value;

	t->partitions = arena_calloc(a, json_object_size(partitions), sizeof(*t->partitions));
	t->partition_count = 0;
	if (!json_is_object(partitions) || t->partitions == NULL)
		return false;
	json_object_foreach((json_t *)(uintptr_t)partitions, key, value) {
		struct znode_partition *p = &t->partitions[t->partition_count++];

		if (!parse_i32(key, &p->id) || p->id < 0 || !brokers_from_json(value, &p->replicas, &p->replica_count, a) || p->replica_count == 0)
			return false;
	}
	qsort(t->partitions, (size_t)t->partition_count, sizeof(*t->partitions), by_partition);
	for (int32_t i = 1; i < t->partition_count; i++) {
		if (t->partitions[i].id == t->partitions[i - 1].id)	/* "1" and "01" */
			return false;
	}
	return true;
}

bool znode_topic_decode(struct znode_topic *t, struct slice json, struct arena *a)
{
	json_t *root = load(json);
	const char *id = json_string_value(json_object_get(root, "topic_id"));

	*t = (struct znode_topic){ .partition_count = 0 };
	bool ok = root != NULL && topic_partitions_decode(t, json_object_get(root, "partitions"), a) &&
	          topic_changes_decode(t, json_object_get(root, "adding_replicas"), json_object_get(root, "removing_replicas"), a) &&
	          (id == NULL || uuid_from_text(&t->id, slice_str(id)));
	json_decref(root);
	return ok;
}

/* --- partition state ------------------------------------------------------------------------------------------------------------------ */

void znode_state_encode(const struct znode_state *s, struct strbuf *out)
{
	json_t *root = json_object();

	json_object_set_new(root, "controller_epoch", json_integer(s->controller_epoch));
	json_object_set_new(root, "leader", json_integer(s->leader));
	json_object_set_new(root, "version", json_integer(1));
	json_object_set_new(root, "leader_epoch", json_integer(s->leader_epoch));
	json_object_set_new(root, "isr", ids_to_json(s->isr, s->isr_count));
	if (s->is_recovering)
		json_object_set_new(root, "leader_recovery_state", json_integer(1));
	emit(root, out);
}

bool znode_state_decode(struct znode_state *s, struct slice json, struct arena *a)
{
	json_t *root = load(json);
	int32_t recovery = 0;

	*s = (struct znode_state){ .leader = -1 };
	bool ok = root != NULL && get_i32(root, "leader", &s->leader) && get_i32(root, "leader_epoch", &s->leader_epoch) &&
	          get_i32(root, "controller_epoch", &s->controller_epoch) && brokers_from_json(json_object_get(root, "isr"), &s->isr, &s->isr_count, a);
	s->is_recovering = ok && get_i32(root, "leader_recovery_state", &recovery) && recovery == 1;
	json_decref(root);
	return ok;
}

/* --- configs ------------------------------------------------------------------------------------------------------------------------------ */

void znode_config_encode(const struct cluster_override *pairs, int32_t n, struct strbuf *out)
{
	json_t *root = json_object(), *config = json_object();

	for (int32_t i = 0; i < n; i++)
		json_object_set_new(config, pairs[i].name, json_string(pairs[i].value));
	json_object_set_new(root, "version", json_integer(1));
	json_object_set_new(root, "config", config);
	emit(root, out);
}

void znode_config_decode(struct slice json, struct cluster_override **pairs, int32_t *n, struct arena *a)
{
	json_t *root = load(json), *config = json_object_get(root, "config");
	const char *key;
	json_t *value;

	*n = 0;
	*pairs = arena_calloc(a, json_object_size(config), sizeof(**pairs));
	if (json_is_object(config) && *pairs != NULL) {
		json_object_foreach(config, key, value) {
			struct slice k = arena_copy(a, slice_str(key)), v = arena_copy(a, slice_str(json_string_value(value)));

			if (!slice_is_null(k) && !slice_is_null(v))
				(*pairs)[(*n)++] = (struct cluster_override){ (const char *)k.ptr, (const char *)v.ptr };
		}
	}
	json_decref(root);
}

void znode_change_encode(const char *entity_path, struct strbuf *out)
{
	emit(json_pack("{s:i, s:s}", "version", 2, "entity_path", entity_path), out);
}

bool znode_change_decode(struct slice json, char *out, size_t size)
{
	json_t *root = load(json);
	const char *path = json_string_value(json_object_get(root, "entity_path"));
	const char *type = json_string_value(json_object_get(root, "entity_type")), *name = json_string_value(json_object_get(root, "entity_name"));
	int32_t version = 0;
	int len = -1;

	if (root != NULL && get_i32(root, "version", &version)) {
		if (version == 2 && path != NULL)
			len = snprintf(out, size, "%s", path);
		if (version == 1 && type != NULL && name != NULL)
			len = snprintf(out, size, "%s/%s", type, name);
	}
	json_decref(root);
	return len >= 0 && (size_t)len < size;
}

/* --- registration, controller, ids ---------------------------------------------------------------------------------------------------------- */

/* The key "skein" is ours: Java ignores keys it does not know, and who looks at the tree sees which kind a broker is. */
void znode_broker_encode(const struct cluster_broker *b, time_ms now, struct strbuf *out)
{
	json_t *root = json_object(), *endpoints = json_array(), *map = json_object();
	const struct cluster_endpoint *plain = NULL;
	char text[512], address[ADDRESS_TEXT_SIZE];

	for (int i = 0; i < b->endpoint_count; i++) {
		const struct cluster_endpoint *e = &b->endpoints[i];

		snprintf(text, sizeof(text), "%.200s://%s", e->listener, address_text(address, slice_str(e->host), e->port));
		json_array_append_new(endpoints, json_string(text));
		json_object_set_new(map, e->listener, json_string(e->protocol));
		if (plain == NULL && strcmp(e->protocol, "PLAINTEXT") == 0)
			plain = e;
	}
	snprintf(text, sizeof(text), "%lld", (long long)now);
	json_object_set_new(root, "version", json_integer(5));
	json_object_set_new(root, "host", plain != NULL ? json_string(plain->host) : json_null());
	json_object_set_new(root, "port", json_integer(plain != NULL ? plain->port : -1));
	json_object_set_new(root, "jmx_port", json_integer(-1));
	json_object_set_new(root, "timestamp", json_string(text));
	json_object_set_new(root, "endpoints", endpoints);
	if (b->has_rack)
		json_object_set_new(root, "rack", json_string(b->rack));
	json_object_set_new(root, "listener_security_protocol_map", map);
	json_object_set_new(root, "features", json_object());
	json_object_set_new(root, "skein", json_true());
	emit(root, out);
}

/* "LISTENER://host:port", the host perhaps in brackets. */
static bool endpoint_decode(struct cluster_endpoint *e, const char *text, const json_t *protocols)
{
	const char *host = strstr(text, "://"), *port = strrchr(text, ':');
	int32_t number;

	if (host == NULL || port == NULL || port <= host || !parse_i32(port + 1, &number) || number < 0 || number > UINT16_MAX)
		return false;
	size_t name_len = (size_t)(host - text), host_len = (size_t)(port - (host + 3));
	host += 3;
	if (host_len >= 2 && host[0] == '[' && host[host_len - 1] == ']') {
		host++;
		host_len -= 2;
	}
	if (name_len == 0 || name_len >= sizeof(e->listener) || host_len >= sizeof(e->host))
		return false;
	memset(e, 0, sizeof(*e));
	for (size_t i = 0; i < name_len; i++)
		e->listener[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i]);
	memcpy(e->host, host, host_len);
	e->port = (uint16_t)number;
	const char *protocol = json_string_value(json_object_get(protocols, e->listener));
	snprintf(e->protocol, sizeof(e->protocol), "%s", protocol != NULL ? protocol : e->listener);
	return true;
}

bool znode_broker_decode(struct cluster_broker *b, bool *is_skein, struct slice json)
{
	json_t *root = load(json);
	const json_t *endpoints = json_object_get(root, "endpoints"), *protocols = json_object_get(root, "listener_security_protocol_map");
	const char *rack = json_string_value(json_object_get(root, "rack"));
	int32_t version, port;
	bool ok = root != NULL && get_i32(root, "version", &version) && version >= 1 && get_i32(root, "jmx_port", &port) &&
	          json_array_size(endpoints) <= ARRAY_LEN(b->endpoints);

	b->endpoint_count = 0;
	for (size_t i = 0; ok && i < json_array_size(endpoints); i++) {
		const char *text = json_string_value(json_array_get(endpoints, i));

		ok = text != NULL && endpoint_decode(&b->endpoints[b->endpoint_count++], text, protocols);
	}
	b->has_rack = rack != NULL;
	snprintf(b->rack, sizeof(b->rack), "%s", rack != NULL ? rack : "");
	*is_skein = json_is_true(json_object_get(root, "skein"));
	json_decref(root);
	return ok;
}

bool znode_broker_has_features(struct slice json)
{
	json_t *root = load(json);
	int32_t version;
	bool ok = root != NULL && get_i32(root, "version", &version) && version >= 5;

	json_decref(root);
	return ok;
}

void znode_cluster_id_encode(const char *id, struct strbuf *out)
{
	emit(json_pack("{s:s, s:s}", "version", "1", "id", id), out);
}

bool znode_cluster_id_decode(struct slice json, char out[64])
{
	json_t *root = load(json);
	const char *id = json_string_value(json_object_get(root, "id"));
	bool ok = id != NULL && *id != 0 && strlen(id) < 64;

	if (ok)
		snprintf(out, 64, "%s", id);
	json_decref(root);
	return ok;
}

void znode_controller_encode(int32_t broker_id, time_ms now, struct strbuf *out)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)now);
	emit(json_pack("{s:i, s:i, s:s, s:i}", "version", 2, "brokerid", broker_id, "timestamp", text, "kraftControllerEpoch", -1), out);
}

bool znode_controller_decode(struct slice json, int32_t *broker_id, int32_t *kraft_epoch)
{
	json_t *root = load(json);
	bool ok = root != NULL && get_i32(root, "brokerid", broker_id);

	if (ok && !get_i32(root, "kraftControllerEpoch", kraft_epoch))
		*kraft_epoch = -1;
	json_decref(root);
	return ok;
}

void znode_log_dir_event_encode(int32_t broker_id, struct strbuf *out)
{
	strbuf_printf(out, "{\"version\":1,\"broker\":%d,\"event\":1}", broker_id);
}

bool znode_log_dir_event_decode(struct slice json, int32_t *broker_id)
{
	json_t *root = load(json);
	bool ok = root != NULL && get_i32(root, "broker", broker_id);

	json_decref(root);
	return ok;
}

void znode_producer_block_encode(int32_t broker_id, int64_t first, int64_t last, struct strbuf *out)
{
	char from[24], to[24];

	snprintf(from, sizeof(from), "%lld", (long long)first);
	snprintf(to, sizeof(to), "%lld", (long long)last);
	emit(json_pack("{s:i, s:i, s:s, s:s}", "version", 1, "broker", broker_id, "block_start", from, "block_end", to), out);
}

bool znode_producer_block_decode(struct slice json, int64_t *last)
{
	json_t *root = load(json);
	const char *text = json_string_value(json_object_get(root, "block_end"));
	char *end = NULL;
	bool ok = text != NULL && *text != 0;

	if (ok) {
		*last = strtoll(text, &end, 10);
		ok = *end == 0 && *last >= 0;
	}
	json_decref(root);
	return ok;
}

bool znode_int_decode(struct slice text, int32_t *out)
{
	char buf[16];

	if (slice_is_null(text) || text.len == 0 || text.len >= sizeof(buf))
		return false;
	memcpy(buf, text.ptr, text.len);
	buf[text.len] = 0;
	return parse_i32(buf, out);
}

/* --- lists of partitions ------------------------------------------------------------------------------------------------------------------ */

static void emit_partitions(const struct znode_partition_name *names, int32_t n, bool with_replicas, struct strbuf *out)
{
	json_t *root = json_object(), *list = json_array();

	for (int32_t i = 0; i < n; i++) {
		json_t *entry = json_object();

		json_object_set_new(entry, "topic", json_stringn((const char *)names[i].topic.ptr, names[i].topic.len));
		json_object_set_new(entry, "partition", json_integer(names[i].partition));
		if (with_replicas)
			json_object_set_new(entry, "replicas", ids_to_json(names[i].replicas, names[i].replica_count));
		json_array_append_new(list, entry);
	}
	json_object_set_new(root, "version", json_integer(1));
	json_object_set_new(root, "partitions", list);
	emit(root, out);
}

static bool partition_name_decode(struct znode_partition_name *p, const json_t *entry, struct arena *a)
{
	const char *topic = json_string_value(json_object_get(entry, "topic"));

	if (topic == NULL || !get_i32(entry, "partition", &p->partition))
		return false;
	p->topic = arena_copy(a, slice_str(topic));
	return !slice_is_null(p->topic);
}

static bool partition_list_decode(const json_t *list, bool with_replicas, struct znode_partition_name **names, int32_t *n, struct arena *a)
{
	size_t count = json_array_size(list);
	bool ok = json_is_array(list);

	*n = 0;
	*names = arena_calloc(a, count, sizeof(**names));
	for (size_t i = 0; ok && *names != NULL && i < count; i++) {
		const json_t *entry = json_array_get(list, i);
		struct znode_partition_name *p = &(*names)[i];

		ok = partition_name_decode(p, entry, a);
		if (ok && with_replicas)
			ok = json_object_size(entry) == 3 && ids_from_json(json_object_get(entry, "replicas"), &p->replicas, &p->replica_count, a);
	}
	ok = ok && *names != NULL;
	if (ok)
		*n = (int32_t)count;
	return ok;
}

void znode_partitions_encode(const struct znode_partition_name *names, int32_t n, struct strbuf *out)
{
	emit_partitions(names, n, false, out);
}

bool znode_partitions_decode(struct slice json, struct znode_partition_name **names, int32_t *n, struct arena *a)
{
	json_t *root = load(json);
	bool ok = partition_list_decode(json_object_get(root, "partitions"), false, names, n, a);

	json_decref(root);
	return ok;
}

void znode_reassign_encode(const struct znode_partition_name *names, int32_t n, struct strbuf *out)
{
	emit_partitions(names, n, true, out);
}

bool znode_reassign_decode(struct slice json, struct znode_partition_name **names, int32_t *n, struct arena *a)
{
	json_t *root = load(json);
	int32_t version;
	bool ok = partition_list_decode(json_object_get(root, "partitions"), true, names, n, a) && json_object_size(root) == 2 &&
	          get_i32(root, "version", &version);

	json_decref(root);
	if (!ok)
		*n = 0;
	return ok;
}

/* --- /feature --------------------------------------------------------------------------------------------------------------------------------- */

void znode_feature_encode(const struct znode_feature *f, struct strbuf *out)
{
	json_t *root = json_object(), *features = json_object();

	for (int32_t i = 0; i < f->level_count; i++) {
		const struct znode_feature_level *l = &f->levels[i];
		json_t *level = json_object();

		if (f->version == 1)
			json_object_set_new(level, "min_version_level", json_integer(l->min));
		json_object_set_new(level, "max_version_level", json_integer(l->max));
		json_object_set_new(features, (const char *)l->name.ptr, level);
	}
	json_object_set_new(root, "features", features);
	json_object_set_new(root, "version", json_integer(f->version));
	json_object_set_new(root, "status", json_integer(f->is_enabled ? 1 : 0));
	emit(root, out);
}

static bool levels_decode(struct znode_feature *f, const json_t *features, struct arena *a)
{
	const char *name;
	const json_t *value;

	f->levels = arena_calloc(a, json_object_size(features), sizeof(*f->levels));
	if (!json_is_object(features) || f->levels == NULL)
		return false;
	json_object_foreach((json_t *)(uintptr_t)features, name, value) {
		struct znode_feature_level *l = &f->levels[f->level_count++];

		l->min = 1;
		l->name = arena_copy(a, slice_str(name));
		if (slice_is_null(l->name) || !get_i32(value, "max_version_level", &l->max) || l->max < 1)
			return false;
		if (f->version == 1 && (!get_i32(value, "min_version_level", &l->min) || l->min < 1 || l->min > l->max))
			return false;
	}
	return true;
}

bool znode_feature_decode(struct znode_feature *f, struct slice json, struct arena *a)
{
	json_t *root = load(json);
	int32_t status = 0;

	*f = (struct znode_feature){ .version = 0 };
	bool ok = root != NULL && get_i32(root, "version", &f->version) && (f->version == 1 || f->version == 2) && get_i32(root, "status", &status) &&
	          (status == 0 || status == 1) && levels_decode(f, json_object_get(root, "features"), a);
	f->is_enabled = status == 1;
	json_decref(root);
	return ok;
}
