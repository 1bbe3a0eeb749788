"""A writer of chains, from docs/spec. Every block is described, and every field of it can be bent before signing."""

import os
from hashlib import sha256

import zstandard

import ed25519
from form import (
    CONTEXT, HEAD, MAGIC, ZERO, H, Key, Tree, b64, canonical, cut_lines, envelope_hashes, envelope_root,
    first_prev, leaf, pack_header, root_of, source_id, Item,
)  # fmt: skip

T0 = 1767323045_000_000
CONFIG = {"name": "second", "sources": [{"include": ["/var/log/*.log"], "name": "app"}], "version": 1}


def seed_of(*what):
    return sha256(("second " + " ".join(map(str, what))).encode()).digest()


class Signer:
    def __init__(self, name, type_=1, what=None):
        self.seed = seed_of(what or name)
        self.key = Key(name, type_, ed25519.public(self.seed))

    def line(self, text, time=None, bend=None):
        """A signature line of a note."""
        if self.key.type == 1:
            signature = ed25519.sign(self.seed, text.encode())
        else:
            signature = time.to_bytes(8, "big")
            signature += ed25519.sign(self.seed, b"cosignature/v1\ntime %d\n" % time + text.encode())
        signature = bend(signature) if bend else signature
        return f"\u2014 {self.key.name} {b64(self.key.id + signature)}\n"


ROOT = Signer("second-root")
VAULT = Signer("second.vault")
VAULT_TIME = Signer("second.vault/time", 4)
FOREIGN = Signer("foreign.vault")
FOREIGN_TIME = Signer("foreign.vault/time", 4)


def bend_byte(data, at=-1):
    data = bytearray(data)
    data[at] ^= 1
    return bytes(data)


def make_receipt(chain, size, root, time, **o):
    text = f"{o.get('vault', 'second.vault')}/{chain.hex()}\n{size}\n{b64(root)}\n"
    text = o.get("text", lambda t: t)(text)
    key, stamp = o.get("keys", (VAULT, VAULT_TIME))
    lines = [key.line(text, bend=o.get("bend")), stamp.line(text, time, bend=o.get("bend_time"))]
    lines = o.get("lines", lambda x: x)(lines)
    return (text + "\n" + "".join(lines)).encode()


def make_grant(key, **o):
    lines = [
        "sealtail/1 grant",
        f"id {o.get('id', seed_of('grant id', o.get('name', 'a')).hex()[:32])}",
        f"role {o.get('role', 'write')}",
        f"subject {o.get('subject', 'second')}",
        f"audience {o.get('audience', 'second.vault')}",
        *(f"source {glob}" for glob in o.get("globs", ["/var/log/**"])),
        f"not-before {o.get('not_before', 1767225600)}",
        f"not-after {o.get('not_after', 1775001600)}",
        f"max-chains {o.get('max_chains', 1)}",
        f"max-silence-ms {o.get('max_silence_ms', 60000)}",
        f"key ed25519 {b64(key)}",
    ]
    lines = o.get("lines", lambda x: x)(lines)
    text = o.get("text", lambda t: t)("".join(line + "\n" for line in lines))
    signer = o.get("signer", ROOT)
    return o.get("note", lambda t: t)(text + "\n" + signer.line(text, bend=o.get("bend"))).encode()


def source_record(name, **o):
    record = {
        "type": "source", "name": "app", "path": f"/var/log/{name}.log", "dev": "2049", "ino": str(1000 + len(name)),
        "birth": "1767323000123456789", "generation": 0, "fingerprint": "ab" * 32, "fingerprint_len": 64,
    }  # fmt: skip
    record.update(o)
    return {k: v for k, v in record.items() if v is not None}


