// Which chains a grant was for: compared with trying out everything that may be true.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Beginning, type Share, sharesOf, unknownBeginning } from "../../src/verify/uses.ts";
import { seededNumbers } from "../fakes/random.ts";

const seconds = [0, 1, 2, 3];

type Below = (limit: number) => number;

function chance(seed: number): Below {
  const next = seededNumbers(seed);
  return (limit) => Math.floor(next() * limit);
}

/** One thing that may be true of the chains: when each began, undefined if it never did. */
type Reading = readonly (number | undefined)[];

function* readings(chains: readonly Beginning[]): Generator<Reading> {
  const [first, ...rest] = chains;
  if (first === undefined) return yield [];
  const times = seconds.filter((at) => at >= first.earliest && at <= first.latest);
  for (const others of readings(rest)) {
    for (const time of times) yield [time, ...others];
    if (!first.sure) yield [undefined, ...others];
  }
}

function byHand(chains: readonly Beginning[], most: number): Share[] {
  const all = [...readings(chains)];
  return chains.map(({ sure }, self) => {
    const allowed = all.every((times) => {
      const own = times[self];
      // Within one second each may have been the first.
      const before = times.filter((at, of) => of !== self && at !== undefined && at <= (own ?? -1));
      return own === undefined || before.length < most;
    });
    if (allowed) return "within";
    const before = chains.slice(0, self).filter((each) => each.sure).length;
    return sure && before >= most ? "too-many" : "untold";
  });
}

function someChain(below: Below): Beginning {
  const [a, b] = [below(4), below(4)];
  const sure = below(3) > 0;
  const [earliest, latest] = [Math.min(a, b), Math.max(a, b)];
  return {
    sure,
    earliest: below(6) === 0 ? Number.NEGATIVE_INFINITY : earliest,
    latest: below(6) === 0 ? Number.POSITIVE_INFINITY : latest,
  };
}

test("a chain is within its grant only where it is in all that may be true", () => {
  const below = chance(1);
  for (let round = 0; round < 3000; round += 1) {
    const chains = Array.from({ length: 1 + below(4) }, () => someChain(below));
    const most = 1 + below(3);
    assert.deepEqual(sharesOf(chains, most), byHand(chains, most), JSON.stringify(chains));
    const hidden = below(3);
    const all = [...chains, ...Array.from({ length: hidden }, () => unknownBeginning)];
    const [found, wanted] = [sharesOf(chains, most, hidden), sharesOf(all, most)];
    assert.deepEqual(found, wanted.slice(0, chains.length));
  }
});

test("knowing less of one chain brings no chain within its grant", () => {
  const below = chance(2);
  for (let round = 0; round < 3000; round += 1) {
    const chains = Array.from({ length: 2 + below(4) }, () => someChain(below));
    const most = 1 + below(3);
    const harmed = below(chains.length);
    const less = chains.map((each, at) =>
      at === harmed
        ? { ...each, earliest: each.earliest - below(3), latest: each.latest + below(3) }
        : each,
    );
    const before = sharesOf(chains, most);
    const gone = chains.map((each, at) => (at === harmed ? unknownBeginning : each));
    for (const after of [sharesOf(less, most), sharesOf(gone, most)]) {
      for (const [at, share] of after.entries()) {
        assert.ok(share !== "within" || before[at] === "within", JSON.stringify({ chains, less }));
      }
    }
  }
});

test("tens of thousands of chains are judged at once", () => {
  const chains = Array.from({ length: 65_535 }, (_, at) => ({
    ...{ sure: true, earliest: at, latest: at },
  }));
  const shares = sharesOf(chains, 60_000);
  assert.equal(shares.filter((each) => each === "within").length, 60_000);
});
