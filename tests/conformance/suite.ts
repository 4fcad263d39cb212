/** Runs the official conformance suite as a user of it would, and reads back what it wrote of each check. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Revision = '2026-07-28' | '2025-11-25';
export const REVISIONS: Revision[] = ['2026-07-28', '2025-11-25'];

interface Check {
  id: string;
  status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO';
  errorMessage?: string;
}

export interface Ran {
  code: number | null;
  printed: string;
  checks: Map<string, Check[]>;
}

const cli = fileURLToPath(
  new URL('../../node_modules/@modelcontextprotocol/conformance/dist/index.js', import.meta.url),
);

/** `excused`: scenarios or `scenario:check` that must fail; the suite itself counts one that passes as a fault. */
export async function suite(url: string, args: string[], excused: string[] = []): Promise<Ran> {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-conformance-'));
  try {
    const out = join(dir, 'out');
    const all = ['server', '--url', url, '-o', out, ...args];
    if (excused.length > 0) {
      const file = join(dir, 'expected.yml');
      writeFileSync(file, `server:\n${excused.map((e) => `  - ${e}\n`).join('')}`);
      all.push('--expected-failures', file);
    }
    const { code, printed } = await run(all);
    return { code, printed, checks: checksIn(out) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function run(args: string[]): Promise<{ code: number | null; printed: string }> {
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  child.stdout.on('data', (d) => {
    printed += d;
  });
  child.stderr.on('data', (d) => {
    printed += d;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, printed })));
}

/** `server-SCENARIO-TIME/checks.json` for each. */
function checksIn(out: string): Ran['checks'] {
  const found = readdirSync(out).map((name): [string, Check[]] => {
    const scenario = /^server-(.*?)-\d{4}-\d\d-\d\dT/.exec(name)?.[1] ?? name;
    return [scenario, JSON.parse(readFileSync(join(out, name, 'checks.json'), 'utf8')) as Check[]];
  });
  return new Map(found);
}

/** Held: something was tested, and nothing of it failed or was called wrong. */
export const held = (checks: readonly Check[]): boolean =>
  checks.some((c) => c.status === 'SUCCESS' && c.id !== 'wire-schema-valid') &&
  checks.every((c) => c.status !== 'FAILURE' && c.status !== 'WARNING');
