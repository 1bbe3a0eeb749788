"""Chains that nobody thought of: a random story with one random fault. What the text demands of them is not known
beforehand, only that two readers of it find the same."""

import copy
import json
import random

from cases import Case, build
from form import HEAD, canonical
from writer import CONFIG, Store, bend_byte

NAMES = "abcd"


def story(rng):
    """Blocks of a good chain: runs, sources that come, are cut, skip bytes and end, and what an agent states."""
    script = [dict(items=[("start",), ("config",), ("snapshot",)])]
    open_, used, ended = {}, 0, False
    for number in range(1, rng.randint(5, 11)):
        block, items = {}, []
        if script[-1]["items"][-1] == ("stop",) or rng.random() < 0.08:
            block["run"] = True
            items = [("start",), ("config", {**CONFIG, "n": number}), ("snapshot",)] if rng.random() < 0.3 else [("start",), ("snapshot",)]
        elif rng.random() < 0.1:
            items = [("snapshot",)]
        for _ in range(rng.randint(1, 5)):
            kind = rng.choice(["source", "span", "span", "span", "gap", "open gap", "end", "heartbeat", "clock", "rewritten", "receipt", "config", "sink", "unknown"])
            names = sorted(open_)
            if kind == "source" and used < len(NAMES):
                open_[NAMES[used]] = 0
                items.append(("source", NAMES[used]))
                used += 1
            elif kind == "span" and names:
                data = rng.choice([b"one\n", b"two\nthree\n", b"no end", b"\n\n", b"\xff\x00\r\n", b"x" * 300 + b"\n"])
                name = rng.choice(names)
                open_[name] += len(data)
                items.append(("span", name, data))
            elif kind == "gap" and names:
                name, length = rng.choice(names), rng.randint(1, 99)
                open_[name] += length
                items.append(("gap", name, length))
            elif kind == "open gap" and len(names) > 1:
                name = rng.choice(names)
                del open_[name]
                items.append(("gap", name, None))
            elif kind == "end" and len(names) > 1:
                name = rng.choice(names)
                del open_[name]
                items.append(("end", name))
            elif kind == "heartbeat":
                items.append(("heartbeat", names))
            elif kind == "clock":
                items.append(("rec", {"type": "clock", "before": 5, "after": 9, "mono": 7}))
            elif kind == "rewritten" and names and open_[names[0]] > 1:
                items.append(("rewritten", names[0], 0, 1))
            elif kind == "receipt":
                items.append(("receipt", number))
            elif kind == "config":
                items.append(("config", {"n": number}))
            elif kind == "sink":
                items.append(("rec", {"type": "sink", "event": "unreachable"}))
            elif kind == "unknown" and rng.random() < 0.2:
                items.append(("rec", {"type": "from-tomorrow", "n": 1}))
        if not items:
            items.append(("heartbeat", sorted(open_)))
        if rng.random() < 0.12:
            items.append(("stop",))
        block["items"] = items
        block["codec"] = rng.choice([1, 2])
        script.append(block)
    if rng.random() < 0.2 and script[-1]["items"][-1] != ("stop",):
        script[-1].update(kind=2, silence=0)
    return script


FIELDS = ["kind", "codec", "reserved", "header_len", "block_no", "first_seq", "count", "raw_len", "stored_len", "max_silence_ms",
          "receipt_size", "time", "mono", "first_time", "suite"]  # fmt: skip
HASHES = ["chain_id", "prev_hash", "chain_root", "last_hash", "envelope_root", "stored_hash", "next_pub", "config_hash", "receipt_hash"]


def header_fault(rng, script):
    no = rng.randrange(len(script))
    if rng.random() < 0.5:
        name, step = rng.choice(FIELDS), rng.choice([-1, 1, 1, 7])
        change = {name: lambda value: max(0, value + step)}
    else:
        name, at = rng.choice(HASHES), rng.randrange(32)
        change = {name: lambda value: bend_byte(value, at)}
    script[no]["header"] = change
    if rng.random() < 0.3:
        script[no]["follow"] = [name]
    return f"{name} of block {no}", {}


