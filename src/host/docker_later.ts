/**
 * Docker, loaded when it is first asked for: dockerode and its adapter cost no start anything. Decides nothing else; the adapter is
 * docker/index.ts.
 */
import type { DockerHost } from '../core/docker.ts';
import type { DockerOptions, OpenDocker } from './docker/index.ts';

export function dockerLater(o: DockerOptions): { docker: DockerHost; close(): void } {
  let loading: Promise<OpenDocker> | null = null;
  let closed = false;
  const open = () => {
    loading ??= import('./docker/index.ts').then((m) => {
      const docker = m.dockerAt(o);
      if (closed) docker.close();
      return docker;
    });
    return loading;
  };

  /** The same interface, each method waiting for the real one. */
  function later<K extends keyof DockerHost>(part: K, methods: readonly (keyof DockerHost[K])[]): DockerHost[K] {
    return Object.fromEntries(
      methods.map((name) => [
        name,
        async (...args: unknown[]) => ((await open())[part][name] as (...args: unknown[]) => Promise<unknown>)(...args),
      ]),
    ) as unknown as DockerHost[K];
  }

  return {
    docker: {
      engines: later('engines', ['status', 'info', 'usage']),
      containers: {
        ...later('containers', ['list', 'runs', 'inspect', 'samples', 'events']),
        logs: async function* (ref, window) {
          return yield* (await open()).containers.logs(ref, window);
        },
      },
      images: later('images', ['list', 'inspect', 'remoteDigest', 'pull', 'remove', 'pruneDangling']),
      changes: later('changes', [
        ...(['start', 'stop', 'restart', 'pause', 'unpause', 'kill'] as const),
        ...(['remove', 'rename', 'restartPolicy', 'raw', 'recreate'] as const),
      ]),
      stacks: later('stacks', ['list', 'compose']),
    },
    close() {
      closed = true;
      void loading?.then((docker) => docker.close());
    },
  };
}
