/** Runs the files of tests that ask counts.ts how many cases to try, with all of them. For `npm run soak counts`. */
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Report {
  numPassedTests: number;
  testResults: { name: string; message: string; assertionResults: { fullName: string; status: string }[] }[];
}

export function countsSoak(): { files: number; passed: number; failed: string[] } {
  const asks = (f: string) =>
    /from '\.\.?\/(?:counts|hostile_refs)\.ts'/.test(readFileSync(join(root, f), 'utf8').replaceAll('../', './'));
  const files = globSync('tests/*/*.test.ts', { cwd: root }).filter(asks);
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-counts-'));
  try {
    const report = join(dir, 'report.json');
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const { status } = spawnSync(
      process.execPath,
      [vitest, 'run', '--reporter=json', `--outputFile=${report}`, ...files],
      {
        cwd: root,
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, DECKHAND_COUNTS: 'all' },
      },
    );
    const { numPassedTests, testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
    const failed = testResults.flatMap((t) => [
      ...(t.message ? [`${t.name}: ${t.message.split('\n')[0]}`] : []),
      ...t.assertionResults.filter((a) => a.status === 'failed').map((a) => a.fullName),
    ]);
    return {
      files: files.length,
      passed: numPassedTests,
      failed: failed.length || status === 0 ? failed : [`exit ${status}`],
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
