// Lets others have a turn: long work on one request must not hold up the rest.

/** Resolves after everything that is ready now, sockets and files included, had its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
