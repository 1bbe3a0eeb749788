"""A verifier of stores, from docs/spec/verification.md. Prints findings as JSON.

    verifier.py STORE --root FILE --vault-key FILE --vault-key FILE [--at MICROSECONDS]
"""

import argparse
import json
import os
import re
import sys
from dataclasses import dataclass

import ed25519
from form import (
    HEAD, MAGIC, MAX, MAX_ENVELOPES, MAX_RECORD, ZERO, Fault, H, Header, Tree, canonical, envelope_hashes,
    envelope_root, first_prev, fold, is_hex, is_path, made_by, plausible, read_grant, read_header, read_items,
    read_json, read_key, read_receipt, open_payload, source_id,
)  # fmt: skip

CLASSES = {
    "finding": "GAP_DECLARED CLOCK_STEP_DECLARED CONFIG_CHANGED SOURCE_REWRITTEN RESTART_UNCLEAN DOWNTIME STOPPED"
    " TIME_SKEW TAIL_UNCONFIRMED CHAIN_REPLACED UNKNOWN_RECORD",
    "incomplete": "BLOCK_MISSING PAYLOAD_MISSING TAIL_TRUNCATED CHAIN_MISSING CHAIN_STALLED SILENCE_EXCEEDED"
    " REANCHORED GAP_UNDECLARED",
    "encoding": "MALFORMED NON_CANONICAL LIMIT_EXCEEDED",
    "cannot-judge": "UNSUPPORTED",
    "crypto": "BAD_SIGNATURE BAD_KEY KEY_REUSE UNKNOWN_ROOT UNAUTHENTICATED",
    "structure": "WRONG_CHAIN BAD_PREV BLOCK_ORDER BLOCK_DUPLICATE CHAIN_ROOT_MISMATCH SEQ_MISMATCH COUNT_MISMATCH"
    " LINK_MISMATCH ROOT_MISMATCH PAYLOAD_HASH_MISMATCH PAYLOAD_LENGTH_MISMATCH PAYLOAD_CORRUPT OFFSET_OVERLAP"
    " SOURCE_UNDECLARED SOURCE_OUT_OF_SCOPE START_MISSING EXTENDED_AFTER_FINAL TIME_REGRESSION RUN_ID_REUSED"
    " CONFIG_MISMATCH SNAPSHOT_MISMATCH PROOF_INVALID",
    "authority": "GRANT_BAD_SIGNATURE GRANT_EXPIRED GRANT_NOT_YET_VALID GRANT_WRONG_ROLE"
    " GRANT_WRONG_AUDIENCE GRANT_REUSED CHAIN_REPLACED_UNLINKED",
    "sink": "FORK RECEIPT_BAD_SIGNATURE RECEIPT_MISMATCH RECEIPT_REGRESSION",
}
CLASS_OF = {code: name for name, codes in CLASSES.items() for code in codes.split()}
VERDICTS = ["VALID", "VALID_WITH_FINDINGS", "INCOMPLETE", "INDETERMINATE", "INVALID"]
EXITS = {"VALID": 0, "VALID_WITH_FINDINGS": 3, "INCOMPLETE": 4, "INVALID": 5, "INDETERMINATE": 6}
WEEK = 7 * 86_400
WORST = {"finding": 1, "incomplete": 2, "cannot-judge": 3}

# --- records ------------------------------------------------------------------------------------


def is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def is_text(value):
    return isinstance(value, str)


def is_decimal(value):
    return is_text(value) and re.fullmatch(r"0|[1-9][0-9]*", value, re.A) is not None


def is_array(value, test):
    return isinstance(value, list) and all(map(test, value))


def is_position(value):
    if not isinstance(value, dict) or not is_int(value.get("offset")):
        return False
    record = value.get("record")
    return isinstance(record, dict) and record.get("type") == "source" and well_formed(record)


def is_beat(value):
    if not isinstance(value, dict):
        return False
    return is_hex(value.get("source"), 32) and is_int(value.get("size")) and is_int(value.get("offset"))


def one_of(*words):
    return lambda value: is_text(value) and value in words


def is_id(value):
    return is_hex(value, 32)


def is_hash(value):
    return is_hex(value, 64)


def is_object(value):
    return isinstance(value, dict)


RECORDS = {
    "start": {
        "run": is_id, "version": is_text, "host": is_text,
        "labels": lambda v: is_object(v) and all(map(is_text, v.values())),
    },
    "stop": {"reason": is_text},
    "config": {"config": is_object},
    "clock": {"before": is_int, "after": is_int, "mono": is_int},
    "heartbeat": {"sources": lambda v: is_array(v, is_beat)},
    "source": {
        "name": is_text, "path": lambda v: is_text(v) and is_path(v), "dev": is_decimal, "ino": is_decimal,
        "birth": is_decimal, "generation": is_int, "fingerprint": is_hash,
        "fingerprint_len": lambda v: is_int(v) and v <= 1024,
    },
    "end": {"source": is_id, "size": is_int, "cause": one_of("deleted", "restarted")},
    "gap": {
        "source": is_id, "from": is_int, "to?": is_int,
        "cause": one_of("truncated", "rotated-away", "unreadable", "skipped"),
    },
    "rewritten": {"source": is_id, "from": is_int, "to": is_int},
    "snapshot": {
        "tree": lambda v: is_array(v, is_hash), "config": is_object,
        "sources": lambda v: is_array(v, is_position),
    },
    "receipt": {"note": is_text},
    "predecessor": {
        "chain": is_hash, "size": is_int, "root": is_hash, "reason": is_text,
        "positions": lambda v: is_array(v, is_position),
    },
    "sink": {"event": one_of("unreachable", "rollback", "fork", "refused"), "since?": is_int, "detail?": is_text},
}  # fmt: skip


