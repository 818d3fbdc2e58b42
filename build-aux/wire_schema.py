"""Schema text (src/wire/schema/*.msg) as objects. src/wire/README.md describes the form; what is wrong in a file ends the
program with the file, the line and the reason."""
import os
import re
import sys

END = 32767             # a range that stays open
FIXED_MAX = 64          # WIRE_FIXED_MAX of wire.h

# schema type -> C type, bytes on the wire, suffix of get_, put_, load_, store_ and fill_
FIXED = {'bool': ('bool', 1), 'i8': ('int8_t', 1), 'i16': ('int16_t', 2), 'u16': ('uint16_t', 2), 'i32': ('int32_t', 4),
         'i64': ('int64_t', 8), 'f64': ('double', 8), 'uuid': ('struct uuid', 16)}
VARIABLE = {'string': 'struct slice', 'bytes': 'struct slice', 'records': 'struct wire_records'}


class SchemaError(Exception):
    pass


class Struct:
    def __init__(self, name, versions):
        self.name = name            # C name without "struct"
        self.versions = versions
        self.fields = []
        self.needs_default_test = False

    @property
    def tagged(self):
        return sorted((f for f in self.fields if f.tag is not None), key=lambda f: f.tag)

    @property
    def inline(self):
        return [f for f in self.fields if f.tag is None]


class Field:
    def __init__(self, name):
        self.name = name
        self.type = None            # a key of FIXED or VARIABLE, or None
        self.struct = None          # a Struct, or None
        self.is_array = False
        self.nullable = None        # first version that knows null
        self.versions = None
        self.default = None
        self.tag = None
        self.ignorable = False
        self.flexible = True

    def is_fixed(self):
        return self.type in FIXED and not self.is_array

    def is_nullable_struct(self):
        return self.struct is not None and not self.is_array and self.nullable is not None


class Message:
    """One codec: a request, a response, or data."""

    def __init__(self, name, versions, flexible):
        self.name = name            # C prefix: produce_request
        self.versions = versions
        self.flexible = flexible    # first flexible version, or END
        self.structs = []           # inner before outer; the message itself is the last


class Schema:
    def __init__(self, path):
        self.kind = self.name = self.key = None
        self.messages = []
        self.path = path
        with open(path, encoding='utf-8') as f:
            lines = [(n, line.split('#')[0].rstrip()) for n, line in enumerate(f, 1)]
        Parser(self, [(n, line) for n, line in lines if line])


def parse_range(text, outer):
    m = re.fullmatch(r'(\d+)(\+|-(\d+))?', text)
    if not m:
        raise SchemaError('not a version range: ' + text)
    low = int(m.group(1))
    high = outer[1] if m.group(2) == '+' else int(m.group(3) or low)
    if low < outer[0] or high > outer[1] or low > high:
        raise SchemaError('versions %s are not inside %d-%d' % ((text,) + outer))
    return low, high


