// Draws a dashboard from what a Prometheus holds, as an SVG: what a person would see in Grafana.

import type { Dashboard, Panel } from "./dashboards.ts";
import { filled } from "./dashboards.ts";
import type { Prometheus } from "./prometheus.ts";

const column = 50;
const rowHeight = 30;
const gap = 8;
const palette = [
  "#73bf69",
  "#f2cc0c",
  "#8ab8ff",
  "#ff780a",
  "#f2495c",
  "#b877d9",
  "#37872d",
  "#5794f2",
];
const fills: Readonly<Record<string, string>> = {
  ...{ green: "#37872d", orange: "#e0752d", red: "#c4162a", blue: "#1f60c4" },
};

interface Range {
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

/** The dashboard as SVG text; timelines show the last `seconds`. */
export async function draw(
  board: Dashboard,
  prometheus: Prometheus,
  seconds: number,
): Promise<string> {
  const end = Math.floor(Date.now() / 1000);
  const range = { start: end - seconds, end, step: Math.max(1, Math.round(seconds / 200)) };
  const parts: string[] = [];
  let bottom = 0;
  for (const panel of board.panels) {
    const { x, y, w, h } = panel.gridPos;
    const box = {
      ...{ x: x * column + gap, y: y * rowHeight + 40 },
      ...{ w: w * column - gap, h: h * rowHeight - gap },
    };
    bottom = Math.max(bottom, box.y + box.h);
    parts.push(await drawPanel(panel, prometheus, range, box));
  }
  const size = `width="1216" height="${bottom + 12}" viewBox="0 0 1216 ${bottom + 12}"`;
  const font = 'font-family="Inter, Helvetica, Arial, sans-serif"';
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${font}>
<title>${board.title}: ${board.description}</title>
<rect width="100%" height="100%" fill="#111217"/>
${label(gap, 26, board.title, 17, "#d8d9da")}
${parts.join("\n")}
</svg>
`;
}

async function drawPanel(
  panel: Panel,
  prometheus: Prometheus,
  range: Range,
  box: Box,
): Promise<string> {
  if (panel.type === "row") return label(box.x, box.y + 16, panel.title, 14, "#d8d9da");
  if (panel.type === "stat") return await drawStat(panel, prometheus, box);
  const area = `x="${box.x}" y="${box.y}" width="${box.w}" height="${box.h}"`;
  const frame = `<rect ${area} fill="#181b1f" stroke="#2c3235"/>`;
  const title = label(box.x + 8, box.y + 18, panel.title, 12, "#d8d9da");
  const inner = { x: box.x + 60, y: box.y + 30, w: box.w - 72, h: box.h - 62 };
  const body =
    panel.type === "table"
      ? await drawTable(panel, prometheus, { ...inner, x: box.x + 12 })
      : await drawLines(panel, prometheus, range, inner);
  return frame + title + body;
}

async function drawStat(panel: Panel, prometheus: Prometheus, box: Box): Promise<string> {
  const [series] = await prometheus.query(filled(panel.targets?.[0]?.expr ?? "", "10s"));
  const value = Number(series?.value[1] ?? Number.NaN);
  const steps = panel.fieldConfig?.defaults.thresholds?.steps ?? [];
  const color = steps.filter((step) => step.value === null || value >= step.value).at(-1)?.color;
  const { x, y, w, h } = box;
  const fill = fills[color ?? "green"] ?? "#37872d";
  const shown = Number.isNaN(value) ? "no data" : unitText(value, panel.fieldConfig?.defaults.unit);
  return `<rect x="${x}" y="${y}" width="${w}" height="${h}" fill="${fill}" rx="2"/>
${label(x + 8, y + 18, panel.title, 12, "#ffffff")}
<g text-anchor="middle">${label(x + w / 2, y + h / 2 + 22, shown, 34, "#ffffff")}</g>`;
}

async function drawTable(panel: Panel, prometheus: Prometheus, box: Box): Promise<string> {
  const series = await prometheus.query(filled(panel.targets?.[0]?.expr ?? "", "10s"));
  return series
    .filter(({ metric }) => Object.keys(metric).length > 0)
    .slice(0, 8)
    .map(({ metric, value }, i) => {
      const text = `${Object.values(metric).join(" ")}   ${value[1]}`;
      return label(box.x, box.y + 16 + i * 20, text, 12, "#c7d0d9");
    })
    .join("");
}

async function drawLines(
  panel: Panel,
  prometheus: Prometheus,
  range: Range,
  box: Box,
): Promise<string> {
  const all = [];
  for (const { expr, legendFormat = "" } of panel.targets ?? []) {
    for (const { metric, values } of await prometheus.range(filled(expr, "10s"), range)) {
      const name = legendFormat.replace(/\{\{(\w+)\}\}/g, (_, key) => metric[key] ?? "");
      const points = values.map(([time, text]) => [time, Number(text)] as const);
      all.push({ name, points: points.filter(([, value]) => Number.isFinite(value)) });
    }
  }
  const top = Math.max(1e-9, ...all.flatMap(({ points }) => points.map(([, value]) => value)));
  const unit = panel.fieldConfig?.defaults.unit;
  const grid = [0, 0.5, 1].map((share) => {
    const y = box.y + box.h * (1 - share);
    return `<line x1="${box.x}" x2="${box.x + box.w}" y1="${y}" y2="${y}" stroke="#2c3235"/>
${label(box.x - 54, y + 4, unitText(top * share, unit), 10, "#8e9aa6")}`;
  });
  const lines = all.map(({ points }, i) => {
    const path = points.map(([time, value]) => {
      const x = box.x + (box.w * (time - range.start)) / (range.end - range.start);
      return `${x.toFixed(1)},${(box.y + box.h * (1 - value / top)).toFixed(1)}`;
    });
    const color = palette[i % palette.length];
    const line = `fill="none" stroke="${color}" stroke-width="1.4"`;
    return `<polyline ${line} points="${path.join(" ")}"/>`;
  });
  let at = box.x;
  const legend = all.map(({ name }, i) => {
    const text = label(at, box.y + box.h + 22, `— ${name}`, 10, palette[i % palette.length] ?? "");
    at += 24 + name.length * 6;
    return text;
  });
  return [...grid, ...lines, ...legend].join("\n");
}

function label(x: number, y: number, text: string, size: number, fill: string): string {
  const safe = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x}" y="${y}" font-size="${size}" fill="${fill}">${safe}</text>`;
}

function unitText(value: number, unit = "short"): string {
  if (unit === "percentunit") return `${(value * 100).toFixed(1)} %`;
  if (unit === "s") return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;
  const base = unit === "bytes" || unit === "Bps" ? 1024 : 1000;
  const steps = base === 1024 ? ["B", "KiB", "MiB", "GiB", "TiB"] : ["", "k", "M", "G"];
  let [left, step] = [value, 0];
  while (left >= base && step < steps.length - 1) [left, step] = [left / base, step + 1];
  const digits = left >= 10 || Number.isInteger(left) ? 0 : 1;
  return `${left.toFixed(digits)} ${steps[step]}`.trim();
}