class Chain:
    """Blocks in the making. `sources`: name → [record, expected offset]."""

    def __init__(self, name="a", **grant):
        self.name = name
        self.grant_key = seed_of("grant key", grant.get("grant_key", name))
        self.grant = make_grant(grant.pop("key", ed25519.public(self.grant_key)), name=grant.get("name", name),
                                **{k: v for k, v in grant.items() if k != "name"})  # fmt: skip
        self.blocks, self.hashes = [], []
        self.seq, self.prev, self.tree, self.id = 0, None, Tree(), ZERO
        self.config, self.receipt, self.receipt_size = None, ZERO, 0
        self.sources, self.run, self.run_no = {}, None, 0
        self.time, self.mono = T0, 0
        self.no = 0
        self.heads = []

    def sign_seed(self, no):
        return self.grant_key if no == 0 else seed_of("block key", self.name, no)

    def source(self, name):
        return self.sources[name]

    def position(self, name, offset=None):
        record, expected = self.sources[name]
        return {"record": record, "offset": expected if offset is None else offset}

    def positions(self):
        ordered = sorted(self.sources, key=lambda n: source_id(canonical(self.sources[n][0])))
        return [self.position(n) for n in ordered]

    def root(self, size):
        return root_of(self.hashes[:size])

    def receipt_note(self, size, time=None, **o):
        time = time if time is not None else self.time // 1_000_000 + 1
        root = self.root(size) if size <= len(self.hashes) else seed_of("no root")
        return make_receipt(o.pop("of", self.id), o.pop("claim", size), o.pop("root", root), time, **o)

    # items

    def record(self, kind, *args):
        more = args[-1] if args and isinstance(args[-1], dict) else {}
        if kind == "start":
            obj = {"type": "start", "run": self.run.hex(), "version": "2", "host": "h", "labels": {"pod": "p"}}
        elif kind == "config":
            obj, more = {"type": "config", "config": more or CONFIG}, {}
            self.config = H(canonical(obj["config"]))
            self.config_object = obj["config"]
        elif kind == "snapshot":
            obj = {"type": "snapshot", "tree": [h.hex() for h in self.tree.frontier],
                   "config": getattr(self, "config_object", CONFIG), "sources": self.positions()}  # fmt: skip
        elif kind == "source":
            obj = source_record(args[0])
            obj.update(more)
            more = {}
            self.sources.setdefault(args[0], [{k: v for k, v in obj.items() if v is not None}, 0])
        elif kind == "end":
            record, expected = self.sources.pop(args[0])
            obj = {"type": "end", "source": source_id(canonical(record)).hex(), "size": expected, "cause": "deleted"}
        elif kind == "gap":
            record, expected = self.sources[args[0]]
            obj = {"type": "gap", "source": source_id(canonical(record)).hex(), "from": expected, "cause": "skipped"}
            if args[1] is None:
                del self.sources[args[0]]
            else:
                obj["to"] = self.sources[args[0]][1] = expected + args[1]
        elif kind == "rewritten":
            record, _ = self.sources[args[0]]
            obj = {"type": "rewritten", "source": source_id(canonical(record)).hex(), "from": args[1], "to": args[2]}
        elif kind == "heartbeat":
            obj = {"type": "heartbeat", "sources": []}
            for name in args[0] if args and not isinstance(args[0], dict) else []:
                record, expected = self.sources[name]
                id_ = source_id(canonical(record)).hex()
                obj["sources"].append({"source": id_, "size": expected, "offset": expected})
        elif kind == "receipt":
            note = self.receipt_note(args[0], **more)
            obj, more = {"type": "receipt", "note": note.decode()}, {}
            self.receipt, self.receipt_size = H(note), args[0]
        elif kind == "stop":
            obj = {"type": "stop", "reason": "test"}
        else:
            raise ValueError(kind)
        obj.update(more)
        return canonical({k: v for k, v in obj.items() if v is not None})

    def item(self, spec):
        kind, *args = spec
        if kind == "span":
            name, data, *offset = args
            record, expected = self.sources[name]
            at = offset[0] if offset else expected
            self.sources[name][1] = at + len(data)
            return Item(1, self.time, data, source_id(canonical(record)), at)
        if kind == "foreign-span":
            return Item(1, self.time, args[1], args[0], 0)
        if kind == "rec":
            return Item(2, self.time, canonical(args[0]))
        if kind == "raw":
            return Item(2, self.time, args[0])
        if kind == "change":  # (change, spec, function on bytes)
            made = self.item(args[0])
            made.data = args[1](made.data)
            return made
        if kind == "at":  # (at, spec, microseconds)
            made = self.item(args[0])
            made.time = args[1]
            return made
        return Item(2, self.time, self.record(kind, *args))

    @staticmethod
    def item_bytes(item):
        if item.tag == 1:
            fixed = item.source + item.offset.to_bytes(8, "big")
            return b"\1" + fixed + item.time.to_bytes(8, "big") + len(item.data).to_bytes(4, "big") + item.data
        return b"\2" + item.time.to_bytes(8, "big") + len(item.data).to_bytes(4, "big") + item.data

    def block(self, items, codec=1, kind=None, run=False, step=1_000_000, bend=None, header=None, stored=None,
              raw=None, sign=None, follow=None, silence=60000, back=0, head_bend=None, hold=False, remake=None):  # fmt: skip
        """One block. `header`: fields that replace the right ones (a value, or a function of the right one);
        `remake`: a function on the items; `stored`, `raw`: functions on bytes; `follow`: go on from what this header states."""
        no = self.no
        kind = (0 if no == 0 else 1) if kind is None else kind
        self.time += step
        if no == 0 or run:
            self.run = run if isinstance(run, bytes) else seed_of("run", self.name, self.run_no)[:16]
            self.run_no, self.mono = self.run_no + 1, 0
        else:
            self.mono += step
        if no == 0:
            grant_hash = (header or {}).get("receipt_hash", H(self.grant))
            self.prev = first_prev(grant_hash(H(self.grant)) if callable(grant_hash) else grant_hash, self.run)
        made = [self.item(spec) for spec in items]
        made = remake(made) if remake else made
        for item in made:
            item.lines = cut_lines(item.data) if item.tag == 1 else []
        seed = seed_of("seed", self.name, no)
        data = seed + b"".join(map(self.item_bytes, made))
        hashes = envelope_hashes(made, seed, self.seq, self.prev)
        data = raw(data) if raw else data
        if stored:
            payload = stored(data)
        elif codec == 2:
            payload = zstandard.ZstdCompressor(write_checksum=True).compress(data)
        else:
            payload = data
        values = {
            "magic": MAGIC, "suite": 1, "kind": kind, "codec": codec, "reserved": 0, "header_len": 384,
            "chain_id": self.id, "block_no": no, "first_seq": self.seq, "count": len(hashes), "raw_len": len(data),
            "stored_len": len(payload), "max_silence_ms": silence, "prev_hash": self.hashes[-1] if no else ZERO,
            "chain_root": self.tree.root(), "last_hash": hashes[-1], "envelope_root": envelope_root(hashes),
            "stored_hash": H(payload), "next_pub": ZERO if kind == 2 else ed25519.public(self.sign_seed(len(self.blocks) + 1)),
            "config_hash": self.config or ZERO, "receipt_hash": self.receipt if no else H(self.grant),
            "receipt_size": self.receipt_size, "run_id": self.run, "time": self.time - back, "mono": self.mono,
            "first_time": min(item.time for item in made),
        }  # fmt: skip
        for name, value in (header or {}).items():
            values[name] = value(values[name]) if callable(value) else value
        packed = pack_header(values)
        signature = ed25519.sign(sign or self.sign_seed(len(self.blocks)), CONTEXT + packed)
        head = packed + signature
        head = head_bend(head) if head_bend else head
        self.seq, self.prev = self.seq + len(hashes), hashes[-1]
        follow = follow or ()
        if "first_seq" in follow:
            self.seq = values["first_seq"] + len(hashes)
        if "count" in follow:
            self.seq = values["first_seq"] + values["count"]
        if "last_hash" in follow:
            self.prev = values["last_hash"]
        if "mono" in follow:
            self.mono = values["mono"]
        if "time" in follow:
            self.time = values["time"]
        if not hold:  # a block that is made, but is no part of the chain: a fork
            self.blocks.append(head + payload)
            self.hashes.append(leaf(head))
            self.tree.append(leaf(head))
            self.no = values["block_no"] + 1 if "block_no" in follow else no + 1
            if no == 0:
                self.id = leaf(head)
        return head + payload


class Store:
    """Objects by name; what a case bends last."""

    def __init__(self):
        self.files = {}

    def add(self, chain, receipt=True, split=None, **o):
        """Names a chain's objects. split: numbers of the blocks at which objects begin."""
        base = f"chains/{chain.id.hex()}"
        self.base = base
        self.files[f"{base}/grant"] = chain.grant
        starts = sorted({0, *(split or []), *range(0, len(chain.blocks), 1024)})
        for i, start in enumerate(starts):
            end = starts[i + 1] if i + 1 < len(starts) else len(chain.blocks)
            self.files[f"{base}/{start:016x}.blocks"] = b"".join(chain.blocks[start:end])
        for start in range(0, len(chain.blocks) - 1023, 1024):
            heads = b"".join(block[:HEAD] for block in chain.blocks[start : start + 1024])
            self.files[f"{base}/headers/{start:016x}"] = heads
        if receipt:
            size = len(chain.blocks) if receipt is True else receipt
            self.files[f"{base}/receipt"] = chain.receipt_note(size, **o)
        return base

    def blocks(self, base, start=0):
        return f"{base}/{start:016x}.blocks"

    def write(self, folder):
        for name, data in self.files.items():
            if data is None:
                continue
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
