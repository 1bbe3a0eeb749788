"""The forms of docs/spec: numbers, trees, canonical JSON, notes, grants, receipts, headers, payloads.

A form that is broken raises Fault with the finding code that the pages name."""

import base64
import re
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256, shake_256

import ed25519

MAX = 2**53 - 1
HEAD = 448
MAGIC = b"SEALBLK1"
MAX_ENVELOPES = 1_048_576
MAX_RAW = 8_388_608
MAX_STORED = 8_454_144
MAX_LINE = 262_144
MAX_RECORD = 8_000_000


class Fault(Exception):
    def __init__(self, code, why=""):
        super().__init__(code + ": " + why)
        self.code, self.why = code, why


def need(condition, code, why=""):
    if not condition:
        raise Fault(code, why)


def H(data):
    return sha256(data).digest()


# --- text forms ---------------------------------------------------------------------------------


def un64(text, code="NON_CANONICAL"):
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError as error:
        raise Fault(code, "base64") from error
    need(base64.b64encode(data).decode() == text, code, "base64")
    return data


def b64(data):
    return base64.b64encode(data).decode()


def undecimal(text):
    need(re.fullmatch(r"0|[1-9][0-9]*", text, re.A), "NON_CANONICAL", "decimal")
    need(len(text) <= 16 and int(text) <= MAX, "LIMIT_EXCEEDED", "decimal")
    return int(text)


def is_hex(text, digits):
    return isinstance(text, str) and re.fullmatch(r"[0-9a-f]{%d}" % digits, text, re.A) is not None


def path_form(raw):
    return "".join(chr(b) if 0x21 <= b <= 0x7E and b != 0x25 else "%%%02x" % b for b in raw)


def is_path(text):
    """Decode, encode again and compare."""
    raw, i = bytearray(), 0
    while i < len(text):
        if text[i] == "%":
            if re.fullmatch(r"[0-9a-f]{2}", text[i + 1 : i + 3], re.A) is None:
                return False
            raw.append(int(text[i + 1 : i + 3], 16))
            i += 3
        else:
            if not "!" <= text[i] <= "~":
                return False
            raw.append(ord(text[i]))
            i += 1
    return path_form(raw) == text


def glob_match(glob, path):
    tokens = re.findall(r"\*+|.", glob, re.S)
    reach = {0}
    for token in tokens:
        if token[0] == "*":
            following = set()
            for start in reach:
                i = start
                following.add(i)
                while i < len(path) and (len(token) > 1 or path[i] != "/"):
                    i += 1
                    if i in following:
                        break
                    following.add(i)
            reach = following
        else:
            reach = {i + 1 for i in reach if i < len(path) and (path[i] == token if token != "?" else path[i] != "/")}
    return len(path) in reach


# --- trees --------------------------------------------------------------------------------------


def leaf(data):
    return H(b"\0" + data)


def node(left, right):
    return H(b"\1" + left + right)


def fold(hashes):
    if not hashes:
        return H(b"")
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node(left, root)
    return root


class Tree:
    """A frontier: enough to append and to know the root."""

    def __init__(self, size=0, frontier=()):
        self.size, self.frontier = size, list(frontier)

    def append(self, hash_):
        n = self.size
        self.frontier.append(hash_)
        while n & 1:
            right = self.frontier.pop()
            self.frontier.append(node(self.frontier.pop(), right))
            n >>= 1
        self.size += 1

    def root(self):
        return fold(self.frontier)


def root_of(leaves):
    tree = Tree()
    for each in leaves:
        tree.append(each)
    return tree.root()


def envelope_root(hashes):
    return root_of([leaf(b"SEALGRP1" + b"".join(hashes[i : i + 16])) for i in range(0, len(hashes), 16)])


# --- canonical JSON -----------------------------------------------------------------------------

PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
SHORT = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
ESCAPES = {value: "\\" + key for key, value in SHORT.items()}


def utf16(key):
    return key.encode("utf-16-be", "surrogatepass")


def write_string(text):
    return '"' + re.sub(r'["\\\x00-\x1f]', lambda m: ESCAPES.get(m[0]) or "\\u%04x" % ord(m[0]), text) + '"'


def write_json(value):
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return write_string(value)
    if isinstance(value, list):
        return "[" + ",".join(map(write_json, value)) + "]"
    return "{" + ",".join(write_string(k) + ":" + write_json(value[k]) for k in sorted(value, key=utf16)) + "}"


