/** What reading a log of many megabytes costs, through the tool and naively, each in a process of its own. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../e2e/product.ts';
import { IMAGE, type LabEngine, until } from './engine.ts';
import type { LogCost } from './log_reader.ts';

export interface LogSoak {
  /** The last match, from the log's end. */
  newest: LogCost;
  /** As far as a call reads by itself. */
  bounded: LogCost;
  /** All of it, without the bound on time. */
  whole: LogCost;
  naive: LogCost;
}

/** Each line is a hundred bytes, of which the engine makes about 130, or 160 with its time stamps. */
export async function logSoak(lab: LabEngine, lines: number): Promise<LogSoak> {
  const name = `big-${lines}`;
  const text = `2026-01-01 00:00:00 INFO some service did ${'x'.repeat(58)}`;
  const command = `yes '${text}' | head -n ${lines - 1}; echo ERROR the needle`;
  await lab.docker(['run', '-d', '--name', name, '--network', 'none', IMAGE, 'sh', '-c', command]);
  await until(
    'the log is written',
    async () => (await lab.docker(['inspect', '-f', '{{.State.Status}}', name])).out.trim() === 'exited',
    300_000,
  );
  const cost = (how: string, args: object): LogCost => {
    const file = join(root, 'tests/docker/log_reader.ts');
    const ran = spawnSync(process.execPath, [file, how, lab.socket, name, JSON.stringify(args)], {
      encoding: 'utf8',
      timeout: 300_000,
    });
    if (ran.status !== 0) throw new Error(`${how}: ${ran.status} ${ran.stderr.slice(-2_000)}`);
    return JSON.parse(ran.stdout) as LogCost;
  };
  return {
    newest: cost('ours', { grep: 'needle', limit: 1 }),
    bounded: cost('ours', { grep: 'nothing has this', order: 'oldest' }),
    whole: cost('whole', {}),
    naive: cost('naive', {}),
  };
}
