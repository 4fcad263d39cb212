/**
 * The contract of a DockerHost, held by the adapter in front of real engines: Docker 26, Docker 20.10, and Podman (reading). Then what
 * only they can show. Loud when it is skipped.
 */
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { dockerAt } from '../../src/host/docker/index.ts';
import { lacking as lackingOld, startEngine } from '../image/engine.ts';
import { changeContract, readContract, type World } from './contract.ts';
import { IMAGE, importImage, type LabEngine, labSettings, lacking, realClock, startLab, until } from './engine.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real) process.stderr.write('SKIPPED tests/docker/real: needs DECKHAND_REAL=1, root, debootstrap and docker.\n');
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);
const noOld = real ? lackingOld() : [];
if (noOld.length > 0) process.stderr.write(`SKIPPED Docker 20.10 in tests/docker/real: ${noOld.join(', ')} missing.\n`);

type Runs = Pick<LabEngine, 'docker'>;
const SAYS = 'echo one; echo bad >&2; echo two; exit 3';

/** No network of its own where the engine has none to give. */
async function fill(engine: Runs, network: string[]): Promise<void> {
  const run = (name: string, args: string[], command: string[]) =>
    engine.docker(['run', '-d', '--name', name, ...network, ...args, IMAGE, ...command]);
  await run('running', ['--label', 'lab=yes'], ['sleep', '100000']);
  // As the first process of its container it is deaf to TERM unless it says what to do.
  await run('victim', [], ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done']);
  await run('ended', [], ['sh', '-c', SAYS]);
  await until('ended has ended', async () => {
    const { out } = await engine.docker(['inspect', '-f', '{{.State.Status}}', 'ended']);
    return out.trim() === 'exited';
  });
}

const names = { running: 'running', ended: 'ended', labelled: 'running', victim: 'victim', image: IMAGE };

describe.runIf(real)('Docker 26', { timeout: 120_000 }, () => {
  let lab: LabEngine;
  const world = (): World & { victim: string } => ({ docker: lab.host, ...names, events: true });
  beforeAll(async () => {
    lab = await startLab('docker');
    await fill(lab, []);
  }, 400_000);
  afterAll(async () => {
    await lab.close();
    expect(lab.left()).toEqual([]);
  }, 60_000);
  readContract(world);
  changeContract(world);
});

describe.runIf(real)('Podman', { timeout: 120_000 }, () => {
  let lab: LabEngine;
  beforeAll(async () => {
    lab = await startLab('podman');
    await fill(lab, ['--network', 'none']);
  }, 400_000);
  afterAll(async () => {
    await lab.close();
    expect(lab.left()).toEqual([]);
  }, 60_000);
  readContract(() => ({ docker: lab.host, ...names, events: false }));
});

describe.runIf(real && noOld.length === 0)('Docker 20.10', { timeout: 120_000 }, () => {
  let old: Awaited<ReturnType<typeof startEngine>>;
  let docker: ReturnType<typeof dockerAt>;
  const world = (): World & { victim: string } => ({ docker, ...names, events: true });
  beforeAll(async () => {
    old = await startEngine();
    docker = dockerAt({ settings: labSettings(`unix://${old.dir}/docker.sock`), clock: realClock });
    await importImage(old, IMAGE);
    await fill(old, ['--network', 'none']);
  }, 120_000);
  afterAll(async () => {
    docker.close();
    await old.close();
    expect(old.left()).toEqual([]);
  }, 60_000);
  readContract(world);
  changeContract(world);
});
