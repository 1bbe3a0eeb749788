// What a scenario is given, and the numbers that its command line may set.

/** Defaults are those of the documents; smaller ones are for a quick look. */
export const defaults = {
  /** comparison: lines of the log. */
  lines: 5_000_000,
  /** heartbeats: how many chains live at once. */
  chains: 10_000,
  /** steady, latency, agents: lines a second, all together. */
  rate: 20_000,
  /** steady: how long. */
  minutes: 10,
  /** latency, agents, heartbeats of many chains: how long each load lasts. */
  seconds: 60,
  /** recovery: the buffer's size when the agent is killed. */
  "wal-mib": 2048,
  /** agents: how many. */
  agents: 200,
  /** heartbeats: blocks of the long chains. */
  blocks: 100_000,
} as const;

export type BenchOptions = Readonly<Record<keyof typeof defaults, number>>;

export interface Bench {
  /** A folder of this run's own, removed afterwards. */
  readonly dir: string;
  /** The built bin.js. */
  readonly program: string;
  readonly options: BenchOptions;
  /** What was typed to get these numbers. */
  readonly command: string;
}

/** Runs and returns the lines of its section. */
export type Scenario = (bench: Bench) => Promise<string[]>;
