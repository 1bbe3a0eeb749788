// Numbers that are looked at again and again: how they stand, how far they went, where they drift.

export interface Sample {
  /** Seconds since the load began. */
  readonly at: number;
  readonly values: Readonly<Record<string, number>>;
}

export class Series {
  readonly samples: Sample[] = [];

  add(at: number, values: Readonly<Record<string, number>>): void {
    this.samples.push({ at, values });
  }

  /** Mean of `name` from `from` up to, not including, `to` seconds. */
  mean(name: string, from: number, to: number): number {
    const values = this.#of(name, from, to).map(([, value]) => value);
    return values.reduce((sum, each) => sum + each, 0) / values.length;
  }

  max(name: string): number {
    return Math.max(...this.#of(name).map(([, value]) => value));
  }

  /** By how much `name` grows in a minute, by least squares over the samples from `from` on. */
  slopePerMinute(name: string, from: number): number {
    const points = this.#of(name, from);
    const meanOf = (index: 0 | 1): number =>
      points.reduce((sum, point) => sum + point[index], 0) / points.length;
    const [x, y] = [meanOf(0), meanOf(1)];
    const above = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
    const below = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
    return (60 * above) / below;
  }

  #of(name: string, from = 0, to = Number.POSITIVE_INFINITY): [at: number, value: number][] {
    return this.samples
      .filter(({ at }) => at >= from && at < to)
      .map(({ at, values }) => [at, values[name] ?? Number.NaN]);
  }
}

/** The value below which a share of the sorted values lies. */
export function quantile(sorted: readonly number[], share: number): number {
  const at = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
  return sorted[at] ?? Number.NaN;
}
