// Prometheus metrics of a program: tables of rows, and the one place that knows the library.
//
// - Every series whose labels are known is there from the start, so that rates work and an alert on
//   something absent means something.
// - Rows with a value are read when somebody scrapes, all of one table from the same reading.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** Each label with all its values; none where they come from outside. */
type Labels = Readonly<Record<string, readonly string[]>>;
type LabelValues = Readonly<Record<string, string>>;

/** One metric. `T` is what it is read from. */
export interface MetricRow<T> {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: Labels;
  /** A number for every series, or one by each value of the one label. None: it is counted. */
  readonly value?: (from: T) => number | Readonly<Record<string, number>>;
  readonly buckets?: readonly number[];
}

/** By name, without the program's prefix. */
export type MetricTable<T> = Readonly<Record<string, MetricRow<T>>>;

/** Something that may go up and down, read at each scrape. */
export function gauge<T>(
  help: string,
  value: NonNullable<MetricRow<T>["value"]>,
  labels: Labels = {},
): MetricRow<T> {
  return { kind: "gauge", help, labels, value };
}

/** Something that only grows, read at each scrape. */
export function counter<T>(
  help: string,
  value: NonNullable<MetricRow<T>["value"]>,
  labels: Labels = {},
): MetricRow<T> {
  return { kind: "counter", help, labels, value };
}

/** Something that is counted as it happens. */
export function counted(help: string, labels: Labels = {}): MetricRow<unknown> {
  return { kind: "counter", help, labels };
}

/** Something whose sizes are counted as they come. */
export function histogram(
  help: string,
  buckets: readonly number[],
  labels: Labels = {},
): MetricRow<unknown> {
  return { kind: "histogram", help, labels, buckets };
}

/** A number for each value of a label. */
export function byLabel<V extends string>(
  values: readonly V[],
  numberOf: (value: V) => number,
): Readonly<Record<string, number>> {
  return Object.fromEntries(values.map((value) => [value, numberOf(value)]));
}

/** What happens is told to this. */
export interface Tally {
  /** So much more of a counter; one size of a histogram. */
  add(amount: number, labels?: LabelValues): void;
  /** The series with these labels is there from now on. */
  begin(labels: LabelValues): void;
}

/** By the name of its row. */
export type Tallies<M> = { readonly [name in keyof M]: Tally };

/** The event loop is timed this often; every 10 ms, as is usual, takes half a percent of a core. */
const loopLookMs = 100;

export class Metrics {
  readonly #registry = new Registry();
  readonly #prefix: string;
  readonly #readings: (() => Promise<void>)[] = [];

  constructor(prefix: string, version: string) {
    this.#prefix = prefix;
    const build = { version: [version], node_version: [process.version] };
    const help = "Always 1; the labels say what is running.";
    this.add({ build_info: gauge(help, () => 1, build) }, () => undefined);
  }

  /** Adds a table. What is returned counts, by name, the rows that have no value. */
  add<T, M extends MetricTable<T>>(table: M, read: () => T | Promise<T>): Tallies<M> {
    const made = Object.entries(table).map(([name, row]) => ({ name, ...this.#make(name, row) }));
    this.#readings.push(async () => {
      const from = await read();
      for (const { show } of made) show(from);
    });
    const tallies = made.map(({ name, tally }) => [name, tally]);
    return Object.fromEntries(tallies) as Tallies<M>;
  }

  /** From now on this process is measured as well. */
  addProcess(): void {
    const eventLoopMonitoringPrecision = loopLookMs;
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision });
    // Gauges that are called like counters; the same is there by type.
    for (const kind of ["handles", "requests", "resources"]) {
      this.#registry.removeSingleMetric(`nodejs_active_${kind}_total`);
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    for (const read of this.#readings) await read();
    return await this.#registry.metrics();
  }

  #make<T>(name: string, row: MetricRow<T>): { tally: Tally; show: (from: T) => void } {
    const { kind, help, labels, value, buckets = [] } = row;
    const settings = {
      ...{ name: this.#prefix + name, help, labelNames: Object.keys(labels) },
      registers: [this.#registry],
    };
    if (kind === "histogram") {
      const metric = new Histogram({ ...settings, buckets: [...buckets] });
      const tally: Tally = {
        add: (size, of = {}) => metric.observe(of, size),
        begin: (of) => metric.zero(of),
      };
      for (const of of combinations(labels)) tally.begin(of);
      return { tally, show: () => undefined };
    }
    const metric = kind === "gauge" ? new Gauge(settings) : new Counter(settings);
    const tally: Tally = {
      add: (amount, of = {}) => metric.inc(of, amount),
      begin: (of) => metric.inc(of, 0),
    };
    if (value === undefined) for (const of of combinations(labels)) tally.begin(of);
    const show = (from: T): void => {
      if (value === undefined) return;
      const read = value(from);
      metric.reset();
      if (typeof read === "number") for (const of of combinations(labels)) metric.inc(of, read);
      else
        for (const [each, amount] of Object.entries(read)) metric.inc(only(labels, each), amount);
    };
    return { tally, show };
  }
}

/** Every series of these labels; of no labels the one without any. */
function combinations(labels: Labels): LabelValues[] {
  return Object.entries(labels).reduce<LabelValues[]>(
    (all, [name, values]) => all.flatMap((of) => values.map((value) => ({ ...of, [name]: value }))),
    [{}],
  );
}

function only(labels: Labels, value: string): LabelValues {
  const [name = ""] = Object.keys(labels);
  return { [name]: value };
}
