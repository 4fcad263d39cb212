/**
 * Who may be changed: what the owner allows by name, or by a label on the container itself; never what is protected, what we run in, and
 * what our own way to the engine or to the tailnet hangs on. Pure. A refusal says which setting or label would allow it.
 */
import type { DockerRules, Self } from '../core/docker_control.ts';
import { imageParts } from '../core/docker_refs.ts';
import { like } from '../core/like.ts';

export const RIGHTS = ['control', 'update', 'remove'] as const;
export type Right = (typeof RIGHTS)[number];

export interface Guarded {
  id: string;
  name: string;
  image: string;
  labels: Readonly<Record<string, string>>;
  hostname: string;
  networkMode: string;
}

/** Allowed: `by` says by what. */
export type Guard = { by: string; refused?: undefined } | { refused: string; hint: string };

const ALLOW = 'deckhand.allow';
const PROTECT = 'deckhand.protect';

/** The name that a container kept by an update had before. */
export const OLD = '-deckhand-old-';
export const NEW = '-deckhand-new-';
export const shortOf = (id: string): string => id.slice(0, 12);

/**
 * `imageLabels`: of the image it was made from, null where they are not known. An engine gives a container the labels of its image, too:
 * whoever builds an image could let it be changed, were they not told apart.
 */
export function guardOf(
  c: Guarded,
  right: Right,
  rules: DockerRules,
  self: Self,
  imageLabels: Readonly<Record<string, string>> | null,
): Guard {
  const never = neverOf(c, rules, self);
  if (never) return never;
  // Its own id stands in the name, so nobody else's container is taken for it.
  const kept = `${OLD}${shortOf(c.id)}`;
  const names = c.name.endsWith(kept) ? [c.name, c.name.slice(0, -kept.length)] : [c.name];
  const glob = rules.allow.find((g) => names.some((n) => like(g, n)));
  if (glob !== undefined) return { by: `docker.allow: ${glob}` };
  const label = own(c.labels, ALLOW);
  const hint = `The owner may add ${names.at(-1)} to \`docker.allow\` in the config, or the label ${ALLOW}=${right} to the container.`;
  if (label === undefined)
    return { refused: `${c.name} may not be changed: neither the config nor a label allows it.`, hint };
  if (!label.split(',').some((word) => word.trim() === right))
    return { refused: `${c.name} may not be changed so: its label ${ALLOW} does not name ${right}.`, hint };
  if (imageLabels === null || own(imageLabels, ALLOW) === label)
    return {
      refused: `The label ${ALLOW} of ${c.name} ${imageLabels === null ? 'may be' : 'is'} its image’s, not its owner’s, and does not count.`,
      hint: `The owner may add ${names.at(-1)} to \`docker.allow\` in the config.`,
    };
  return { by: `label ${ALLOW}=${right}` };
}

function neverOf(c: Guarded, rules: DockerRules, self: Self): Guard | null {
  const refused = (why: string, hint: string): Guard => ({ refused: `${c.name} is protected: ${why}.`, hint });
  const person = 'Deckhand never changes it; a person can, on the host.';
  if (isSelf(c, self)) return refused('Deckhand itself runs in it', person);
  const shared = /^container:(.+)$/.exec(c.networkMode)?.[1];
  if (shared !== undefined && self.ids.some((id) => sameId(shared, id)))
    return refused('it shares its network with Deckhand', person);
  const glob = rules.protect.find((g) => like(g, c.name));
  if (glob !== undefined)
    return refused(`docker.protect names ${glob}`, 'The owner may remove it from `docker.protect` in the config.');
  const mark = own(c.labels, PROTECT);
  // Any value but a clear no: a slip in a protection must not open it.
  if (mark !== undefined && mark.trim().toLowerCase() !== 'false')
    return refused(`its label ${PROTECT} says so`, `The owner may make it again without the label ${PROTECT}.`);
  const what = ours(c);
  return what === null ? null : refused(`it looks like ${what}`, person);
}

function isSelf(c: Guarded, self: Self): boolean {
  if (self.ids.some((id) => sameId(c.id, id))) return true;
  // Its id could not be found from within, yet we are in one: whoever has our host name may be us.
  return self.inContainer && self.ids.length === 0 && self.hostname !== '' && c.hostname === self.hostname;
}

const sameId = (a: string, b: string): boolean => {
  const n = Math.min(a.length, b.length);
  return n >= 12 && a.slice(0, n) === b.slice(0, n);
};

function ours(c: Guarded): string | null {
  const repository = imageParts(c.image)?.repository ?? c.image;
  const title = own(c.labels, 'org.opencontainers.image.title');
  if (title === 'Deckhand' || /(?:^|\/)deckhand$/.test(repository)) return 'a Deckhand';
  if (/(?:^|\/)(?:docker-)?socket-proxy$/.test(repository)) return 'the proxy in front of the engine’s socket';
  if (/(?:^|\/)tailscale\/tailscale$/.test(repository)) return 'the way to the tailnet (Tailscale)';
  return null;
}

function own(labels: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}
