import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import {
  type ConfigKind,
  type ConfigOf,
  loadConfig,
  loadConfigFile,
} from "../../src/host/config.ts";
import { ConfigError } from "../../src/host/config-error.ts";
import * as value from "../../src/host/config-values.ts";
import { systemFiles } from "../../src/host/files.ts";
import { maskedConfig } from "../../src/host/masked-config.ts";

const sample = ({ path, file }: value.Paths) =>
  z.strictObject({
    version: value.version,
    name: value.name,
    limits: value
      .section({
        bytes: value.size("1B", "1MiB").prefault("64KiB"),
        age: value.duration("1ms", "1h").prefault("1s"),
        count: value.integer(1, 100).prefault(7),
      })
      .refine(({ bytes, count }) => bytes >= count, {
        path: ["count"],
        error: "is more than limits.bytes",
      }),
    on: value.flag.prefault(false),
    mode: value.oneOf("a", "b").prefault("a"),
    store: value.only("dir", (given) => given === "s3").prefault("dir"),
    paths: value.list(path, 0, 2).prefault([]),
    labels: z.record(z.string(), z.string("want text")).prefault({}),
    file: file.optional(),
    listen: value.listen.optional(),
    url: value.httpUrl.optional(),
  });

type Sample = ConfigOf<ReturnType<typeof sample>>;

const schema: ConfigKind<ReturnType<typeof sample>> = {
  title: "sample",
  schema: sample,
  warnings: ({ on }) => (on ? [[["on"], "is on"]] : []),
};

const base = "version: 1\nname: n\n";

async function load(text: string, env: Record<string, string> = {}): Promise<Sample> {
  return (await loadConfig(schema, text, "/etc/x/a.yaml", env)).config;
}

/** Every problem as "code line:column message". */
async function problems(text: string, env: Record<string, string> = {}): Promise<string[]> {
  try {
    await load(text, env);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems.map(
      ({ code, place, message }) => `${code} ${place?.replace("/etc/x/a.yaml:", "")} ${message}`,
    );
  }
  return [];
}

test("absent keys have their defaults, as bytes and milliseconds", async () => {
  assert.deepEqual(await load(base), {
    version: 1,
    name: "n",
    limits: { bytes: 65_536, age: 1000, count: 7 },
    on: false,
    mode: "a",
    store: "dir",
    paths: [],
    labels: {},
  });
});

test("relative paths are taken from the directory of the configuration", async () => {
  const { paths } = await load(`${base}paths: [x/../y, /abs/]`);
  assert.deepEqual(paths, ["/etc/x/y", "/abs"]);
});

test("all problems are reported at once, in the order of the file", async () => {
  const text =
    "nme: x\nversion: 1\nlimits: { bytes: 1MB, age: 5, count: 1.5, extra: 1 }\non: yes\n";
  assert.deepEqual(await problems(text), [
    "config-missing 1:1 name is missing, want 1 to 200 printable ASCII characters without space and +",
    "config-unknown-key 1:1 nme is no known key, want name",
    'config-invalid 3:18 limits.bytes is "1MB", want 1MiB: MB may mean 1000 or 1024',
    "config-invalid 3:28 limits.age is 5, want a unit too: 5s or 5ms",
    "config-invalid 3:38 limits.count is 1.5, want a whole number from 1 to 100",
    "config-unknown-key 3:43 limits.extra is no known key, want one of bytes, age, count",
    'config-invalid 4:5 on is "yes", want true or false',
  ]);
});

test("one problem is an error by itself, several are one error with a list", async () => {
  await assert.rejects(load("version: 1\n"), {
    code: "config-missing",
    place: "/etc/x/a.yaml:1:1",
  });
  await assert.rejects(load("version: 1\nname: 1\non: 1\n"), {
    code: "config-invalid",
    message: "the configuration has 2 problems",
    place: "/etc/x/a.yaml",
  });
});

test("a missing key of a list's item is missing at that item", async () => {
  const items: ConfigKind<z.ZodType> = {
    title: "items",
    schema: () => z.strictObject({ items: value.list(z.strictObject({ a: value.name }), 1, 9) }),
    warnings: () => [],
  };
  await assert.rejects(loadConfig(items, "items:\n  - a: x\n  - {}\n", "c.yaml", {}), {
    code: "config-missing",
    place: "c.yaml:3:5",
  });
});

test("a check between values names the one that does not fit", async () => {
  assert.deepEqual(await problems(`${base}limits: { bytes: 3, count: 4 }`), [
    "config-invalid 3:28 limits.count is more than limits.bytes",
  ]);
});

test("of very many problems the first fifty are listed", async () => {
  const text = Array.from({ length: 400 }, (_, index) => `unknown${index}: 1\n`).join("");
  assert.equal((await problems(text)).length, 50);
});

