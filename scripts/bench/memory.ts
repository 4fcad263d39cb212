/** Memory and idle processor time: of a client's stdio process, and of `serve` before, under and after load. */
import { generator, job, modernRequest } from './http.ts';
import { cpuMs, median, type Row, row, rssMb, sleep } from './measure.ts';
import { FLAGS, launcher, place, startProduct } from './product.ts';
import { ECHO, spoken } from './start.ts';

/** Until what is put off after the first answer has been done. */
const SETTLE_MS = 8_000;

export async function memory({ long }: { long: boolean }): Promise<Row[]> {
  using at = place();
  const bare: number[] = [];
  const stdio: number[] = [];
  const together = await Promise.all([
    ...[1, 2, 3].map(() => spoken(ECHO, at.env, 'tools/list')),
    ...[1, 2, 3].map(() => spoken([...FLAGS, launcher, 'stdio'], at.env, '"tools":[')),
  ]);
  await using product = await startProduct(FLAGS);
  await sleep(SETTLE_MS);
  together.forEach(({ pid }, i) => void (i < 3 ? bare : stdio).push(rssMb(pid)));
  await Promise.all(together.map((p) => p.end()));
  const against = { what: 'bare Node', value: median(bare) };
  const idle = rssMb(product.pid);

  const seconds = long ? 60 : 20;
  const from = cpuMs(product.pid);
  await sleep(seconds * 1_000);
  const percent = (cpuMs(product.pid) - from) / (seconds * 10);

  const under = long ? 60 : 15;
  using load = generator();
  await load.run({ ...job({ at: product, request: modernRequest(product) }), clients: 100, ms: under * 1_000 });
  const rows = [
    row('memory', 'RSS of stdio, idle', median(stdio), 'MB', { against, budget: { over: 25 } }),
    row('memory', 'RSS of serve, idle, sampling', idle, 'MB', { against, budget: { over: 40 } }),
    row('memory', `RSS of serve after ${under} s of 100 clients`, rssMb(product.pid), 'MB', { budget: { most: 140 } }),
  ];
  if (long) {
    await sleep(60_000);
    rows.push(row('memory', 'RSS of serve one minute later', rssMb(product.pid), 'MB', { budget: { most: 110 } }));
  }
  rows.push(
    row('memory', `CPU of serve, idle, of ${seconds} s`, percent, '% of a core', { budget: { most: 0.2, aim: 0.1 } }),
  );
  return rows;
}
