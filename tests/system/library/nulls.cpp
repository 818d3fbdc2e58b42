/*
 * nulls N: breaks the nth rule of the headers, from 0, and does not come back; prints its name first. Behind the last: prints nothing.
 */
#include <skein/skein.hpp>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

int main(int argc, char **argv)
{
	skein::Config config{{"bootstrap.servers", "127.0.0.1:1"}, {"group.id", "g"}};
	skein::Client client(config);
	skein::Producer producer(client);
	skein::Consumer consumer(client);
	skein_config *c = skein_config_create();
	skein_client *none = nullptr;
	skein_producer *gone = nullptr;
	skein_record record = SKEIN_RECORD_INIT;
	skein_offset nameless = {};
	skein_answer *answer;
	skein::Event event;

	struct misuse {
		const char *name;
		std::function<void()> run;
	};
	const std::vector<misuse> all = {
		{ "name skein_config_set", [&] { skein_config_set(c, nullptr, "x", nullptr); } },
		{ "value skein_config_set", [&] { skein_config_set(c, "acks", nullptr, nullptr); } },
		{ "config skein_config_get", [&] { skein_config_get(nullptr, "acks", nullptr, 0, nullptr); } },
		{ "config skein_client_create", [&] { skein_client_create(&none, nullptr, nullptr); } },
		{ "client skein_step", [&] { skein_step(none, 0); } },
		{ "client skein_producer_create", [&] { skein_producer_create(&gone, none, nullptr, nullptr, nullptr, nullptr); } },
		{ "producer skein_producer_destroy", [&] { skein_producer_destroy(nullptr); } },
		{ "producer skein_send", [&] { skein_send(gone, &record, nullptr); } },
		{ "record skein_send_wait", [&] { skein_send_wait(producer.raw(), nullptr, 0, nullptr); } },
		{ "producer skein_flush", [&] { skein_flush(gone, 0, nullptr); } },
		{ "topic skein_seek", [&] { skein_seek(consumer.raw(), nullptr, 0, 0, nullptr); } },
		{ "topics skein_consumer_subscribe", [&] { skein_consumer_subscribe(consumer.raw(), nullptr, 1, nullptr); } },
		{ "event skein_next", [&] { skein_next(consumer.raw(), nullptr); } },
		{ "out skein_assignment", [&] { skein_assignment(consumer.raw(), nullptr, 1); } },
		{ "consumer skein_next", [&] { consumer.close(skein::milliseconds(0)); consumer.next(event); } },
		{ "name skein_admin_delete_topic", [&] { skein_admin_delete_topic(client.raw(), nullptr, 0, nullptr); } },
		{ "out skein_admin_cluster", [&] { skein_admin_cluster(client.raw(), 0, &answer, nullptr, nullptr); } },
		{ "offsets skein_admin_list_offsets", [&] { skein_admin_list_offsets(client.raw(), nullptr, 1, 0, nullptr); } },
		{ "offsets[i].topic ask_each", [&] { skein_admin_list_offsets(client.raw(), &nameless, 1, 0, nullptr); } },
	};
	std::size_t n = argc == 2 ? std::strtoul(argv[1], nullptr, 10) : all.size();
	if (n >= all.size()) {
		skein_config_destroy(&c);
		return 0;
	}
	std::printf("%s\n", all[n].name);
	std::fflush(stdout);
	all[n].run();
	return 0;
}
