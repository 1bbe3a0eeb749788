// Pure. Searches in what is in order.

/** How many of these, which are in order, are at most `limit`. */
export function countUpTo<T extends number | string>(sorted: ArrayLike<T>, limit: T): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as T) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