test("an unknown key names the nearest known one, dashes and capitals aside", async () => {
  assert.deepEqual(await problems(`${base}limit: {}\nPATHS: []\n`), [
    "config-unknown-key 3:1 limit is no known key, want limits",
    "config-unknown-key 4:1 PATHS is no known key, want paths",
  ]);
});

test("what a later version takes is unsupported, and what stands beside it is not judged", async () => {
  assert.deepEqual(await problems("version: 2\nname: 5\nanother: 1\n"), [
    "config-unsupported 1:10 version is 2, want 1 in this version",
  ]);
  assert.deepEqual(await problems(`${base}store: s3\n`), [
    'config-unsupported 3:8 store is "s3", want dir in this version',
  ]);
});

test("a value of the wrong shape is named by its shape", async () => {
  assert.deepEqual(await problems(`${base}limits: 5\npaths: x\nlabels: [a]\nmode: {}\n`), [
    "config-invalid 3:9 limits is 5, want a mapping",
    'config-invalid 4:8 paths is "x", want a list',
    "config-invalid 5:9 labels is a list, want a mapping",
    "config-invalid 6:7 mode is a mapping, want a or b",
  ]);
  assert.deepEqual(await problems(`${base}limits:\npaths: [a, b, c]\n`), [
    "config-invalid 3:8 limits is empty, want a mapping",
    "config-invalid 4:8 paths has too many items, want at most 2",
  ]);
  assert.deepEqual(await problems("- 1\n"), [
    "config-invalid 1:1 the configuration is a list, want a mapping",
  ]);
  for (const text of ["", "# nothing\n"]) {
    assert.deepEqual(await problems(text), [
      "config-missing 1:1 the configuration is missing, want a mapping",
    ]);
  }
});

test("addresses are checked in full", async () => {
  assert.equal(
    (await load(`${base}url: HTTPS://Vault.example:8443/`)).url,
    "https://vault.example:8443",
  );
  for (const url of ["vault.example", "ftp://x", "https://u:p@x", "https://x/?a", "https://x/#a"]) {
    assert.equal((await problems(`${base}url: "${url}"`)).length, 1, url);
  }
  assert.equal((await problems(`${base}listen: 9464`)).length, 1);
});

describe("the environment", () => {
  test("stands for values, with a default for an unset or empty variable", async () => {
    const text = `version: 1\nname: \${POD}-x\npaths: ["\${DIR:-/d}", "\${EMPTY:-/e}"]\n`;
    const { name, paths } = await load(text, { POD: "p", EMPTY: "" });
    assert.equal(name, "p-x");
    assert.deepEqual(paths, ["/d", "/e"]);
  });

  test("gives numbers and booleans too", async () => {
    const text = `${base}on: \${ON}\nlimits: { count: "\${N}", bytes: "\${B}" }`;
    const { on, limits } = await load(text, { ON: "true", N: "42", B: "1KiB" });
    assert.deepEqual({ on, limits }, { on: true, limits: { count: 42, bytes: 1024, age: 1000 } });
  });

  test("never becomes structure, nor is looked into again", async () => {
    const { name } = await load("version: 1\nname: ${X}\n", { X: "a:{b}${Y}" });
    assert.equal(name, "a:{b}${Y}");
  });

  test("is left alone behind a doubled dollar sign and in keys", async () => {
    const { name, labels } = await load(`version: 1\nname: $\${X}$\nlabels: { "\${K}": v }\n`);
    assert.equal(name, "${X}$");
    assert.deepEqual(labels, { "${K}": "v" });
  });

  test("must hold what is named without a default, which is said once", async () => {
    assert.deepEqual(await problems("version: 1\nname: ${POD}\non: ${ON}\n", { ON: "maybe" }), [
      "config-env-missing 2:7 name needs the environment variable POD, which is unset",
      'config-invalid 3:5 on is "${ON}", want true or false',
    ]);
  });

  test("is named exactly", async () => {
    for (const text of ["${", "${a", "${1}", "${a-b}", "${A:=b}", "${}"]) {
      const [problem] = await problems(`version: 1\nname: "${text}"\n`);
      assert.match(problem ?? "", /^config-invalid 2:7 name holds/, text);
    }
  });
});

