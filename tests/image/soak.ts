/** The image's big numbers: stops under load, and orphans. The test does three of the one and a hundred of the other. */
import { endUnderLoad, HARDENED, orphan, start, zombiesOf } from './container.ts';
import { buildImage, importBase, lacking, network, startEngine } from './engine.ts';

export interface ImageSoak {
  /** What keeps it from running here; then the rest is empty. */
  missing: string[];
  stops: { ms: number; code: number }[];
  failures: string[];
  answered: number;
  orphans: number;
  zombies: number;
  left: string[];
}

export async function imageSoak(o: { stops: number; orphans: number; clients: number }): Promise<ImageSoak> {
  const seen: ImageSoak = {
    missing: lacking(),
    stops: [],
    failures: [],
    answered: 0,
    orphans: 0,
    zombies: 0,
    left: [],
  };
  if (seen.missing.length > 0) return seen;
  const engine = await startEngine();
  try {
    const net = await network(engine);
    await importBase(engine);
    await buildImage(engine);
    for (let i = 0; i < o.stops; i++) {
      const container = await start(engine, net, HARDENED);
      const { ms, code, answered, failures } = await endUnderLoad(container, engine, o.clients);
      seen.stops.push({ ms, code });
      seen.answered += answered;
      seen.failures.push(...failures);
      await container.remove();
    }
    const container = await start(engine, net, HARDENED);
    const init = await container.inspect<number>('.State.Pid');
    for (; seen.orphans < o.orphans; seen.orphans += 100) await orphan(engine, container.id, 100);
    for (const end = Date.now() + 5_000; Date.now() < end && zombiesOf(init) > 0; )
      await new Promise((resolve) => setTimeout(resolve, 50));
    seen.zombies = zombiesOf(init);
  } finally {
    await engine.close();
    seen.left = engine.left();
  }
  return seen;
}
