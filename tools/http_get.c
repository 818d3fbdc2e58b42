#include "http_get.h"

#include <stdio.h>
#include <stdlib.h>

#include "os/os.h"

#define PAGE_MAX (64u << 20)

static enum err wait_for_socket(struct os *os, os_fd fd, int events, mono_ms until)
{
	struct os_poller *p;
	struct os_event event;
	enum err e = os_poller_create(os, &p);

	if (e != OK)
		return e;
	e = os_poller_add(os, p, fd, events, NULL);
	mono_ms left = until - os_mono_ms(os);
	if (e == OK && (left <= 0 || os_poller_wait(os, p, &event, 1, left) == 0))
		e = ERR_TIMEOUT;
	os_poller_destroy(os, &p);
	return e;
}

static enum err connect_to(struct os *os, const char *host, uint16_t port, mono_ms until, os_fd *out)
{
	struct os_addr addr[8];
	int n = 0;
	enum err e = os_resolve(os, host, port, addr, (int)ARRAY_LEN(addr), &n);

	for (int i = 0; i < n; i++) {
		e = os_connect(os, &addr[i], out);
		if (e == ERR_AGAIN && (e = wait_for_socket(os, *out, OS_WRITABLE, until)) == OK)
			e = os_connect_result(os, *out);
		if (e == OK)
			return OK;
		if (*out >= 0)
			os_close(os, out);
	}
	return e;
}

static enum err send_all(struct os *os, os_fd fd, const char *text, mono_ms until)
{
	size_t len = strlen(text), at = 0, sent;
	enum err e = OK;

	while (e == OK && at < len) {
		struct iovec iov = { (char *)(uintptr_t)text + at, len - at };

		e = os_sendv(os, fd, &iov, 1, &sent);
		if (e == OK)
			at += sent;
		else if (e == ERR_AGAIN)
			e = wait_for_socket(os, fd, OS_WRITABLE, until);
	}
	return e;
}

static enum err recv_all(struct os *os, os_fd fd, struct strbuf *out, mono_ms until)
{
	char buf[16384];
	size_t got = 1;
	enum err e = OK;

	while (e == OK && got > 0 && out->len < PAGE_MAX) {
		e = os_recv(os, fd, buf, sizeof(buf), &got);
		if (e == OK) {
			strbuf_add(out, buf, got);
		} else if (e == ERR_AGAIN) {
			got = 1;
			e = wait_for_socket(os, fd, OS_READABLE, until);
		}
	}
	return e;
}

enum err http_get(const char *host, uint16_t port, const char *path, mono_ms timeout_ms, int *status, struct strbuf *out)
{
	struct os *os = os_real();
	mono_ms until = os_mono_ms(os) + timeout_ms;
	struct strbuf request = STRBUF_INIT, answer = STRBUF_INIT;
	os_fd fd = -1;
	enum err e = connect_to(os, host, port, until, &fd);

	strbuf_printf(&request, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, host);
	if (e == OK)
		e = send_all(os, fd, strbuf_cstr(&request), until);
	if (e == OK)
		e = recv_all(os, fd, &answer, until);
	if (fd >= 0)
		os_close(os, &fd);
	const char *body = e == OK ? strstr(strbuf_cstr(&answer), "\r\n\r\n") : NULL;
	if (e == OK && (body == NULL || sscanf(strbuf_cstr(&answer), "HTTP/%*d.%*d %d", status) != 1))
		e = ERR_INVALID;
	strbuf_reset(out);
	if (e == OK)
		strbuf_add_str(out, body + 4);
	strbuf_fini(&request);
	strbuf_fini(&answer);
	return e;
}

double http_number(const char *page, const char *name, const char *label, bool is_largest)
{
	size_t len = strlen(name);
	double result = 0;

	for (const char *line = page; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) != 0 || (line[len] != ' ' && line[len] != '{'))
			continue;
		const char *end = strchr(line, '\n');
		const char *value = line;
		for (const char *p = line; p != end && *p != 0; p++)	/* labels may hold blanks */
			value = *p == ' ' ? p : value;
		const char *found = label != NULL ? strstr(line, label) : line;
		if (found == NULL || found > value)
			continue;
		double n = strtod(value, NULL);
		result = is_largest ? MAX(result, n) : result + n;
	}
	return result;
}
