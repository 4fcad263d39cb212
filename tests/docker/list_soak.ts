/** What a list of a hundred containers costs through the tool, and by plain HTTP to the same engine in the same run. */
import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { ContainerListAnswer } from '../../src/tools/container_list.ts';
import { asked } from '../tools/docker_asked.ts';
import { IMAGE, type LabEngine } from './engine.ts';

export interface ListSoak {
  containers: number;
  /** Medians in ms: ours, and by plain HTTP. */
  list: [ours: number, raw: number];
  stats: [ours: number, raw: number];
  /** Containers whose CPU was measured. */
  measured: number;
}

/** As many questions at once as the adapter has. */
const AT_ONCE = 6;
const ROUNDS = 5;

export async function listSoak(lab: LabEngine, n: number): Promise<ListSoak> {
  const names = Array.from({ length: n }, (_, i) => `c${i}`);
  await atOnce(names, 4, async (name) => {
    await lab.docker(['run', '-d', '--name', name, '--network', 'none', IMAGE, 'sleep', '100000'], { ms: 120_000 });
  });
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const get = (path: string) =>
    new Promise<unknown>((resolve, reject) => {
      const q = request({ socketPath: lab.socket, path: `/v1.45${path}`, agent }, (r) => {
        let body = '';
        r.setEncoding('utf8');
        r.on('data', (part) => {
          body += part;
        }).on('end', () => (r.statusCode === 200 ? resolve(JSON.parse(body)) : reject(new Error(`${path}: ${body}`))));
      });
      q.on('error', reject).end();
    });
  const inspected = async () => {
    const ids = ((await get('/containers/json?all=1')) as { Id: string }[]).map((c) => c.Id);
    await atOnce(ids, AT_ONCE, (id) => get(`/containers/${id}/json`));
    return ids;
  };
  const sampled = async () => {
    const [ids] = await Promise.all([inspected(), get('/info')]);
    const round = () => atOnce(ids, AT_ONCE, (id) => get(`/containers/${id}/stats?stream=false&one-shot=true`));
    const gap = pause(1_000);
    await round();
    await gap;
    await round();
  };
  let measured = 0;
  // A copy has no earlier samples to lean on: each call is a first one.
  const ours = async (args: object) => {
    const { data } = await asked<ContainerListAnswer>({ ...lab.host }, 'container_list', { ...args, limit: 1 });
    if (data.total !== n || data.unknown.length > 0) throw new Error(JSON.stringify(data.unknown));
    measured = (data.containers[0]?.cpuPercent ?? null) === null ? measured : data.total;
  };
  const times: Record<string, number[]> = {};
  const timed = async (what: string, work: () => Promise<unknown>) => {
    const began = performance.now();
    await work();
    times[what] = [...(times[what] ?? []), performance.now() - began];
  };
  try {
    await ours({});
    await inspected();
    for (let i = 0; i < ROUNDS; i++) {
      await timed('list ours', () => ours({}));
      await timed('list raw', inspected);
      await timed('stats ours', () => ours({ stats: true }));
      await timed('stats raw', sampled);
    }
  } finally {
    agent.destroy();
  }
  const median = (what: string) => (times[what] ?? []).toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN;
  return {
    containers: n,
    list: [median('list ours'), median('list raw')],
    stats: [median('stats ours'), median('stats raw')],
    measured,
  };
}

async function atOnce<T>(all: readonly T[], most: number, work: (one: T) => Promise<unknown>): Promise<void> {
  const left = [...all];
  const worker = async () => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: most }, worker));
}
