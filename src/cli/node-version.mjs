// Stops an old node with a plain sentence, before it meets syntax that it cannot read.
//
// - Plain JavaScript that any node with ES modules runs: an old one refuses a .ts file by its name.
// - `npm ci --ignore-scripts` leaves the machine's own node in place, in silence: this speaks up.

const want = 24;
const have = process.versions.node;

if (Number(have.split(".")[0]) < want) {
  process.stderr.write(
    `sealtail: error: node is ${have}, want ${want} or newer\n` +
      `sealtail: hint: install Node ${want} and put it first on PATH; ` +
      "in a clone of the repository, run `npm ci` without --ignore-scripts, which fetches one\n",
  );
  process.exit(1);
}
