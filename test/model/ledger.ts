// The reference: every byte that ever stood in a log file, when it came and went, and who saw it.
//
// - A piece is bytes that came at one time; a version is what a file held between two changes, as
//   runs of pieces. So a byte is known by its piece, also when the same value stands there again.
// - Ticks number everything that happens, finer than time: two changes may fall into one instant.
// - Nothing here knows the agent's rules.

/** What the configuration wants of the directories that are looked at. */
const mayWant = /\.log$/;

export interface Piece {
  /** Offset of its first byte. */
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly born: number;
  /** Parts that were cut off or overwritten, and when. */
  readonly deaths: { readonly from: number; readonly to: number; readonly tick: number }[];
}

export interface Run {
  readonly from: number;
  readonly to: number;
  readonly piece: Piece;
}

export interface Version {
  readonly tick: number;
  readonly runs: readonly Run[];
  readonly size: number;
  /** Where the run of NULs begins that it ends with: what was made room for is no data yet. */
  readonly data: number;
}

export interface Sighting {
  readonly life: number;
  readonly tick: number;
  readonly version: number;
  readonly size: number;
  /** Under a name that the configuration wants. */
  readonly wanted: boolean;
  /** Through a descriptor. */
  readonly open: boolean;
  /** The file was no longer than that: a read may only say that it is at least so long. */
  readonly exact: boolean;
}

export class LogFile {
  /** What it is known by, whatever it is called. */
  readonly key: string;
  /** The name that it was made under, for people. */
  readonly name: string;
  readonly versions: Version[] = [];
  /** Ticks of all changes that were more than growth, or than filling or giving back NULs. */
  readonly disturbed: number[] = [];
  /** Ticks at which unused room was given back: who did not read it cannot know that. */
  readonly trimmed: number[] = [];
  /** Times in which no name led to it where the agent looks. */
  readonly hidden: { from: number; to: number }[] = [];
  /** Times in which none of its names was one that the configuration wants. */
  readonly unwanted: { from: number; to: number }[] = [];
  readonly sightings: Sighting[] = [];
  /** Every path under which it could be found. */
  readonly names: Set<string> = new Set();
  /** Old bytes may have come back after a power cut. */
  crashed = false;

  constructor(key: string, name: string, tick: number) {
    this.key = key;
    this.name = name;
    this.versions.push({ tick, runs: [], size: 0, data: 0 });
  }

  get now(): Version {
    return this.versions.at(-1) as Version;
  }
}

/** From a tick on: which files the agent's grant covers, as globs; none: all. */
export interface Scope {
  readonly tick: number;
  readonly sources: readonly string[];
}

/** The first and the last tick at which a clock said the same. */
export interface Instant {
  readonly first: number;
  readonly last: number;
}

export class Ledger {
  /** Of the grants that chains began with, in order. */
  readonly scopes: Scope[] = [];
  readonly logs: Map<string, LogFile> = new Map();
  /** What a program's wall clock said → when it said so. */
  readonly times: Map<number, Instant> = new Map();
  tick = 1;

  noteTime(now: number): void {
    this.tick += 1;
    const first = this.times.get(now)?.first ?? this.tick;
    this.times.set(now, { first, last: this.tick });
  }

  /** A file is there or has changed: takes in what it holds now. */
  note(key: string, content: Uint8Array, name: string): LogFile {
    let log = this.logs.get(key);
    this.tick += 1;
    if (log === undefined) {
      log = new LogFile(key, name, this.tick);
      this.logs.set(key, log);
    }
    const before = log.now;
    const next = changed(before, content, this.tick);
    if (next === undefined) return log;
    log.versions.push(next.version);
    if (next.disturbed) log.disturbed.push(this.tick);
    else if (next.version.size < before.size) log.trimmed.push(this.tick);
    return log;
  }