class Parser:
    def __init__(self, schema, lines):
        self.lines = lines
        self.at = 0
        try:
            self.parse_file(schema)
        except (SchemaError, IndexError, ValueError) as e:
            at = self.lines[min(self.at, len(self.lines) - 1)]
            sys.exit('%s:%d: %s: %s' % (schema.path, at[0], e, at[1].strip()))

    def indent(self):
        line = self.lines[self.at][1]
        return len(line) - len(line.lstrip())

    def parse_file(self, schema):
        words = self.lines[0][1].split()
        schema.kind, schema.name = words[:2]
        options = dict(zip(words[2::2], words[3::2]))
        if schema.name != os.path.basename(schema.path)[:-len('.msg')]:
            raise SchemaError('the file is named after its content')
        versions = parse_range(options['versions'], (0, END))
        flexible = parse_range(options['flexible'], (0, END))[0] if 'flexible' in options else END
        self.at = 1
        if schema.kind == 'data':
            schema.messages.append(self.parse_message(schema.name, versions, flexible))
        elif schema.kind == 'api':
            schema.key = int(options['key'])
            for part in ('request', 'response'):
                if self.lines[self.at][1] != part:
                    raise SchemaError('"%s" expected' % part)
                self.at += 1
                schema.messages.append(self.parse_message(schema.name + '_' + part, versions, flexible))
        else:
            raise SchemaError('"api" or "data" expected')
        schema.versions, schema.flexible = versions, flexible
        if self.at != len(self.lines):
            raise SchemaError('indentation')

    def parse_message(self, name, versions, flexible):
        self.message = Message(name, versions, flexible)
        self.common = {}
        top = Struct(name, versions)
        if self.at == len(self.lines) or self.indent() == 0:
            raise SchemaError('%s has no fields' % name)
        self.parse_fields(top, self.indent())
        # a shared struct may be used before its text: order by who contains whom
        done = []

        def add(struct):
            for f in struct.fields:
                if f.struct and f.struct not in done:
                    add(f.struct)
            done.append(struct)
        add(top)
        for name, struct in self.common.items():
            if struct not in done:
                raise SchemaError('struct %s is not used' % name)
            if not struct.fields:
                raise SchemaError('%s: not a type' % name)
        if len({s.name for s in done}) != len(done):
            raise SchemaError('%s: two structs of one name' % name)
        self.message.structs = done
        mark_default_tests(done)
        return self.message

    def common_struct(self, name):
        if name not in self.common:
            self.common[name] = Struct(self.message.name + '_' + name, self.message.versions)
        return self.common[name]

    def parse_fields(self, struct, indent):
        while self.at < len(self.lines) and self.indent() == indent:
            words = self.lines[self.at][1].split()
            if words[0] == 'struct':
                inner = self.common_struct(words[1])
                self.at += 1
                if self.at == len(self.lines) or self.indent() <= indent:
                    raise SchemaError('a struct without fields')
                self.parse_fields(inner, self.indent())
            else:
                struct.fields.append(self.parse_field(struct, words, indent))
        if self.at < len(self.lines) and self.indent() > indent:
            raise SchemaError('indentation')
        names = [f.name for f in struct.fields] + [f.name + '_count' for f in struct.fields if f.is_array]
        if len(set(names)) != len(names):
            raise SchemaError('%s: two fields of one name' % struct.name)

    def parse_field(self, struct, words, indent):
        f = Field(words[0])
        m = re.fullmatch(r'([a-z_0-9]+)(\[\])?(\?(?:(\d+)\+)?)?', words[1])
        if not m:
            raise SchemaError('not a type: ' + words[1])
        f.is_array = m.group(2) is not None
        rest = words[2:]
        f.versions = struct.versions
        if rest and rest[0][0].isdigit():
            f.versions = parse_range(rest.pop(0), struct.versions)
        if m.group(3):
            f.nullable = int(m.group(4) or f.versions[0])
        while rest:
            word = rest.pop(0)
            if word == 'default':
                f.default = rest.pop(0)
            elif word == 'tag':
                f.tag = int(rest.pop(0))
            elif word == 'ignorable':
                f.ignorable = True
            elif word == 'inflexible':
                f.flexible = False
            elif word != 'key':         # of a map in memory: a fact for handlers, without effect on the codec
                raise SchemaError('unknown word ' + word)
        line = self.at
        self.parse_type(f, m.group(1), indent)
        self.at, line = line, self.at           # a complaint names the field's line
        self.check_field(f)
        self.at = line
        return f

    def parse_type(self, f, name, indent):
        self.at += 1
        nested = self.at < len(self.lines) and self.indent() > indent
        if name in FIXED or name in VARIABLE:
            f.type = name
        elif nested:
            f.struct = Struct(self.message.name + '_' + name, f.versions)
            self.parse_fields(f.struct, self.indent())
        else:
            f.struct = self.common_struct(name)

    def check_field(self, f):
        if f.tag is not None and f.versions[0] < self.message.flexible:
            raise SchemaError('a tag in a version that is not flexible')
        if f.default == 'null' and f.nullable != f.versions[0]:
            raise SchemaError('null is the default where it is not allowed')
        if f.is_nullable_struct() and (f.default != 'null' or f.tag is not None):
            raise SchemaError('a nullable struct is in line and null by default')
        if f.nullable is not None and f.is_fixed():
            raise SchemaError('this type has no null')
        if f.is_array and f.type not in (None, 'i8', 'i32', 'i64', 'uuid', 'string'):
            raise SchemaError('wire.h has no array of this type')
        if f.type == 'records' and f.tag is not None:
            raise SchemaError('records in a tag')


def mark_default_tests(structs):
    """An embedded struct is compared with its default if it may be left out: tagged, or refused in some versions."""
    for outer in reversed(structs):
        for f in outer.fields:
            if f.struct and not f.is_array and not f.is_nullable_struct():
                left_out = f.tag is not None or (f.versions != outer.versions and not f.ignorable)
                if left_out or outer.needs_default_test:
                    f.struct.needs_default_test = True