describe("the YAML", () => {
  const cases: readonly (readonly [name: string, text: string, code: string, place: string])[] = [
    ["a tab", "version: 1\nlimits:\n\tbytes: 1\n", "config-syntax", "3:1"],
    ["a key twice", "version: 1\nversion: 1\n", "config-syntax", "2:1"],
    ["an alias", "version: &v 1\nname: *v\n", "config-syntax", "1:13"],
    ["a merge of an anchor", "a: &a {}\n<<: *a\n", "config-syntax", "1:7"],
    ["a tag", "version: !!str 1\n", "config-syntax", "1:16"],
    ["an unknown tag", "version: !x 1\n", "config-syntax", "1:10"],
    ["a second document", "version: 1\n---\nname: n\n", "config-syntax", "2:1"],
    ["a directive", "%YAML 1.1\n---\nversion: 1\n", "config-syntax", "1:1"],
    ["an unclosed bracket", "paths: [a\n", "config-syntax", "2:1"],
    ["a key that is a list", "? [a]\n: 1\n", "config-syntax", "1:3"],
    ["a key that is a number", "1: 2\n", "config-syntax", "1:1"],
  ];
  for (const [name, text, code, place] of cases) {
    test(`${name} is refused where it stands`, async () => {
      const [first = ""] = await problems(text);
      assert.equal(first.split(" ").slice(0, 2).join(" "), `${code} ${place}`);
    });
  }

  test("an alias bomb costs nothing", async () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 12; i += 1) {
      lines.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(", ")}]`,
      );
    }
    assert.ok((await problems(lines.join("\n"))).every((one) => one.startsWith("config-syntax")));
  });

  test("deep nesting is refused", async () => {
    for (const depth of [1_000, 20_000]) {
      assert.ok((await problems(`name: ${"[".repeat(depth)}`)).length > 0);
      assert.ok((await problems(`name: ${"[".repeat(depth)}${"]".repeat(depth)}`)).length > 0);
    }
  });

  test("keys that every object has are keys like any other", async () => {
    const { labels } = await load(`${base}labels: { constructor: c, toString: t }`);
    assert.deepEqual(Object.entries(labels), [
      ["constructor", "c"],
      ["toString", "t"],
    ]);
    assert.deepEqual(await problems(`${base}__proto__: { on: true }\n`), [
      "config-unknown-key 3:1 __proto__ is no known key, want one of " +
        "version, name, limits, on, mode, store, paths, labels, file, listen, url",
    ]);
  });

  test("more than a configuration can be is not even parsed", async () => {
    await assert.rejects(load(`# ${"x".repeat(300_000)}`), { code: "config-too-large" });
  });
});

test("an error never shows what the environment holds, nor a private key", async () => {
  const env = { SECRET: "hunter2" };
  const texts = await problems(
    `${base}listen: "\${SECRET}"\nfile: "\${SECRET}"\nurl: \${SECRET}\n`,
    env,
  );
  assert.equal(texts.length, 2);
  assert.ok(texts.every((text) => !text.includes("hunter2")));
  const [pem = ""] = await problems(`${base}url: "-----BEGIN PRIVATE KEY----- MC4CAQ"`);
  assert.ok(!pem.includes("MC4CAQ"));
  const file = `sealtail/1 key\\npublic k\\nencryption none\\nseed ${"5e".repeat(32)}\\n`;
  const [key = ""] = await problems(`${base}url: "${file}"`);
  assert.match(key, /^config-invalid 3:6 url is a private key \(not shown\), want an address/);
  const [address = ""] = await problems(`${base}url: "https://me:hunter2@vault.example"`);
  assert.match(address, /url is "https:\/\/\*\*\*@vault\.example", want .*, without a user/);
});

test("warnings have their place and do not stop the program", async () => {
  const { warnings } = await loadConfig(schema, `${base}on: true\n`, "c.yaml", {});
  assert.deepEqual(warnings, [{ place: "c.yaml:3:5", message: "on is on" }]);
});

describe("from disk", () => {
  const here = import.meta.filename;

  test("a file that is named must exist and be a file", async () => {
    const attempt = async (file: string): Promise<unknown> =>
      loadConfig(schema, `${base}file: ${file}\n`, "/etc/x/a.yaml", {}, systemFiles);
    await assert.doesNotReject(attempt(here));
    await assert.rejects(attempt("nowhere"), {
      code: "config-file-missing",
      message: 'file is "nowhere", want a file that exists',
      place: "/etc/x/a.yaml:3:7",
    });
    await assert.rejects(attempt("/"), { message: 'file is "/", want a file, not a directory' });
  });

  test("a configuration that is absent, a directory or no text is refused with its path", async () => {
    const attempt = (file: string): Promise<unknown> =>
      loadConfigFile(schema, file, {}, systemFiles);
    await assert.rejects(attempt("/nowhere/a.yaml"), {
      code: "config-file-unreadable",
      place: "/nowhere/a.yaml",
    });
    await assert.rejects(attempt("/"), { code: "config-file-unreadable" });
    await assert.rejects(attempt(process.execPath), { code: "config-too-large" });
  });
});

test("the masked configuration holds no null, no absent key and no secret", () => {
  const config = {
    url: "https://user:pw@proxy:1/x",
    gone: undefined,
    nothing: null,
    list: [1, true, { api_token: "t" }],
    passphrase: "p",
  };
  assert.deepEqual(maskedConfig(config), {
    url: "https://***@proxy:1/x",
    list: [1, true, { api_token: "***" }],
    passphrase: "***",
  });
  assert.throws(() => maskedConfig({ ratio: 0.5 }), TypeError);
});
