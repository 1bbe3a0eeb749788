// Failpoints: named instants at which a test can kill the process, as a power cut would.
//
// - SEALTAIL_FAILPOINT="name" or "name:n" makes the n-th hit of that name SIGKILL this process.
// - Without it a failpoint is one comparison. Nothing in production sets the variable.
// - A new name goes into the list; a name that nobody knows is refused, so no crash test can pass
//   because it never crashed.

const names = [
  "seal-before-append",
  "seal-after-append",
  "seal-after-sync",
  "key-after-new-slot",
  "key-after-zero",
  "ship-before-send",
  "ship-after-answer",
  "receipt-after-write",
  "free-after-unlink",
  "enrol-after-key",
  "enrol-after-genesis",
  "enrol-after-receipt",
  "enrol-after-destroy",
  "store-after-append",
  "store-after-sync",
  "store-after-head",
  "recover-after-cut",
] as const;

export type FailpointName = (typeof names)[number];

/** All names, for tests that crash at each of them. */
export const failpointNames: readonly FailpointName[] = names;

type Hook = (name: FailpointName) => void;

function killAt(setting: string | undefined): Hook | undefined {
  if (setting === undefined || setting === "") return undefined;
  const [wanted, count = "1"] = setting.split(":");
  let left = Number(count);
  if (!names.some((name) => name === wanted) || !Number.isSafeInteger(left) || left < 1) {
    throw new RangeError(`SEALTAIL_FAILPOINT is "${setting}", want a known name or name:n`);
  }
  return (name) => {
    if (name !== wanted) return;
    left -= 1;
    if (left > 0) return;
    process.kill(process.pid, "SIGKILL");
    // The signal may reach another thread first; nothing may run here meanwhile.
    for (;;);
  };
}

let hook = killAt(process.env.SEALTAIL_FAILPOINT);

/** Marks an instant. Does nothing unless a test asked for a crash at `name`. */
export function failpoint(name: FailpointName): void {
  if (hook !== undefined) hook(name);
}

/** Tests only: calls `next` at every failpoint of this process; it may throw. */
export function setFailpointHook(next: Hook | undefined): void {
  hook = next;
}
