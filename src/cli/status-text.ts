// Pure. What `sealtail status` says of an agent or a vault, from the JSON at its /status.
//
// - Nothing of that JSON is believed: what is missing or of another kind is shown as "?".

import { printable } from "../core/printable.ts";

/** Paths that are not followed; of more than these only the number is shown. */
const pathsMax = 5;

type Json = Readonly<Record<string, unknown>>;

/** The lines for people; `now` in Unix microseconds. */
export function statusLines(status: unknown, now: number): string[] {
  const of = objectOf(status);
  return of["program"] === "vault" ? vaultLines(of, now) : agentLines(of, now);
}

function agentLines(status: Json, now: number): string[] {
  const head = objectOf(status["head"]);
  const buffer = objectOf(status["buffer"]);
  const files = listOf(status["files"]);
  const behind = files.reduce((sum, file) => sum + Math.max(0, lagOf(file)), 0);
  const gaps = Object.values(objectOf(status["gaps"])).map((gap) => objectOf(gap)["count"]);
  const gapCount = gaps.reduce<number>((sum, count) => sum + (Number(count) || 0), 0);
  const waits = text(status["waits"] ?? "");
  const rows = [
    ["state", `${text(status["state"])}${waits === "" ? "" : ` (${waits})`}`],
    ["chain", text(status["chain"] ?? "none yet")],
    ["sealed", `${some(head["seq"], "envelope")} in ${some(head["block"], "block")}`],
    [
      text(status["state"]).startsWith("needs-") ? "holding" : "reading",
      `${some(files.length, "file")}, ${some(behind, "byte")} unread`,
    ],
    ["buffer", `${bytesText(buffer["bytes"])} of ${bytesText(buffer["limit"])}`],
    [
      "vault",
      status["ship"] === null ? "no chain is sent yet" : shipText(objectOf(status["ship"]), now),
    ],
    ["gaps", `${count(gapCount)} declared since the start`],
  ];
  return [...columns([...rows, ...searchRows(objectOf(status["search"]))]), ...fileLines(files)];
}

/** What the patterns mean and nobody follows. */
function searchRows(search: Json): string[][] {
  const empty = Array.isArray(search["empty"]) ? search["empty"] : [];
  return [
    ...empty.map((name) => ["no file", `source ${text(name)}: its patterns match none`]),
    ...pathRows("outside", search["outside"], () => "the grant does not cover it"),
    ...(search["missing"] === undefined ? [] : [["unseen", text(search["missing"])]]),
    ...pathRows("refused", search["refused"], ({ code }) => text(code)),
  ];
}

function pathRows(word: string, paths: unknown, why: (row: Json) => string): string[][] {
  const all = listOf(paths);
  const shown = all.slice(0, pathsMax);
  const more = all.length - shown.length;
  return [
    ...shown.map((row) => [word, `${text(row["path"])} (${why(row)})`]),
    ...(more > 0 ? [["", `and ${some(more, "more path")}`]] : []),
  ];
}

function shipText(ship: Json, now: number): string {
  const code = text(ship["code"] ?? "");
  const state = `${text(ship["state"])}${code === "" ? "" : ` (${code})`}`;
  const waiting = Number(ship["unreceiptedBlocks"] ?? 0);
  if (!(waiting > 0)) return `${state}, a receipt covers everything`;
  const oldest = Number(ship["oldestUnreceiptedTime"]);
  const age = Number.isFinite(oldest) ? `, the oldest for ${ageText(now - oldest)}` : "";
  const blocks = `${some(waiting, "block")} without a receipt`;
  return `${state}, ${blocks}${age}`;
}