def canonical(value):
    return write_json(value).encode()


class JsonReader:
    """Reads canonical JSON and nothing else."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def fail(self):
        raise Fault("NON_CANONICAL", f"JSON at {self.at}")

    def take(self, token):
        if not self.text.startswith(token, self.at):
            self.fail()
        self.at += len(token)

    def peek(self):
        return self.text[self.at : self.at + 1]

    def string(self):
        self.take('"')
        parts = []
        while True:
            match = PLAIN.match(self.text, self.at)
            parts.append(match[0])
            self.at = match.end()
            if self.peek() == '"':
                self.at += 1
                return "".join(parts)
            self.take("\\")
            short = SHORT.get(self.peek())
            if short is not None:
                self.at += 1
                parts.append(short)
                continue
            match = re.compile(r"u00[01][0-9a-f]").match(self.text, self.at)
            if match is None or chr(int(match[0][1:], 16)) in ESCAPES:
                self.fail()
            parts.append(chr(int(match[0][1:], 16)))
            self.at = match.end()

    def value(self, depth):
        first = self.peek()
        if first == '"':
            return self.string()
        if first == "{":
            return self.object(depth + 1)
        if first == "[":
            return self.array(depth + 1)
        for word, value in (("true", True), ("false", False)):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return value
        match = re.compile(r"0|[1-9][0-9]{0,15}", re.A).match(self.text, self.at)
        if match is None or int(match[0]) > MAX:
            self.fail()
        self.at = match.end()
        return int(match[0])

    def object(self, depth):
        if depth > 16:
            self.fail()
        self.take("{")
        result, last = {}, None
        while self.peek() != "}":
            if result:
                self.take(",")
            key = self.string()
            if last is not None and utf16(key) <= utf16(last):
                self.fail()
            self.take(":")
            result[key] = self.value(depth)
            last = key
        self.at += 1
        return result

    def array(self, depth):
        if depth > 16:
            self.fail()
        self.take("[")
        result = []
        while self.peek() != "]":
            if result:
                self.take(",")
            result.append(self.value(depth))
        self.at += 1
        return result


def read_json(data):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Fault("NON_CANONICAL", "UTF-8") from error
    reader = JsonReader(text)
    value = reader.object(1)
    if reader.at != len(text):
        reader.fail()
    return value


# --- keys in text, notes ------------------------------------------------------------------------


def is_name(text, most):
    return 1 <= len(text) <= most and all("!" <= c <= "~" and c != "+" for c in text)


@dataclass(frozen=True)
class Key:
    name: str
    type: int
    public: bytes

    @property
    def id(self):
        return H(self.name.encode() + b"\n" + bytes([self.type]) + self.public)[:4]

    def text(self):
        return f"{self.name}+{self.id.hex()}+{b64(bytes([self.type]) + self.public)}"


def read_key(text):
    parts = text.split("+", 2)
    need(len(parts) == 3 and is_name(parts[0], 210), "MALFORMED", "key")
    data = un64(parts[2])
    need(len(data) >= 1, "MALFORMED", "key")
    need(data[0] in (1, 4), "UNSUPPORTED", "key type")
    need(ed25519.good_key(data[1:]), "BAD_KEY", "key")
    key = Key(parts[0], data[0], data[1:])
    need(key.id.hex() == parts[1], "MALFORMED", "key id")
    return key


@dataclass
class Note:
    text: str
    signatures: list  # (name, key id ‖ signature)


def read_note(data, limit):
    need(len(data) <= limit, "LIMIT_EXCEEDED", "note")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Fault("NON_CANONICAL", "UTF-8") from error
    need(all(c >= " " or c == "\n" for c in whole), "NON_CANONICAL", "control byte")
    need(whole.endswith("\n"), "MALFORMED", "note without an end")
    cut = whole.rfind("\n\n")
    need(cut >= 0, "MALFORMED", "note without an empty line")
    lines = whole[cut + 2 :].split("\n")[:-1]
    need(len(lines) <= 64, "LIMIT_EXCEEDED", "signature lines")
    need(len(lines) >= 1, "MALFORMED", "no signature line")
    signatures = []
    for line in lines:
        parts = line.split(" ")
        need(len(parts) == 3 and parts[0] == "\u2014", "MALFORMED", "signature line")
        need(parts[1] != "" and "+" not in parts[1], "MALFORMED", "signature line")
        signature = un64(parts[2])
        need(len(signature) >= 5, "MALFORMED", "signature line")
        signatures.append((parts[1], signature))
    return Note(whole[: cut + 1], signatures)


def made_by(note, key):
    """None: the key made no line. False: one of its lines fails. Otherwise the least time (0 for type 01)."""
    lines = [s[4:] for name, s in note.signatures if name == key.name and s[:4] == key.id]
    if not lines:
        return None
    times = []
    text = note.text.encode()
    for signature in lines:
        if key.type == 1:
            if not ed25519.verify(key.public, text, signature):
                return False
            times.append(0)
            continue
        if len(signature) != 72:
            return False
        time = int.from_bytes(signature[:8], "big")
        need(time <= MAX, "LIMIT_EXCEEDED", "time of a signature")
        if not ed25519.verify(key.public, b"cosignature/v1\ntime %d\n" % time + text, signature[8:]):
            return False
        times.append(time)
    return min(times)


@dataclass
class Grant:
    id: str
    role: str
    subject: str
    audience: str
    globs: list
    not_before: int
    not_after: int
    max_chains: int
    max_silence_ms: int
    key: bytes

    def in_scope(self, path):
        return not self.globs or any(glob_match(glob, path) for glob in self.globs)


class Lines:
    """Lines of a text, each a word and a value."""

    def __init__(self, text):
        self.lines, self.at = text.split("\n")[:-1], 0

    def next(self, word):
        need(self.has(word), "NON_CANONICAL", f"no line {word}")
        self.at += 1
        return self.lines[self.at - 1][len(word) :]

    def has(self, word):
        return self.at < len(self.lines) and self.lines[self.at].startswith(word)

    def end(self):
        need(self.at == len(self.lines), "NON_CANONICAL", "lines behind the end")


def read_grant(data):
    note = read_note(data, 4096)
    lines = Lines(note.text)
    other = re.match(r"sealtail/([1-9][0-9]*) grant\n", note.text)
    need(not other or other[1] == "1", "UNSUPPORTED", "version")
    need(lines.next("sealtail/1 grant") == "", "NON_CANONICAL", "first line")
    id_ = lines.next("id ")
    need(is_hex(id_, 32), "NON_CANONICAL", "id")
    role = lines.next("role ")
    need(re.fullmatch(r"[a-z]+(-[a-z]+)*", role), "NON_CANONICAL", "role")
    need(role in ("write", "read", "retention", "admin", "issue"), "UNSUPPORTED", "role")
    subject = lines.next("subject ")
    need(is_name(subject, 200), "NON_CANONICAL", "subject")
    audience = lines.next("audience ")
    need(is_name(audience, 200), "NON_CANONICAL", "audience")
    globs = []
    while lines.has("source "):
        globs.append(lines.next("source "))
        need(globs[-1] != "" and all("!" <= c <= "~" for c in globs[-1]), "NON_CANONICAL", "glob")
    not_before = undecimal(lines.next("not-before "))
    not_after = undecimal(lines.next("not-after "))
    max_chains = undecimal(lines.next("max-chains "))
    need(1 <= max_chains <= 65535, "NON_CANONICAL", "max-chains")
    silence = undecimal(lines.next("max-silence-ms "))
    need(silence >= 1, "NON_CANONICAL", "max-silence-ms")
    key = un64(lines.next("key ed25519 "))
    need(len(key) == 32, "NON_CANONICAL", "key")
    lines.end()
    return Grant(id_, role, subject, audience, globs, not_before, not_after, max_chains, silence, key), note


@dataclass
class Receipt:
    vault: str
    chain: bytes
    size: int
    root: bytes
    note: Note
    time: int = None


def read_receipt(data):
    note = read_note(data, 16384)
    lines = note.text.split("\n")[:-1]
    need(len(lines) == 3, "MALFORMED", "receipt")
    vault, slash, chain = lines[0].rpartition("/")
    need(slash and vault and is_hex(chain, 64), "MALFORMED", "receipt origin")
    size = undecimal(lines[1])
    root = un64(lines[2])
    need(len(root) == 32, "MALFORMED", "receipt root")
    return Receipt(vault, bytes.fromhex(chain), size, root, note)


# --- header -------------------------------------------------------------------------------------

FIELDS = [
    ("magic", "8s"), ("suite", "B"), ("kind", "B"), ("codec", "B"), ("reserved", "B"), ("header_len", "I"),
    ("chain_id", "32s"), ("block_no", "Q"), ("first_seq", "Q"), ("count", "I"), ("raw_len", "I"),
    ("stored_len", "I"), ("max_silence_ms", "I"), ("prev_hash", "32s"), ("chain_root", "32s"),
    ("last_hash", "32s"), ("envelope_root", "32s"), ("stored_hash", "32s"), ("next_pub", "32s"),
    ("config_hash", "32s"), ("receipt_hash", "32s"), ("receipt_size", "Q"), ("run_id", "16s"),
    ("time", "Q"), ("mono", "Q"), ("first_time", "Q"),
]  # fmt: skip
HEADER = struct.Struct(">" + "".join(kind for _, kind in FIELDS))
U64 = [name for name, kind in FIELDS if kind == "Q"]
CONTEXT = b"sealtail/1 block"
ZERO = bytes(32)
assert HEADER.size == 384


class Header:
    def __init__(self, head):
        self.head = bytes(head[:HEAD])
        self.signature = self.head[384:]
        for (name, _), value in zip(FIELDS, HEADER.unpack(self.head[:384])):
            setattr(self, name, value)
        self.hash = leaf(self.head)

    def signed_by(self, key):
        return ed25519.verify(key, CONTEXT + self.head[:384], self.signature)

    @property
    def end_seq(self):
        return self.first_seq + self.count


def pack_header(values):
    return HEADER.pack(*(values[name] for name, _ in FIELDS))


@lru_cache(maxsize=4096)
def read_header(head):
    """The header's own bytes, in the order of block.md."""
    need(len(head) >= HEAD, "MALFORMED", "fewer than 448 bytes")
    head = head[:HEAD]
    if head[:8] != MAGIC:
        versions = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        need(not (head[:7] == MAGIC[:7] and head[7] in versions), "UNSUPPORTED", "magic")
        raise Fault("MALFORMED", "magic")
    h = Header(head)
    need(h.suite == 1, "UNSUPPORTED", "suite")
    need(h.kind in (0, 1, 2), "NON_CANONICAL", "kind")
    need(h.codec in (1, 2), "UNSUPPORTED", "codec")
    need(h.reserved == 0 and h.header_len == 384, "NON_CANONICAL", "reserved, header_len")
    need(all(getattr(h, name) <= MAX for name in U64), "LIMIT_EXCEEDED", "u64")
    need(1 <= h.count <= MAX_ENVELOPES, "LIMIT_EXCEEDED", "count")
    need(1 <= h.raw_len <= MAX_RAW, "LIMIT_EXCEEDED", "raw_len")
    need(1 <= h.stored_len <= MAX_STORED, "LIMIT_EXCEEDED", "stored_len")
    need(h.block_no <= MAX - 1, "LIMIT_EXCEEDED", "block_no")
    need(h.end_seq <= MAX, "LIMIT_EXCEEDED", "first_seq + count")
    need((h.kind == 0) == (h.block_no == 0), "NON_CANONICAL", "kind")
    need(h.kind != 2 or h.next_pub == ZERO, "NON_CANONICAL", "next_pub of a final block")
    good = 1000 <= h.max_silence_ms <= 86_400_000 or (h.kind == 2 and h.max_silence_ms == 0)
    need(good, "LIMIT_EXCEEDED", "max_silence_ms")
    return h


