"""Runs both verifiers over the example, the vectors and all cases; prints a table; exits 1 on a disagreement.

    agree.py [--only WORD] [--random N] [--seed N] [--quiet] [--keep DIR]"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import ed25519  # noqa: E402
from cases import CASES  # noqa: E402
from random_cases import random_case  # noqa: E402
from verifier import trust_of, verify_store  # noqa: E402
from writer import ROOT, VAULT, VAULT_TIME  # noqa: E402

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
FIRST_SEED = 1_000_000


def short(finding, chains=True):
    text = finding["code"]
    for mark, key in (("@", "block"), ("#", "seq"), ("*", "blocks")):
        if key in finding:
            text += f"{mark}{finding[key]}"
    return text


class CommandLoop:
    """The command line, in a process that stays: starting node for each store takes longer than judging it."""

    def __init__(self):
        self.owner = os.getpid()
        node = PROJECT / "node_modules/.bin/node"
        self.process = subprocess.Popen([node, HERE / "command-loop.ts"], cwd=PROJECT, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip

    def run(self, words):
        return self.ask(list(map(str, words)))

    def serve(self, store):
        """A vault of this process serves the store from now on; its address is FAR."""
        return self.ask({"serve": str(store)})

    def ask(self, question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


loop = None
quiet = False  # lines of stores on which all agree are left out


def own_loop():
    global loop
    if loop is None or loop.owner != os.getpid():  # each worker has its own
        loop = CommandLoop()
    return loop


def theirs(store, keys, *more):
    done = own_loop().run(["verify", store, "--json", *more, *(word for pair in keys for word in pair)])
    try:
        report = json.loads(done["stdout"])
    except ValueError:
        return {"verdict": "crash", "exitCode": done["exitCode"], "list": [], "chains": set(), "why": done["stderr"][-400:]}
    findings = list(report.get("findings", []))
    for chain in report.get("chains", []):
        findings += chain["findings"]
    return {
        "verdict": report["verdict"],
        "exitCode": done["exitCode"],
        "list": sorted(map(short, findings)),
        "chains": {short(f) + " " + f.get("chain", "")[:6] for f in findings},
        "counts": {c["chain"]: (c["blocks"], c["envelopes"]) for c in report.get("chains", [])},
    }


def ours(store, trust):
    report = verify_store(str(store), trust)
    findings = report["findings"]
    return {
        "verdict": report["verdict"],
        "exitCode": report["exitCode"],
        "list": sorted(map(short, findings)),
        "chains": {short(f) + " " + f.get("chain", "")[:6] for f in findings},
        "counts": {c["chain"]: (c["blocks"], c["envelopes"]) for c in report["chains"]},
    }


def same(a, b):
    return all(a.get(key) == b.get(key) for key in ("verdict", "exitCode", "list", "chains"))


def other_ways(folder, keys, near):
    """What the same store says as a bundle and from a vault, where that is not what the directory says."""
    bundle = folder.with_suffix(".tar")
    with tarfile.open(bundle, "w", format=tarfile.USTAR_FORMAT) as tar:
        if (folder / "chains").is_dir():
            tar.add(folder / "chains", "chains")
    ways = {"bundle": theirs(bundle, keys)}
    bundle.unlink()
    own_loop().serve(folder)
    # A vault is alive, so heads have an age; at the beginning of time none is old.
    ways["vault"] = theirs("FAR", keys, "--at", "@1")
    return {way: said for way, said in ways.items() if not same(said, near) or said["counts"] != near["counts"]}


def case_of(index):
    """Behind the cases stand those of the seeds, from FIRST_SEED on."""
    return CASES[index] if index < FIRST_SEED else random_case(index - FIRST_SEED)


def run_case(index, keep):
    case = case_of(index)
    folder = Path(keep) / f"{index:03d}"
    shutil.rmtree(folder, ignore_errors=True)
    case.make().write(folder)
    keys = [("--root", f"{keep}/root.pub"), ("--vault-key", f"{keep}/vault.pub"), ("--vault-key", f"{keep}/vault-time.pub")]
    trust = trust_of([ROOT.key.text()], [VAULT.key.text(), VAULT_TIME.key.text()])
    try:
        mine = ours(folder, trust)
    except Exception as error:  # a crash is a disagreement, and the table shows it
        mine = {"verdict": "crash", "exitCode": -1, "list": [repr(error)], "chains": set(), "counts": {}}
    near = theirs(folder, keys)
    return index, mine, near, other_ways(folder, keys, near)


def show(label, mine, their, expected=None, unclear="", ways=None):
    right = expected is None or mine["list"] == sorted(expected)
    right_their = expected is None or their["list"] == sorted(expected)
    state = "ok" if same(mine, their) and right and right_their else "DIFFER"
    if state == "ok" and mine.get("counts") != their.get("counts"):
        state = "counts"
    if unclear and state == "ok":
        state = "ok?"
    if unclear and state != "ok?":
        state = "unclear"
    if ways and state in ("ok", "ok?"):
        state = "ways"
    if not quiet or state not in ("ok", "ok?"):
        print(f"{state:8}{label:58}{their['verdict']:20}{' '.join(their['list'])}", flush=True)
    if state not in ("ok", "ok?"):
        print(f"          expected  {'-' if expected is None else ' '.join(sorted(expected))}")
        print(f"          second    {mine['verdict']} {mine['exitCode']} {' '.join(mine['list'])} {mine.get('counts')}")
        print(f"          theirs    {their['verdict']} {their['exitCode']} {' '.join(their['list'])} {their.get('counts')} {their.get('why', '')}")
        if unclear:
            print(f"          unclear   {unclear}")
        for way, said in (ways or {}).items():
            print(f"          {way:10}{said['verdict']} {said['exitCode']} {' '.join(said['list'])} {said.get('counts')} {said.get('why', '')}")
    return state


def run_example():
    folder = PROJECT / "docs/spec/example"
    names = [("--root", "root.pub"), ("--vault-key", "vault.pub"), ("--vault-key", "vault-time.pub")]
    keys = [(option, folder / name) for option, name in names]
    texts = [path.read_text() for _, path in keys]
    return show("docs/spec/example", ours(folder, trust_of(texts[:1], texts[1:])), theirs(folder, keys), [])


def run_vector(path):
    """Our verifier against what a vector says that a verifier finds."""
    with open(path, encoding="utf-8") as file:
        want = json.load(file)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(path.with_suffix(".tar")) as tar:
            # Debian 12's Python knows no filters; the vectors are our own.
            tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        trust = trust_of(want["roots"], want["vaults"], want.get("at"))
        try:
            mine = verify_store(folder, trust)
        except Exception as error:
            mine = {"verdict": "crash " + repr(error), "exitCode": -1, "findings": [], "chains": []}

    def listed(findings):
        return sorted(short(f) + " " + f.get("chain", "")[:6] for f in findings)

    chains = {c["chain"]: c["verdict"] for c in mine["chains"]}
    good = (mine["verdict"], listed(mine["findings"]), chains) == (want["verdict"], listed(want["findings"]), want["chains"])
    state = "ok" if good else "DIFFER"
    label = f"{path.parent.name}/{path.stem}"
    if not good or not quiet:
        print(f"{state:8}{label:58}{want['verdict']:20}{' '.join(map(short, want['findings']))}")
    if not good:
        print(f"          second    {mine['verdict']} {' '.join(listed(mine['findings']))} {chains}")
        print(f"          vector    {want['verdict']} {' '.join(listed(want['findings']))} {want['chains']}")
        print(f"          story     {want['story']} ({want['spec']})")
    return state


def run_signatures():
    """Our Ed25519 against the cases of ed25519.md."""
    text = (PROJECT / "docs/spec/ed25519.md").read_text(encoding="utf-8")
    rule = r"(accept|reject): (.*)\n +key +(\w+)\n +message +(\w+)\n +signature +(\w+)\n +(\w+)"
    states = []
    for verdict, name, *fields in re.findall(rule, text):
        key, message, r, s = map(bytes.fromhex, fields)
        states.append("ok" if ed25519.verify(key, message, r + s) == (verdict == "accept") else "DIFFER")
        if not quiet or states[-1] != "ok":
            print(f"{states[-1]:8}ed25519.md: {name:46}{verdict}")
    return states


def run_vectors():
    return [run_vector(path) for path in sorted((PROJECT / "test/vectors").glob("*/*.json")) if path.with_suffix(".tar").exists()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--random", type=int, default=300, help="how many chains are made by chance")
    parser.add_argument("--seed", type=int, default=1, help="of the first of these")
    parser.add_argument("--quiet", action="store_true", help="print only disagreements and the sum")
    parser.add_argument("--keep", default="/tmp/second-stores")
    options = parser.parse_args()
    global quiet
    quiet = options.quiet
    os.makedirs(options.keep, exist_ok=True)
    for name, signer in (("root", ROOT), ("vault", VAULT), ("vault-time", VAULT_TIME)):
        Path(options.keep, name + ".pub").write_text(signer.key.text() + "\n")
    started, states = time.time(), [run_example()]
    if options.only in ("", "vectors"):
        states += run_signatures() + run_vectors()
    chosen = [i for i, case in enumerate(CASES) if options.only in case.name]
    chosen.sort(key=lambda i: CASES[i].name.startswith("1,030"))
    if options.only in ("", "random"):
        chosen += [FIRST_SEED + options.seed + i for i in range(options.random)]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        tasks = [pool.submit(run_case, i, options.keep) for i in chosen]
        for task in tasks:
            index, mine, their, ways = task.result()
            case = case_of(index)
            states.append(show(f"{index:03d} {case.name}", mine, their, case.expect, case.unclear, ways))
    print(f"{len(states)} stores in {time.time() - started:.0f} s: " + ", ".join(f"{states.count(s)} {s}" for s in sorted(set(states))))
    sys.exit(1 if {"DIFFER", "counts", "unclear", "ways"} & set(states) else 0)


if __name__ == "__main__":
    main()
