/**
 * Docker behind core's `DockerHost`: which engines there are, one adapter each with its own circuit, and the readers put together.
 * Loaded when Docker is first asked for (host/docker_later.ts): no start pays for dockerode.
 */
import type { DockerHost, ToEngine } from '../../core/docker.ts';
import { OpsError } from '../../core/errors.ts';
import { nearest } from '../../core/nearest.ts';
import { type Exec, exec, findBinary } from '../exec.ts';
import { changeAdapter } from './changes.ts';
import { containerReader } from './containers.ts';
import {
  type DockerSettings,
  type Found,
  findEngines,
  type Machine,
  parseEndpoint,
  thisMachine,
  wayTo,
  whyNone,
} from './endpoint.ts';
import { type Engine, type EngineClock, engineAt } from './engine.ts';
import { imageAdapter } from './images.ts';
import { logReader } from './logs.ts';
import { connectSsh } from './ssh.ts';
import { composeVersion, stackAdapter } from './stacks.ts';
import { engineReader } from './usage.ts';

export interface DockerOptions {
  settings: DockerSettings;
  clock: EngineClock;
  machine?: Machine;
  /** What runs the docker command line; the tests bring one that runs none. */
  exec?: Exec;
}

export interface OpenDocker extends DockerHost {
  close(): void;
}

export function dockerAt(o: DockerOptions): OpenDocker {
  const machine = o.machine ?? thisMachine;
  const open = new Map<string, Engine>();

  const engineOf = (found: Found): Engine => {
    const key = `${found.name} ${found.endpoint}`;
    const engine =
      open.get(key) ??
      engineAt(
        found,
        () =>
          wayTo(parseEndpoint(found.endpoint, found.tls), found.certPath, (address) => ({
            kind: 'dial',
            open: () => connectSsh(address),
          })),
        o.clock,
      );
    open.set(key, engine);
    return engine;
  };
  // Looked at anew each time: an engine may be installed, or started, while this process runs.
  const all = () => findEngines(o.settings, machine).map(engineOf);

  const choose = (to?: ToEngine): Engine => {
    const engines = all();
    const wanted = to?.engine;
    const [first] = engines;
    if (!first) throw new OpsError('unavailable', 'There is no container engine here.', { hint: whyNone(machine) });
    const engine = wanted === undefined ? first : engines.find((e) => e.found.name === wanted);
    if (engine) return engine;
    const names = engines.map((e) => e.found.name);
    const near = nearest(wanted ?? '', names, 3);
    throw new OpsError('not_found', 'No engine has this name.', {
      hint: 'docker_system lists the engines that are configured.',
      candidates: near.length > 0 ? near : names,
    });
  };

  const composing = { exec: o.exec ?? exec, has: () => findBinary('docker') !== null, elapsed: o.clock.elapsed };
  return {
    engines: {
      async status(bounded = {}) {
        const engines = await Promise.all(all().map((e) => e.status(bounded)));
        return { engines, why: engines.length > 0 ? null : whyNone(machine) };
      },
      ...engineReader(choose, composeVersion(composing)),
    },
    containers: { ...containerReader(choose), logs: logReader(choose) },
    images: imageAdapter(choose),
    changes: changeAdapter(choose),
    stacks: stackAdapter(choose, composing),
    close() {
      for (const engine of open.values()) engine.close();
    },
  };
}