def plausible(head):
    """A header whose own bytes are in order, or None."""
    try:
        return read_header(bytes(head[:HEAD])) if head[:8] == MAGIC else None
    except Fault:
        return None


# --- payload ------------------------------------------------------------------------------------


def open_payload(h, stored):
    need(len(stored) == h.stored_len, "PAYLOAD_LENGTH_MISMATCH", "stored bytes")
    need(H(stored) == h.stored_hash, "PAYLOAD_HASH_MISMATCH")
    if h.codec == 1:
        need(h.raw_len == h.stored_len, "PAYLOAD_LENGTH_MISMATCH", "raw_len")
        return stored
    check_frame(stored, h.raw_len)
    import zstandard

    try:
        raw = zstandard.ZstdDecompressor(max_window_size=2**23).decompress(stored, max_output_size=h.raw_len)
    except zstandard.ZstdError as error:
        raise Fault("PAYLOAD_CORRUPT", str(error)) from error
    need(len(raw) == h.raw_len, "PAYLOAD_CORRUPT", "length")
    return raw


def check_frame(data, raw_len):
    """The shape of payload.md, The zstd frame."""
    at = 0

    def take(n):
        nonlocal at
        need(at + n <= len(data), "PAYLOAD_CORRUPT", "frame is cut short")
        at += n
        return int.from_bytes(data[at - n : at], "little")

    need(take(4) == 0xFD2FB528, "PAYLOAD_CORRUPT", "frame magic")
    descriptor = take(1)
    need(descriptor & 8 == 0 and descriptor & 4 and descriptor & 3 == 0, "PAYLOAD_CORRUPT", "descriptor")
    single, size_flag = descriptor >> 5 & 1, descriptor >> 6
    need(size_flag != 0 or single, "PAYLOAD_CORRUPT", "no content size")
    window = 0
    if not single:
        byte = take(1)
        base = 1 << 10 + (byte >> 3)
        window = base + base // 8 * (byte & 7)
    size = take((1, 2, 4, 8)[size_flag]) + (256 if size_flag == 1 else 0)
    need(size == raw_len, "PAYLOAD_CORRUPT", "content size")
    if single:
        window = size
    need(window <= 2**23, "PAYLOAD_CORRUPT", "window")
    last = 0
    while not last:
        block = take(3)
        last, kind, length = block & 1, block >> 1 & 3, block >> 3
        need(kind != 3 and length <= min(window, 131_072), "PAYLOAD_CORRUPT", "block")
        need(kind != 2 or length >= 2, "PAYLOAD_CORRUPT", "block")
        take(1 if kind == 1 else length)
    take(4)
    need(at == len(data), "PAYLOAD_CORRUPT", "bytes behind the frame")