  /** `visible`: keys of files to which a name leads now, and the names. */
  look(visible: ReadonlyMap<string, readonly string[]>): void {
    for (const [key, { hidden, unwanted, names }] of this.logs) {
      const now = visible.get(key) ?? [];
      for (const name of now) names.add(name);
      noteTimes(hidden, now.length === 0, this.tick);
      noteTimes(unwanted, !now.some((name) => mayWant.test(name)), this.tick);
    }
  }

  /** A life of the agent learnt that the file is (at least) so long. */
  see(key: string, sighting: Omit<Sighting, "tick" | "version">): void {
    const { life, size, wanted, open, exact } = sighting;
    const log = this.logs.get(key);
    if (log === undefined) return;
    const version = log.versions.length - 1;
    const last = log.sightings.at(-1);
    const same = last?.life === life && last.version === version && last.size === size;
    if (same && last.wanted === wanted && last.open === open && last.exact === exact) return;
    this.tick += 1;
    log.sightings.push({ ...sighting, tick: this.tick, version });
  }
}

/** Goes on with the times in which something is so. */
function noteTimes(times: { from: number; to: number }[], isSo: boolean, tick: number): void {
  const last = times.at(-1);
  const wasSo = last !== undefined && last.to === Number.POSITIVE_INFINITY;
  if (wasSo && !isSo) last.to = tick;
  else if (!wasSo && isSo) times.push({ from: tick, to: Number.POSITIVE_INFINITY });
}

/** The next version, if the content is another one; what is gone dies in its piece. */
function changed(
  before: Version,
  content: Uint8Array,
  tick: number,
): { version: Version; disturbed: boolean } | undefined {
  const kept = keptRanges(before, content);
  const runs: Run[] = [];
  const fresh = (from: number, to: number): void => {
    if (from >= to) return;
    const piece = { at: from, bytes: content.slice(from, to), born: tick, deaths: [] };
    runs.push({ from, to, piece });
  };
  let at = 0;
  for (const { from, to } of kept) {
    fresh(at, from);
    runs.push(...clipped(before.runs, from, to));
    at = to;
  }
  const keptBytes = kept.reduce((sum, { from, to }) => sum + to - from, 0);
  const whole = keptBytes === before.size;
  fresh(at, content.length);
  if (whole && content.length === before.size) return undefined;
  if (!whole) bury(before, kept, tick);
  const lost = kept.reduce((sum, { from, to }) => {
    return sum - Math.max(0, Math.min(to, before.data) - from);
  }, before.data);
  const version = { tick, runs, size: content.length, data: dataIn(content) };
  return { version, disturbed: lost > 0 };
}

function dataIn(content: Uint8Array): number {
  let end = content.length;
  while (end > 0 && content[end - 1] === 0) end -= 1;
  return end;
}

function clipped(runs: readonly Run[], from: number, to: number): Run[] {
  return runs
    .filter((run) => run.from < to && run.to > from)
    .map((run) => ({
      from: Math.max(from, run.from),
      to: Math.min(to, run.to),
      piece: run.piece,
    }));
}

function keptRanges(before: Version, content: Uint8Array): { from: number; to: number }[] {
  const kept: { from: number; to: number }[] = [];
  for (const { from, to, piece } of before.runs) {
    const end = Math.min(to, content.length);
    for (let at = from; at < end; ) {
      const start = at;
      while (at < end && content[at] === piece.bytes[at - piece.at]) at += 1;
      const last = kept.at(-1);
      if (at > start && last?.to === start) last.to = at;
      else if (at > start) kept.push({ from: start, to: at });
      if (at < end) at += 1;
    }
  }
  return kept;
}

function bury(before: Version, kept: readonly { from: number; to: number }[], tick: number): void {
  let at = 0;
  for (const { from, to } of [...kept, { from: before.size, to: before.size }]) {
    for (const run of clipped(before.runs, at, from)) {
      run.piece.deaths.push({ from: run.from, to: run.to, tick });
    }
    at = to;
  }
}
