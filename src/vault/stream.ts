// Turns what is read piece by piece into a response body that waits for its reader.

/** A body that asks for the next piece only when the last one was taken. */
export function bodyOf(pieces: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await iterator.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The pieces of a request's body; none where there is no body. Stops reading when it is left. */
export async function* piecesOfBody(
  body: ReadableStream<Uint8Array> | null,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    // What was not read is no longer wanted; it may be cut off already.
    await reader.cancel().catch(() => undefined);
  }
}
