// Tells a place that could not be read from a chain that is bad.

/** What was asked of a source could not be read; `cause` is what the source threw. */
export class Unreadable extends Error {
  override readonly name = "Unreadable";

  constructor(what: string, cause: unknown) {
    super(`${what} could not be read`, { cause });
  }
}

/** Asks a source; whatever it throws becomes Unreadable. */
export async function ask<T>(what: string, question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (cause) {
    throw new Unreadable(what, cause);
  }
}
