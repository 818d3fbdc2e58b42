/*
 * libskein in C++17: the same functions with RAII, exceptions and std::string_view. Header only; link with -lskein.
 *
 *	skein::Config config{{"bootstrap.servers", "127.0.0.1:9092"}};
 *	skein::Client client(config);
 *	skein::Producer producer(client);
 *	producer.send({"greetings", "key", "value"});
 *	producer.flush();
 *
 * Objects move and do not copy. A producer and a consumer keep their client alive. What the C headers say about threads, waiting and lifetimes of borrowed bytes holds here too;
 * callbacks must not throw. Failures throw skein::Error, but for what is part of the day: SKEIN_AGAIN is a return value.
 */
#ifndef SKEIN_SKEIN_HPP
#define SKEIN_SKEIN_HPP

#include <skein/admin.h>
#include <skein/consumer.h>
#include <skein/producer.h>

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace skein {

using milliseconds = std::chrono::milliseconds;
using Bytes = std::optional<std::string_view>;	/* nullopt: null */

class Error : public std::runtime_error {
public:
	explicit Error(const skein_error &e) : std::runtime_error(e.text), error(e) {}
	skein_code code() const noexcept { return error.code; }
	int kafka() const noexcept { return error.kafka; }		/* the broker's code; 0: none */
	bool is_retriable() const noexcept { return error.is_retriable; }

private:
	skein_error error;
};

namespace detail {
inline void check(skein_code code, const skein_error &e)
{
	if (code != SKEIN_OK)
		throw Error(e);
}
inline Bytes view(const skein_bytes &b) { return b.ptr == nullptr ? Bytes() : Bytes(std::string_view(static_cast<const char *>(b.ptr), b.len)); }
inline skein_bytes bytes(const Bytes &b)
{
	if (!b)
		return {nullptr, 0};
	return {b->data() != nullptr ? b->data() : "", b->size()};
}
}

class Config {
public:
	Config() : config(skein_config_create()) {}
	Config(std::initializer_list<std::pair<std::string, std::string>> settings) : Config()
	{
		for (const auto &s : settings)
			set(s.first, s.second);
	}
	Config &set(const std::string &name, const std::string &value)
	{
		skein_error e;
		detail::check(skein_config_set(config.get(), name.c_str(), value.c_str(), &e), e);
		return *this;
	}
	std::string get(const std::string &name) const
	{
		skein_error e;
		char value[1024];
		detail::check(skein_config_get(config.get(), name.c_str(), value, sizeof(value), &e), e);
		return value;
	}
	const skein_config *raw() const noexcept { return config.get(); }

private:
	struct Destroy {
		void operator()(skein_config *c) const noexcept { skein_config_destroy(&c); }
	};
	std::unique_ptr<skein_config, Destroy> config;
};

class Client {
public:
	explicit Client(const Config &config)
	{
		skein_error e;
		skein_client *c = nullptr;
		detail::check(skein_client_create(&c, config.raw(), &e), e);
		client.reset(c, [](skein_client *p) { skein_client_destroy(&p); });
	}
	void connect(milliseconds timeout)
	{
		skein_error e;
		detail::check(skein_connect(raw(), timeout.count(), &e), e);
	}
	/* In how many milliseconds it wants to be called again; -1: only when fd() is readable. */
	std::int64_t step(milliseconds timeout = milliseconds(0)) { return skein_step(raw(), timeout.count()); }
	int fd() { return skein_fd(raw()); }
	void wake() noexcept { skein_wake(raw()); }
	skein_client *raw() const noexcept { return client.get(); }	/* for skein/admin.h */

private:
	friend class Producer;
	friend class Consumer;
	std::shared_ptr<skein_client> client;
};

using Headers = std::vector<std::pair<std::string_view, Bytes>>;

struct Record {
	std::string  topic;
	Bytes        key, value;
	Headers      headers = {};
	std::int32_t partition = SKEIN_ANY_PARTITION;
	std::int64_t timestamp = SKEIN_NOW;
	void        *tag = nullptr;
};

class Producer {
public:
	using Delivery = skein_delivery;
	using OnDelivery = std::function<void(const Delivery &)>;

	explicit Producer(const Client &c, OnDelivery on_delivery = nullptr, const Config *config = nullptr) :
		client(c.client), callback(std::make_unique<OnDelivery>(std::move(on_delivery)))
	{
		skein_error e;
		skein_producer *p = nullptr;
		detail::check(skein_producer_create(&p, client.get(), config != nullptr ? config->raw() : nullptr, *callback ? deliver : nullptr, callback.get(), &e), e);
		producer.reset(p);
	}
	Producer(Producer &&) noexcept = default;
	/* What was here ends first, while its callback and its client are there. */
	Producer &operator=(Producer &&o) noexcept
	{
		Producer old(std::move(*this));
		client = std::move(o.client);
		callback = std::move(o.callback);
		producer = std::move(o.producer);
		return *this;
	}
	/* False: not now (SKEIN_AGAIN); step, and try again. */
	bool try_send(const Record &r)
	{
		skein_error e;
		skein_code code = call(r, [&](const skein_record *raw_record) { return skein_send(raw(), raw_record, &e); });
		if (code == SKEIN_AGAIN)
			return false;
		detail::check(code, e);
		return true;
	}
	void send(const Record &r, milliseconds timeout = milliseconds(60000))
	{
		skein_error e;
		detail::check(call(r, [&](const skein_record *raw_record) { return skein_send_wait(raw(), raw_record, timeout.count(), &e); }), e);
	}
	/* Throws the error of the first record that failed since the last flush. */
	void flush(milliseconds timeout = milliseconds(60000))
	{
		skein_error e;
		detail::check(skein_flush(raw(), timeout.count(), &e), e);
	}
	void push() { skein_push(raw()); }
	std::int64_t pending() const { return skein_pending(raw()); }
	skein_producer *raw() const noexcept { return producer.get(); }

private:
	struct Destroy {
		void operator()(skein_producer *p) const noexcept { skein_producer_destroy(&p); }
	};
	static void deliver(void *arg, const skein_delivery *d) { (*static_cast<OnDelivery *>(arg))(*d); }
	template <typename F> skein_code call(const Record &r, F &&send_raw)
	{
		skein_record raw_record = SKEIN_RECORD_INIT;
		headers.clear();
		for (const auto &h : r.headers)
			headers.push_back({detail::bytes(h.first), detail::bytes(h.second)});
		raw_record.topic = r.topic.c_str();
		raw_record.partition = r.partition;
		raw_record.key = detail::bytes(r.key);
		raw_record.value = detail::bytes(r.value);
		raw_record.headers = headers.data();
		raw_record.header_count = static_cast<std::int32_t>(headers.size());
		raw_record.timestamp = r.timestamp;
		raw_record.tag = r.tag;
		return send_raw(&raw_record);
	}
	std::shared_ptr<skein_client> client;		/* ended last */
	std::unique_ptr<OnDelivery> callback;		/* stays where it is when the producer moves */
	std::vector<skein_header> headers;
	std::unique_ptr<skein_producer, Destroy> producer;
};

/* What skein_next gives; borrowed until the next call. */
struct Event : skein_event {
	Bytes key_view() const { return detail::view(key); }
	Bytes value_view() const { return detail::view(value); }
	Headers header_views() const
	{
		Headers out;
		for (std::int32_t i = 0; i < header_count; i++)
			out.emplace_back(*detail::view(headers[i].name), detail::view(headers[i].value));
		return out;
	}
};

class Consumer {
public:
	using OnRebalance = std::function<void(skein_rebalance, const skein_partition *, std::int32_t)>;

	explicit Consumer(const Client &c, const Config *config = nullptr) : client(c.client), callback(std::make_unique<OnRebalance>())
	{
		skein_error e;
		skein_consumer *s = nullptr;
		detail::check(skein_consumer_create(&s, client.get(), config != nullptr ? config->raw() : nullptr, &e), e);
		consumer.reset(s);
	}
	Consumer(Consumer &&) noexcept = default;
	Consumer &operator=(Consumer &&o) noexcept
	{
		Consumer old(std::move(*this));
		client = std::move(o.client);
		callback = std::move(o.callback);
		consumer = std::move(o.consumer);
		return *this;
	}
	void on_rebalance(OnRebalance f)
	{
		*callback = std::move(f);
		skein_consumer_on_rebalance(raw(), *callback ? rebalance : nullptr, callback.get());
	}
	void subscribe(const std::vector<std::string> &topics, OnRebalance f = nullptr)
	{
		std::vector<const char *> names;
		skein_error e;
		for (const auto &t : topics)
			names.push_back(t.c_str());
		on_rebalance(std::move(f));
		detail::check(skein_consumer_subscribe(raw(), names.data(), static_cast<std::int32_t>(names.size()), &e), e);
	}
	void subscribe_pattern(const std::string &expression, OnRebalance f = nullptr)
	{
		skein_error e;
		on_rebalance(std::move(f));
		detail::check(skein_consumer_subscribe_pattern(raw(), expression.c_str(), &e), e);
	}
	void assign(const std::string &topic, std::int32_t partition, std::int64_t start)
	{
		skein_error e;
		detail::check(skein_consumer_assign(raw(), topic.c_str(), partition, start, &e), e);
	}
	void seek(const std::string &topic, std::int32_t partition, std::int64_t to)
	{
		skein_error e;
		detail::check(skein_seek(raw(), topic.c_str(), partition, to, &e), e);
	}
	bool next(Event &event) { return skein_next(raw(), &event); }
	bool next(Event &event, milliseconds timeout) { return skein_next_wait(raw(), timeout.count(), &event); }
	void commit(milliseconds timeout)
	{
		skein_error e;
		detail::check(skein_commit_wait(raw(), timeout.count(), &e), e);
	}
	/* Commits, leaves the group, ends. Without it the destructor ends without a word to the group. */
	void close(milliseconds timeout)
	{
		skein_error e;
		skein_consumer *s = consumer.release();
		detail::check(skein_consumer_close(&s, timeout.count(), &e), e);
	}
	skein_consumer *raw() const noexcept { return consumer.get(); }

private:
	struct Destroy {
		void operator()(skein_consumer *s) const noexcept { skein_consumer_destroy(&s); }
	};
	static void rebalance(void *arg, skein_rebalance what, const skein_partition *p, std::int32_t count) { (*static_cast<OnRebalance *>(arg))(what, p, count); }
	std::shared_ptr<skein_client> client;
	std::unique_ptr<OnRebalance> callback;
	std::unique_ptr<skein_consumer, Destroy> consumer;
};

}
#endif
