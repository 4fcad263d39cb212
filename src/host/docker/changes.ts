/**
 * Changes of containers, each one request, and `recreate`, which is several that end as one or as none. Whether a change may be made,
 * and what is done when it fails in the end, is decided above.
 */
import type { DockerChangeHost, ToEngine } from '../../core/docker.ts';
import { OpsError } from '../../core/errors.ts';
import { type Choose, containerRef, withNearNames } from './containers.ts';
import { imageRef } from './images.ts';
import { canonical, differences, makingOf } from './recreate.ts';
import { record, records, type Said, text } from './said.ts';

const SIGNAL = /^(?:SIG)?[A-Z][A-Z0-9+-]{1,12}$/;
const RESTART = new Set(['no', 'always', 'unless-stopped', 'on-failure']);
const MOST_GRACE_S = 600;

export function changeAdapter(choose: Choose): DockerChangeHost {
  type One = ReturnType<import('dockerode').default['getContainer']>;
  const one = async (ref: string, o: ToEngine | undefined, run: (c: One) => Promise<unknown>, extraMs = 0) => {
    containerRef(ref);
    const engine = choose(o);
    return withNearNames(engine, ref, o, () =>
      engine.ask((docker) => run(docker.getContainer(ref)), { ...o, extraMs }),
    );
  };
  const graceMs = ({ graceS }: { graceS: number }) => {
    if (Number.isInteger(graceS) && graceS >= 0 && graceS <= MOST_GRACE_S) return graceS * 1_000;
    throw new OpsError('validation', `The grace is a whole number of seconds from 0 to ${MOST_GRACE_S}.`);
  };
  const raw = async (ref: string, o?: ToEngine) =>
    record(await one(ref, o, (c) => c.inspect())) as Record<string, unknown>;

  return {
    async start(ref, o) {
      await one(ref, o, (c) => c.start());
    },
    async stop(ref, o) {
      await one(ref, o, (c) => c.stop({ t: o.graceS }), graceMs(o));
    },
    async restart(ref, o) {
      await one(ref, o, (c) => c.restart({ t: o.graceS }), graceMs(o));
    },
    async pause(ref, o) {
      await one(ref, o, (c) => c.pause());
    },
    async unpause(ref, o) {
      await one(ref, o, (c) => c.unpause());
    },
    async kill(ref, o) {
      if (!SIGNAL.test(o.signalName))
        throw new OpsError('validation', 'This is no name of a signal.', { hint: 'Such as SIGTERM, SIGHUP, SIGUSR1.' });
      await one(ref, o, (c) => c.kill({ signal: o.signalName }));
    },
    async remove(ref, o) {
      await one(ref, o, (c) => c.remove({ force: o.force, v: o.volumes }));
    },
    async rename(ref, name, o) {
      containerRef(name);
      await one(ref, o, (c) => c.rename({ name }));
    },
    async restartPolicy(ref, policy, o) {
      if (!RESTART.has(policy.name)) throw new OpsError('validation', 'This is no restart policy.');
      const RestartPolicy = { Name: policy.name, MaximumRetryCount: policy.maximumRetries };
      await one(ref, o, (c) => c.update({ RestartPolicy }));
    },
    raw,

    async recreate(given, o) {
      containerRef(o.name);
      imageRef(o.image);
      const engine = choose(o);
      const id = containerRef(text(given.Id));
      // What is asked for is what the engine says of the old one, not what a caller may have put in.
      const now = await raw(id, o);
      if (kept(now) !== kept(given))
        throw new OpsError('conflict', 'The container is not what it was when this change was prepared.', {
          hint: 'Look at it again, and ask for the change anew.',
        });
      const oldImage = await engine
        .ask((docker) => docker.getImage(imageName(text(now.Image))).inspect(), o)
        .then(
          (said) => record(record(said).Config),
          (thrown: unknown) => {
            if (thrown instanceof OpsError && thrown.code === 'not_found') return null;
            throw thrown;
          },
        );
      const making = await engine.ask(
        async (_, { apiVersion }) => makingOf({ ...now, ...networksOf(given) }, o.image, oldImage, apiVersion),
        o,
      );
      const made = await engine.ask(
        (docker) => docker.createContainer({ _query: { name: o.name }, _body: making.body }),
        o,
      );
      try {
        for (const { network, endpoint } of making.connect)
          await engine.ask(
            (docker) => docker.getNetwork(network).connect({ Container: made.id, EndpointConfig: endpoint }),
            o,
          );
        const differs = differences({ ...now, ...networksOf(given) }, making, await raw(made.id, o));
        if (differs.length > 0)
          throw new OpsError(
            'conflict',
            `The engine made the new container otherwise: ${differs.slice(0, 20).join(', ')}.`,
            {
              hint: 'It was removed again; the old container is as it was.',
            },
          );
        return made.id;
      } catch (thrown) {
        // Also when the caller has left: half a container must not stay.
        await engine
          .ask((docker) => docker.getContainer(made.id).remove({ force: true, v: false }))
          .catch((cause: unknown) => {
            throw new OpsError(
              'unavailable',
              `A new container ${made.id.slice(0, 12)} was made and could not be removed again.`,
              {
                hint: `Remove it: docker rm -f ${made.id.slice(0, 12)}. The old container is as it was.`,
                cause,
              },
            );
          });
        throw thrown;
      }
    },
  };
}

/** What of a container must not have changed since it was looked at: all that is made anew, but no address that comes and goes. */
function kept(said: Said): string {
  const mounts = records(said.Mounts).toSorted((a, b) => (text(a.Destination) < text(b.Destination) ? -1 : 1));
  const networks = Object.entries(record(record(said.NetworkSettings).Networks))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => {
      const { IPAMConfig, Aliases, Links, DriverOpts } = record(value);
      return [name, { IPAMConfig, Aliases, Links, DriverOpts }];
    });
  return canonical([said.Config, said.HostConfig, mounts, networks]);
}

/** As they were while it ran: a container that is stopped has lost its addresses. */
const networksOf = (given: Record<string, unknown>) => ({ NetworkSettings: given.NetworkSettings });

const imageName = (id: string) => {
  imageRef(id);
  return id;
};
