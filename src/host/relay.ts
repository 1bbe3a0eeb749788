// A body that hands another one's pieces on, as fast as its reader asks for them.

type Source = ReadableStreamDefaultReader<Uint8Array>;

export interface RelayHooks {
  /** The reader asks for a piece. */
  readonly asked: () => void;
  /** What comes next is there, and goes on if this does not throw. */
  readonly came: (next: Awaited<ReturnType<Source["read"]>>) => void;
  /** Reading failed, or `came` threw. The body ends here, unless this throws: then it fails. */
  readonly failed: (error: unknown) => void;
  /** The reader went away. */
  readonly left?: () => void;
}

export function relayed(
  source: Source,
  { asked, came, failed, left }: RelayHooks,
): ReadableStream<Uint8Array> {
  let gone = false;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        asked();
        try {
          const next = await source.read();
          // Nothing may be said of a body that nobody reads any more.
          if (gone) return;
          came(next);
          if (next.done) controller.close();
          else controller.enqueue(next.value);
        } catch (error) {
          failed(error);
          if (!gone) controller.close();
        }
      },
      async cancel(reason) {
        gone = true;
        left?.();
        await source.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
