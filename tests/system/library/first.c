/* The first program anybody writes: one record, and word that it is there. Compiled against the installed headers by library.test. */
#include <skein/producer.h>
#include <stdio.h>

static void on_delivery(void *arg, const struct skein_delivery *d)
{
	(void)arg;
	if (d->error->code == SKEIN_OK)
		printf("%s/%d offset %lld tag %s\n", d->topic, d->partition, (long long)d->offset, (const char *)d->tag);
	else
		printf("%s\n", d->error->text);
}

int main(int argc, char **argv)
{
	struct skein_config *config = skein_config_create();
	struct skein_client *client;
	struct skein_producer *producer = NULL;
	struct skein_error error;
	struct skein_record record = SKEIN_RECORD_INIT;
	int code = 1;

	if (argc != 4)
		return 2;
	if (skein_config_set(config, "bootstrap.servers", argv[1], &error) != SKEIN_OK || skein_client_create(&client, config, &error) != SKEIN_OK) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	record.topic = argv[2];
	record.value = (struct skein_bytes){ argv[3], 5 };
	record.tag = argv[3];
	if (skein_connect(client, 10000, &error) == SKEIN_OK && skein_producer_create(&producer, client, NULL, on_delivery, NULL, &error) == SKEIN_OK &&
	    skein_send_wait(producer, &record, 10000, &error) == SKEIN_OK && skein_flush(producer, 10000, &error) == SKEIN_OK)
		code = 0;
	else
		fprintf(stderr, "%s\n", error.text);
	skein_producer_destroy(&producer);
	skein_client_destroy(&client);
	skein_config_destroy(&config);
	return code;
}
