"""Schema-driven codec for the Kafka protocol: encodes and decodes any (API, version) from the JSON message schemas.

Decoded form: a struct is a dict keyed by schema field name; uuid is the 22-character text form; bytes and records are
hex strings; null is None; unknown tagged fields are kept under "_tags" as {tag: hex}. When encoding, missing keys take
the schema default, unknown keys are an error. Standard library only.
"""
import base64, json, os, re, socket, struct

HERE = os.path.dirname(os.path.abspath(__file__))
MESSAGES = os.environ.get("KAFKA_MESSAGES", os.path.join(HERE, "..", "messages"))
FIXED = {"int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "float64": ">d"}
ZERO_UUID = "A" * 22


class WireError(ValueError):
    """The bytes, or the value, do not fit the schema."""


class Reader:
    def __init__(self, data, pos=0):
        self.data, self.pos = data, pos

    def take(self, n):
        if n < 0 or self.pos + n > len(self.data):
            raise WireError(f"need {n} bytes at {self.pos} of {len(self.data)}")
        self.pos += n
        return self.data[self.pos - n:self.pos]

    def left(self):
        return len(self.data) - self.pos

    def fixed(self, kind):
        return struct.unpack(FIXED[kind], self.take(struct.calcsize(FIXED[kind])))[0]

    def uvarint(self):
        value = shift = 0
        for _ in range(5):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise WireError("varint longer than 5 bytes")


def uvarint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def varint(n):
    """Zig-zag form, used inside record batches."""
    return uvarint((n << 1) ^ (n >> 63) if n >= 0 else ((-n) << 1) - 1)


def versions(text):
    """'0-11', '3', '4+', 'none' -> (low, high) or None."""
    if text in (None, "", "none"):
        return None
    if text.endswith("+"):
        return int(text[:-1]), 32767
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def within(version, span):
    return span is not None and span[0] <= version <= span[1]


class Field:
    def __init__(self, raw, schema):
        self.name = raw["name"]
        self.versions = versions(raw.get("versions", "0+"))
        self.nullable = versions(raw.get("nullableVersions"))
        self.tagged, self.tag = versions(raw.get("taggedVersions")), raw.get("tag")
        self.flexible = versions(raw["flexibleVersions"]) if "flexibleVersions" in raw else schema.flexible
        self.type = raw["type"]
        self.array = self.type.startswith("[]")
        self.base = self.type[2:] if self.array else self.type
        if raw.get("fields"):
            schema.structs[self.base] = [Field(f, schema) for f in raw["fields"]]
        self.raw_default = raw.get("default")

    def default(self, schema, version):
        d = self.raw_default
        if d == "null":
            return None
        if self.array:
            return []
        if self.base in ("string", "bytes"):
            return d or ""
        if self.base == "records":
            return None
        if self.base == "uuid":
            return ZERO_UUID
        if self.base == "bool":
            return d in (True, "true")
        if self.base == "float64":
            return float(d or 0)
        if self.base in FIXED:
            return int(str(d), 0) if d not in (None, "") else 0
        return {f.name: f.default(schema, version) for f in schema.structs[self.base] if within(version, f.versions)}


class Schema:
    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            raw = json.loads(re.sub(r"^\s*//.*$|\s//.*$", "", f.read(), flags=re.M))
        self.name, self.key, self.kind = raw["name"], raw.get("apiKey"), raw["type"]
        self.valid, self.flexible = versions(raw["validVersions"]), versions(raw.get("flexibleVersions"))
        self.listeners = raw.get("listeners", [])
        self.structs = {}
        for common in raw.get("commonStructs", []):
            self.structs[common["name"]] = [Field(f, self) for f in common["fields"]]
        self.fields = [Field(f, self) for f in raw["fields"]]

    def encode(self, version, value):
        return self._struct_out(self.fields, version, value or {})

    def decode(self, version, data, allow_rest=False):
        reader = data if isinstance(data, Reader) else Reader(data)
        value = self._struct_in(self.fields, version, reader)
        if reader.left() and not allow_rest:
            raise WireError(f"{self.name} v{version}: {reader.left()} bytes left over")
        return value

    # -- writing
    def _struct_out(self, fields, version, value):
        unknown = set(value) - {f.name for f in fields} - {"_tags"}
        if unknown:
            raise WireError(f"{self.name}: no field {sorted(unknown)}")
        out, tags = bytearray(), {int(t): bytes.fromhex(h) for t, h in value.get("_tags", {}).items()}
        for f in fields:
            if not within(version, f.versions):
                continue
            item = value[f.name] if f.name in value else f.default(self, version)
            if within(version, f.tagged):
                if item != f.default(self, version):
                    tags[f.tag] = self._value_out(f, version, item)
            else:
                out += self._value_out(f, version, item)
        if within(version, self.flexible):
            out += uvarint(len(tags))
            for tag in sorted(tags):
                out += uvarint(tag) + uvarint(len(tags[tag])) + tags[tag]
        return bytes(out)

    def _length_out(self, n, compact, short=False):
        if compact:
            return uvarint(n + 1)
        return struct.pack(">h" if short else ">i", n)

    def _value_out(self, f, version, item):
        compact = within(version, f.flexible)
        if item is None and not within(version, f.nullable):
            raise WireError(f"{self.name} v{version}: {f.name} cannot be null")
        if f.array:
            if item is None:
                return self._length_out(-1, compact)
            return self._length_out(len(item), compact) + b"".join(self._one_out(f, version, i, compact) for i in item)
        return self._one_out(f, version, item, compact)

    def _one_out(self, f, version, item, compact):
        base = f.base
        if base == "bool":
            return b"\1" if item else b"\0"
        if base in FIXED:
            return struct.pack(FIXED[base], item)
        if base == "uuid":
            return base64.urlsafe_b64decode(item + "==")
        if base in ("string", "bytes", "records"):
            if item is None:
                return self._length_out(-1, compact, base == "string")
            data = item.encode(errors="surrogateescape") if base == "string" else bytes.fromhex(item)
            return self._length_out(len(data), compact, base == "string") + data
        if f.nullable and not f.array:
            if item is None:
                return b"\xff"
            return b"\1" + self._struct_out(self.structs[base], version, item)
        return self._struct_out(self.structs[base], version, item)

    # -- reading
    def _struct_in(self, fields, version, r):
        value, by_tag = {}, {}
        for f in fields:
            if not within(version, f.versions):
                continue
            if within(version, f.tagged):
                by_tag[f.tag] = f
                value[f.name] = f.default(self, version)
            else:
                value[f.name] = self._value_in(f, version, r)
        if within(version, self.flexible):
            last = -1
            for _ in range(r.uvarint()):
                tag = r.uvarint()
                if tag <= last:
                    raise WireError(f"tag {tag} after {last}")
                last, data = tag, r.take(r.uvarint())
                if tag in by_tag:
                    inner = Reader(data)
                    value[by_tag[tag].name] = self._value_in(by_tag[tag], version, inner)
                    if inner.left():
                        raise WireError(f"tag {tag} has {inner.left()} bytes too many")
                else:
                    value.setdefault("_tags", {})[str(tag)] = data.hex()
        return value

    def _length_in(self, r, compact, short=False):
        return r.uvarint() - 1 if compact else r.fixed("int16" if short else "int32")

    def _value_in(self, f, version, r):
        compact = within(version, f.flexible)
        if f.array:
            n = self._length_in(r, compact)
            if n > r.left():
                raise WireError(f"{f.name}: {n} elements in {r.left()} bytes")
            return [self._one_in(f, version, r, compact) for _ in range(n)] if n >= 0 else self._null(f, version)
        return self._one_in(f, version, r, compact)

    def _null(self, f, version):
        if not within(version, f.nullable):
            raise WireError(f"{self.name} v{version}: {f.name} is null")

    def _one_in(self, f, version, r, compact):
        base = f.base
        if base == "bool":
            return r.take(1) != b"\0"
        if base in FIXED:
            return r.fixed(base)
        if base == "uuid":
            return base64.urlsafe_b64encode(r.take(16)).decode().rstrip("=")
        if base in ("string", "bytes", "records"):
            n = self._length_in(r, compact, base == "string")
            if n < 0:
                return self._null(f, version)
            return r.take(n).decode(errors="replace") if base == "string" else r.take(n).hex()
        if f.nullable and not f.array and r.fixed("int8") < 0:
            return self._null(f, version)
        return self._struct_in(self.structs[base], version, r)


class Protocol:
    """All APIs found in the schema folder."""

    def __init__(self, folder=MESSAGES):
        self.requests, self.responses, self.data = {}, {}, {}
        for name in sorted(os.listdir(folder)):
            if name.endswith(".json"):
                s = Schema(os.path.join(folder, name))
                short = re.sub(r"(Request|Response)$", "", s.name)
                {"request": self.requests, "response": self.responses}.get(s.kind, self.data)[short] = s

    def request(self, api, version, body=None, client_id="probe", correlation=1):
        """One complete frame, size included."""
        s = self.requests[api]
        header = struct.pack(">hhi", s.key, version, correlation)
        if not (api == "ControlledShutdown" and version == 0):
            cid = None if client_id is None else client_id.encode()
            header += struct.pack(">h", -1) if cid is None else struct.pack(">h", len(cid)) + cid
        if within(version, s.flexible):
            header += b"\0"
        return self.frame(header + s.encode(version, body))

    @staticmethod
    def frame(payload):
        return struct.pack(">i", len(payload)) + payload

    def parse_request(self, payload):
        """payload without the size -> (api, version, correlation, client id, body)."""
        r = Reader(payload)
        key, version, correlation = r.fixed("int16"), r.fixed("int16"), r.fixed("int32")
        s = next(s for s in self.requests.values() if s.key == key)
        api = next(n for n, x in self.requests.items() if x is s)
        client = None
        if not (api == "ControlledShutdown" and version == 0):
            n = r.fixed("int16")
            client = None if n < 0 else r.take(n).decode()
        if within(version, s.flexible):
            self._skip_tags(r)
        return api, version, correlation, client, s.decode(version, r)

    @staticmethod
    def _skip_tags(r):
        for _ in range(r.uvarint()):
            r.uvarint()
            r.take(r.uvarint())

    def response(self, api, version, body, correlation=1):
        s = self.responses[api]
        head = struct.pack(">i", correlation)
        if within(version, s.flexible) and api != "ApiVersions":
            head += b"\0"
        return self.frame(head + s.encode(version, body))

    def parse_response(self, api, version, payload):
        """payload without the size -> (correlation, body). An ApiVersions error 35 is read in version 0 form."""
        r, s = Reader(payload), self.responses[api]
        correlation = r.fixed("int32")
        if api == "ApiVersions" and payload[4:6] == b"\0\x23":
            version = 0
        if within(version, s.flexible) and api != "ApiVersions":
            self._skip_tags(r)
        return correlation, s.decode(version, r)


class Client:
    """A raw connection. recv() gives a payload, b'' when the peer closed, None when nothing came in time."""

    def __init__(self, host, port, timeout=15):
        self.sock = socket.create_connection((host, port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.correlation = b"", 0

    def send(self, data):
        self.sock.sendall(data)

    def recv(self, timeout=15):
        self.sock.settimeout(timeout)
        try:
            while True:
                if len(self.buffer) >= 4:
                    size = struct.unpack(">i", self.buffer[:4])[0]
                    if len(self.buffer) >= 4 + size:
                        payload, self.buffer = self.buffer[4:4 + size], self.buffer[4 + size:]
                        return payload
                chunk = self.sock.recv(1 << 20)
                if not chunk:
                    return b""
                self.buffer += chunk
        except socket.timeout:
            return None
        except OSError:
            return b""

    def call(self, protocol, api, version, body=None, client_id="probe", timeout=15):
        self.correlation += 1
        self.send(protocol.request(api, version, body, client_id, self.correlation))
        payload = self.recv(timeout)
        return protocol.parse_response(api, version, payload)[1] if payload else payload

    def close(self):
        self.sock.close()


# -- record batches (magic 2) and old message sets, enough to write test data
CRC_TABLE = []
for _i in range(256):
    for _ in range(8):
        _i = _i >> 1 ^ (0x82F63B78 if _i & 1 else 0)
    CRC_TABLE.append(_i)


def crc32c(data):
    crc = 0xFFFFFFFF
    for b in data:
        crc = CRC_TABLE[(crc ^ b) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def record(delta, key, value, ts_delta=0, headers=(), attributes=0):
    def blob(b):
        return varint(-1) if b is None else varint(len(b)) + b
    body = bytes([attributes]) + varint(ts_delta) + varint(delta) + blob(key) + blob(value) + varint(len(headers))
    for k, v in headers:
        body += varint(len(k)) + k + blob(v)
    return varint(len(body)) + body


def batch(values, base_ts, *, keys=None, base_offset=0, codec=0, attributes=0, pid=-1, epoch=-1, seq=-1, leader_epoch=-1,
          deltas=None, ts_deltas=None, count=None, last_delta=None, magic=2, bad_crc=False, payload=None, first_ts=None,
          max_ts=None):
    """values: list of bytes. The keyword arguments allow for broken batches. Returns bytes."""
    n = len(values)
    deltas, ts_deltas, keys = deltas or list(range(n)), ts_deltas or [0] * n, keys or [None] * n
    if payload is None:
        payload = b"".join(record(d, k, v, t) for d, k, v, t in zip(deltas, keys, values, ts_deltas))
    if max_ts is None:
        max_ts = base_ts + max(ts_deltas or [0])
    tail = struct.pack(">hiqqqhii", attributes | codec, n - 1 if last_delta is None else last_delta,
                       base_ts if first_ts is None else first_ts, max_ts, pid, epoch, seq, n if count is None else count) + payload
    crc = crc32c(tail) ^ (1 if bad_crc else 0)
    return struct.pack(">qiibI", base_offset, 9 + len(tail), leader_epoch, magic, crc) + tail


def set_producer(data, pid, epoch):
    """The batch with another producer id and epoch, CRC made right."""
    data = data[:43] + struct.pack(">qh", pid, epoch) + data[53:]
    return data[:17] + struct.pack(">I", crc32c(data[21:])) + data[21:]


def message(value, magic=1, ts=0, key=None, attributes=0, offset=0, bad_crc=False):
    """One entry of an old message set (magic 0 or 1)."""
    import zlib
    def blob(b):
        return struct.pack(">i", -1) if b is None else struct.pack(">i", len(b)) + b
    body = bytes([magic, attributes]) + (struct.pack(">q", ts) if magic else b"") + blob(key) + blob(value)
    crc = zlib.crc32(body) ^ (1 if bad_crc else 0)
    return struct.pack(">qiI", offset, 4 + len(body), crc) + body