/** The files that lag most come first; those that were read are counted. */
function fileLines(files: readonly Json[]): string[] {
  if (files.length === 0) return [];
  const most = 20;
  const sorted = [...files].sort((a, b) => lagOf(b) - lagOf(a));
  const rows = sorted.slice(0, most).map((file) => {
    const lag = lagOf(file);
    const place = `${count(file["offset"])} of ${count(file["size"])}`;
    const behind = lag > 0 ? `${bytesText(lag)} unread` : "";
    return [text(file["state"]), place, behind, text(file["path"])];
  });
  const rest = files.length > most ? [`  and ${some(files.length - most, "more file")}`] : [];
  return ["", ...columns(rows), ...rest];
}

function vaultLines(status: Json, now: number): string[] {
  const watched = objectOf(status["watched"]);
  const chains = Object.entries(objectOf(watched["chains"]))
    .filter(([, number]) => number !== 0)
    .map(([state, number]) => `${count(number)} ${state}`);
  const free = status["freeBytes"];
  const oldest = Number(watched["oldestHeartbeat"]) * 1e6;
  const rows = [
    ["chains", chains.join(", ") || "none"],
    ["quietest", oldest > 0 ? `${ageText(now - oldest)} since its last block` : "none is active"],
    ["receipts", keptText(status["receiptsPending"])],
    ["free", typeof free === "number" ? bytesText(free) : "?"],
  ];
  return [
    ...columns(rows),
    "",
    ...chainLines("DAMAGED", "damaged chain", objectOf(status["damaged"])),
    ...chainLines("NO RECEIPT", "unkept chain", objectOf(status["unkept"])),
    ...openLines(watched),
  ];
}

/** Chains that the vault takes nothing in for. */
function chainLines(word: string, what: string, told: Json): string[] {
  const chains = listOf(told["chains"]);
  if (chains.length === 0) return [];
  const rows = chains.map(({ chain, subject, why }) => {
    return [word, text(subject), text(chain), text(why)];
  });
  const more = Number(told["count"]) - chains.length;
  const rest = more > 0 ? [`  and ${some(more, `more ${what}`)}`] : [];
  return [...columns(rows), ...rest, ""];
}

function keptText(pending: unknown): string {
  return pending === 0 ? "all kept" : `the newest of ${some(pending, "chain")} not kept yet`;
}

function openLines(watched: Json): string[] {
  const until = "open until acknowledged";
  const rows: string[][] = [];
  const add = (value: unknown, noun: string, ...cells: string[]): void => {
    if (value !== 0) rows.push([some(value, noun), ...cells]);
  };
  for (const each of listOf(watched["open"])) {
    const { code, reason } = objectOf(each["kind"]);
    add(each["count"], "block", `${text(code)} ${text(reason ?? "")}`.trim(), until);
  }
  add(watched["silent"], "chain", "CHAIN_STALLED", until);
  add(watched["stopped"], "chain", "STOPPED", until);
  for (const each of listOf(watched["missing"])) {
    add(each["count"], "chain", text(each["subject"]), "expected, not there");
  }
  add(watched["pending"], "chain", "not looked at yet");
  return rows.length === 0 ? ["  nothing is open"] : columns(rows);
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ")}`.trimEnd(),
  );
}

function lagOf(file: Json): number {
  return (Number(file["size"]) || 0) - (Number(file["offset"]) || 0);
}

function count(value: unknown): string {
  return typeof value === "number" ? value.toLocaleString("en-US") : "?";
}

/** How many of what: "1 file", "2 files". */
function some(value: unknown, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

function text(value: unknown): string {
  return typeof value === "string" ? printable(value) : "?";
}

function bytesText(value: unknown): string {
  if (typeof value !== "number") return "?";
  let [left, unit] = [value, 0];
  while (left >= 1024 && unit < 4) [left, unit] = [left / 1024, unit + 1];
  const name = ["bytes", "KiB", "MiB", "GiB", "TiB"][unit];
  return `${unit === 0 || left >= 100 ? Math.round(left) : left.toFixed(1)} ${name}`;
}

function ageText(micros: number): string {
  const seconds = Math.max(0, micros / 1e6);
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Json)
    : {};
}

function listOf(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}