def bent_record(seed):
    """A function on a record's bytes: a member gone, of another kind, or another value."""

    def bend(data):
        rng = random.Random(seed)
        record = json.loads(data)
        key = rng.choice(sorted(record))
        how = rng.randrange(4)
        if how == 0:
            del record[key]
        elif how == 1:
            record[key] = rng.choice([0, 1, 77, "", "x", True, [], {}])
        elif how == 2 and isinstance(record[key], int) and not isinstance(record[key], bool):
            record[key] = max(0, record[key] + rng.choice([-1, 1]))
        elif how == 2 and isinstance(record[key], str) and record[key]:
            record[key] = record[key][:-1] + ("0" if record[key][-1] != "0" else "1")
        else:
            record["more"] = 1
        return canonical(record)

    return bend


def item_fault(rng, script):
    no = rng.randrange(len(script))
    items = script[no]["items"]
    at = rng.randrange(len(items))
    how, other, step = rng.randrange(5), rng.randrange(len(items)), rng.choice([-1, 1, 50])
    if how > 2 and items[at][0] != "span":
        items[at] = ("change", items[at], bent_record(rng.random()))
        return f"record {at} of block {no} bent", {}

    # What follows goes on as if the fault were none.
    def remake(made):
        if how == 0 and len(made) > 1:
            made.pop(at)
        elif how == 1:
            made.insert(other, copy.copy(made[at]))
        elif how == 2:
            made[at], made[other] = made[other], made[at]
        else:
            made[at].offset = max(0, made[at].offset + step)
        return made

    script[no]["remake"] = remake
    return f"items of block {no}, {how} at {at}", {}


def stored_fault(rng, script):
    how = rng.randrange(8)

    def blocks(stored, _):
        pick = random.Random(seed)
        no = pick.randrange(len(stored))
        other = pick.randrange(len(stored))
        block = stored[no]
        if how == 0:
            stored.pop(no)
        elif how == 1:
            stored.insert(other, block)
        elif how == 2:
            stored[no], stored[other] = stored[other], block
        elif how == 3:
            stored[no] = bend_byte(block, pick.randrange(len(block)))
        elif how == 4:
            stored[no] = bend_byte(block, pick.randrange(HEAD))
        elif how == 5:
            stored[no] = block[: pick.randrange(len(block))]
        elif how == 6:
            at = pick.randrange(len(block))
            stored[no] = block[:at] + b"junk" * pick.randint(1, 200) + block[at:]
        else:
            del stored[no : no + 2]
        return stored

    seed = rng.random()
    return f"stored blocks, {how}", {"blocks": blocks}


def place_fault(rng, script):
    how = rng.choice(["no receipt", "short receipt", "no grant", "split", "long receipt"])
    return how, {"place": how}


def random_case(seed):
    rng = random.Random(seed)
    script = story(rng)
    fault = rng.choice([header_fault, item_fault, item_fault, stored_fault, stored_fault, place_fault])
    what, options = fault(rng, script)
    cut = rng.random()

    def make():
        chain = build(copy.deepcopy(script), name=f"r{seed}")
        made = Store()
        place = options.get("place")
        size = {"no receipt": False, "short receipt": max(1, len(chain.blocks) - 2)}.get(place, True)
        split = [1 + int(cut * (len(chain.blocks) - 1))] if place == "split" or cut < 0.3 else None
        if place == "long receipt":
            folder = made.add(chain, len(chain.blocks), split, claim=len(chain.blocks) + 2)
        else:
            folder = made.add(chain, size, split)
        if place == "no grant":
            made.files.pop(f"{folder}/grant")
        if "blocks" in options:
            starts = [0, *(split or [])]
            stored = options["blocks"](list(chain.blocks), chain)
            for i, start in enumerate(starts):
                end = starts[i + 1] if i + 1 < len(starts) else len(stored)
                made.files[made.blocks(folder, start)] = b"".join(stored[start:end])
        return made

    return Case(f"random {seed}: {what}", None, make)
