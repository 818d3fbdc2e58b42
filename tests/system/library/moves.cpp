/*
 * moves BOOTSTRAP TOPIC: producers and consumers that take another's place, while records of theirs have no answer yet and nobody else holds their clients. Built with sanitizers.
 */
#include <skein/skein.hpp>

#include <cstdio>
#include <optional>

static skein::Client client_of(const char *bootstrap)
{
	skein::Config config;

	config.set("bootstrap.servers", bootstrap);
	config.set("linger.ms", "1000");
	return skein::Client(config);
}

int main(int argc, char **argv)
{
	int told = 0;
	auto count = [&](const skein::Producer::Delivery &) { told++; };

	if (argc != 3)
		return 2;
	skein::Producer p(client_of(argv[1]), count);
	skein::Record r{argv[2], {}, "one"};
	p.send(r);
	p = skein::Producer(client_of(argv[1]), count);		/* the record that waits is told of as failed, or was sent */
	p.send(r);
	p.flush();
	skein::Producer q(std::move(p));
	q.send(r);
	q.flush();
	skein::Consumer c(client_of(argv[1]));
	c.assign(argv[2], 0, SKEIN_AT_BEGINNING);
	c = skein::Consumer(client_of(argv[1]));
	c.assign(argv[2], 0, SKEIN_AT_BEGINNING);
	skein::Event e;
	int records = 0;
	for (int i = 0; i < 100 && records < 2; i++)
		records += c.next(e, skein::milliseconds(100)) && e.kind == SKEIN_RECORD;
	std::printf("told %d, read %d\n", told, records);
	return 0;
}