def well_formed(record):
    for key, test in RECORDS[record["type"]].items():
        name = key.rstrip("?")
        if name not in record:
            if not key.endswith("?"):
                return False
        elif not test(record[name]):
            return False
    return True


def unknown_keys(record):
    known = {key.rstrip("?") for key in RECORDS[record["type"]]} | {"type"}
    return set(record) - known


# --- the place ----------------------------------------------------------------------------------


class ChainFiles:
    """What a directory holds of one chain."""

    def __init__(self, folder, chain):
        self.folder, self.chain = folder, chain
        self.blocks = sorted(n for n in self.list("") if re.fullmatch(r"[0-9a-f]{16}\.blocks", n))
        self.headers = sorted(n for n in self.list("headers") if is_hex(n, 16))
        self.forks = sorted(n for n in self.list("forks") if re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]{64}", n))

    def list(self, under):
        folder = os.path.join(self.folder, under)
        return os.listdir(folder) if os.path.isdir(folder) else []

    def read(self, name):
        try:
            with open(os.path.join(self.folder, name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def name(self, object_):
        return f"chains/{self.chain}/{object_}"


@dataclass
class Trust:
    roots: list
    vaults: dict  # name → pairs of (key, time key)
    at: int = None


def trust_of(root_texts, vault_texts, at=None):
    roots, vaults = [read_key(t.strip()) for t in root_texts], {}
    keys = [read_key(t.strip()) for t in vault_texts]
    for key in keys:
        if key.type == 1:
            pair = [k for k in keys if k.type == 4 and k.name == key.name + "/time"]
            if not pair:
                raise Fault("BAD_KEY", "a vault's key without its time key")
            if any(k.public == key.public for k in pair):
                raise Fault("BAD_KEY", "a vault whose two keys are one")
            vaults.setdefault(key.name, []).extend((key, k) for k in pair)
    return Trust(roots, vaults, at)


# --- the walk -----------------------------------------------------------------------------------


@dataclass
class Run:
    id: bytes
    mono: int
    time: int
    promise: int


@dataclass
class Open:
    record: dict
    expected: int  # None: unknown


def is_config(item):
    """A record that is well-formed and a config."""
    if item.tag == 1:
        return False
    try:
        record = read_json(item.data)
    except Fault:
        return False
    return record.get("type") == "config" and well_formed(record)


class Walk:
    def __init__(self, files, trust):
        self.files, self.trust = files, trust
        self.chain = bytes.fromhex(files.chain)
        self.findings, self.unchecked = [], []
        # state
        self.no, self.key, self.prev, self.tree = 0, None, ZERO, Tree()
        self.seqs, self.last = [0], None
        self.run, self.run_ids, self.stopped = None, set(), None
        self.config, self.config_known = None, True  # hash of the newest config record
        self.receipt_hash, self.receipt_size, self.receipt_known, self.size_known = ZERO, 0, True, True
        self.table, self.loose = {}, False
        # memory
        self.roots = {0: self.tree.root()}
        self.heads = {}  # number → (Header, key that signed it)
        self.unusable = 0
        self.refused, self.passed, self.payload_missing = set(), set(), []
        self.extended, self.stretch, self.breaks = False, None, []
        self.unsupported = False
        self.genuine = []  # receipts: genuine
        self.first_known, self.failed = False, False  # the first of them; whether a recorded one does not count
        self.own_genesis = None  # the one whose hash is the chain's id, however it was judged
        self.names_grant = None  # whether the genesis names the grant that is there
        self.vouching = []  # receipts that pass all steps and count: Receipt
        self.signers = set()  # keys that signed a block
        self.closed = {}  # source id → where it ended
        self.skewed, self.floor, self.compared = set(), None, 0
        self.receipt_before = 0, 0
        self.predecessors = []
        self.unread = False
        self.envelopes = 0
        self.genesis_signed = False
        self.untold = False  # whether its grant was for it
        self.uses = []
        self.final = None

    def find(self, code, block=None, count=None, seq=None, object_=None):
        finding = {"code": code, "chain": self.files.chain}
        for key, value in (("block", block), ("blocks", count), ("seq", seq), ("object", object_)):
            if value is not None:
                finding[key] = value
        self.findings.append(finding)

    # B: grant

    def judge_grant(self):
        self.grant, self.grant_ok, data = None, False, self.files.read("grant")
        try:
            if data is None:
                raise Fault("UNKNOWN_ROOT", "no grant")
            self.grant_hash = H(data)
            self.grant, note = read_grant(data)
            made = [(made_by(note, key), key) for key in self.trust.roots if key.type == 1]
            good = [key for result, key in made if result is not None and result is not False]
            if not good:
                raise Fault("GRANT_BAD_SIGNATURE" if any(r is False for r, _ in made) else "UNKNOWN_ROOT")
            self.uses = [("text", note.text), *((key.public, self.grant.id) for key in good)]
            if self.grant.role != "write":
                raise Fault("GRANT_WRONG_ROLE")
            if self.trust.vaults and self.grant.audience not in self.trust.vaults:
                raise Fault("GRANT_WRONG_AUDIENCE")
            if not ed25519.good_key(self.grant.key):
                raise Fault("BAD_KEY")
            self.grant_ok, self.key = True, self.grant.key
        except Fault as fault:
            self.find(fault.code, object_=self.files.name("grant"))
            self.unsupported = fault.code == "UNSUPPORTED"
            first = plausible(self.files.read(self.files.blocks[0])) if self.files.blocks else None
            if self.grant and first and first.signed_by(self.grant.key):
                self.key = self.grant.key

    # A: splitting objects into blocks

    def walk(self):
        self.stored_receipt = self.files.read("receipt")
        self.judge_grant()
        self.copies = {}
        for name in self.files.headers:
            data = self.files.read(f"headers/{name}")
            if len(data) != 1024 * HEAD:
                self.find("MALFORMED", object_=self.files.name(f"headers/{name}"))
            elif int(name, 16) % 1024 == 0:
                self.copies[int(name, 16)] = data
        for i, name in enumerate(self.files.blocks):
            self.walk_object(i, name)
        self.take_heads(MAX)
        self.check_copies()
        self.judge_forks()
        self.finish()

    def take_heads(self, until):
        """Heads from headers objects where blocks are missing."""
        while self.expected() < until:
            no = self.expected()
            data = self.copies.get(no - no % 1024)
            if data is None:
                return
            head = data[no % 1024 * HEAD :][:HEAD]
            self.block(head, "headers/%016x" % (no - no % 1024), payload_there=False)
            if self.expected() == no:
                return

    def expected(self):
        return self.no + self.unusable

    def walk_object(self, i, name):
        data, newest = self.files.read(name), i + 1 == len(self.files.blocks)
        first = plausible(data)
        if first:
            self.take_heads(first.block_no)
        at = 0
        while at < len(data):
            head = plausible(data[at : at + HEAD])
            end = self.end_of(data, at, head)
            piece = data[at:end]
            if end == len(data) and self.is_no_block(i, piece, head, newest):
                return
            expected = self.no
            accepted = self.block(piece, name)
            if at == 0 and accepted and int(name[:16], 16) not in (accepted.block_no, expected):
                self.find("NON_CANONICAL", block=accepted.block_no, object_=self.files.name(name))
            at = end

    def end_of(self, data, at, head):
        if head is None:
            return self.next_plausible(data, at + 1, len(data)) or len(data)
        claim = at + HEAD + head.stored_len
        behind = data[claim : claim + 8]
        if claim <= len(data) and behind == MAGIC[: len(behind)]:
            return claim
        start, most = at + HEAD, at + HEAD + 8_454_144
        end = None
        if self.key and head.signed_by(self.key):
            if claim <= len(data) and H(data[start:claim]) == head.stored_hash:
                return claim
            end = self.next_plausible(data, start, most, head.hash) or self.next_plausible(data, claim, most)
        else:
            end = self.next_plausible(data, start, most)
        return end or min(len(data), most + HEAD)

    @staticmethod
    def next_plausible(data, start, most, prev=None):
        at = data.find(MAGIC, start)
        while 0 <= at <= most:
            head = plausible(data[at : at + HEAD])
            if head and prev in (None, head.prev_hash):
                return at
            at = data.find(MAGIC, at + 1)
        return None

    def is_no_block(self, i, piece, head, newest):
        """Bytes at the end of an object that are a torn tail, or junk that begins no block."""
        if newest:
            if len(piece) < HEAD:
                if piece[:8] != MAGIC[: len(piece)]:
                    self.find("NON_CANONICAL", block=max(0, self.expected() - 1), object_=self.files.name(self.files.blocks[i]))
                return True
            if head and len(piece) < HEAD + head.stored_len:
                findings, accepted, _ = self.judge_header(head)
                return accepted and not findings
            return False
        if head is None and piece[:8] != MAGIC[: len(piece)]:
            following = plausible(self.files.read(self.files.blocks[i + 1])[:HEAD])
            if following and following.block_no == self.expected():
                self.find("NON_CANONICAL", block=max(0, self.expected() - 1), object_=self.files.name(self.files.blocks[i]))
                return True
        return False

    # D: each header

    def judge_header(self, h):
        """Rules 2 to 12: findings as (code, position), accepted, thread taken up. Changes nothing."""
        findings = []

        def refuse(code, position):
            return [(code, position)], False, False

        if self.final is not None:
            return refuse("EXTENDED_AFTER_FINAL", h.block_no)
        linked, thread = h.prev_hash == self.prev, False
        if not linked and not (h.kind == 0 and self.no == 0):
            if (h.hash if h.kind == 0 else h.chain_id) != self.chain:
                return refuse("WRONG_CHAIN", self.expected())
            if h.block_no < self.no:
                other, key = self.heads.get(h.block_no, (None, None))
                if other and other.head == h.head:
                    return refuse("BLOCK_DUPLICATE", h.block_no)
                if other and key and h.signed_by(key):
                    return refuse("FORK", h.block_no)
                return refuse("BLOCK_ORDER", h.block_no)
            thread = h.block_no > self.no
        if not thread and self.key and not h.signed_by(self.key):
            return refuse("BAD_SIGNATURE", self.expected())
        at = h.block_no if thread else self.no
        tree, seqs, run, key = self.tree, self.seqs, self.run, self.key
        if thread:
            one = h.block_no == self.no + 1 and tree
            tree = Tree(tree.size, tree.frontier) if one else None
            if one:
                tree.append(h.prev_hash)
            seqs = run = key = None
        if (h.hash if h.kind == 0 else h.chain_id) != self.chain or (h.kind == 0 and h.chain_id != ZERO):
            findings.append(("WRONG_CHAIN", at))
        elif not thread and h.block_no != self.no:
            findings.append(("BLOCK_ORDER", at))
        elif not thread and not linked:
            findings.append(("BAD_PREV", at))
        elif tree and h.chain_root != tree.root():
            findings.append(("CHAIN_ROOT_MISMATCH", at))
        elif seqs is not None and h.first_seq not in seqs:
            findings.append(("SEQ_MISMATCH", at))
        if h.kind != 2:
            if not ed25519.good_key(h.next_pub):
                findings.append(("BAD_KEY", at))
            elif key == h.next_pub or h.next_pub in self.signers:
                findings.append(("KEY_REUSE", at))
        if run:
            if h.run_id != run.id:
                if h.run_id in self.run_ids:
                    findings.append(("RUN_ID_REUSED", at))
            elif h.mono < run.mono:
                findings.append(("TIME_REGRESSION", at))
            elif run.promise and h.mono - run.mono > run.promise * 1000:
                findings.append(("SILENCE_EXCEEDED", at))
        if self.grant_ok and h.max_silence_ms > self.grant.max_silence_ms:
            findings.append(("LIMIT_EXCEEDED", at))
        if h.receipt_size > h.block_no:
            findings.append(("RECEIPT_MISMATCH", at))
        elif h.receipt_size < self.receipt_size:
            findings.append(("RECEIPT_REGRESSION", at))
        return findings, True, thread

    def block(self, piece, name, payload_there=True):
        try:
            h = read_header(bytes(piece[:HEAD]))
        except Fault as fault:
            self.find(fault.code, block=self.expected(), object_=self.files.name(name))
            self.unsupported = fault.code == "UNSUPPORTED"
            self.refuse()
            return
        if h.kind == 0 and h.hash == self.chain:
            self.names_grant = self.grant is not None and h.receipt_hash == self.grant_hash
            self.own_genesis = h
        findings, accepted, thread = self.judge_header(h)
        if not accepted:
            self.refused_block(h, *findings[0], name)
            return
        for code, position in findings:
            self.find(code, block=position, object_=self.files.name(name))
        if thread:
            self.take_up(h)
        if self.key is None:
            self.breaks.append((self.no, self.unsupported))
        if h.kind == 0:
            self.chain = h.hash
            self.genesis_signed = self.key is not None
            self.last = {first_prev(h.receipt_hash, h.run_id)}
            if self.grant_ok:
                self.last.add(first_prev(self.grant_hash, h.run_id))
        self.payload(h, piece[HEAD:] if payload_there else None, {code for code, _ in findings})
        self.accept(h, {code for code, _ in findings})
        return h

    def refuse(self):
        self.refused.add(self.expected())
        self.unusable += 1

    def refused_block(self, h, code, position, name):
        if code == "EXTENDED_AFTER_FINAL" and self.extended:
            return
        self.find(code, block=position, object_=self.files.name(name))
        if code == "EXTENDED_AFTER_FINAL":
            self.extended = True
        elif code == "BLOCK_ORDER":
            self.refused.add(h.block_no)
        elif code in ("BAD_SIGNATURE", "WRONG_CHAIN"):
            self.unsupported = False
            self.refuse()

    def take_up(self, h):
        for no in range(self.no, min(h.block_no, self.no + 100_000)):
            self.passed.add(no)
        if h.block_no == self.no + 1 and self.tree:
            self.tree.append(h.prev_hash)
            self.roots[self.tree.size] = self.tree.root()
        else:
            self.tree = None
        self.key = self.seqs = self.last = self.run = self.stopped = None
        self.config_known = self.receipt_known = False
        self.make_loose()
        self.no = h.block_no

    def make_loose(self):
        self.loose = True
        for entry in self.table.values():
            entry.expected = None

    def accept(self, h, codes):
        self.heads[self.no] = (h, self.key)
        if self.key:
            self.signers.add(self.key)
        self.no += 1
        self.key = None if h.kind == 2 or "BAD_KEY" in codes else h.next_pub
        self.final = h if h.kind == 2 else None
        self.prev = h.hash
        if self.tree:
            self.tree.append(h.hash)
            self.roots[self.tree.size] = self.tree.root()
        self.run = Run(h.run_id, h.mono, h.time, h.max_silence_ms)
        self.run_ids.add(h.run_id)
        self.unusable, self.unsupported, self.newest = 0, False, h

    # E: payload

    def payload(self, h, stored, given):
        no = self.no
        quiet = any(CLASS_OF[code] in ("encoding", "structure") for code in given)

        def find(code, **where):
            if code in given or (quiet and CLASS_OF[code] in ("encoding", "structure")):
                return
            self.find(code, block=no, **where)

        self.begins = True if h.kind == 0 else None if self.run is None else h.run_id != self.run.id
        items = None
        if stored is None:
            self.payload_missing.append(self.no)
        else:
            try:
                raw = open_payload(h, stored)
                items = read_items(raw)
            except Fault as fault:
                find(fault.code)
        if items is not None:
            held = sum(len(item.lines) if item.tag == 1 else 1 for item in items)
            if held != h.count:
                find("COUNT_MISMATCH")
            if held > MAX_ENVELOPES or h.first_seq + held > MAX:
                items = None
        if self.begins and h.kind != 0 and self.stopped is not None:
            find("DOWNTIME" if self.stopped else "RESTART_UNCLEAN")
        if items is None:
            self.not_read(h)
            self.judge_floor(h)
            return
        self.envelopes += held
        self.clock = False
        self.judge_items(h, items, find)
        if not self.clock:
            times = [item.time for item in items]
            back = self.run and self.begins is not None and h.time + 5_000_000 < self.run.time
            if back or max(times) > h.time + 300_000_000 or min(times) < h.time - WEEK * 1_000_000:
                self.skew(no)
        self.judge_floor(h)
        self.judge_links(h, raw, items, held, find)
        self.follow_seqs(h, held)
        self.judge_ends(h, find)

    # times: one finding a block

    def skew(self, no):
        if no not in self.skewed:
            self.skewed.add(no)
            self.find("TIME_SKEW", block=no)

    def judge_floor(self, h):
        if self.floor is not None and h.time < (self.floor - 300) * 1_000_000:
            self.skew(self.no)
            self.floor = None

    def compare_times(self, receipt):
        size, time = self.receipt_before
        if receipt.size > size and receipt.time < time:
            self.skew(receipt.size - 1)
        if receipt.size >= size:
            self.receipt_before = receipt.size, max(receipt.time, time if receipt.size == size else 0)
        all_read = not self.unread and len(self.heads) == self.no
        self.floor = max(self.floor or 0, receipt.time)
        for no in range(self.compared, min(receipt.size, self.no)):
            if no in self.heads:
                ahead = self.heads[no][0].time / 1e6 - receipt.time
                if ahead > 300 or (all_read and -ahead > WEEK):
                    self.skew(no)
                    break
        self.compared = max(self.compared, receipt.size)

    def not_read(self, h):
        self.unread = True
        self.config, self.config_known = h.config_hash, True
        self.receipt_hash, self.receipt_known = (ZERO if h.kind == 0 else h.receipt_hash), True
        self.receipt_size, self.size_known = h.receipt_size, True
        self.last, self.stopped = {h.last_hash}, None
        self.follow_seqs(h, h.count)
        self.make_loose()
        self.envelopes += h.count

    def follow_seqs(self, h, held):
        candidates = self.seqs or []
        earlier = [] if h.first_seq in candidates else candidates
        found = [h.end_seq, h.first_seq + held, *(c + held for c in earlier)]
        self.seqs = list(dict.fromkeys(found))[:4]

    def judge_links(self, h, raw, items, held, find):
        following = {h.last_hash}
        if held == h.count and self.last is not None:
            runs = [envelope_hashes(items, raw[:32], h.first_seq, prev) for prev in self.last]
            fitting = [hashes for hashes in runs if hashes[-1] == h.last_hash]
            if not fitting:
                find("LINK_MISMATCH")
                following |= {hashes[-1] for hashes in runs}
            elif all(envelope_root(hashes) != h.envelope_root for hashes in fitting):
                find("ROOT_MISMATCH")
        self.last = following
        if min(item.time for item in items) != h.first_time:
            find("MALFORMED")

    def judge_ends(self, h, find):
        required = self.begins or h.block_no % 1024 == 0
        if required and self.snapshot is None:
            find("SNAPSHOT_MISMATCH")
        if self.config_known and self.config != h.config_hash and (self.config or h.kind == 0):
            find("CONFIG_MISMATCH")
        if h.kind == 0:
            if self.grant_ok and h.receipt_hash != self.grant_hash:
                find("RECEIPT_MISMATCH")
            elif h.receipt_size != 0:
                find("RECEIPT_MISMATCH")
        elif self.receipt_known:
            if h.receipt_hash != self.receipt_hash:
                find("RECEIPT_MISMATCH")
            elif self.size_known and h.receipt_size != self.receipt_size:
                find("RECEIPT_MISMATCH")
        if not self.config_known or self.config is None:
            self.config, self.config_known = h.config_hash, True
        if not self.receipt_known:
            self.receipt_hash, self.receipt_known = h.receipt_hash, True
            self.size_known = False
        if not self.size_known:
            self.receipt_size, self.size_known = h.receipt_size, True

    def judge_items(self, h, items, find):
        seq, stopped, reported = h.first_seq, self.stopped is True and self.begins is False, False
        self.kinds, self.snapshot, ended = [], None, False
        # Of a genesis: the place of its first config record.
        self.config_at = next((i for i, item in enumerate(items) if is_config(item)), None) if h.kind == 0 else None
        for i, item in enumerate(items):
            def at(code, seq=seq):
                find(code, seq=seq)

            type_, record, good = None, None, False
            if item.tag == 2:
                type_, record, good = self.read_record(item.data, at)
            wrong = stopped
            if type_ == "start":
                if i > 0 or self.begins is False:
                    wrong = True
                elif good and record["run"] != h.run_id.hex():
                    wrong = True
                elif self.begins is None:
                    self.begins = True
            elif i == 0 and self.begins:
                wrong = True
            if wrong and not reported:
                at("START_MISSING")
                reported = True
            if item.tag == 1:
                self.span(item, at)
            elif type_:
                if good:
                    self.take_record(h, item, record, at)
                else:
                    self.take_malformed(record)
            ended = type_ == "stop" and good
            stopped = stopped or ended
            self.kinds.append(type_ or "span")
            seq += len(item.lines) if item.tag == 1 else 1
        self.stopped = ended

    def read_record(self, data, at):
        """Type, record, well-formed; type is None where the record means nothing."""
        try:
            record = read_json(data)
        except Fault as fault:
            at(fault.code)
            return None, None, False
        if not is_text(record.get("type")):
            at("MALFORMED")
            return None, None, False
        if record["type"] not in RECORDS:
            at("UNKNOWN_RECORD")
            return None, None, False
        if not well_formed(record):
            at("MALFORMED")
            return record["type"], record, False
        if unknown_keys(record):
            at("UNKNOWN_RECORD")
        return record["type"], record, True

    # the table of sources

    def span(self, item, at):
        entry = self.table.get(item.source)
        if entry is None:
            if not self.loose:
                at("SOURCE_UNDECLARED")
            return
        self.reopened(item.source, item.offset, at)
        if entry.expected is not None and item.offset != entry.expected:
            at("GAP_UNDECLARED" if item.offset > entry.expected else "OFFSET_OVERLAP")
        entry.expected = item.offset + len(item.data)

    def reopened(self, id_, offset, at):
        """A source that was closed is sealed again: it goes on, or it is evidence."""
        if offset < self.closed.pop(id_, 0):
            at("SOURCE_REWRITTEN")

    def close(self, id_):
        entry = self.table.pop(id_)
        if entry.expected is not None:
            self.closed[id_] = max(entry.expected, self.closed.get(id_, 0))

    def open_source(self, record, expected, at):
        data = canonical(record)
        id_ = source_id(data)
        if id_ in self.table:
            return
        if sum(len(canonical(e.record)) for e in self.table.values()) + len(data) > MAX_RECORD:
            at("LIMIT_EXCEEDED")
            return
        if well_formed(record) and self.grant_ok and not self.grant.in_scope(record["path"]):
            at("SOURCE_OUT_OF_SCOPE")
        self.table[id_] = Open(record, expected)

    def entry_of(self, record, at):
        entry = self.table.get(bytes.fromhex(record["source"]))
        if entry is None and not self.loose:
            at("SOURCE_UNDECLARED")
        return entry

    def take_record(self, h, item, record, at):
        type_ = record["type"]
        handler = getattr(self, "take_" + type_, None)
        if handler:
            handler(h, record, at)

    def take_malformed(self, record):
        type_, source = record["type"], record.get("source")
        id_ = bytes.fromhex(source) if is_id(source) else None
        if type_ == "end" or (type_ == "gap" and "to" not in record):
            self.table.pop(id_, None)
        elif type_ == "gap" and id_ in self.table:
            self.table[id_].expected = record["to"] if is_int(record["to"]) else None
        elif type_ == "source":
            self.open_source(record, 0, lambda code: None)
        elif type_ == "predecessor" and isinstance(record.get("positions"), list):
            for position in filter(is_position, record["positions"]):
                self.open_source(position["record"], position["offset"], lambda code: None)

    def take_source(self, h, record, at):
        self.open_source(record, 0, at)

    def take_end(self, h, record, at):
        entry = self.entry_of(record, at)
        if entry:
            if entry.expected is not None and record["size"] != entry.expected:
                at("MALFORMED")
            self.close(bytes.fromhex(record["source"]))

    def take_gap(self, h, record, at):
        at("GAP_DECLARED")
        entry = self.entry_of(record, at)
        if entry is None:
            return
        to = record.get("to")
        if (to is not None and to <= record["from"]) or entry.expected not in (None, record["from"]):
            at("MALFORMED")
        if to is None:
            self.close(bytes.fromhex(record["source"]))
            return
        known, entry.expected = entry.expected is not None, to
        if known and record["from"] == 0:
            self.reopened(bytes.fromhex(record["source"]), to, at)

    def take_rewritten(self, h, record, at):
        at("SOURCE_REWRITTEN")
        entry = self.entry_of(record, at)
        if entry is None:
            return
        if record["from"] >= record["to"] or (entry.expected is not None and record["to"] > entry.expected):
            at("MALFORMED")

    def take_heartbeat(self, h, record, at):
        if not self.loose and any(bytes.fromhex(s["source"]) not in self.table for s in record["sources"]):
            at("SOURCE_UNDECLARED")

    def take_config(self, h, record, at):
        hash_ = H(canonical(record["config"]))
        if self.config_known and self.config is not None and self.config != hash_:
            at("CONFIG_CHANGED")
        self.config, self.config_known = hash_, True

    def take_clock(self, h, record, at):
        self.clock = True
        at("CLOCK_STEP_DECLARED")

    def take_snapshot(self, h, record, at):
        if self.kinds not in ([], ["start"], ["config"], ["start", "config"]):
            at("SNAPSHOT_MISMATCH")
            return  # misplaced: it does not count
        self.snapshot = record
        hashes = [bytes.fromhex(x) for x in record["tree"]]
        tree_ok = len(hashes) == bin(h.block_no).count("1") and fold(hashes) == h.chain_root
        config = H(canonical(record["config"]))
        config_ok = not self.config_known or self.config in (None, config)
        ids = [source_id(canonical(p["record"])) for p in record["sources"]]
        listed = dict(zip(ids, (p["offset"] for p in record["sources"])))
        sources_ok = all(a < b for a, b in zip(ids, ids[1:]))
        if sources_ok and not self.loose:
            sources_ok = listed == {id_: entry.expected for id_, entry in self.table.items()}
        if self.config is None and self.config_at is not None:
            config_ok = False  # the genesis states a config, but behind its snapshot
        if not (tree_ok and config_ok and sources_ok):
            at("SNAPSHOT_MISMATCH")
        if not self.config_known:
            self.config, self.config_known = config, True
        if tree_ok and not self.tree:
            self.tree = Tree(h.block_no, hashes)
            self.roots[h.block_no] = h.chain_root
        if self.loose and tree_ok and config_ok:
            self.table = {}
            self.loose = False
            for position in record["sources"]:
                self.open_source(position["record"], position["offset"], at)

    def take_receipt(self, h, record, at):
        note = record["note"].encode()
        self.receipt_hash, self.receipt_known = H(note), True
        before, self.size_known = self.receipt_size, True
        try:
            receipt = read_receipt(note)
        except Fault as fault:
            at(fault.code)
            self.size_known, self.failed = False, True
            return
        self.receipt_size = receipt.size
        code = self.judge_receipt(receipt, (h.block_no, before))
        if code:
            at(code)

    def take_predecessor(self, h, record, at):
        if h.kind != 0 or "snapshot" not in self.kinds:
            at("MALFORMED")
        else:
            at("CHAIN_REPLACED")
            self.predecessors.append((record, at))
        for position in record["positions"]:
            self.open_source(position["record"], position["offset"], at)

    # receipts

    def judge_receipt(self, receipt, recorded=None):
        known = len(self.genuine)
        code = self.receipt_fault(receipt, recorded)
        if not known and self.genuine:
            whole = not self.unread and len(self.heads) == self.no
            self.first_known = bool(recorded) and whole and not self.failed
        if recorded and (code or len(self.genuine) == known):
            self.failed = True
        return code

    def receipt_fault(self, receipt, recorded):
        """A code or None. Steps 2 to 6; a stored receipt whose size is above the length is for the caller."""
        if self.grant_ok and receipt.vault != self.grant.audience:
            return "RECEIPT_MISMATCH"
        pairs = self.trust.vaults.get(receipt.vault, [])
        for pair in pairs:
            try:
                results = [made_by(receipt.note, key) for key in pair]
            except Fault as fault:
                return fault.code
            if all(result is not None and result is not False for result in results):
                receipt.time = results[1]
                break
        else:
            if pairs:
                return "RECEIPT_BAD_SIGNATURE"
        if receipt.chain != self.chain:
            return "RECEIPT_MISMATCH"
        if recorded:
            if receipt.size > recorded[0]:
                return "RECEIPT_MISMATCH"
            if receipt.size < recorded[1]:
                return "RECEIPT_REGRESSION"
        if not pairs:
            return None
        length = self.expected()
        if not recorded and receipt.size > length:
            self.take_genuine(receipt)
            self.find("TAIL_TRUNCATED", block=length, count=receipt.size - length)
            return "TAIL_TRUNCATED"
        root = self.roots.get(receipt.size)
        if root is not None and root != receipt.root:
            return "RECEIPT_MISMATCH"
        self.take_genuine(receipt)
        if root is not None and self.grant_ok:
            self.vouching.append(receipt)
        return None

    def take_genuine(self, receipt):
        self.genuine.append(receipt)
        if self.grant_ok:
            self.compare_times(receipt)

    # headers objects and forks

    def check_copies(self):
        for first, data in self.copies.items():
            for i in range(1024):
                head = data[i * HEAD : (i + 1) * HEAD]
                if first + i in self.heads and self.heads[first + i][0].head != head:
                    self.find("BAD_SIGNATURE", block=first + i, object_=self.files.name("headers/%016x" % first))

    def judge_forks(self):
        for name in self.files.forks:
            no, data = int(name[:16], 16), self.files.read("forks/" + name)
            walked, key = self.heads.get(no, (None, self.key if no == self.no else None))
            heads = [plausible(data[:HEAD]), plausible(data[HEAD:])] if len(data) == 2 * HEAD else []
            ours = [h for h in heads if h and h.kind != 0 and h.chain_id == self.chain and h.block_no == no]
            good = [h for h in ours if key and h.signed_by(key) and not (walked and h.head == walked.head)]
            if data[:HEAD] != data[HEAD:] and len(good) >= (1 if walked else 2):
                self.find("FORK", block=no, object_=self.files.name("forks/" + name))
            else:
                self.find("PROOF_INVALID", block=no, object_=self.files.name("forks/" + name))

    # F: head, G: authentication

    def finish(self):
        ok = True
        if self.stored_receipt is not None:
            try:
                code = self.judge_receipt(read_receipt(self.stored_receipt))
            except Fault as fault:
                code = fault.code
            if code and code != "TAIL_TRUNCATED":
                self.find(code, object_=self.files.name("receipt"))
            ok = code is None
        covered = max((r.size for r in self.genuine), default=0)
        if ok and covered < self.no:
            self.find("TAIL_UNCONFIRMED", block=covered, count=self.no - covered)
        if self.grant_ok and self.genuine:
            first = self.genuine[0].time
            if first < self.grant.not_before:
                self.find("GRANT_NOT_YET_VALID", object_=self.files.name("grant"))
            elif first > self.grant.not_after and not self.unread:
                begun = self.heads[0][0].time if 0 in self.heads else 0
                if begun // 1_000_000 > self.grant.not_after:
                    self.find("GRANT_EXPIRED", object_=self.files.name("grant"))
                else:
                    self.find("TIME_SKEW", block=0)
        self.missing()
        self.authenticate()
        newest = getattr(self, "newest", None)
        if self.trust.at is not None and newest and newest.kind != 2:
            there = newest.time
            if covered > newest.block_no:
                there = min(there, self.genuine[-1].time * 1_000_000)
            if there + newest.max_silence_ms * 1000 < self.trust.at:
                self.find("STOPPED" if self.stopped else "CHAIN_STALLED", block=newest.block_no)

    def missing(self):
        for code, numbers in (
            ("BLOCK_MISSING", sorted(self.passed - self.refused - set(self.heads))),
            ("PAYLOAD_MISSING", sorted(self.payload_missing)),
        ):
            first = None
            for i, no in enumerate(numbers):
                if first is None:
                    first = no
                if i + 1 == len(numbers) or numbers[i + 1] != no + 1:
                    self.find(code, block=first, count=no - first + 1)
                    first = None

    def authenticate(self):
        unauthenticated, healed_to = None, -1
        for i, (no, behind_unsupported) in enumerate(self.breaks):
            if any(r.size > no for r in self.vouching):
                self.find("REANCHORED", block=no)
            elif not behind_unsupported and unauthenticated is None:
                unauthenticated = no
        if unauthenticated is not None:
            self.find("UNAUTHENTICATED", block=unauthenticated)

    def never_began(self):
        traces = self.files.headers or self.files.forks or self.heads or self.unusable
        found = [f for f in self.findings if f.get("object") != self.files.name("grant")]
        return self.stored_receipt is None and not traces and not found

    def verdict(self):
        worst = max((WORST.get(CLASS_OF[f["code"]], 4) for f in self.findings), default=0)
        return VERDICTS[max(worst, 0 if self.heads or self.genuine else 3, 3 if self.untold else 0)]


# --- chains against each other ------------------------------------------------------------------


def chains_before(record, by_id):
    """The chains that one goes on for, the nearest first, as far as their roots agree."""
    older = []
    while record is not None:
        old = by_id.get(record["chain"])
        root = old and old.roots.get(record["size"])
        if old is None or root is None or root.hex() != record["root"] or old in older:
            break
        older.append(old)
        record = next((r for r, _ in old.predecessors), None)
    return older


def held_of(walk, id_):
    """Up to where a chain holds a source at its end."""
    entry = walk.table.get(id_)
    expected = 0 if entry is None else MAX if entry.expected is None else entry.expected
    return max(expected, walk.closed.get(id_, 0))


def compare_chains(walks):
    place, by_id = [], {w.chain.hex(): w for w in walks}
    for walk in walks:
        for record, at in walk.predecessors:
            old = by_id.get(record["chain"])
            if old is None:
                place.append({"code": "CHAIN_MISSING", "chain": record["chain"]})
                continue
            root = old.roots.get(record["size"])
            if old.no < record["size"] or (root is not None and root.hex() != record["root"]):
                at("CHAIN_REPLACED_UNLINKED")
            older = chains_before(record, by_id)
            for position in record["positions"] if older else []:
                id_ = source_id(canonical(position["record"]))
                holder = next((w for w in older if w.loose or id_ in w.closed or id_ in w.table), None)
                if holder is not None and holder.loose:
                    break
                if position["offset"] > (held_of(holder, id_) if holder else 0):
                    at("GAP_UNDECLARED")
                    break
    judge_uses(walks)
    return place


def beginning(walk):
    """Unix seconds: the earliest and the latest time at which the chain may have begun."""
    ever = float("inf")
    if not walk.genuine or not walk.grant_ok:
        return -ever, ever
    over_genesis = [r.time for r in walk.genuine if r.size == 1]
    if over_genesis:
        return over_genesis[0], over_genesis[0]
    latest = walk.genuine[0].time
    # Else an earlier receipt may have been, and no agent's clock says how early.
    return (latest if walk.first_known else -ever), latest


def may_be_by(walk, keys):
    """Whether one of these grants' keys may have begun the chain."""
    if walk.own_genesis is not None:
        return any(walk.own_genesis.signed_by(key) for key in keys)
    return not walk.genesis_signed or walk.grant.key in keys


def judge_uses(walks):
    """More chains by one grant than it allows: who is surely one of the first?"""
    groups = {}
    for walk in walks:
        for use in walk.uses:
            groups.setdefault(use, []).append(walk)
    strays = [w for w in walks if not w.uses or w.names_grant is False]
    reused, untold = {}, {}
    for group in groups.values():
        most = min(w.grant.max_chains for w in group)
        keys = {w.grant.key for w in group}
        hidden = [w for w in strays if w not in group and may_be_by(w, keys)]
        chains = {}
        for walk in group:
            chains.setdefault(walk.chain, []).append(walk)
        known = []
        for same in chains.values():
            times = [beginning(w) for w in same]
            meant = next((w for w in same if w.files.chain == w.chain.hex()), same[0])
            sure = any(w.genesis_signed for w in same)
            known.append((meant, sure, min(a for a, _ in times), min(b for _, b in times)))
        ever = float("inf")

        def order(one):
            walk, _, _, latest = one
            return latest, walk.heads[0][0].time if latest == ever and walk.heads else 0, walk.files.chain

        begun = 0
        for walk, sure, _, latest in sorted(known, key=order):
            begun += sure
            before = sum(other is not walk and first <= latest for other, _, first, _ in known)
            if before + len(hidden) >= most:
                (reused if sure and begun > most else untold)[walk.files.chain] = walk
    for walk in untold.values():
        walk.untold = True
    for walk in reused.values():
        walk.find("GRANT_REUSED")


def verify_store(store, trust):
    folder = os.path.join(store, "chains")
    ids = sorted(n for n in os.listdir(folder) if is_hex(n, 64)) if os.path.isdir(folder) else []
    walks = []
    for id_ in ids:
        walk = Walk(ChainFiles(os.path.join(folder, id_), id_), trust)
        walk.walk()
        if not walk.never_began():
            walks.append(walk)
    place = compare_chains(walks)
    worst = max([VERDICTS.index(w.verdict()) for w in walks] + [2 for _ in place] + ([] if walks else [3]))
    verdict = VERDICTS[worst]
    return {
        "verdict": verdict,
        "exitCode": EXITS[verdict],
        "chains": [
            {"chain": w.files.chain, "verdict": w.verdict(), "blocks": len(w.heads), "envelopes": w.envelopes}
            for w in walks
        ],
        "findings": place + [f for w in walks for f in w.findings],
    }


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store")
    parser.add_argument("--root", action="append", default=[])
    parser.add_argument("--vault-key", action="append", default=[])
    parser.add_argument("--at", type=int, help="Unix microseconds")
    options = parser.parse_args()
    trust = trust_of(map(text_of, options.root), map(text_of, options.vault_key), options.at)
    report = verify_store(options.store, trust)
    print(json.dumps(report, indent=2))
    sys.exit(report["exitCode"])


if __name__ == "__main__":
    main()
