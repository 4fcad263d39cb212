/** The contract of a DockerHost, held by the fake. Real engines: real.test.ts. */
import { describe } from 'vitest';
import { fakeDocker } from '../fakes/docker.ts';
import { FAKE_NOW_MS, fakeContainer, fakeImage } from '../fakes/docker_parts.ts';
import { changeContract, readContract } from './contract.ts';

describe('fake', () => {
  const line = (stream: 'stdout' | 'stderr', text: string, i: number) => ({
    stream,
    text,
    atMs: FAKE_NOW_MS - 60_000 + i,
    nanos: 0,
    cut: false,
  });
  const image = fakeImage('local/busybox:1', { usedBy: ['running', 'ended'] });
  const of = { image: 'local/busybox:1', imageId: image.id };
  const docker = fakeDocker({
    images: [image],
    containers: [
      fakeContainer('running', { ...of, labels: { lab: 'yes' } }),
      fakeContainer('ended', {
        ...of,
        state: 'exited',
        status: 'Exited (3) 1 minute ago',
        exitCode: 3,
        finishedAtMs: FAKE_NOW_MS - 60_000,
        logs: [line('stdout', 'one', 0), line('stderr', 'bad', 1), line('stdout', 'two', 2)],
        events: [{ atMs: FAKE_NOW_MS - 60_000, what: 'die', detail: { exitCode: '3' } }],
      }),
      fakeContainer('victim', of),
    ],
  });
  const world = {
    docker,
    running: 'running',
    ended: 'ended',
    labelled: 'running',
    victim: 'victim',
    image: 'local/busybox:1',
    events: true,
  };
  readContract(() => world);
  changeContract(() => world);
});
