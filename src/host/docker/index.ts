/**
 * Docker behind core's `DockerHost`: which engines there are, one adapter each with its own circuit, and the readers put together.
 * Loaded when Docker is first asked for (host/index.ts): no start pays for dockerode.
 */
import type { DockerHost, ToEngine } from '../../core/docker.ts';
import { OpsError } from '../../core/errors.ts';
import { nearest } from '../../core/nearest.ts';
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

export interface DockerOptions {
  settings: DockerSettings;
  clock: EngineClock;
  machine?: Machine;
}

export interface OpenDocker extends DockerHost {
  close(): void;
}

export function dockerAt(o: DockerOptions): OpenDocker {
  const machine = o.machine ?? thisMachine;
  const open = new Map<string, Engine>();

  const engineOf = (found: Found): Engine => {
    const key = `${found.name} ${found.endpoint}`;
    let engine = open.get(key);
    if (!engine) {
      engine = engineAt(
        found,
        () =>
          wayTo(parseEndpoint(found.endpoint, found.tls), found.certPath, () => {
            throw new OpsError('unavailable', 'ssh is not there yet.');
          }),
        o.clock,
      );
      open.set(key, engine);
    }
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
    throw new OpsError('not_found', 'No engine has this name.', {
      hint: 'docker_system lists the engines that are configured.',
      candidates: nearest(wanted ?? '', names, 3).length > 0 ? nearest(wanted ?? '', names, 3) : names,
    });
  };

  return {
    engines: {
      async status(bounded = {}) {
        const engines = await Promise.all(all().map((e) => e.status(bounded)));
        return { engines, why: engines.length > 0 ? null : whyNone(machine) };
      },
    },
    containers: { ...containerReader(choose) },
    close() {
      for (const engine of open.values()) engine.close();
    },
  } as unknown as OpenDocker;
}