@dataclass
class Item:
    tag: int
    time: int
    data: bytes
    source: bytes = bytes(16)
    offset: int = 0
    lines: list = field(default_factory=list)  # of spans: (offset in the span, end, ended by LF)


def cut_lines(data):
    lines, at = [], 0
    while at < len(data):
        end = data.find(b"\n", at, at + MAX_LINE)
        if end >= 0:
            lines.append((at, end, 1))
            at = end + 1
        else:
            end = min(at + MAX_LINE, len(data))
            lines.append((at, end, 0))
            at = end
    return lines


def read_items(raw):
    need(len(raw) > 32, "MALFORMED", "no item")
    items, at = [], 32
    while at < len(raw):
        tag = raw[at]
        need(tag in (1, 2), "MALFORMED", "tag")
        fixed = 37 if tag == 1 else 13
        need(at + fixed <= len(raw), "MALFORMED", "item is cut short")
        if tag == 1:
            source, offset, time, length = struct.unpack(">16sQQI", raw[at + 1 : at + 37])
        else:
            time, length = struct.unpack(">QI", raw[at + 1 : at + 13])
            source, offset = bytes(16), 0
        need(offset <= MAX and time <= MAX, "LIMIT_EXCEEDED", "u64 of an item")
        need(length >= (1 if tag == 1 else 2), "MALFORMED", "len")
        need(tag == 1 or length <= MAX_RECORD, "LIMIT_EXCEEDED", "record")
        need(at + fixed + length <= len(raw), "MALFORMED", "item is cut short")
        need(offset + length <= MAX, "LIMIT_EXCEEDED", "offset + len")
        data = raw[at + fixed : at + fixed + length]
        items.append(Item(tag, time, data, source, offset, cut_lines(data) if tag == 1 else []))
        at += fixed + length
    return items


def salts_of(seed, count):
    return shake_256(b"sealtail/1 salt" + seed).digest(16 * count)


def envelope(kind, flags, prev, seq, time, source, offset, salt, data):
    fixed = struct.pack(">BBBB32sQQ16sQ16sI", 2, 1, kind, flags, prev, seq, time, source, offset, salt, len(data))
    return fixed + data


def envelope_hashes(items, seed, first_seq, prev):
    """The hashes of a payload's envelopes."""
    count = sum(len(item.lines) if item.tag == 1 else 1 for item in items)
    salts, hashes = salts_of(seed, count), []
    for item in items:
        for at, end, ended in item.lines if item.tag == 1 else [(0, len(item.data), 0)]:
            i = len(hashes)
            prev = H(
                envelope(
                    item.tag - 1, ended, prev, first_seq + i, item.time, item.source, item.offset + at,
                    salts[16 * i : 16 * i + 16], item.data[at:end],
                )  # fmt: skip
            )
            hashes.append(prev)
    return hashes


def first_prev(grant_hash, run_id):
    return H(b"sealtail/1 first" + grant_hash + run_id)


def source_id(record):
    return H(b"\3" + record)[:16]
