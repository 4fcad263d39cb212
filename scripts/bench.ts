/**
 * `npm run bench [part…] [--json FILE] [--long]`: how fast and how small, as ratios to references that run in the same minutes, because on
 * a shared machine only ratios can be compared. Every call that is timed is also checked. What a part measures is its own file's
 * business; here they are run one after the other and put into one table. Exit code 1 when a budget is missed.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { door } from './bench/door.ts';
import { host } from './bench/host.ts';
import { http } from './bench/http.ts';
import type { Budget, Row } from './bench/measure.ts';
import { memory } from './bench/memory.ts';
import { start } from './bench/start.ts';
import { tokens } from './bench/tokens.ts';

const PARTS: Record<string, { about: string; run(o: { long: boolean }): Promise<Row[]> }> = {
  start: { about: 'cold start over stdio', run: start },
  memory: { about: 'memory and idle processor time (60 s of load and a minute after it with --long)', run: memory },
  door: { about: 'the nine steps of the door', run: door },
  http: { about: 'one small call over HTTP at 1, 16 and 100 clients', run: http },
  host: { about: 'a snapshot and the list of processes', run: host },
  tokens: { about: 'what lists and answers cost a model', run: tokens },
};

function asked({ times, atLeast, over, most, aim }: Budget, unit: string): string {
  const parts: string[] = [];
  if (times !== undefined) parts.push(`≤ ${times} ×`);
  if (atLeast !== undefined) parts.push(`≥ ${atLeast} ×`);
  if (over !== undefined) parts.push(`≤ +${over} ${unit}`);
  if (most !== undefined) parts.push(`≤ ${most} ${unit}`);
  if (aim !== undefined) parts.push(`(aim ${aim}${times === undefined ? ` ${unit}` : ' ×'})`);
  return parts.join(' ') || '-';
}

const figure = (n: number, unit = '') => {
  const text = Math.abs(n) >= 100 ? n.toFixed(0) : Math.abs(n) >= 10 ? n.toFixed(1) : n.toFixed(2);
  return unit ? `${text} ${unit}` : text;
};

function table(rows: readonly Row[]): string {
  const lines = [
    ['part', 'figure', 'measured', 'reference', 'ratio', 'budget', ''],
    ...rows.map((r) => [
      r.part,
      r.what,
      figure(r.value, r.unit),
      r.reference ? `${r.reference.what} ${figure(r.reference.value)}` : '-',
      r.ratio === null ? '-' : `${r.ratio.toFixed(2)} ×`,
      asked(r.budget, r.unit),
      [r.met === null ? '' : r.met ? 'met' : 'MISSED', r.note].filter(Boolean).join(', '),
    ]),
  ];
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map((l) => (l[i] ?? '').length))) ?? [];
  return lines
    .map((l) =>
      l
        .map((c, i) => c.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

async function main(argv: readonly string[]): Promise<number> {
  const words = [...argv];
  const at = words.indexOf('--json');
  const file = at === -1 ? undefined : words.splice(at, 2)[1];
  const long = words.includes('--long');
  const wanted = words.filter((w) => w !== '--long');
  const unknown = wanted.find((w) => !PARTS[w]);
  if (unknown !== undefined || (at !== -1 && file === undefined)) {
    process.stderr.write(`Usage: npm run bench [-- ${Object.keys(PARTS).join('|')}] [--json FILE] [--long]\n`);
    return 2;
  }
  const rows: Row[] = [];
  for (const [name, part] of Object.entries(PARTS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    process.stderr.write(`${name}: ${part.about} …\n`);
    rows.push(...(await part.run({ long })));
  }
  process.stdout.write(`${table(rows)}\n`);
  const missed = rows.filter((r) => r.met === false).length;
  process.stdout.write(`Node ${process.version}, ${cpus().length} processors; budgets missed: ${missed}\n`);
  if (file !== undefined) {
    const about = {
      at: new Date().toISOString(),
      node: process.version,
      processors: cpus().length,
      cpu: cpus()[0]?.model,
    };
    writeFileSync(file, `${JSON.stringify({ ...about, rows }, null, 2)}\n`);
  }
  return missed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
